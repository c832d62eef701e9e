import { Agent, request } from 'node:https';
import { abortable } from '../abort.ts';
import type { Environment } from '../ci/environment.ts';

export interface FetchOptions {
  /** The address of the API, `https:`. Nothing is sent to another server. */
  base: string;
  /** With `https_proxy` and `no_proxy`, in either case. */
  environment: Environment;
  /** How long all requests together may take from now on. */
  limitMs: number;
  /** Aborts all requests. */
  signal?: AbortSignal;
  /** Called with a line about each answer. */
  onAnswer: (text: string) => void;
}

/** What Octokit gives to `fetch`. */
export interface Init {
  method: string;
  headers: Record<string, string>;
  body?: string;
}

/** The longest answer that is read, in bytes. The largest page of what is asked for is below 1 MB. */
const LONGEST = 10_000_000;

/**
 * `fetch` for one API, through the proxy of the environment, which Node's own `fetch` does not use. Each request is sent once. Redirects are not
 * followed, and only the API's own server gets a request, so that the token is sent nowhere else. An answer is read to its end.
 */
export class Fetch {
  readonly #options: FetchOptions;
  readonly #signal: AbortSignal;
  #agent: Agent | undefined;

  constructor(options: FetchOptions) {
    this.#options = options;
    const limit = AbortSignal.timeout(options.limitMs);
    this.#signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  }

  /** Closes connections, so that the process can end. */
  close(): void {
    this.#agent?.destroy();
  }

  /** @throws Error with the reason why there is no answer. It never contains the address of a proxy, which can contain a password. */
  async fetch(address: string, init: Init): Promise<Response> {
    const url = new URL(address);
    const started = performance.now();
    const log = (end: string): void =>
      this.#options.onAnswer(`${init.method} ${url.pathname}: ${end} after ${Math.round(performance.now() - started)} ms`);
    try {
      const response = await abortable(this.#send(url, init), this.#signal);
      log(String(response.status));
      return response;
    } catch (cause) {
      const why = this.#whyNot(cause);
      log(why);
      throw new Error(why, { cause });
    }
  }

  async #send(url: URL, { method, headers, body }: Init): Promise<Response> {
    const { base, environment, limitMs } = this.#options;
    if (url.protocol !== 'https:') throw new Error('the address of the API is not https, so the token is not sent');
    // The next page's address comes from an answer.
    if (url.origin !== new URL(base).origin) throw new Error(`the next page is on another server (${url.host}), so the token is not sent`);
    // The signal does not end a request that is still waiting for a proxy; the timeout does.
    // Explicitly, because a variable of the environment must not switch the verification off.
    this.#agent ??= new Agent({ keepAlive: true, timeout: limitMs, rejectUnauthorized: true, proxyEnv: { ...environment } });
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { agent: this.#agent, method, signal: this.#signal, headers: { ...headers, ...length } });
    return new Promise((resolve, reject) => {
      sent.on('error', reject);
      // With an answer such as 101 Switching Protocols, Node emits nothing else. After a response it changes nothing.
      sent.on('close', () => reject(new Error('the connection was closed without an answer')));
      sent.on('response', (response) => {
        const { statusCode: status = 0, headersDistinct } = response;
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > LONGEST) response.destroy(new Error(`the answer is longer than ${LONGEST / 1_000_000} MB`));
        });
        response.on('error', reject);
        response.on('end', () => {
          const headers = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
            values.map((value): [string, string] => [name, value]),
          );
          resolve(new Response(size === 0 ? null : Buffer.concat(chunks), { status, headers }));
        });
      });
      sent.end(body);
    });
  }

  #whyNot(cause: unknown): string {
    const { limitMs, signal } = this.#options;
    if (signal?.aborted) return 'the job was cancelled';
    if (this.#signal.aborted) return `no answer from GitHub within ${limitMs / 1_000} s`;
    const { code, message } = cause as NodeJS.ErrnoException;
    return code === 'ERR_PROXY_INVALID_CONFIG' ? 'the address of the proxy is not valid' : message;
  }
}
