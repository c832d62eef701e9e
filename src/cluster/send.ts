import type { ClientRequest, IncomingMessage } from 'node:http';

/**
 * Sends a request. It always settles: with the headers of the answer, or by throwing if the connection fails, if it is closed without an
 * answer, or if the signal is aborted (the signal's reason). Aborting the signal later ends the body of the answer.
 *
 * The answer to a CONNECT request or to an upgrade has no body; its connection is `response.socket`.
 */
export function send(request: ClientRequest, body: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let response: IncomingMessage | undefined;
    const answered = (answer: IncomingMessage): void => {
      response = answer;
      resolve(answer);
    };
    const onAbort = (): void => {
      reject(signal.reason);
      response?.destroy(signal.reason as Error);
      request.destroy();
    };
    // Errors after the answer are errors of its body.
    request.on('error', reject);
    request.once('response', answered);
    // Node.js reports an answer such as 101 only by these events, and destroys the connection if there are no listeners.
    for (const event of ['upgrade', 'connect'] as const)
      request.once(event, (answer, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        answered(answer);
      });
    request.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      reject(closed());
    });
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    request.end(body);
  });
}

/** A connection that ended too early. */
export function closed(): Error {
  return Object.assign(new Error('the connection was closed without an answer'), { code: 'ECONNRESET' });
}
