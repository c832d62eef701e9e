/** Every way in which an answer can end, against real servers on this machine. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Client as ClusterClient } from '../../../src/cluster/client.ts';
import { type Cluster, ClusterError } from '../../../src/cluster/cluster.ts';
import { connectionFrom } from '../../../src/cluster/kubeconfig.ts';
import { stringify } from '../../../src/daemonset/json.ts';
import type { DaemonSet, Json } from '../../../src/daemonset/types.ts';

const NAME = { namespace: 'logging', name: 'agent' };

const daemonSet = {
  kind: 'DaemonSet',
  apiVersion: 'apps/v1',
  metadata: { ...NAME, uid: 'u', resourceVersion: '1', generation: 1 },
  spec: { selector: { matchLabels: { app: 'agent' } }, template: { spec: { containers: [] } } },
  status: {},
};

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanups.splice(0)) cleanUp();
});

async function listening<S extends TcpServer>(server: S): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return (server.address() as AddressInfo).port;
}

interface Client {
  cluster: Cluster & { close(): void };
  warnings: string[];
}

function client(port: number, proxyUrl?: string): Client {
  const warnings: string[] = [];
  const source = JSON.stringify({
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}`, ...(proxyUrl && { 'proxy-url': proxyUrl }) } }],
    contexts: [{ name: 'c', context: { cluster: 'c' } }],
    'current-context': 'c',
  });
  const connection = connectionFrom({ source, context: undefined, plugins: [], environment: {} });
  const cluster = new ClusterClient(connection, { onWarning: (text) => warnings.push(text), onAnswer: () => {} });
  cleanups.push(() => cluster.close());
  return { cluster, warnings };
}

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** A client of a server that answers by a handler, and the requests that the server has received. */
async function serve(handler: Handler): Promise<Client & { requests: string[]; server: Server; bodies: string[] }> {
  const requests: string[] = [];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const count = requests.length;
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    request.on('end', () => {
      bodies.push(body);
      handler(request, response, count);
    });
  });
  return { ...client(await listening(server)), requests, server, bodies };
}

const json = (response: ServerResponse, body: unknown, code = 200): void => {
  response.writeHead(code, { 'Content-Type': 'application/json' }).end(stringify(body as Json));
};

async function failureOf(promise: Promise<unknown>): Promise<ClusterError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ClusterError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

const never = new AbortController().signal;
const patch = [{ op: 'test' as const, path: '/metadata/uid', value: 'u' }];

const BROKEN: [string, Handler, RegExp][] = [
  ['a reset', (_, { socket }) => void socket?.resetAndDestroy(), /ECONNRESET/],
  ['a close without an answer', (_, { socket }) => void socket?.destroy(), /hang up|closed without an answer/],
  [
    '101',
    (_, { socket }) => void socket?.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
    /not from a Kubernetes API server \(101\)/,
  ],
  ['no HTTP', (_, { socket }) => void socket?.end('SSH-2.0-OpenSSH\r\n'), /Could not reach/],
  ['a truncated answer', (_, { socket }) => void socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"kind"'), /Could not reach/],
  ['incomplete JSON', (_, response) => void response.end('{"kind":"Daemon'), /the answer is incomplete/],
  [
    'HTML with 200',
    (_, response) => void response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>Log in</html>'),
    /not from a Kubernetes API server \(200, text\/html\): it is not JSON.*begins with: Log in/,
  ],
  ['another kind with 200', (_, response) => json(response, { ...daemonSet, kind: 'Pod' }), /it is not a DaemonSet/],
  ['another API with 200', (_, response) => json(response, { ...daemonSet, apiVersion: 'v2' }), /it is not a DaemonSet/],
  ['another object with 200', (_, response) => json(response, { ...daemonSet, metadata: { ...daemonSet.metadata, name: 'x' } }), /another/],
  ['a list with 200', (_, response) => json(response, [daemonSet]), /it is not a DaemonSet/],
  ['null with 200', (_, response) => json(response, null), /it is not a DaemonSet/],
  ['nothing with 200', (_, response) => void response.end(), /it is not JSON/],
  ['a 204', (_, response) => void response.writeHead(204).end(), /it is not JSON/],
  ['a redirect', (_, response) => void response.writeHead(302, { Location: 'https://login.example' }).end(), /\(302\)/],
  ['a 404 in plain text', (_, response) => void response.writeHead(404).end('404 page not found'), /\(404\)/],
  ['a 502', (_, response) => void response.writeHead(502).end(), /\(502\)/],
];

describe.each(BROKEN)('%s', (_name, handler, message) => {
  test('a read is retried', async () => {
    const { cluster, requests } = await serve((request, response, count) =>
      count < 3 ? handler(request, response, count) : json(response, daemonSet),
    );
    expect(await cluster.getDaemonSet(NAME, never)).toEqual(daemonSet);
    expect(requests).toHaveLength(3);
  });

  test('a write is not repeated, and the answer is lost', async () => {
    const { cluster, requests } = await serve(handler);
    const error = await failureOf(cluster.patchDaemonSet(NAME, patch, { dryRun: false }, never));
    expect(error).toMatchObject({ failure: 'answer-lost' });
    expect(error.message).toMatch(message);
    expect(requests).toHaveLength(1);
  });
});

test('a read that never succeeds ends as unreachable after five attempts', async () => {
  const { cluster, requests } = await serve((_, response) => void response.writeHead(404).end('404 page not found'));
  expect(await failureOf(cluster.getDaemonSet(NAME, never))).toMatchObject({ failure: 'unreachable' });
  expect(requests).toHaveLength(5);
});

test('a server that refuses connections is unreachable, and a write was not processed', async () => {
  const unused = createServer();
  const port = await listening(unused);
  await new Promise((done) => unused.close(done));
  expect(await failureOf(client(port).cluster.patchDaemonSet(NAME, patch, { dryRun: false }, never))).toMatchObject({
    failure: 'unreachable',
  });
});

const denial = { kind: 'Status', apiVersion: 'v1', code: 500, message: 'admission webhook "w" denied the request: no' };
const failing = { ...denial, message: 'Internal error occurred: failed calling webhook "w": failed to call webhook: EOF' };
const conflict = { kind: 'Status', apiVersion: 'v1', code: 409, reason: 'Conflict', message: 'the object has been modified' };

test.each([
  ['a denial is final', 500, denial, 'admission-denied', 1],
  ['a failing webhook is retried', 500, failing, 'admission-denied', 5],
  ['a conflict is retried', 409, conflict, 'conflict', 5],
])('a write: %s', async (_name, code, body, failure, attempts) => {
  const { cluster, requests } = await serve((_, response) => json(response, body, code));
  expect(await failureOf(cluster.patchDaemonSet(NAME, patch, { dryRun: false }, never))).toMatchObject({ failure });
  expect(requests).toHaveLength(attempts);
});

describe('an aborted call ends at once, with the reason, and leaves nothing open', () => {
  const silent: Handler = () => {};
  const slow: Handler = (_, response) => {
    response.write('{"kind":');
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  };
  const rejecting: Handler = (_, response) => void response.writeHead(429, { 'Retry-After': '20' }).end();
  const from = daemonSet as unknown as DaemonSet;

  async function first<T>(items: AsyncIterable<T>): Promise<T | undefined> {
    for await (const item of items) return item;
    return undefined;
  }

  const CALLS: [string, (cluster: Cluster, signal: AbortSignal) => Promise<unknown>][] = [
    ['get', (cluster, signal) => cluster.getDaemonSet(NAME, signal)],
    ['list', (cluster, signal) => cluster.listControllerRevisions(from, signal)],
    ['patch', (cluster, signal) => cluster.patchDaemonSet(NAME, patch, { dryRun: false }, signal)],
    ['watch', (cluster, signal) => first(cluster.watchDaemonSet(from, signal))],
    ['watch of pods', (cluster, signal) => first(cluster.watchPods(from, (pod) => pod, signal))],
    ['log', (cluster, signal) => cluster.containerLog(NAME, 'agent', { previous: false, lines: 1 }, signal)],
  ];
  const ANSWERS: [string, Handler][] = [
    ['silence', silent],
    ['a body that does not end', slow],
    ['a wait before the next attempt', rejecting],
  ];

  test.each(CALLS.flatMap(([call, run]) => ANSWERS.map(([answer, handler]) => [call, answer, run, handler] as const)))(
    '%s: %s',
    async (_call, _answer, run, handler) => {
      const { cluster, requests, server } = await serve(handler);
      const reason = new Error('the time is up');
      const controller = new AbortController();
      const ended = run(cluster, controller.signal).catch((error: unknown) => error);
      while (requests.length === 0) await delay(5);
      await delay(50);
      const aborted = performance.now();
      controller.abort(reason);
      expect(await ended).toBe(reason);
      expect(performance.now() - aborted).toBeLessThan(5_000);
      cluster.close();
      await expect(connectionsOf(server)).resolves.toBe(0);
    },
  );

  test('a call that waits for its turn', async () => {
    const { cluster, requests } = await serve(silent);
    const busy = new AbortController();
    const others = Array.from({ length: 8 }, () => cluster.getDaemonSet(NAME, busy.signal).catch(() => {}));
    while (requests.length < 8) await delay(5);
    const reason = new Error('the time is up');
    await expect(cluster.getDaemonSet(NAME, AbortSignal.abort(reason))).rejects.toBe(reason);
    const waiting = new AbortController();
    const ended = cluster.getDaemonSet(NAME, waiting.signal).catch((error: unknown) => error);
    await delay(20);
    waiting.abort(reason);
    expect(await ended).toBe(reason);
    busy.abort();
    await Promise.all(others);
    expect(requests).toHaveLength(8);
  });

  test.each(['http', 'socks5'])('a call through a proxy (%s) that does not answer', async (scheme) => {
    let asked = 0;
    const proxy = createTcpServer((socket) => socket.on('data', () => (asked += 1)));
    const { cluster } = client(1, `${scheme}://127.0.0.1:${await listening(proxy)}`);
    const reason = new Error('the time is up');
    const controller = new AbortController();
    const ended = cluster.getDaemonSet(NAME, controller.signal).catch((error: unknown) => error);
    while (asked === 0) await delay(5);
    controller.abort(reason);
    expect(await ended).toBe(reason);
    await expect(connectionsOf(proxy)).resolves.toBe(0);
  });
});

/** The number of open connections, once it does not change any more. */
async function connectionsOf(server: TcpServer): Promise<number> {
  for (let tries = 0; ; tries++) {
    const count = await new Promise<number>((resolve, reject) =>
      server.getConnections((error, open) => (error ? reject(error) : resolve(open))),
    );
    if (count === 0 || tries > 100) return count;
    await delay(10);
  }
}

describe('through a proxy', () => {
  test.each([
    ['http', (socket: Socket): void => void socket.once('data', () => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'))],
    ['http', (socket: Socket): void => void socket.once('data', () => socket.destroy())],
    ['socks5', (socket: Socket): void => void socket.once('data', () => socket.end(Buffer.of(5, 0xff)))],
    ['socks5', (socket: Socket): void => void socket.once('data', () => socket.end(Buffer.of(5)))],
  ])('%s: a connection that fails names the proxy, without its password; the write was not sent', async (scheme, handler) => {
    const proxy = createTcpServer((socket) => handler(socket));
    const port = await listening(proxy);
    const { cluster } = client(1, `${scheme}://me:proxy-password@127.0.0.1:${port}`);
    const error = await failureOf(cluster.patchDaemonSet(NAME, patch, { dryRun: false }, never));
    expect(error).toMatchObject({ failure: 'unreachable' });
    expect(error.message).toContain(`through the proxy ${scheme}://127.0.0.1:${port}: `);
    expect(error.message).not.toContain('proxy-password');
  });

  test('socks5 with a user name and password', async () => {
    const { requests, server } = await serve((_, response) => json(response, daemonSet));
    const { port } = server.address() as AddressInfo;
    const received: Buffer[] = [];
    const proxy = createTcpServer((socket) => {
      const answers = [Buffer.of(5, 2), Buffer.of(1, 0), Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0)];
      socket.on('data', (chunk: Buffer) => {
        const answer = answers.shift();
        if (!answer) return void upstream.write(chunk);
        received.push(chunk);
        socket.write(answer);
      });
      const upstream = connect(port, '127.0.0.1');
      upstream.pipe(socket).on('close', () => upstream.destroy());
    });
    const { cluster } = client(port, `socks5://me:p%40ss@127.0.0.1:${await listening(proxy)}`);
    expect(await cluster.getDaemonSet(NAME, never)).toEqual(daemonSet);
    expect(received.map((bytes) => bytes.toString('latin1'))).toEqual([
      '\x05\x02\x00\x02',
      '\x01\x02me\x04p@ss',
      `\x05\x01\x00\x01\x7f\x00\x00\x01${String.fromCharCode(port >> 8, port & 0xff)}`,
    ]);
    expect(requests).toHaveLength(1);
  });
});

describe('what is decoded', () => {
  const big = 9_007_199_254_740_993n;

  test('integers stay exact, from the answer to the patch', async () => {
    const tolerant = { spec: { tolerations: [{ tolerationSeconds: big }], containers: [] } };
    const { cluster, bodies } = await serve((_, response) =>
      json(response, { ...daemonSet, spec: { ...daemonSet.spec, template: tolerant } }),
    );
    const { spec } = await cluster.getDaemonSet(NAME, never);
    expect(spec.template).toEqual(tolerant);
    await cluster.patchDaemonSet(NAME, [{ op: 'replace', path: '/spec/template', value: spec.template }], { dryRun: false }, never);
    expect(bodies.at(-1)).toContain('"tolerationSeconds":9007199254740993}');
  });

  test('a ControllerRevision that is nested too deep is left out, with a warning', async () => {
    const deep = `${'{"a":'.repeat(3_000)}9007199254740993${'}'.repeat(3_000)}`;
    const revision = (name: string, data: string): string =>
      `{"metadata":{"namespace":"logging","name":"${name}","uid":"u","resourceVersion":"1"},"revision":1,"data":${data}}`;
    const items = [revision('good', '{"spec":{"template":{"n":9007199254740993}}}'), revision('deep', deep), revision('other', '[1]')];
    const { cluster, warnings } = await serve(
      (_, response) =>
        void response.end(`{"kind":"ControllerRevisionList","apiVersion":"apps/v1","metadata":{},"items":[${items.join(',')}]}`),
    );
    const revisions = await cluster.listControllerRevisions(daemonSet as unknown as DaemonSet, never);
    expect(revisions.map(({ metadata, data }) => [metadata.name, data])).toEqual([
      ['good', { spec: { template: { n: big } } }],
      ['other', undefined],
    ]);
    expect(warnings.filter((text) => text.includes('ControllerRevision deep is ignored'))).toHaveLength(1);
  });

  test('a list that does not end is an error', async () => {
    const { cluster } = await serve((_, response) =>
      json(response, { kind: 'PodList', apiVersion: 'v1', metadata: { continue: 'again' }, items: [] }),
    );
    expect(await failureOf(cluster.listPods(daemonSet as unknown as DaemonSet, never))).toMatchObject({ failure: 'api' });
  });

  test('an expired list starts again', async () => {
    const expired = { kind: 'Status', apiVersion: 'v1', code: 410, reason: 'Expired' };
    const { cluster, requests } = await serve((_, response, count) => {
      if (count === 2) return json(response, expired, 410);
      json(response, { kind: 'PodList', apiVersion: 'v1', metadata: count === 1 ? { continue: 'next' } : {}, items: [] });
    });
    expect(await cluster.listPods(daemonSet as unknown as DaemonSet, never)).toEqual([]);
    expect(requests).toHaveLength(3);
  });

  test('an answer that is too large is an error', async () => {
    const chunk = Buffer.alloc(1024 * 1024, ' ');
    const { cluster } = await serve((_, response) => {
      const write = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', write);
      write();
    });
    const error = await failureOf(cluster.getDaemonSet(NAME, never));
    expect(error).toMatchObject({ failure: 'api', message: expect.stringMatching(/larger than 64 MiB/) });
  });

  test('a log ends at 64 KiB', async () => {
    const { cluster } = await serve((_, response) => void response.end('x'.repeat(100_000)));
    expect(await cluster.containerLog(NAME, 'agent', { previous: false, lines: 1 }, never)).toHaveLength(65_536);
  });
});
