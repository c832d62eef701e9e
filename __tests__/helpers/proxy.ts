import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, request as secureRequest } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { dump, load } from 'js-yaml';
import { type Any, type Fleet, servingCertificate } from './support.ts';

export type Kind = 'get' | 'list' | 'pods' | 'nodes' | 'events' | 'dry-run' | 'admission' | 'patch' | 'mark' | 'watch';

/** An answer of the proxy. An object is a `Status` of the API unless it has a kind; a text is not from an API server. */
export interface Reply {
  status: number;
  body?: object | string;
  headers?: Record<string, string>;
}

/** What the proxy does with a request instead of passing it on, or with its answer. `count` is 1 for the first of its kind. */
export type Fault = (
  kind: Kind,
  count: number,
) =>
  | 'pass'
  | 'refuse'
  | 'reset'
  | 'drop-answer'
  | 'drop-request'
  | 'switch-protocols'
  | 'swallow-request'
  | 'swallow-answer'
  | 'truncate'
  | 'cut-in-half'
  | 'drip'
  | Reply
  | { cutAfter: number }
  | { holdFor: number };

/** A proxy in front of the real API server. It has the certificate of the server; clients authenticate with a bearer token. */
export class FaultyProxy {
  readonly #server: Server;
  /** TCP connections by their remote port: TLS connections cannot be reset. */
  readonly #connections = new Map<number | undefined, Socket>();
  readonly seen: Kind[] = [];
  /** The bodies of the patches that were passed on. */
  readonly patches: { kind: Kind; body: string }[] = [];
  /** A kubeconfig for the server behind the proxy. */
  kubeconfig = '';
  fault: Fault = () => 'pass';
  /** Called before a request is passed on. */
  before: (kind: Kind, count: number) => Promise<void> = async () => {};

  private constructor(server: Server) {
    this.#server = server;
  }

  /** A proxy for a fleet's test bed. Its kubeconfig has a service account with all permissions in the fleet's namespace. */
  static async inFrontOf(fleet: Fleet): Promise<FaultyProxy> {
    const { testbed, namespace } = fleet;
    await fleet.kubectl(['create', 'serviceaccount', 'ci']);
    await fleet.kubectl(['create', 'rolebinding', 'ci', '--clusterrole=admin', `--serviceaccount=${namespace}:ci`]);
    // The role admin does not allow to write ControllerRevisions.
    await fleet.kubectl(['create', 'role', 'marks', '--verb=patch', '--resource=controllerrevisions.apps']);
    await fleet.kubectl(['create', 'rolebinding', 'marks', '--role=marks', `--serviceaccount=${namespace}:ci`]);
    const token = (await fleet.kubectl(['create', 'token', 'ci'])).trim();
    const upstream = new URL(testbed.server);
    const ca = readFileSync(testbed.caFile);
    const proxy = new FaultyProxy(createServer(servingCertificate(testbed)));
    proxy.#server.on('connection', (socket: Socket) => {
      const { remotePort } = socket;
      proxy.#connections.set(remotePort, socket);
      socket.on('close', () => proxy.#connections.delete(remotePort));
    });
    proxy.#server.on('request', async (from: IncomingMessage, to: ServerResponse) => {
      const kind = kindOf(from);
      proxy.seen.push(kind);
      const count = proxy.seen.filter((one) => one === kind).length;
      await proxy.before(kind, count);
      const fault = proxy.fault(kind, count);
      if (fault === 'swallow-request') return;
      if (fault === 'refuse') return proxy.#refuse();
      if (fault === 'reset') return void proxy.#connections.get(from.socket.remotePort)?.resetAndDestroy();
      if (fault === 'drop-request') return void from.socket.destroy();
      if (fault === 'switch-protocols')
        return void from.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      if (typeof fault === 'object' && 'status' in fault) return reply(to, fault);
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
          if (fault === 'cut-in-half' || fault === 'drip' || fault === 'truncate') {
            const { 'content-length': _length, ...headers } = answer.headers;
            to.writeHead(answer.statusCode ?? 502, headers);
            if (fault === 'drip') return void drip(answer, to).catch(() => to.destroy());
            return cutInHalf(answer, to, fault === 'truncate');
          }
          to.writeHead(answer.statusCode ?? 502, answer.headers);
          if (typeof fault === 'object' && 'holdFor' in fault) {
            // The headers at once, and the body later.
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
      if (from.method === 'PATCH') {
        const patch = { kind, body: '' };
        proxy.patches.push(patch);
        from.on('data', (chunk) => {
          patch.body += String(chunk);
        });
      }
      from.pipe(through);
    });
    await new Promise<void>((ready) => proxy.#server.listen(0, '127.0.0.1', ready));
    const config = load(readFileSync(testbed.kubeconfig, 'utf8')) as Any;
    config.clusters[0].cluster.server = `https://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}`;
    config.users[0].user = { token };
    proxy.kubeconfig = dump(config);
    return proxy;
  }

  /** Refuses connections for a second. */
  #refuse(): void {
    const { port } = this.#server.address() as AddressInfo;
    this.#server.close();
    this.#server.closeAllConnections();
    setTimeout(() => this.#server.listen(port, '127.0.0.1'), 1_000);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function reply(to: ServerResponse, { status, body = {}, headers }: Reply): void {
  const isText = typeof body === 'string';
  const failure = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, message: 'by the proxy', ...(body as object) };
  to.writeHead(status, { 'Content-Type': isText ? 'text/html' : 'application/json', ...headers });
  to.end(isText ? body : JSON.stringify('kind' in body || 'type' in body ? body : failure));
}

/** The first half of the answer, and the end; or the end of the connection. */
function cutInHalf(answer: IncomingMessage, to: ServerResponse, abruptly: boolean): void {
  answer.once('data', (chunk: Buffer) => {
    to.write(chunk.subarray(0, chunk.length / 2), () => (abruptly ? to.destroy() : to.end()));
  });
}

/** Each chunk in twenty small ones, within a second. */
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
  if (method === 'POST') return 'admission';
  if (method === 'PATCH' && url.includes('controllerrevisions')) return 'mark';
  if (method === 'PATCH') return url.includes('dryRun=All') ? 'dry-run' : 'patch';
  if (url.includes('watch=true')) return 'watch';
  if (url.includes('/pods')) return 'pods';
  if (url.includes('/nodes')) return 'nodes';
  if (url.includes('/events')) return 'events';
  return url.includes('controllerrevisions') ? 'list' : 'get';
}
