import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { files, readState } from './directory.ts';

/** An answer with a status other than 2xx. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** Sends the test bed's own requests to its API server, as user `testbed`. */
export class Api {
  readonly #server: string;
  readonly #agent: Agent;

  constructor(directory: string) {
    const at = files(directory);
    this.#server = readState(directory).server;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 32,
      ca: readFileSync(at.authority),
      cert: readFileSync(at.credential('testbed.crt')),
      key: readFileSync(at.credential('testbed.key')),
    });
  }

  /** @returns the parsed answer. */
  async send<Answer>(method: string, path: string, body?: object, type = 'application/json'): Promise<Answer> {
    return JSON.parse(await text(await this.#open(method, path, body, type))) as Answer;
  }

  /** Yields the events of a watch until the server ends it. */
  async *watch<Event>(path: string): AsyncGenerator<Event> {
    const stream = await this.#open('GET', path);
    let unfinished = '';
    for await (const chunk of stream.setEncoding('utf8')) {
      const lines = `${unfinished}${chunk}`.split('\n');
      unfinished = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as Event;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #open(method: string, path: string, body?: object, type?: string): Promise<IncomingMessage> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': type };
      request(`${this.#server}${path}`, { method, agent: this.#agent, headers }, resolve)
        .once('error', reject)
        .end(body === undefined ? undefined : JSON.stringify(body));
    });
    const status = answer.statusCode ?? 0;
    if (status < 300) return answer;
    throw new ApiError(status, `${method} ${path}: ${status} ${await text(answer)}`);
  }
}

async function text(stream: IncomingMessage): Promise<string> {
  let content = '';
  for await (const chunk of stream.setEncoding('utf8')) content += chunk;
  return content;
}
