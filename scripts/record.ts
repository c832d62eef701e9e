/**
 * Records what an API server sends about the pods of a rollout on real nodes, for kinds of failure: `npm run record [KIND …]`. It writes
 * the streams to __tests__/fixtures/streams/, one JSON object per line: the DaemonSet and its nodes, the events of the watch on its pods,
 * then the events about them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kinds, manifestOf } from '../__tests__/helpers/kinds.ts';
import type { ContainerStatus, DaemonSet, Event, JsonObject, Node, ObjectMeta, Pod } from '../src/daemonset/types.ts';
import { Api } from '../testbed/api.ts';
import { startTestbed } from '../testbed/testbed.ts';

const FOLDER = '__tests__/fixtures/streams';
/** In seconds: long enough for three restarts, which the kubelet delays by 0, 10 and 20 seconds, and for an eviction. */
const LENGTH = 48;
const NODES = 3;
/** Kinds at the same time, so that an overloaded machine does not distort the streams. */
const AT_ONCE = 6;

/** One for each behavior. The others differ only in their messages. */
const RECORDED = [
  'config-map-missing',
  'crash',
  'crash-fallback',
  'evicted',
  'exit-0',
  'flaky',
  'healthy',
  'init-crash',
  'init-hang',
  'mount-secret',
  'oom',
  'oom-tiny',
  'post-start',
  'pull-flaky',
  'pull-invalid-name',
  'pull-missing',
  'pull-secret',
  'quota',
  'run-error',
  'runtime-handler',
  'sidecar-crash',
  'sidecar-unstarted',
  'sysctl',
  'two-containers',
  'unhealthy',
  'unhealthy-startup',
  'unready',
  'unready-exec',
  'unready-gate',
  'unschedulable-cpu',
];
const asked = process.argv.slice(2);

interface Watched {
  type: string;
  object: Pod;
}

const v1: JsonObject = { containers: [{ name: 'agent', image: 'registry.example/agent:v1' }] };

const testbed = await startTestbed({ nodes: 0, realNodes: NODES, log: console.log });
const api = new Api(testbed.directory);
try {
  mkdirSync(FOLDER, { recursive: true });
  const all = asked.length > 0 ? asked : RECORDED;
  for (let first = 0; first < all.length; first += AT_ONCE) {
    await Promise.all(
      all.slice(first, first + AT_ONCE).map(async (kind) => {
        const lines = await record(kind);
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
async function record(kind: string): Promise<object[]> {
  const { podSpec, objects = [], namespaceLabels = {} } = kinds[kind] ?? {};
  if (podSpec === undefined) throw new Error(`there is no kind ${kind}`);
  const namespace = `/namespaces/${kind}`;
  const daemonSets = `/apis/apps/v1${namespace}/daemonsets`;
  await api.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: kind, labels: namespaceLabels } });
  await api.send('POST', daemonSets, manifestOf(v1, kind, 2));
  await untilRolledOut(`${daemonSets}/agent`);
  for (const object of objects) await create(object, namespace);

  const lines: object[] = [];
  const begun = Date.now();
  const stream = api.watch<Watched>(`/api/v1${namespace}/pods?watch=true&labelSelector=app%3Dagent&timeoutSeconds=${LENGTH}`);
  const deployed = api.send('PATCH', `${daemonSets}/agent`, { spec: manifestOf(podSpec, kind, 2)['spec'] }, 'application/merge-patch+json');
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
  const events = await api.send<{ items: Event[] }>('GET', `/api/v1${namespace}/events`);
  const relevant = events.items.filter(({ type, reason }) => type === 'Warning' || reason === 'Killing');
  await api.send('DELETE', `/api/v1${namespace}`);
  return [header, ...lines, { at: Date.now() - begun, events: relevant.map(slimEvent) }];
}

async function create(object: JsonObject, namespace: string): Promise<void> {
  const { apiVersion, kind } = object as { apiVersion: string; kind: string };
  const group = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  const plural = `${kind.toLowerCase()}${kind.endsWith('s') ? 'es' : 's'}`;
  await api.send('POST', `${group}${kind === 'RuntimeClass' ? '' : namespace}/${plural}`, object);
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
    spec: {
      ...pick(spec, spec['nodeName'] === undefined ? 'affinity' : 'nodeName'),
      ...(spec['initContainers'] !== undefined && { initContainers: (spec['initContainers'] as JsonObject[]).map(slimInitContainer) }),
    },
    status: {
      ...pick(status, 'phase', 'reason', 'message'),
      conditions: (status.conditions ?? []).map((one) => pick(one, 'type', 'status', 'reason', 'message', 'lastTransitionTime')),
      ...(status.initContainerStatuses && { initContainerStatuses: status.initContainerStatuses.map(slimContainer) }),
      ...(status.containerStatuses && { containerStatuses: status.containerStatuses.map(slimContainer) }),
    },
  };
}

function slimInitContainer(container: JsonObject): JsonObject {
  return pick(container, 'name', 'image', 'restartPolicy');
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
    ...(terminated && { terminated: terminated }),
  });
  return { ...pick(status, 'name', 'image', 'ready', 'started', 'restartCount'), state: slim(state), lastState: slim(lastState) };
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
