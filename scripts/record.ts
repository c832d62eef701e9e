/**
 * Records what an API server sends about the pods of a rollout, for each kind of failure: `npm run record`. It writes the streams to
 * __tests__/fixtures/streams/, one JSON object per line: the DaemonSet and its nodes, the events of the watch on its pods, then warnings.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerStatus, DaemonSet, Event, JsonObject, Node, ObjectMeta, Pod } from '../src/daemonset/types.ts';
import { Api } from '../testbed/api.ts';
import { startTestbed } from '../testbed/testbed.ts';

const FOLDER = '__tests__/fixtures/streams';
/** In seconds: long enough for three restarts of a crashing container, and for a slow container to become ready on all nodes. */
const LENGTH = 18;
const NODES = 5;

const agent = (tag: string): JsonObject => ({ name: 'agent', image: `registry.example/agent:${tag}` });
const tagged = (tag: string): JsonObject => ({ containers: [agent(`v2-${tag}`)] });

/** The pod specs of the second version. */
const kinds: Record<string, JsonObject> = {
  ...Object.fromEntries(
    ['missing', 'invalid-name', 'config-error', 'run-error', 'crash', 'oom', 'unhealthy', 'unmounted', 'hang'].map((tag) => [
      tag,
      tagged(tag),
    ]),
  ),
  ...Object.fromEntries(['flaky', 'flaky-pull', 'cache-sync', 'slow'].map((tag) => [tag, tagged(tag)])),
  unschedulable: { containers: [{ ...agent('v2'), resources: { requests: { cpu: '1000' } } }] },
  'init-crash': { initContainers: [{ name: 'setup', image: 'registry.example/setup:v2-crash' }], containers: [agent('v2')] },
};
/** Kinds that can be recognized only by their events. */
const WITH_WARNINGS = new Set(['unmounted', 'unhealthy']);

interface Watched {
  type: string;
  object: Pod;
}

const testbed = await startTestbed({ nodes: NODES, log: console.log });
const api = new Api(testbed.directory);
try {
  mkdirSync(FOLDER, { recursive: true });
  const all = Object.entries(kinds);
  // A few at a time, so that an overloaded machine does not distort the streams.
  for (let first = 0; first < all.length; first += 5) {
    await Promise.all(
      all.slice(first, first + 5).map(async ([kind, podSpec]) => {
        const lines = await record(kind, podSpec);
        const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
        writeFileSync(join(FOLDER, `${kind}.jsonl`), text);
        console.log(`${kind}: ${lines.length} lines, ${text.length} bytes`);
      }),
    );
  }
} finally {
  api.close();
  await testbed.stop();
}

/** Rolls out the kind after v1 in its own namespace, and returns the lines of the stream. */
async function record(kind: string, podSpec: JsonObject): Promise<object[]> {
  const namespace = `/namespaces/${kind}`;
  const daemonSets = `/apis/apps/v1${namespace}/daemonsets`;
  await api.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: kind } });
  await api.send('POST', daemonSets, manifest({ containers: [agent('v1')] }));
  await untilRolledOut(`${daemonSets}/agent`);

  const lines: object[] = [];
  const begun = Date.now();
  const stream = api.watch<Watched>(`/api/v1${namespace}/pods?watch=true&labelSelector=app%3Dagent&timeoutSeconds=${LENGTH}`);
  const deployed = api.send('PATCH', `${daemonSets}/agent`, { spec: manifest(podSpec)['spec'] }, 'application/merge-patch+json');
  for await (const { type, object } of stream) {
    lines.push({ at: Date.now() - begun, event: { type, object: slimPod(object) } });
  }
  await deployed;
  const { metadata, spec, status } = await api.send<DaemonSet>('GET', `${daemonSets}/agent`);
  const nodes = await api.send<{ items: Node[] }>('GET', '/api/v1/nodes');
  const header = {
    begun,
    desired: status?.desiredNumberScheduled,
    daemonSet: {
      metadata: {
        ...slimMeta(metadata),
        annotations: pick(metadata.annotations ?? {}, 'deprecated.daemonset.template.generation'),
      },
      spec: { selector: spec.selector, minReadySeconds: spec.minReadySeconds ?? 0 },
    },
    nodes: nodes.items.map(slimNode),
  };
  if (!WITH_WARNINGS.has(kind)) return [header, ...lines];
  const events = await api.send<{ items: Event[] }>('GET', `/api/v1${namespace}/events?fieldSelector=type%3DWarning`);
  return [header, ...lines, { at: Date.now() - begun, warnings: events.items.map(slimEvent) }];
}

function manifest(podSpec: JsonObject): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'agent' },
    spec: {
      selector: { matchLabels: { app: 'agent' } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 2 } },
      template: { metadata: { labels: { app: 'agent' } }, spec: { terminationGracePeriodSeconds: 0, ...podSpec } },
    },
  };
}

async function untilRolledOut(path: string): Promise<void> {
  for (;;) {
    const { status } = await api.send<DaemonSet>('GET', path);
    if (status?.updatedNumberScheduled === NODES && status.numberAvailable === NODES) return;
    await new Promise((next) => setTimeout(next, 200));
  }
}

/** Keeps the fields that a diagnosis reads. */
function slimPod({ metadata, spec = {}, status = {} }: Pod): Pod {
  return {
    metadata: slimMeta(metadata),
    spec: pick(spec, spec['nodeName'] === undefined ? 'affinity' : 'nodeName'),
    status: {
      ...pick(status, 'phase', 'reason', 'message'),
      conditions: (status.conditions ?? []).map((one) => pick(one, 'type', 'status', 'reason', 'message', 'lastTransitionTime')),
      ...(status.initContainerStatuses && { initContainerStatuses: status.initContainerStatuses.map(slimContainer) }),
      ...(status.containerStatuses && { containerStatuses: status.containerStatuses.map(slimContainer) }),
    },
  };
}

function slimMeta(metadata: ObjectMeta): ObjectMeta {
  const { ownerReferences } = metadata;
  return {
    ...pick(metadata, 'name', 'namespace', 'uid', 'labels', 'creationTimestamp', 'deletionTimestamp'),
    ...(ownerReferences && { ownerReferences: ownerReferences.map((owner) => pick(owner, 'kind', 'name', 'uid', 'controller')) }),
  } as ObjectMeta;
}

function slimContainer(status: ContainerStatus): ContainerStatus {
  const { state = {}, lastState = {} } = status;
  const slim = ({ waiting, running, terminated }: typeof state): typeof state => ({
    ...(waiting && { waiting }),
    ...(running && { running }),
    ...(terminated && { terminated: pick(terminated, 'exitCode', 'reason', 'message') }),
  });
  return { ...pick(status, 'name', 'image', 'ready', 'restartCount'), state: slim(state), lastState: slim(lastState) };
}

function slimNode({ metadata, spec = {}, status = {} }: Node): Node {
  const conditions = (status.conditions ?? []).map((one) => pick(one, 'type', 'status', 'message'));
  return { metadata: pick(metadata, 'name', 'creationTimestamp') as ObjectMeta, spec: pick(spec, 'unschedulable'), status: { conditions } };
}

function slimEvent(event: Event): Event {
  return {
    ...pick(event, 'type', 'reason', 'message', 'count', 'lastTimestamp', 'eventTime', 'series'),
    metadata: slimMeta(event.metadata),
    involvedObject: pick(event.involvedObject, 'kind', 'name', 'uid'),
  };
}

function pick<T extends object, K extends keyof T>(from: T, ...keys: K[]): Pick<T, K> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]])) as Pick<T, K>;
}
