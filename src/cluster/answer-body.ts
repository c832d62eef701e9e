/** How much of an answer is read, and how. */
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { ClusterError } from './cluster.ts';

/** The maximum size of an answer, and of a line of a stream, in bytes. */
const MAX_ANSWER = 64 * 1024 * 1024;

/** The complete text of an answer. */
export function textOf(response: IncomingMessage): Promise<string> {
  return text(limited(response, MAX_ANSWER, 'fail'));
}

/** The text of an answer, up to a size in bytes. */
export function startOf(response: IncomingMessage, maxBytes: number): Promise<string> {
  return text(limited(response, maxBytes, 'truncate'));
}

async function* limited(response: IncomingMessage, maxBytes: number, onExcess: 'fail' | 'truncate'): AsyncGenerator<Buffer> {
  let left = maxBytes;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (chunk.length > left && onExcess === 'fail') throw tooLarge();
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left < 0) return;
  }
}

/** The complete lines of an answer, without empty ones. */
export async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_ANSWER) throw tooLarge();
    yield* lines.filter((line) => line.trim() !== '');
  }
}

function tooLarge(): ClusterError {
  return new ClusterError('api', `The answer of the API server is larger than ${MAX_ANSWER / 1024 / 1024} MiB.`);
}
