import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, request } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Testbed } from '../../testbed/testbed.ts';
import { servingCertificate } from './support.ts';

/** Forwards requests to the real API server, without TLS or with the server's own certificate; redirects them; or echoes the credentials. */
export class Gateway {
  readonly #server: Server;
  readonly url: string;
  /** The headers of each request. */
  readonly seen: IncomingMessage['headers'][] = [];

  private constructor(server: Server, secure: boolean) {
    this.#server = server;
    this.url = `${secure ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(
    testbed: Testbed,
    { secure, redirectTo, echo = false }: { secure: boolean; redirectTo?: Gateway; echo?: boolean },
  ): Promise<Gateway> {
    const ca = readFileSync(testbed.caFile);
    const answer = (from: IncomingMessage, to: ServerResponse): void => {
      gateway.seen.push(from.headers);
      if (redirectTo) return void to.writeHead(302, { Location: `${redirectTo.url}${from.url}` }).end();
      const { method, headers } = from;
      if (echo) {
        const said = `${headers.authorization} ${Buffer.from((headers.authorization ?? '').split(' ')[1] ?? '', 'base64')}`;
        to.writeHead(400, { Warning: `299 - "${headers.authorization}"` });
        return void to.end(JSON.stringify({ kind: 'Status', status: 'Failure', code: 400, message: said }));
      }
      const through = request(new URL(from.url ?? '', testbed.server), { method, headers, ca }, (response) => {
        to.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(to);
      });
      through.on('error', () => from.socket.destroy());
      from.pipe(through);
    };
    const server = secure ? createSecureServer(servingCertificate(testbed), answer) : createServer(answer);
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const gateway = new Gateway(server, secure);
    return gateway;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** A proxy that accepts CONNECT, as in a company network. It leads to the API server, whichever host is requested. */
export class Tunnel {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly url: string;
  /** The requested hosts; with `USER:PASSWORD at` before them if the client authenticated. */
  asked: string[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(testbed: Testbed): Promise<Tunnel> {
    const { hostname, port } = new URL(testbed.server);
    const server = createServer();
    server.on('connect', ({ url = '', headers }: IncomingMessage, socket: Socket) => {
      const login = Buffer.from((headers['proxy-authorization'] ?? '').replace('Basic ', ''), 'base64').toString();
      tunnel.asked.push(login === '' ? url : `${login} at ${url}`);
      const through = connect(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        through.pipe(socket).pipe(through);
      });
      for (const one of [socket, through]) {
        tunnel.#open.add(one);
        one.on('error', () => {});
        one.on('close', () => [socket, through].forEach((both) => void both.destroy()));
      }
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const tunnel = new Tunnel(server);
    return tunnel;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
  }
}
