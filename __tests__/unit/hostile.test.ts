/** Whatever a kubeconfig, a ControllerRevision or an answer contains: never a crash, always a value or a message. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Client } from '../../src/cluster/client.ts';
import { type Cluster, ClusterError } from '../../src/cluster/cluster.ts';
import { connectionFrom } from '../../src/cluster/kubeconfig.ts';
import { diffTemplates } from '../../src/daemonset/diff.ts';
import { historyOf } from '../../src/daemonset/revision.ts';
import type { ControllerRevision, DaemonSet, Json } from '../../src/daemonset/types.ts';
import { historyLines } from '../../src/report/history.ts';
import { changeLines, templateLines } from '../../src/report/lines.ts';
import { controllerRevision, daemonSet, template } from '../helpers/builders.ts';

/** Values of the expected type, and others. */
const anything = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.string(), fc.constant(undefined));
const entry = (keys: string[]): fc.Arbitrary<object> =>
  fc.record(Object.fromEntries(keys.map((key) => [key, anything])), { requiredKeys: [] });

describe('a kubeconfig', () => {
  const exec = fc.record(
    {
      apiVersion: fc.constantFrom('client.authentication.k8s.io/v1', 'x'),
      command: fc.oneof(fc.constantFrom('aws', './aws', '/aws'), anything),
      args: anything,
      env: fc.oneof(fc.array(fc.oneof(fc.record({ name: anything, value: anything }), anything)), anything),
      interactiveMode: anything,
    },
    { requiredKeys: [] },
  );
  const user = fc.record(
    Object.fromEntries([
      ...[
        'token',
        'tokenFile',
        'username',
        'password',
        'client-certificate',
        'client-certificate-data',
        'client-key',
        'client-key-data',
      ].map((key) => [key, anything]),
      ...['as', 'as-uid', 'as-groups', 'as-user-extra', 'auth-provider'].map((key) => [key, anything]),
      ['exec', fc.oneof(exec, anything)],
    ]),
    { requiredKeys: [] },
  );
  const cluster = fc
    .tuple(
      fc.constantFrom('https://c.example', 'http://c.example', 'https://a:b@c.example', '', 'c'),
      entry([
        'certificate-authority',
        'certificate-authority-data',
        'tls-server-name',
        'proxy-url',
        'insecure-skip-tls-verify',
        'extensions',
      ]),
    )
    .map(([server, more]) => ({ server, ...more }));

  test('gives a connection or a ClusterError', () => {
    fc.assert(
      fc.property(cluster, fc.oneof(user, anything), fc.oneof(fc.constant(undefined), anything), (theCluster, theUser, namespace) => {
        const source = JSON.stringify({
          clusters: [{ name: 'c', cluster: theCluster }],
          users: [{ name: 'u', user: theUser }],
          contexts: [{ name: 'c', context: { cluster: 'c', user: 'u', namespace } }],
          'current-context': 'c',
        });
        try {
          connectionFrom({ source, context: undefined, plugins: 'any', environment: { PATH: '' } });
        } catch (error) {
          expect(error).toBeInstanceOf(ClusterError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('of any shape gives a connection or a ClusterError', () => {
    const list = fc.oneof(
      anything,
      fc.array(fc.oneof(anything, fc.record({ name: fc.constantFrom('c', 7), cluster: anything, context: anything }))),
    );
    fc.assert(
      fc.property(list, list, list, anything, (clusters, users, contexts, current) => {
        try {
          connectionFrom({
            source: JSON.stringify({ clusters, users, contexts, 'current-context': current }),
            context: undefined,
            plugins: 'any',
            environment: {},
          });
        } catch (error) {
          expect(error).toBeInstanceOf(ClusterError);
        }
      }),
    );
  });
});

test('the data of a ControllerRevision is shown and compared, or left out', () => {
  const podSpec = fc.record(
    {
      containers: fc.oneof(
        fc.array(fc.oneof(fc.record({ name: anything, image: anything, env: anything, args: anything }), anything)),
        anything,
      ),
      initContainers: anything,
      volumes: anything,
    },
    { requiredKeys: [] },
  );
  const stored = fc.record({ metadata: anything, spec: fc.oneof(podSpec, anything), $patch: anything }, { requiredKeys: [] });
  const data = fc.oneof(fc.record({ spec: fc.oneof(fc.record({ template: fc.oneof(stored, anything) }), anything) }), anything);
  fc.assert(
    fc.property(fc.array(data, { maxLength: 3 }), (all) => {
      const current = template('agent:1');
      const revisions = all.map((one, index) => {
        const json = one === undefined ? undefined : (JSON.parse(JSON.stringify(one)) as Json);
        return { ...controllerRevision(index + 2, current), data: json } as unknown as ControllerRevision;
      });
      const history = historyOf(daemonSet(current), [controllerRevision(1, current), ...revisions]);
      expect(history.revisions.some(({ number }) => number === 1)).toBe(true);
      for (const revision of history.revisions) {
        for (const showValues of [true, false]) {
          expect(typeof changeLines(diffTemplates(current, revision.template), showValues).join()).toBe('string');
          expect(typeof templateLines(revision, showValues).join()).toBe('string');
        }
      }
      expect(historyLines({ before: history.revisions, asOf: 0 }).length).toBeGreaterThan(0);
    }),
    { numRuns: 1_000 },
  );
});

describe('a server that answers in place of the API server', () => {
  let server: Server;
  let cluster: Cluster & { close(): void };
  let answer: { status: number; body: string } = { status: 200, body: '' };
  beforeAll(async () => {
    server = createServer((_, response) => response.writeHead(answer.status).end(answer.body));
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const source = JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } }],
      contexts: [{ name: 'c', context: { cluster: 'c' } }],
      'current-context': 'c',
    });
    const connection = connectionFrom({ source, context: undefined, plugins: [], environment: {} });
    cluster = new Client(connection, { onWarning: () => {}, onAnswer: () => {} });
  });
  afterAll(() => {
    cluster.close();
    server.close();
    server.closeAllConnections();
  });

  test('gives an object of the right shape or a ClusterError', async () => {
    const listed = fc.record({ metadata: fc.object({ maxDepth: 1 }), spec: anything, status: anything });
    const object = fc.record({
      metadata: anything,
      spec: anything,
      status: anything,
      items: fc.oneof(fc.array(listed), fc.array(anything), anything),
      message: anything,
      details: fc.oneof(anything, fc.record({ causes: fc.oneof(fc.array(anything), anything) })),
    });
    // A write is sent once, whatever the answer is. Reads decode their answers by the same functions: cluster/decode.test.ts.
    const status = fc.constantFrom(200, 201, 301, 400, 401, 403, 404, 409, 410, 418, 422);
    await fc.assert(
      fc.asyncProperty(status, fc.oneof(object, anything), async (code, body) => {
        answer = { status: code, body: JSON.stringify(body) ?? 'null' };
        const { signal } = new AbortController();
        const one: DaemonSet = daemonSet(template('agent:1'));
        const call = cluster.patchDaemonSet(one.metadata, [], { dryRun: false }, signal).then(({ metadata }) => typeof metadata);
        const end = await call.catch((error: unknown) => error);
        if (end !== 'object') expect(end).toBeInstanceOf(ClusterError);
      }),
      { numRuns: 200 },
    );
  });
});
