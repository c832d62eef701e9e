import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server } from 'node:net';
import type { Testbed } from '../testbed/testbed.ts';

/** The content type of a TLS record that holds a handshake (RFC 8446, section 5.1). */
const HANDSHAKE = 22;

/** A TCP proxy in front of an API server. It forwards every byte, and counts connections. The server's certificate is valid for it too. */
export class PassThrough {
  readonly #server: Server;
  /** The text of a kubeconfig whose server is this proxy. */
  readonly kubeconfig: string;
  connections = 0;
  /** Connections on which the client began a TLS handshake. */
  handshakes = 0;

  private constructor(server: Server, kubeconfig: string) {
    this.#server = server;
    this.kubeconfig = kubeconfig;
  }

  static async inFrontOf({ server, kubeconfig }: Testbed): Promise<PassThrough> {
    const { hostname, port } = new URL(server);
    const listener = createServer();
    await new Promise<void>((ready) => listener.listen(0, '127.0.0.1', ready));
    const through = `https://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    const self = new PassThrough(listener, readFileSync(kubeconfig, 'utf8').replaceAll(server, through));
    listener.on('connection', (client) => {
      self.connections += 1;
      client.once('data', ([type]: Buffer) => {
        if (type === HANDSHAKE) self.handshakes += 1;
      });
      const upstream = connect(Number(port), hostname);
      client.pipe(upstream).pipe(client);
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    });
    return self;
  }

  /** Accepts no new connections. Existing ones stay open until their clients close them. */
  stop(): void {
    this.#server.close();
  }
}
