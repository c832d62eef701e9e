import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, request as secureRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { dump, load } from 'js-yaml';
import { type Any, type Fleet, servingCertificate } from './support.ts';

export type Kind = 'get' | 'list' | 'dry-run' | 'patch' | 'mark' | 'watch';

/** What the proxy does with a request instead of forwarding it, or with its answer. `count` is 1 for the first of its kind. */
export type Fault = (
  kind: Kind,
  count: number,
) =>
  | 'pass'
  | 'drop-answer'
  | 'drop-request'
  | 'swallow-request'
  | 'swallow-answer'
  | 'cut-in-half'
  | 'drip'
  | { status: number; body?: object; headers?: Record<string, string> }
  | { cutAfter: number }
  | { holdFor: number };

/** A proxy in front of the real API server. It has the server's own certificate; clients use a bearer token. */
export class FaultyProxy {
  readonly #server: Server;
  readonly seen: Kind[] = [];
  /** Connects through the proxy. */
  kubeconfig = '';
  fault: Fault = () => 'pass';
  /** What happens while a request is on its way to the server. */
  before: (kind: Kind, count: number) => Promise<void> = async () => {};

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Opens a proxy in front of a fleet's test bed. Its kubeconfig is for a service account with all rights in the fleet's namespace. */
  static async inFrontOf(fleet: Fleet): Promise<FaultyProxy> {
    const { testbed, namespace } = fleet;
    await fleet.kubectl(['create', 'serviceaccount', 'ci']);
    await fleet.kubectl(['create', 'rolebinding', 'ci', '--clusterrole=admin', `--serviceaccount=${namespace}:ci`]);
    // Not even the role admin is allowed to write ControllerRevisions.
    await fleet.kubectl(['create', 'role', 'marks', '--verb=patch', '--resource=controllerrevisions.apps']);
    await fleet.kubectl(['create', 'rolebinding', 'marks', '--role=marks', `--serviceaccount=${namespace}:ci`]);
    const token = (await fleet.kubectl(['create', 'token', 'ci'])).trim();
    const upstream = new URL(testbed.server);
    const ca = readFileSync(testbed.caFile);
    const proxy = new FaultyProxy(createServer(servingCertificate(testbed)));
    proxy.#server.on('request', async (from: IncomingMessage, to: ServerResponse) => {
      const kind = kindOf(from);
      proxy.seen.push(kind);
      const count = proxy.seen.filter((one) => one === kind).length;
      await proxy.before(kind, count);
      const fault = proxy.fault(kind, count);
      if (fault === 'swallow-request') return;
      if (fault === 'drop-request') return void from.socket.destroy();
      if (typeof fault === 'object' && 'status' in fault) {
        to.writeHead(fault.status, { 'Content-Type': 'application/json', ...fault.headers });
        return void to.end(
          JSON.stringify(fault.body ?? { kind: 'Status', status: 'Failure', code: fault.status, message: 'by the proxy' }),
        );
      }
      const through = secureRequest(
        {
          host: upstream.hostname,
          port: upstream.port,
          path: from.url,
          method: from.method,
          headers: { ...from.headers, host: upstream.host },
          ca,
        },
        (answer) => {
          if (fault === 'drop-answer') {
            answer.resume();
            answer.on('end', () => from.socket.destroy());
            return;
          }
          if (fault === 'swallow-answer') return void answer.resume();
          if (fault === 'cut-in-half' || fault === 'drip') {
            const { 'content-length': _length, ...headers } = answer.headers;
            to.writeHead(answer.statusCode ?? 502, headers);
            return void (fault === 'drip' ? drip(answer, to).catch(() => to.destroy()) : cutInHalf(answer, to));
          }
          to.writeHead(answer.statusCode ?? 502, answer.headers);
          if (typeof fault === 'object' && 'holdFor' in fault) {
            // The headers now, and nothing else for a while.
            to.flushHeaders();
            answer.pause();
            setTimeout(() => answer.pipe(to), fault.holdFor);
            return;
          }
          to.flushHeaders();
          answer.pipe(to);
          if (typeof fault === 'object') setTimeout(() => from.socket.destroy(), fault.cutAfter);
        },
      );
      through.on('error', () => from.socket.destroy());
      to.on('close', () => through.destroy());
      from.pipe(through);
    });
    await new Promise<void>((ready) => proxy.#server.listen(0, '127.0.0.1', ready));
    const config = load(readFileSync(testbed.kubeconfig, 'utf8')) as Any;
    config.clusters[0].cluster.server = `https://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}`;
    config.users[0].user = { token };
    proxy.kubeconfig = dump(config);
    return proxy;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Sends the first half of the first chunk, and ends. */
function cutInHalf(answer: IncomingMessage, to: ServerResponse): void {
  answer.once('data', (chunk: Buffer) => to.end(chunk.subarray(0, chunk.length / 2)));
}

/** Sends each chunk in twenty small ones over one second. */
async function drip(answer: IncomingMessage, to: ServerResponse): Promise<void> {
  for await (const chunk of answer) {
    const size = Math.ceil((chunk as Buffer).length / 20);
    for (let at = 0; at < (chunk as Buffer).length; at += size) {
      to.write((chunk as Buffer).subarray(at, at + size));
      await new Promise((next) => setTimeout(next, 50));
    }
  }
  to.end();
}

function kindOf({ method, url = '' }: IncomingMessage): Kind {
  if (method === 'PATCH' && url.includes('controllerrevisions')) return 'mark';
  if (method === 'PATCH') return url.includes('dryRun=All') ? 'dry-run' : 'patch';
  if (url.includes('watch=true')) return 'watch';
  return url.includes('controllerrevisions') || url.includes('/pods') ? 'list' : 'get';
}
