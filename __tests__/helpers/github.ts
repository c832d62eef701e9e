import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createProxy } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateAuthority, type KeyPair, servingCertificate } from '../../testbed/certificates.ts';
import { Description, type Operation } from './openapi.ts';
import { type Any, eventually } from './support.ts';

export const TOKEN = 'ghs_c0ffeec0ffeec0ffeec0ffeec0ffee';
const REPOSITORY = 'octo/fleet';
/** GitHub rejects longer comments. */
const LONGEST_COMMENT = 65_536;

/** What happens to a request instead of a normal answer. */
export type Fault =
  | 'hang'
  | 'close'
  | 'endless'
  | 'switch-protocols'
  | { status: number; message: string; headers?: Record<string, string> }
  | { html: number };

interface User {
  login: string;
  type: 'Bot' | 'User';
}

export interface StoredComment {
  id: number;
  issue: number;
  body: string;
  user: User;
}

export interface StoredDeployment {
  id: number;
  sha: string;
  environment: string;
  statuses: { state: string; description: string; log_url: string; auto_inactive?: boolean }[];
}

/**
 * Simulates the used part of GitHub's REST API over HTTPS for the repository `octo/fleet`. It rejects any request that the published description
 * does not contain, and stores what is written. Its answers are examples from the description, and are validated against it too.
 */
export class GitHub {
  readonly #description: Description;
  readonly #directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-github-'));
  readonly #server;
  readonly #path: string;
  /** The address of the API. */
  url = '';
  /** Its certificate authority, PEM. */
  readonly caFile = join(this.#directory, 'ca.crt');
  /** The errors found in requests and answers. */
  readonly wrong: string[] = [];
  /** The requested operations, by their names in the description. */
  readonly seen: string[] = [];
  comments: StoredComment[] = [];
  deployments: StoredDeployment[] = [];
  /** The numbers of the merged pull requests of each commit. */
  pulls: Record<string, number[]> = {};
  /** The user that the token belongs to. */
  viewer: User = { login: 'github-actions[bot]', type: 'Bot' };
  /** The origin that the addresses of further pages name instead of this one. */
  pagesAt: string | undefined;
  fault: (operation: string) => Fault | undefined = () => undefined;
  #next = 1_000;

  private constructor(of: 'api.github.com' | 'ghes-3.19', authority: KeyPair, { certificate: cert, key }: KeyPair) {
    this.#description = new Description(of);
    this.#path = of === 'api.github.com' ? '' : '/api/v3';
    writeFileSync(this.caFile, authority.certificate);
    this.#server = createServer({ cert, key }, (request, response) => void this.#take(request, response));
  }

  static async start(of: 'api.github.com' | 'ghes-3.19' = 'api.github.com'): Promise<GitHub> {
    const authority = await certificateAuthority();
    const github = new GitHub(of, authority, await servingCertificate(authority));
    await new Promise<void>((ready) => github.#server.listen(0, '127.0.0.1', ready));
    github.url = `https://127.0.0.1:${(github.#server.address() as AddressInfo).port}${github.#path}`;
    return github;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The environment that a runner gives to a step of a run that an event started. */
  environment(event: string, payload: object, more: Record<string, string> = {}): Record<string, string> {
    this.#next += 1;
    const path = join(this.#directory, `event-${this.#next}.json`);
    writeFileSync(path, JSON.stringify(payload));
    return {
      GITHUB_API_URL: this.url,
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_REPOSITORY: REPOSITORY,
      GITHUB_RUN_ID: '77',
      GITHUB_RUN_ATTEMPT: '1',
      GITHUB_WORKFLOW: 'Deploy the agents',
      GITHUB_JOB: 'agents',
      GITHUB_SHA: 'a'.repeat(40),
      GITHUB_EVENT_NAME: event,
      GITHUB_EVENT_PATH: path,
      NODE_EXTRA_CA_CERTS: this.caFile,
      ...more,
    };
  }

  /** Waits until an operation is requested. */
  async asked(operation: string): Promise<void> {
    await eventually(
      operation,
      () => this.seen,
      (seen) => seen.includes(operation),
    );
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const { method = '', headers } = request;
    const url = new URL(request.url ?? '', this.url);
    const operation = url.pathname.startsWith(this.#path)
      ? this.#description.operation(method, url.pathname.slice(this.#path.length))
      : undefined;
    if (!operation) {
      this.wrong.push(`there is no ${method} ${request.url}`);
      return this.#answer(response, undefined, 404, { message: 'Not Found' });
    }
    this.seen.push(operation.name);
    let body: Any;
    try {
      body = text === '' ? undefined : JSON.parse(text);
    } catch {
      this.wrong.push(`${operation.name}: the body is not JSON`);
    }
    const wrong = [...this.#description.wrongIn(operation, url.searchParams, body), ...wrongInHeaders(headers, text)];
    this.wrong.push(...wrong.map((what) => `${operation.name}: ${what}`));
    const fault = this.fault(operation.name);
    if (fault === 'hang') return;
    if (fault === 'close') return void request.socket.destroy();
    if (fault === 'switch-protocols')
      return void request.socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    if (fault === 'endless') return endless(response);
    if (fault && 'html' in fault) return void response.writeHead(fault.html, { 'Content-Type': 'text/html' }).end('<html>Unicorn!</html>');
    if (fault) return this.#answer(response, operation, fault.status, { message: fault.message }, fault.headers);
    const [status, answer] = this.#carryOut(operation, url.searchParams, body);
    this.#answer(response, operation, status, answer, isFullPage(answer, url.searchParams) ? { link: this.#linkToNext(url) } : {});
  }

  #answer(response: ServerResponse, operation: Operation | undefined, status: number, body: Any, headers = {}): void {
    const wrong = operation ? this.#description.wrongInAnswer(operation, status, body) : [];
    this.wrong.push(...wrong.map((what) => `${operation?.name} ${status}: ${what}`));
    response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(body));
  }

  /** The header with the address of the next page, on `pagesAt` if that is set. */
  #linkToNext(url: URL): string {
    const next = new URL(url.pathname + url.search, this.pagesAt ?? url.origin);
    next.searchParams.set('page', String(Number(url.searchParams.get('page') ?? 1) + 1));
    return `<${next.href}>; rel="next"`;
  }

  #carryOut({ name, parameters }: Operation, query: URLSearchParams, body: Any): [number, Any] {
    const { owner, repo, commit_sha = '' } = parameters;
    const [issue, comment, deployment] = ['issue_number', 'comment_id', 'deployment_id'].map((key) => Number(parameters[key]));
    if (owner !== undefined && `${owner}/${repo}` !== REPOSITORY) return [404, { message: 'Not Found' }];
    switch (name) {
      case 'GET /user':
        return this.viewer.type === 'Bot'
          ? [403, { message: 'Resource not accessible by integration' }]
          : [200, { ...this.#description.example('private-user-response-with-public-profile-information'), ...this.viewer }];
      case 'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls':
        return [
          200,
          page(
            (this.pulls[commit_sha] ?? []).map((number) => this.#pull(number, commit_sha)),
            query,
          ),
        ];
      case 'GET /repos/{owner}/{repo}/issues/{issue_number}/comments': {
        const comments = this.comments.filter((one) => one.issue === issue);
        return [200, page(comments, query).map((one) => this.#comment(one))];
      }
      case 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments':
        return this.#write({ id: this.#id(), issue: issue ?? 0, body: '', user: this.viewer }, body.body, 201);
      case 'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}': {
        const stored = this.comments.find(({ id }) => id === comment);
        return stored ? this.#write(stored, body.body, 200) : [404, { message: 'Not Found' }];
      }
      case 'GET /repos/{owner}/{repo}/deployments': {
        const deployments = this.deployments.filter(({ sha }) => sha === query.get('sha'));
        return [200, page(deployments.reverse(), query).map((one) => this.#deployment(one))];
      }
      case 'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': {
        const stored = this.deployments.find(({ id }) => id === deployment);
        if (!stored) return [404, { message: 'Not Found' }];
        return [200, page(stored.statuses.toReversed(), query).map((status) => this.#status(status, stored))];
      }
      case 'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': {
        const stored = this.deployments.find(({ id }) => id === deployment);
        if (!stored) return [404, { message: 'Not Found' }];
        stored.statuses.push(body);
        return [201, this.#status(body, stored)];
      }
      default:
        this.wrong.push(`${name} is not played here`);
        return [500, { message: 'not played' }];
    }
  }

  #write(comment: StoredComment, body: string, status: number): [number, Any] {
    if (body.length > LONGEST_COMMENT) {
      this.wrong.push(`a comment of ${body.length} characters`);
      return [422, { message: 'Validation Failed' }];
    }
    comment.body = body;
    if (!this.comments.includes(comment)) this.comments.push(comment);
    return [status, this.#comment(comment)];
  }

  #comment({ id, body, user }: StoredComment): Any {
    const example = this.#description.example('issue-comment');
    return { ...example, id, body, user: { ...example.user, ...user } };
  }

  #pull(number: number, sha: string): Any {
    const [example] = this.#description.example('pull-request-simple-items');
    example.base.repo.full_name = REPOSITORY;
    // The teams in the example do not match the current description of a team.
    return { ...example, requested_teams: [], number, state: 'closed', merged_at: '2026-01-01T00:00:00Z', merge_commit_sha: sha };
  }

  #deployment({ id, sha, environment }: StoredDeployment): Any {
    const [example] = this.#description.example('deployment-items');
    return { ...example, id, sha, environment };
  }

  #status({ state, description, log_url }: StoredDeployment['statuses'][number], { environment }: StoredDeployment): Any {
    return { ...this.#description.example('deployment-status'), state, description, log_url, target_url: log_url, environment };
  }

  #id(): number {
    this.#next += 1;
    return this.#next;
  }
}

function page<T>(all: T[], query: URLSearchParams): T[] {
  const [size, number] = [Number(query.get('per_page') ?? 30), Number(query.get('page') ?? 1)];
  return all.slice(size * (number - 1), size * number);
}

/** Whether there can be another page. GitHub names it only if there is one; here it can be empty. */
function isFullPage(answer: Any, query: URLSearchParams): boolean {
  return Array.isArray(answer) && answer.length === Number(query.get('per_page') ?? 30);
}

/** As "Getting started with the REST API" requires and recommends. */
function wrongInHeaders(headers: IncomingMessage['headers'], text: string): string[] {
  const wanted: Record<string, string | undefined> = {
    accept: 'application/vnd.github+json',
    authorization: `token ${TOKEN}`,
    'user-agent': headers['user-agent']?.startsWith('rollback-daemonset ') ? headers['user-agent'] : 'rollback-daemonset …',
    'x-github-api-version': '2022-11-28',
    'content-type': text === '' ? undefined : 'application/json; charset=utf-8',
    'content-length': text === '' ? undefined : String(Buffer.byteLength(text)),
  };
  return Object.entries(wanted).flatMap(([name, value]) => (headers[name] === value ? [] : [`header ${name} is ${headers[name]}`]));
}

/** A proxy for HTTPS. With `hang` it accepts a connection and never answers. */
export async function startProxy({ hang = false } = {}): Promise<{ url: string; seen: string[]; stop: () => void }> {
  const seen: string[] = [];
  const server = createProxy().on('connect', ({ url = '', headers }, socket) => {
    seen.push(`${url} ${headers['proxy-authorization'] ?? ''}`.trim());
    socket.on('error', () => {});
    if (hang) return;
    const { hostname, port } = new URL(`https://${url}`);
    const through = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      through.pipe(socket).pipe(through);
    });
    through.on('error', () => socket.destroy());
    socket.on('close', () => through.destroy());
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A body that does not end, as fast as it is read. */
function endless(response: ServerResponse): void {
  const chunk = Buffer.alloc(1_000_000, 'x');
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.on('drain', more);
  more();
}
