import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions, Agent as SecureAgent } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { connect as connectSecurely, type TLSSocket } from 'node:tls';
import pLimit from 'p-limit';
import { abortable, sleep } from '../abort.ts';
import { parseJson, stringify } from '../daemonset/json.ts';
import type { Json } from '../daemonset/types.ts';
import { linesOf, startOf, textOf } from './answer-body.ts';
import type { Connection } from './connection.ts';
import { type Answer, explainAnswer, explainBody, explainError, type Failure } from './errors.ts';
import { nextStep } from './retry.ts';
import { send } from './send.ts';
import { ServerClock } from './server-clock.ts';
import { openTunnel } from './tunnel.ts';

/** The time limit for one attempt. For a stream, it ends with the headers of the answer. */
const ATTEMPT_LIMIT_MS = 30_000;
/** Concurrent requests, so that many DaemonSets need few connections. Streams do not count. */
const MAX_REQUESTS = 8;
const MAX_RETRY_AFTER_MS = 30_000;
/** The part of an answer that is read for an error message, in bytes. */
const MAX_ERROR = 64 * 1024;

export interface Call {
  method: 'GET' | 'PATCH' | 'POST';
  path: string;
  query?: Record<string, string>;
  /** Accept the answer in this type. Default: any JSON. */
  accept?: string;
  /** The content type of the body. */
  type?: 'application/json-patch+json' | 'application/merge-patch+json' | 'application/json';
  body?: Json;
  signal: AbortSignal;
}

/** An attempt at a call that failed. */
class FailedAttempt extends Error {
  readonly failure: Failure;
  readonly retryAfterMs: number;
  constructor(failure: Failure, retryAfterMs = 0) {
    super(failure.error.message, { cause: failure.error });
    this.failure = failure;
    this.retryAfterMs = retryAfterMs;
  }
}

/** JSON over HTTP to one API server: one connection pool, credentials from the client library, a time limit for each attempt. */
export class Http {
  readonly server: string;
  readonly clock = new ServerClock();
  readonly #connection: Connection;
  readonly #isKnown: boolean;
  readonly #plainAgent = new Agent({ keepAlive: true });
  readonly #secureAgent = new SecureAgent({ keepAlive: true, keepAliveMsecs: 30_000 });
  readonly #limit = pLimit(MAX_REQUESTS);
  #hasAnswered = false;
  /** Called with each HTTP `Warning` header of the API server and the path of the request. */
  onWarning: (text: string, path: string) => void = () => {};
  /** Called with a line about each answer: method, path with query, status, milliseconds until the headers arrived. */
  onAnswer: (text: string) => void = () => {};

  /** @param isKnown an earlier step reached this server: a call is retried until its signal is aborted. */
  constructor(connection: Connection, isKnown: boolean) {
    this.#connection = connection;
    this.#isKnown = isKnown;
    this.server = connection.server.replace(/\/+$/, '');
  }

  /** Closes connections and stops a credential plugin, so that the process can exit. */
  close(): void {
    this.#plainAgent.destroy();
    this.#secureAgent.destroy();
    this.#connection.plugins.stop();
  }

  /**
   * The decoded JSON of an answer. A request that writes nothing is retried after transient failures. A write is retried only if the
   * server certainly did not process it; if that is unknown, the failure is `answer-lost`.
   *
   * @throws ClusterError, or the reason of the call's signal.
   */
  json<T>(call: Call, decode: (answer: Json) => T): Promise<T> {
    return this.#repeat(call, (response) => this.#read(response, textOf(response), (body) => decode(parseJson(body))));
  }

  /** The text of an answer, up to a size in bytes. */
  text(call: Call, maxBytes: number): Promise<string> {
    return this.#repeat(call, (response) => this.#read(response, startOf(response, maxBytes), (body) => body));
  }

  async #repeat<T>(call: Call, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
    const exchange = async (): Promise<T> => {
      const credentials = await this.#credentials(call.signal);
      return withinLimit(call.signal, async (signal) => read(await this.#open(call, credentials, signal)));
    };
    for (let index = 0; ; index++) {
      try {
        const value = await abortable(this.#limit(exchange), call.signal);
        this.#hasAnswered = true;
        return value;
      } catch (error) {
        call.signal.throwIfAborted();
        const { failure, retryAfterMs } = this.#explained(error);
        const { plugins } = this.#connection;
        const attempt = {
          index,
          writes: !isSafe(call),
          hasAnswered: this.#hasAnswered,
          isKnown: this.#isKnown,
          canRenew: plugins.used,
          retryAfterMs,
        };
        const next = nextStep(failure, attempt);
        if (next.kind === 'fail') throw this.#connection.secrets.cleaned(next.error);
        if (next.kind === 'renew-credentials') plugins.forget();
        else await sleep(next.afterMs, call.signal);
      }
    }
  }

  /**
   * The decoded lines of an answer that is a stream of JSON, such as a watch. It makes one attempt.
   *
   * @throws ClusterError, or the reason of the call's signal.
   */
  async *lines<T>(call: Call, decode: (line: Json) => T): AsyncGenerator<T> {
    let response: IncomingMessage | undefined;
    try {
      const credentials = await this.#credentials(call.signal);
      response = await withinLimit(call.signal, (signal) => this.#open(call, credentials, signal));
      for await (const line of linesOf(response))
        yield await this.#read(response, Promise.resolve(line), (body) => decode(parseJson(body)));
    } catch (error) {
      call.signal.throwIfAborted();
      const { failure } = this.#explained(error);
      if (failure.remedy.startsWith('renew')) this.#connection.plugins.forget();
      throw this.#connection.secrets.cleaned(failure.error);
    } finally {
      response?.destroy();
    }
  }

  /** Certificates and headers. This can run a credential plugin, which has its own time limit. */
  async #credentials(signal: AbortSignal): Promise<RequestOptions> {
    signal.throwIfAborted();
    const options: RequestOptions = {};
    await abortable(this.#connection.kubeConfig.applyToHTTPSOptions(options), signal);
    return options;
  }

  /** Sends one request. The status of the answer is 2xx. */
  async #open(call: Call, credentials: RequestOptions, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(this.server + call.path);
    for (const [key, value] of Object.entries(call.query ?? {})) url.searchParams.set(key, value);
    const what = `${call.method} ${url.pathname}${url.search}`;
    const started = performance.now();
    const response = await this.#send(url, call, credentials, signal).catch((error: Error) => {
      this.onAnswer(`${what}: ${error.message}`);
      throw error;
    });
    const { statusCode: status = 0 } = response;
    this.clock.note(response.headers.date, performance.timeOrigin + started, performance.timeOrigin + performance.now());
    this.onAnswer(`${what}: ${status} after ${Math.round(performance.now() - started)} ms`);
    this.#reportWarnings(response, call.path);
    if (status >= 200 && status < 300) return response;
    // A switch of protocols has no body.
    const body = status === 101 ? '' : await startOf(response, MAX_ERROR);
    response.destroy();
    throw new FailedAttempt(explainAnswer(this.#answer(response, body), call, this.server), retryAfterMs(response));
  }

  async #send(url: URL, call: Call, credentials: RequestOptions, signal: AbortSignal): Promise<IncomingMessage> {
    const body = call.body === undefined ? undefined : stringify(call.body);
    const secure = url.protocol === 'https:';
    const options: RequestOptions = {
      ...credentials,
      ...(await this.#route(url, credentials, signal)),
      method: call.method,
      headers: {
        ...credentials.headers,
        ...this.#connection.headers,
        Accept: call.accept ?? 'application/json, */*',
        'User-Agent': 'rollback-daemonset',
        ...(body !== undefined && {
          'Content-Type': call.type ?? 'application/json-patch+json',
          'Content-Length': Buffer.byteLength(body),
        }),
      },
    };
    return send((secure ? httpsRequest : httpRequest)(url, options), body, signal);
  }

  /**
   * The connection for a request. The agents of the client library are not used: they open a connection for each request, and cannot be
   * aborted while they connect to a proxy.
   */
  async #route({ protocol, hostname, port }: URL, credentials: RequestOptions, signal: AbortSignal): Promise<RequestOptions> {
    const secure = protocol === 'https:';
    const { proxyUrl } = this.#connection;
    if (proxyUrl === undefined) return { agent: secure ? this.#secureAgent : this.#plainAgent };
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket = await openTunnel(proxyUrl, host, Number(port || (secure ? 443 : 80)), signal);
    return { agent: undefined, createConnection: () => (secure ? encrypted(socket, host, credentials) : socket) };
  }

  /** The decoded body of an answer. */
  async #read<T>(response: IncomingMessage, body: Promise<string>, decode: (body: string) => T): Promise<T> {
    let read = '';
    try {
      read = await body;
      return decode(read);
    } catch (error) {
      throw new FailedAttempt(explainBody(error, this.#answer(response, read), this.server));
    }
  }

  #explained(error: unknown): FailedAttempt {
    return error instanceof FailedAttempt ? error : new FailedAttempt(explainError(error, this.server));
  }

  /** A server can echo what it was sent. */
  #answer({ statusCode = 0, headers }: IncomingMessage, body: string): Answer {
    const hide = (value: string): string => this.#connection.secrets.hide(value);
    return { status: statusCode, type: hide(headers['content-type'] ?? ''), text: hide(body.slice(0, MAX_ERROR)) };
  }

  #reportWarnings({ headers: { warning } }: IncomingMessage, path: string): void {
    // RFC 7234: 299 - "text"
    for (const [, quoted = ''] of warning?.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g) ?? [])
      this.onWarning(this.#connection.secrets.hide(quoted.replace(/\\(.)/g, '$1')), path);
  }
}

/** A TLS connection through a tunnel, which it closes. */
function encrypted(socket: Socket, host: string, credentials: RequestOptions): TLSSocket {
  const { ca, cert, key, rejectUnauthorized, servername = isIP(host) === 0 ? host : '' } = credentials;
  // Explicitly, because a variable of the environment must not switch the verification off.
  const verify = rejectUnauthorized !== false;
  const secure = connectSecurely({ socket, host, servername, ca, cert, key, rejectUnauthorized: verify });
  secure.once('close', () => socket.destroy());
  return secure;
}

/** Whether a call writes nothing, so that it can be repeated. */
function isSafe({ method, query }: Call): boolean {
  return method === 'GET' || query?.['dryRun'] === 'All';
}

/** Runs something with a signal that is also aborted after the time limit. */
async function withinLimit<T>(signal: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new Error(`no answer within ${ATTEMPT_LIMIT_MS / 1000} s`)), ATTEMPT_LIMIT_MS);
  try {
    return await run(AbortSignal.any([signal, limit.signal]));
  } catch (error) {
    throw limit.signal.aborted ? limit.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

function retryAfterMs({ headers }: IncomingMessage): number {
  const seconds = Number(headers['retry-after']);
  return Number.isFinite(seconds) ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : 0;
}
