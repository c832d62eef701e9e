import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { expectStep, Fleet, servingCertificate } from '../helpers/support.ts';

let fleet: Fleet;
let proxy: Server;
/** The addresses that the proxy was asked to connect to. */
let asked: string[];
beforeEach(async () => {
  fleet = await Fleet.create();
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { maxUnavailable: '100%' });
  asked = [];
});
afterEach(async () => {
  proxy.close();
  await fleet.remove();
});

async function listen(scheme: keyof typeof schemes): Promise<number> {
  const serve = (client: Socket): void => {
    client.once('data', (first: Buffer) => schemes[scheme](client, first));
  };
  proxy = scheme === 'https' ? createSecureServer(servingCertificate(fleet.testbed), serve) : createServer(serve);
  await new Promise<void>((ready) => proxy.listen(0, '127.0.0.1', ready));
  return (proxy.address() as AddressInfo).port;
}

function join(client: Socket, host: string, port: number, accepted: string | Buffer): void {
  asked.push(`${host}:${port}`);
  const upstream = connect(port, host, () => {
    client.write(accepted);
    client.pipe(upstream).pipe(client);
  });
  upstream.on('error', () => client.destroy());
  client.on('error', () => upstream.destroy());
}

/** RFC 9110, CONNECT. */
function tunnel(client: Socket, first: Buffer): void {
  const [, host = '', port] = /^CONNECT ([^:]+):(\d+) /.exec(first.toString('latin1')) ?? [];
  join(client, host, Number(port), 'HTTP/1.1 200 OK\r\n\r\n');
}

const schemes = {
  /** RFC 1928, without authentication, for an IPv4 address or a name. */
  socks5: (client: Socket): void => {
    client.write(Buffer.of(5, 0));
    client.once('data', (request: Buffer) => {
      const isAddress = request[3] === 1;
      const end = isAddress ? 8 : 5 + (request[4] ?? 0);
      const host = isAddress ? [...request.subarray(4, end)].join('.') : request.toString('latin1', 5, end);
      join(client, host, request.readUInt16BE(end), Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    });
  },
  http: tunnel,
  https: tunnel,
};

test.each(['socks5', 'http', 'https'] as const)('connects through a proxy-url with the scheme %s', async (scheme) => {
  const port = await listen(scheme);
  const { kubeconfig, server } = fleet.testbed;
  const text = readFileSync(kubeconfig, 'utf8').replace(
    `server: ${server}`,
    `server: ${server}\n    proxy-url: ${scheme}://127.0.0.1:${port}`,
  );
  expectStep(await fleet.rollback({ kubeconfig: text }, { NODE_EXTRA_CA_CERTS: fleet.testbed.caFile }), {
    code: 0,
    outputs: { outcome: 'rolled-back' },
  });
  expect(new Set(asked)).toEqual(new Set([new URL(server).host]));
});
