import { getOctokit } from '@actions/github';
import { Fetch, type FetchOptions, type Init } from './fetch.ts';

/** GitHub's client. Endpoints are requested by their route: the bundle leaves out a method for each. */
export type Octokit = Pick<ReturnType<typeof getOctokit>, 'request' | 'paginate'>;

/** The methods of each endpoint, for the types of their answers. */
export type Rest = ReturnType<typeof getOctokit>['rest'];

/** An entry of the list that an endpoint answers. */
export type Entry<Method extends () => Promise<{ data: unknown[] }>> = Awaited<ReturnType<Method>>['data'][number];

export type Failure =
  /** The token lacks a permission. GitHub also answers 404 then, to not reveal what exists. */
  | 'forbidden'
  | 'unauthorized'
  | 'rate-limit'
  /** Any other unsuccessful answer. */
  | 'answer'
  /** No answer. */
  | 'no-answer';

/** Why GitHub did not do what was requested. The message never contains the token. */
export class GitHubError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GitHubError';
    this.failure = failure;
  }
}

export interface OctokitOptions extends FetchOptions {
  token: string;
}

/** The headers that "Getting started with the REST API" recommends. */
const HEADERS = { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' };

/** Octokit over our `fetch`. Each request throws a GitHubError if it did not succeed. `close` ends its connections. */
export function connectOctokit({ token, ...options }: OctokitOptions): { octokit: Octokit; close: () => void } {
  const connection = new Fetch(options);
  const { onAnswer } = options;
  const octokit = getOctokit(token, {
    baseUrl: options.base.replace(/\/+$/, ''),
    userAgent: 'rollback-daemonset',
    log: { debug: onAnswer, info: onAnswer, warn: onAnswer, error: onAnswer },
    request: { fetch: (url: string, init: Init) => connection.fetch(url, init) },
  });
  octokit.hook.before('request', ({ headers }) => void Object.assign(headers, HEADERS));
  octokit.hook.error('request', (error) => {
    throw explain(error);
  });
  octokit.hook.after('request', ({ status, headers, data }) => {
    // A redirect, which is not followed.
    if (status >= 300) throw explainAnswer(status, headers, data);
    if (typeof data !== 'object') throw new GitHubError('answer', `GitHub's answer is not JSON (status ${status})`);
  });
  return { octokit, close: () => connection.close() };
}

/** An unsuccessful answer as Octokit reports it. */
interface RequestError extends Error {
  status: number;
  response?: { headers: Headers; data: unknown };
}

function explain(error: unknown): GitHubError {
  const { status, response, message } = error as RequestError;
  return response ? explainAnswer(status, response.headers, response.data) : new GitHubError('no-answer', message, { cause: error });
}

type Headers = Readonly<Record<string, string | number | undefined>>;

/**
 * What an unsuccessful answer means (docs: "Troubleshooting the REST API", "Rate limits for the REST API").
 *
 * @param data the body, parsed if it is JSON.
 */
export function explainAnswer(status: number, headers: Headers, data: unknown): GitHubError {
  const said = messageIn(data);
  const answer = `GitHub answered ${status}${said === '' ? '' : ` (${said})`}`;
  const limited = headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0' || /rate limit/i.test(said);
  if (status === 429 || (status === 403 && limited)) return new GitHubError('rate-limit', `${answer}: its rate limit is used up`);
  if (status === 401) return new GitHubError('unauthorized', answer);
  if (status === 404 || (status === 403 && /not accessible by|must have|permission/i.test(said)))
    return new GitHubError('forbidden', answer);
  return new GitHubError('answer', answer);
}

function messageIn(data: unknown): string {
  const message = typeof data === 'object' && data !== null && 'message' in data ? data.message : undefined;
  return typeof message === 'string' ? message : '';
}
