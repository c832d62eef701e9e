import { request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { Json } from '../daemonset/types.ts';
import { ClusterError } from './cluster.ts';
import type { Connection } from './connection.ts';
import { explainConnectionError, explainStatus } from './errors.ts';

/** The time limit for one request, in milliseconds. A watch has none. */
const REQUEST_LIMIT = 30_000;
/** Delays before the attempts after the first, in milliseconds. */
const BACKOFF = [250, 500, 1000, 2000];
/** Additional delays for a server that has answered before: the address is right, and the server may be restarting. */
const PATIENCE = [4000, 8000, 15_000];
/** Concurrent requests, so that many DaemonSets need few connections. Watches do not count. */
const MOST_REQUESTS = 8;
/** The maximum Retry-After, in milliseconds. */
const LONGEST_RETRY_AFTER = 30_000;
const TRANSIENT = new Set([429, 500, 502, 503, 504]);

export interface Call {
  method: 'GET' | 'PATCH';
  path: string;
  query?: Record<string, string>;
  /** The content type of a patch. */
  type?: 'application/json-patch+json' | 'application/merge-patch+json';
  body?: Json;
  signal: AbortSignal;
}

/** JSON over HTTP to one API server: one connection pool, credentials from the client library, a time limit for each request. */
export class Http {
  readonly server: string;
  readonly #connection: Connection;
  readonly #agent = new Agent({ keepAlive: true, keepAliveMsecs: 30_000 });
  readonly #turns = new Turns(MOST_REQUESTS);
  #waits = BACKOFF;
  /** Called with each HTTP `Warning` header of the API server and the path of the request. */
  onWarning: (text: string, path: string) => void = () => {};
  /** Called with a line about each answer: method, path with query, status, milliseconds until the headers arrived. */
  onAnswer: (text: string) => void = () => {};

  constructor(connection: Connection) {
    this.#connection = connection;
    this.server = connection.server.replace(/\/+$/, '');
  }

  /** Closes connections and stops a credential plugin, so that the process can exit. */
  close(): void {
    this.#agent.destroy();
    this.#connection.plugins.stop();
  }

  /**
   * The JSON of an answer. A request that writes nothing is retried after transient failures. A write is retried only if the server
   * reports that it did not process it (429); if it is unknown whether it was processed, the failure is `answer-lost`.
   */
  async json(call: Call): Promise<Json> {
    return this.#request(call, parse);
  }

  /** The text of an answer. */
  async text(call: Call): Promise<string> {
    return this.#request(call, (text) => text);
  }

  async #request<T>(call: Call, read: (text: string) => T): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const end = await this.#turns.take();
      const limit = AbortSignal.timeout(REQUEST_LIMIT);
      try {
        call.signal.throwIfAborted();
        const response = await this.#send(call, AbortSignal.any([call.signal, limit]));
        const text = await readAll(response);
        end();
        const status = response.statusCode ?? 0;
        this.#reportWarnings(response, call.path);
        if (status >= 200 && status < 300) {
          this.#waits = [...BACKOFF, ...PATIENCE];
          return read(text);
        }
        if (status === 401 && attempt === 0 && this.#connection.plugins.forget()) continue;
        const explained = explainStatus(status, this.#hide(text), call, this.server);
        const denied = explained.failure === 'admission-denied';
        const wait = this.#waits[attempt];
        // An API server that has just started has not loaded its roles yet, and forbids every request for a moment.
        const starting = status === 403 && attempt > 0;
        const again = status === 429 || starting || (isSafe(call) && TRANSIENT.has(status) && !denied);
        if (again && wait !== undefined) {
          await sleep(Math.max(wait, retryAfter(response)), call.signal);
          continue;
        }
        // A write that admission denied was not processed.
        if (!isSafe(call) && status >= 500 && !denied) throw new ClusterError('answer-lost', explained.message);
        throw explained;
      } catch (error) {
        end();
        if (call.signal.aborted) throw call.signal.reason;
        if (error instanceof ClusterError) throw error;
        const explained = explainConnectionError(
          limit.aborted ? new Error(`no answer within ${REQUEST_LIMIT / 1000} s`) : error,
          this.server,
        );
        if (explained.failure === 'certificate') throw explained;
        if (!isSafe(call) && !neverSent(error)) throw new ClusterError('answer-lost', explained.message, { cause: error });
        const wait = this.#waits[attempt];
        if (wait === undefined) throw explained;
        await sleep(wait, call.signal);
      }
    }
  }

  /** Opens a stream of JSON lines, such as a watch. The status of the answer is 2xx. */
  async *lines(call: Call): AsyncGenerator<Json> {
    const opening = AbortSignal.timeout(REQUEST_LIMIT);
    const opened = new AbortController();
    const stop = (): void => opened.abort();
    opening.addEventListener('abort', stop);
    let response: IncomingMessage;
    try {
      response = await this.#send(call, AbortSignal.any([call.signal, opened.signal]));
    } catch (error) {
      if (call.signal.aborted) throw call.signal.reason;
      if (error instanceof ClusterError) throw error;
      throw explainConnectionError(error, this.server);
    } finally {
      opening.removeEventListener('abort', stop);
    }
    const status = response.statusCode ?? 0;
    if (status < 200 || status >= 300) {
      const text = await readAll(response);
      if (status === 401) this.#connection.plugins.forget();
      throw explainStatus(status, this.#hide(text), call, this.server);
    }
    let rest = '';
    try {
      for await (const chunk of response.setEncoding('utf8')) {
        const parts = (rest + (chunk as string)).split('\n');
        rest = parts.pop() ?? '';
        for (const part of parts) if (part.trim() !== '') yield parse(part);
      }
    } catch (error) {
      if (call.signal.aborted) throw call.signal.reason;
      throw error instanceof ClusterError ? error : explainConnectionError(error, this.server);
    } finally {
      response.destroy();
    }
  }

  async #send(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const { kubeConfig } = this.#connection;
    const options: RequestOptions = {};
    // This can run a credential plugin, which takes time.
    await beforeAbort(kubeConfig.applyToHTTPSOptions(options), signal);
    const url = new URL(this.server + call.path);
    const secure = url.protocol === 'https:';
    // The library's agent opens a connection for each request. It is needed only for a proxy or plain http.
    if (secure && !kubeConfig.getCurrentCluster()?.proxyUrl) options.agent = this.#agent;
    for (const [key, value] of Object.entries(call.query ?? {})) url.searchParams.set(key, value);
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const started = performance.now();
    return new Promise((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)(
        url,
        {
          ...options,
          method: call.method,
          signal,
          headers: {
            ...options.headers,
            ...this.#connection.headers,
            Accept: 'application/json, */*',
            'User-Agent': 'rollback-daemonset',
            ...(body !== undefined && {
              'Content-Type': call.type ?? 'application/json-patch+json',
              'Content-Length': Buffer.byteLength(body),
            }),
          },
        },
        (response) => {
          const took = Math.round(performance.now() - started);
          this.onAnswer(`${call.method} ${url.pathname}${url.search}: ${response.statusCode} after ${took} ms`);
          resolve(response);
        },
      );
      request.on('error', (error) => {
        this.onAnswer(`${call.method} ${url.pathname}${url.search}: ${error.message}`);
        reject(error);
      });
      request.end(body);
    });
  }

  #reportWarnings(response: IncomingMessage, path: string): void {
    const { warning } = response.headers;
    if (warning === undefined) return;
    // RFC 7234: 299 - "text"
    for (const [, text] of warning.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g))
      this.onWarning(this.#hide((text ?? '').replace(/\\(.)/g, '$1')), path);
  }

  /** A server can echo what it was sent. */
  #hide(text: string): string {
    return this.#connection.secrets.hide(text);
  }
}

/** Whether a call writes nothing, so that it can be repeated. */
function isSafe({ method, query }: Call): boolean {
  return method === 'GET' || query?.['dryRun'] === 'All';
}

/** Limits concurrency; the others wait in order. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  /** Waits for a turn. The returned function ends it; further calls have no effect. */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((next) => this.#waiting.push(next));
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    };
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    // An incomplete answer is treated like a missing one.
    throw Object.assign(new Error('the answer was cut off', { cause }), { code: 'ECONNRESET' });
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  return text;
}

/** Whether a request certainly did not reach the server. */
function neverSent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN';
}

function retryAfter(response: IncomingMessage): number {
  const seconds = Number(response.headers['retry-after']);
  return Number.isFinite(seconds) ? Math.min(seconds * 1000, LONGEST_RETRY_AFTER) : 0;
}

/** The result of the promise. Throws the signal's reason if the signal is aborted first. */
function beforeAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Waits. Throws the signal's reason if the signal is aborted. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
