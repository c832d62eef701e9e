import { Agent, request } from 'node:https';
import { abortable } from '../abort.ts';
import type { Environment } from '../environment.ts';

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

export interface Call {
  method: 'GET' | 'POST' | 'PATCH';
  /** Relative to the API's address, each segment encoded. */
  path: string;
  query?: Record<string, string>;
  body?: object;
}

export interface ApiOptions {
  /** The address, `https:`. */
  base: string;
  token: string;
  /** With `https_proxy` and `no_proxy`, in either case. */
  environment: Environment;
  /** How long all calls together may take from now on, in milliseconds. */
  limit: number;
  /** Aborts all calls. */
  signal?: AbortSignal;
  /** Called with a line about each answer. */
  onAnswer: (text: string) => void;
}

/** The longest answer that is read, in bytes. The largest page of what is asked for is below 1 MB. */
const LONGEST = 10_000_000;

/** GitHub's REST API. Each call is made once and redirects are not followed, so that the token is sent nowhere else. */
export class Api {
  readonly #options: ApiOptions;
  readonly #signal: AbortSignal;
  #agent: Agent | undefined;

  constructor(options: ApiOptions) {
    this.#options = options;
    const limit = AbortSignal.timeout(options.limit);
    this.#signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  }

  /** Closes connections, so that the process can end. */
  close(): void {
    this.#agent?.destroy();
  }

  /** The answer's JSON. @throws GitHubError */
  async json<T>(call: Call): Promise<T> {
    const started = performance.now();
    const what = `${call.method} ${call.path}`;
    const log = (end: string): void => this.#options.onAnswer(`${what}: ${end} after ${Math.round(performance.now() - started)} ms`);
    let answer: Answer;
    try {
      answer = await abortable(this.#send(call), this.#signal);
    } catch (cause) {
      const why = this.#whyNot(cause);
      log(why);
      throw new GitHubError('no-answer', why, { cause });
    }
    const { status, headers, text } = answer;
    log(String(status));
    if (status < 200 || status >= 300) throw explainAnswer(status, headers, text);
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new GitHubError('answer', `GitHub's answer is not JSON (status ${status})`, { cause });
    }
  }

  async #send({ method, path, query = {}, body }: Call): Promise<Answer> {
    const { base, token, environment, limit } = this.#options;
    const url = new URL(base.replace(/\/+$/, '') + path);
    if (url.protocol !== 'https:') throw new Error('the address of the API is not https, so the token is not sent');
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const content = body === undefined ? undefined : JSON.stringify(body);
    // The signal does not end a request that is still waiting for a proxy; the timeout does.
    // Explicitly, because a variable of the environment must not switch the verification off.
    this.#agent ??= new Agent({ keepAlive: true, timeout: limit, rejectUnauthorized: true, proxyEnv: { ...environment } });
    const sent = request(url, {
      agent: this.#agent,
      method,
      signal: this.#signal,
      headers: {
        Accept: 'application/vnd.github+json',
        Authorization: `Bearer ${token}`,
        'User-Agent': 'rollback-daemonset',
        'X-GitHub-Api-Version': '2022-11-28',
        ...(content !== undefined && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(content) }),
      },
    });
    return new Promise((resolve, reject) => {
      sent.on('error', reject);
      // With an answer such as 101 Switching Protocols, Node emits nothing else. After a response it changes nothing.
      sent.on('close', () => reject(new Error('the connection was closed without an answer')));
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > LONGEST) response.destroy(new Error(`the answer is longer than ${LONGEST / 1_000_000} MB`));
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') }),
        );
      });
      sent.end(content);
    });
  }

  #whyNot(cause: unknown): string {
    const { limit, signal } = this.#options;
    if (signal?.aborted) return 'the job was cancelled';
    if (this.#signal.aborted) return `no answer from GitHub within ${limit / 1_000} s`;
    const { code, message } = cause as NodeJS.ErrnoException;
    // The message has the address, which may contain a password.
    return code === 'ERR_PROXY_INVALID_CONFIG' ? 'the address of the proxy is not valid' : message;
  }
}

interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What an unsuccessful answer means (docs: "Troubleshooting the REST API", "Rate limits for the REST API"). */
export function explainAnswer(status: number, headers: Headers, text: string): GitHubError {
  const said = messageIn(text);
  const answer = `GitHub answered ${status}${said === '' ? '' : ` (${said})`}`;
  const limited = headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0' || /rate limit/i.test(said);
  if (status === 429 || (status === 403 && limited)) return new GitHubError('rate-limit', `${answer}: its rate limit is used up`);
  if (status === 401) return new GitHubError('unauthorized', answer);
  if (status === 404 || (status === 403 && /not accessible by|must have|permission/i.test(said)))
    return new GitHubError('forbidden', answer);
  return new GitHubError('answer', answer);
}

function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message : '';
  } catch {
    return '';
  }
}
