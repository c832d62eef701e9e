import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { groupCauses } from '../../../src/daemonset/cause-groups.ts';
import { diagnose, type FailingNode, type Situation, surplusNodes } from '../../../src/daemonset/diagnosis.ts';
import { nextVerdictAt, stuckOf, toleratedOf } from '../../../src/daemonset/patience.ts';
import { type PodEvent, seeEvents, withEvents } from '../../../src/daemonset/pod-events.ts';
import { CAUSES, type Cause } from '../../../src/daemonset/pod-failure.ts';
import { runsVersion } from '../../../src/daemonset/pod-version.ts';
import { watchedPod } from '../../../src/daemonset/pods.ts';
import { type SeenNode, seeNode } from '../../../src/daemonset/seen-node.ts';
import { type SeenPod, seePod } from '../../../src/daemonset/seen-pod.ts';
import type { Event, Pod } from '../../../src/daemonset/types.ts';
import { daemonSet, pod, template } from '../../helpers/builders.ts';

const of = daemonSet(template('agent:v2'));
const wanted = { generation: '3', hashes: new Set(['hash3']) };
/** Nothing is compared with the template here. */
const bare = { metadata: {}, spec: {} };
const time = (ms: number): string => new Date(ms).toISOString();
const waiting = (reason: string, message = ''): Pod['status'] => ({
  containerStatuses: [{ name: 'agent', image: 'agent:v2', ready: false, state: { waiting: { reason, message } } }],
});
const missing = waiting('ErrImagePull');
const creating = waiting('ContainerCreating');
const crashed = (restartCount: number): Pod['status'] => ({
  containerStatuses: [
    {
      name: 'agent',
      restartCount,
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 1, reason: 'Error' } },
    },
  ],
});
/** A pod from long before the wait. */
const long = { metadata: { creationTimestamp: time(-3_600_000), labels: pod().metadata.labels as Record<string, string> } };
const unready: Pod['status'] = { containerStatuses: [{ name: 'agent', ready: false, state: { running: {} } }] };
const readyAt = (ms: number): Pod['status'] => ({ conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: time(ms) }] });

/** What is known of a pod after it was seen at a time on the API server's clock. */
function seeAt(now: number, one: Pod, before?: SeenPod): SeenPod | undefined {
  const seen = seePod(before, watchedPod(one, bare), of, { now, isClusterTime: true, begun: 0 });
  return seen && { ...seen, wanted: runsVersion(seen.version, wanted, { count: 0, deviations: new Set() }) };
}

/** What is known of a pod after these states, each seen at its time. */
function see(...states: [at: number, status: Pod['status'], changes?: Parameters<typeof pod>[1]][]): SeenPod {
  let seen: SeenPod | undefined;
  for (const [at, status, changes] of states) seen = seeAt(at, pod(status, changes), seen);
  return seen as SeenPod;
}

const node = (changes: Partial<SeenNode> = {}): SeenNode => ({ ready: true, placed: true, marks: [], message: '', created: 0, ...changes });

function situation(pods: SeenPod[], changes: Partial<Situation> = {}): Situation {
  const ended = new Map<string, SeenPod>();
  return {
    pods,
    ended,
    nodes: new Map([['node-1', node()]]),
    rejected: undefined,
    undeletable: '',
    desired: 1,
    minReadyMs: 0,
    stableForMs: 0,
    start: 0,
    brokenBefore: new Set(),
    othersCrashedAt: undefined,
    ...changes,
  };
}

describe('a pod', () => {
  test('of another owner is ignored', () => {
    expect(seeAt(0, pod(missing, { metadata: { ownerReferences: [] } }))).toBeUndefined();
  });

  test('without a node counts for the node in its affinity', () => {
    const affinity = {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-7'] }] }],
        },
      },
    };
    expect(see([0, {}, { spec: { affinity } }]).node).toBe('node-7');
    expect(see([0, {}, { spec: {} }]).node).toBe('');
  });

  test.each<[string, SeenPod, number | undefined]>([
    ['since the failure was first seen', see([1, creating], [2, missing], [3, waiting('ImagePullBackOff')], [4, missing]), 2],
    ['not while it is still starting', see([1, creating]), undefined],
    ['since the first failure, although the failure changes', see([1, missing], [2, crashed(1)], [3, crashed(2)]), 1],
    ['counted anew after it stayed ready', see([1, crashed(1)], [2, readyAt(2)], [10_002, crashed(2)]), 10_002],
    ['counted on after it was ready for a moment', see([1, crashed(1)], [2, readyAt(2)], [1_000, crashed(2)]), 1],
    ['counted anew after it was starting again', see([1, missing], [2, creating], [3, missing]), 3],
    ['never for a pod that is ready', see([2, readyAt(2)]), undefined],
    ['not when it was evicted', see([1, missing], [2, { phase: 'Failed', reason: 'Evicted' }]), undefined],
  ])('is unable to start: %s', (_name, { since }, expected) => {
    expect(since).toBe(expected);
  });

  test('is ready since the time in its condition, and not while it is being deleted', () => {
    expect(see([9_000, readyAt(5_000)]).readySince).toBe(5_000);
    expect(see([9_000, { conditions: [{ type: 'Ready', status: 'True' }] }]).readySince).toBe(9_000);
    expect(see([9_000, readyAt(5_000), { metadata: { deletionTimestamp: 'now' } }]).readySince).toBeUndefined();
  });
});

describe('what the events of a pod add', () => {
  const event = (reason: string, message: string, warning = true): PodEvent => ({
    uid: 'agent-x',
    name: 'agent-x',
    host: 'node-1',
    at: 0,
    warning,
    reason,
    message,
    count: 1,
  });
  const warning = event;
  const killed = event('Killing', 'Container agent failed liveness probe, will be restarted', false);
  const exited = (exitCode: number): Pod['status'] => ({
    containerStatuses: [{ name: 'agent', restartCount: 3, ready: false, state: { terminated: { exitCode, reason: 'Error' } } }],
  });
  const mount = warning('FailedMount', 'configmap "x" not found');
  const liveness = warning('Unhealthy', 'Liveness probe failed: 500');
  const readiness = warning('Unhealthy', 'Readiness probe failed: 503');
  const sandbox = warning('FailedCreatePodSandBox', 'no network');
  const all = [warning('FailedMount', 'older'), mount, liveness, warning('Unhealthy', 'Startup probe failed: 500'), readiness, sandbox];

  test.each<[string, Pod['status'], PodEvent[], Cause | undefined, string]>([
    ['the volume that it waits for, from the newest warning', creating, all, 'volume-mount', 'configmap "x" not found'],
    ['the reason why it has no sandbox', creating, [sandbox], 'pod-sandbox', 'no network'],
    ['the network of its node that is not ready', creating, [event('NetworkNotReady', 'no plugin')], 'starting', 'no plugin'],
    ['the probe that restarts it', crashed(3), [liveness, killed], 'probe-failed', 'Liveness probe failed: 500'],
    ['the startup probe before the liveness probe', crashed(3), [...all, killed], 'probe-failed', 'Startup probe failed: 500'],
    ['the probe of a container that exits with 0 on SIGTERM', exited(0), [liveness], 'probe-failed', 'Liveness probe failed: 500'],
    ['the probe of a container that does not handle SIGTERM', exited(137), [liveness], 'probe-failed', 'Liveness probe failed: 500'],
    ['nothing about a container that crashes while its probes fail', exited(1), [liveness], 'crash-loop', ''],
    [
      'nothing about a container that crashes beside one that a probe restarts',
      exited(1),
      [liveness, event('Killing', 'Container agent-2 failed liveness probe, will be restarted', false)],
      'crash-loop',
      '',
    ],
    ['the hook that fails', exited(0), [event('FailedPostStartHook', 'PostStartHook failed')], 'start-error', 'PostStartHook failed'],
    [
      'the Secret with which the image would be pulled',
      waiting('ImagePullBackOff', 'denied'),
      [event('FailedToRetrieveImagePullSecret', 'Unable to retrieve some image pull secrets (registry).')],
      'image-pull',
      'Unable to retrieve some image pull secrets (registry). denied',
    ],
    [
      'the limit that a pod exceeded whose phase is Succeeded',
      { phase: 'Succeeded' },
      [event('Evicted', 'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi.')],
      'storage-limit',
      'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi.',
    ],
    [
      'the pressure on its node',
      { phase: 'Succeeded' },
      [event('Evicted', 'The node was low on resource: memory.')],
      'evicted',
      'The node was low on resource: memory.',
    ],
    ['nothing about a crash from a readiness probe', crashed(3), [readiness, mount], 'crash-loop', ''],
    ['the message of the readiness probe', unready, all, 'not-ready', 'Readiness probe failed: 503'],
    ['nothing about a missing image', missing, all, 'image-pull', ''],
    ['nothing for a pod that is ready', readyAt(0), all, undefined, ''],
    ['nothing without a warning', creating, [], 'starting', ''],
  ])('%s', (_name, status, warnings, cause, message) => {
    const { failure } = withEvents(see([0, status]), warnings, 7);
    expect(failure?.cause).toBe(cause);
    expect(failure?.message ?? '').toBe(message);
  });

  test('a pod waits for a volume since the warning was first read', () => {
    const once = withEvents(see([1, creating]), [mount], 5);
    expect(once.since).toBe(5);
    expect(withEvents(once, [mount], 9).since).toBe(5);
  });

  test('a pod keeps waiting for a volume when its status is updated', () => {
    const known = withEvents(see([1, creating]), [mount], 5);
    expect(seeAt(9, pod(creating), known)).toMatchObject({ since: 5, failure: { cause: 'volume-mount' } });
  });

  test('a pod no longer waits for a volume once its volumes are mounted and its image is being pulled', () => {
    const pulling = { ...creating, conditions: [{ type: 'PodReadyToStartContainers', status: 'True' }] };
    expect(withEvents(see([1, pulling]), [mount], 5)).toMatchObject({ since: undefined, failure: { cause: 'starting' } });
    const waited = withEvents(see([1, creating]), [mount], 5);
    expect(seeAt(9, pod(pulling), waited)).toMatchObject({ since: undefined, failure: { cause: 'starting' } });
  });

  test.each<[string, PodEvent[], number]>([
    ['an event shows that its image is being pulled', [mount, event('Pulling', 'Pulling image', false)], 9],
    ['the last warning is older than the kubelet would be silent for', [{ ...mount, at: 5 }], 360_006],
  ])('a pod no longer waits for a volume once %s, although its status does not show it', (_name, events, now) => {
    const waited = withEvents(see([1, creating]), [mount], 5);
    expect(withEvents(waited, events, now)).toMatchObject({ since: undefined, failure: { cause: 'starting' } });
    // Without any event, nothing is known.
    expect(withEvents(waited, [], now)).toMatchObject({ since: 5, failure: { cause: 'volume-mount' } });
  });

  test('the answer of a registry is remembered between two attempts', () => {
    const answered = see(
      [1, waiting('ErrImagePull', '503 Service Unavailable')],
      [2, waiting('ImagePullBackOff', 'Back-off pulling image')],
    );
    expect(answered.failure).toMatchObject({ reason: 'ImagePullBackOff', message: '503 Service Unavailable' });
  });

  test('events are sorted, the oldest first, whichever time field they have', () => {
    const event = (message: string, more: Partial<Event>): Event => ({
      metadata: { name: message, namespace: 'logging', uid: message, resourceVersion: '1' },
      involvedObject: { uid: 'agent-x' },
      type: 'Warning',
      reason: 'Failed',
      message,
      ...more,
    });
    const events = [
      event('fourth', { series: { count: 9, lastObservedTime: time(4_000) }, count: 1, eventTime: time(1_000) }),
      event('third', { lastTimestamp: time(3_000), count: 2 }),
      event('normal', { type: 'Normal', lastTimestamp: time(0) }),
      event('second', { lastTimestamp: null, eventTime: time(2_000) }),
      event('first', {
        lastTimestamp: null,
        eventTime: null,
        metadata: { name: 'x', namespace: 'logging', uid: 'x', resourceVersion: '1', creationTimestamp: time(1_000) },
      }),
    ];
    expect(seeEvents(events).map(({ message, count, warning }) => [message, count, warning])).toEqual([
      ['normal', 1, false],
      ['first', 1, true],
      ['second', 1, true],
      ['third', 2, true],
      ['fourth', 9, true],
    ]);
  });

  test('a message is shown without the words that the controller puts before similar ones', () => {
    const message = '(combined from similar events): Error creating: pods "agent-x" is forbidden\n';
    const object = { metadata: { name: 'x', namespace: 'logging', uid: 'x', resourceVersion: '1' }, involvedObject: { uid: 'agent-x' } };
    expect(seeEvents([{ ...object, message }])[0]?.message).toBe('Error creating: pods "agent-x" is forbidden');
  });
});

test('the readiness and the marks of a node come from its conditions and spec', () => {
  const metadata = { name: 'node-1', namespace: '', uid: 'n', resourceVersion: '1', creationTimestamp: time(7_000) };
  const conditions = [
    { type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting node status.' },
    { type: 'DiskPressure', status: 'True' },
    { type: 'MemoryPressure', status: 'False' },
    { type: 'NetworkUnavailable', status: 'True' },
  ];
  expect(seeNode({ metadata, spec: { unschedulable: true }, status: { conditions } }, bare)).toEqual({
    ready: false,
    placed: true,
    marks: ['cordoned', 'DiskPressure', 'NetworkUnavailable'],
    message: 'Kubelet stopped posting node status.',
    created: 7_000,
  });
  expect(seeNode({ metadata }, { spec: { nodeSelector: { place: 'nowhere' } } })).toMatchObject({ ready: false, placed: false, marks: [] });
});

describe('the pods of a node do not count although they exist', () => {
  const on = (name: string, status: Pod['status'] = readyAt(0)): SeenPod => see([0, status, { name: `agent-${name}`, node: name }]);
  const three = ['a', 'b', 'c'].map((name) => on(name));
  const nodes = (changes: Record<string, Partial<SeenNode> | undefined>): Map<string, SeenNode> =>
    new Map(['a', 'b', 'c', 'd'].flatMap((name) => (name in changes && !changes[name] ? [] : [[name, node(changes[name])] as const])));

  test.each<[string, SeenPod[], Map<string, SeenNode> | undefined, string[]]>([
    ['not if there are as many as there should be', three, nodes({ a: { ready: false } }), []],
    ['if it was deleted', [...three, on('d')], nodes({ d: undefined }), ['d']],
    ['if the template is not placed on it any more', [...three, on('d')], nodes({ d: { placed: false } }), ['d']],
    ['if it is not ready', [...three, on('d', unready)], nodes({ d: { ready: false } }), ['d']],
    ['if it was deleted, before one that is not ready', [...three, on('d')], nodes({ a: { ready: false }, d: undefined }), ['d']],
    ['but not if nothing is wrong with any node', [...three, on('d', unready)], nodes({}), []],
    ['if its pod is not ready, where nodes cannot be read', [...three, on('d', unready)], undefined, ['d']],
    ['but not if its pod crashes', [...three, on('d', crashed(3))], undefined, []],
  ])('%s', (_name, pods, known, expected) => {
    expect([...surplusNodes(pods, known, 3)]).toEqual(expected);
  });

  test('and are left out of the diagnosis', () => {
    const all = [...three, on('d', unready)];
    const counted = { desired: 3, nodes: undefined };
    expect(diagnose(situation(all, counted), 1).failing).toHaveLength(1);
    expect(diagnose(situation(all, { ...counted, surplus: new Set(['d']) }), 1)).toMatchObject({ right: 3, updated: 3, failing: [] });
  });
});

describe('a node', () => {
  const old: Parameters<typeof pod>[1] = { name: 'agent-old', generation: '2' };
  const ending: Parameters<typeof pod>[1] = { ...old, metadata: { deletionTimestamp: 'now' } };

  test.each<[string, SeenPod[], Partial<Situation>, Cause | undefined]>([
    ['with an available pod is healthy', [see([0, readyAt(0)])], {}, undefined],
    ['with an available pod is healthy where nodes cannot be read', [see([0, readyAt(0)])], { nodes: undefined }, undefined],
    [
      'that is not ready is not healthy',
      [see([0, readyAt(0)])],
      { nodes: new Map([['node-1', node({ ready: false })]]) },
      'node-not-ready',
    ],
    ['whose pod has not been ready for minReadySeconds', [see([0, readyAt(0)])], { minReadyMs: 10_001 }, 'min-ready-seconds'],
    ['whose pod has been ready for minReadySeconds is healthy', [see([0, readyAt(0)])], { minReadyMs: 10_000 }, undefined],
    ['whose pod cannot start', [see([0, missing])], {}, 'image-pull'],
    ['with a pod of another version', [see([0, readyAt(0), old])], {}, 'not-replaced'],
    ['with an unavailable pod of another version', [see([0, crashed(9), old])], {}, 'old-pod-unavailable'],
    ['whose old pod does not terminate', [see([0, readyAt(0), ending])], {}, 'terminating'],
    [
      'whose old pod does not terminate, with a new pod that cannot start',
      [see([0, readyAt(0), ending]), see([0, missing])],
      {},
      'image-pull',
    ],
    ['with an available surge pod beside the old pod', [see([0, readyAt(0), old]), see([0, readyAt(0)])], {}, 'not-replaced'],
    [
      'whose old pod terminates beside an available new one is healthy',
      [see([0, readyAt(0), ending]), see([0, readyAt(0)])],
      {},
      undefined,
    ],
    ['with a surge pod that cannot start', [see([0, readyAt(0), old]), see([0, missing])], {}, 'image-pull'],
    ['without a pod', [], {}, 'no-pod'],
    ['whose pod is rejected', [], { rejected: { message: 'no', since: 3 } }, 'pod-rejected'],
  ])('%s', (_name, pods, changes, cause) => {
    const { right, failing } = diagnose(situation(pods, changes), 10_000);
    expect(failing.map(({ failure }) => failure.cause)).toEqual(cause === undefined ? [] : [cause]);
    expect(right).toBe(cause === undefined ? 1 : 0);
  });

  test('whose pod just became ready is healthy, although the clock of the cluster is ahead', () => {
    expect(diagnose(situation([see([10_000, readyAt(12_000)])]), 10_000)).toMatchObject({ right: 1, failing: [] });
  });

  test('that was deleted is ignored with its pod, and does not hide a node without a pod', () => {
    const pods = [see([0, readyAt(0)]), see([0, missing, { name: 'agent-y', node: 'node-2' }])];
    expect(diagnose(situation(pods), 0)).toMatchObject({ right: 1, failing: [] });
    expect(diagnose(situation(pods, { desired: 2 }), 0).failing.map(({ failure }) => failure.cause)).toEqual(['no-pod']);
  });

  test('has marks for what else is wrong with it', () => {
    const nodes = new Map([['node-1', node({ ready: false, marks: ['cordoned'], message: 'gone', created: 5 })]]);
    expect(diagnose(situation([see([0, missing])], { nodes }), 0).failing[0]).toMatchObject({
      node: 'node-1',
      pod: 'agent-x',
      marks: ['NotReady', 'cordoned', 'new'],
      isNew: true,
      failure: { message: 'gone' },
    });
  });
});

describe('stuck', () => {
  const patience = { graceMs: 5_000, tolerated: 0 };
  const stuck = (pods: SeenPod[], changes: Partial<Situation> = {}, now = 5_000): string[] =>
    stuckOf(diagnose(situation(pods, changes), now), patience, now).map(({ failure }) => failure.cause);

  test.each<[string, SeenPod[], Partial<Situation>, Cause[]]>([
    ['a pod of the version that cannot start', [see([0, missing])], {}, ['image-pull']],
    ['not a pod within the grace period', [see([1, missing])], {}, []],
    ['not a pod of another version', [see([0, missing, { generation: '2' }])], {}, []],
    ['not a pod on a node that is not ready', [see([0, missing])], { nodes: new Map([['node-1', node({ ready: false })]]) }, []],
    ['not a pod on a node that joined after the start', [see([0, missing])], { nodes: new Map([['node-1', node({ created: 1 })]]) }, []],
    ['not a pod that was evicted', [see([0, { phase: 'Failed', reason: 'Evicted' }])], {}, []],
    ['not a pod that is ready', [see([0, crashed(4)], [1, readyAt(1)])], {}, []],
    ['a pod that is ready for a moment at each restart', [see([0, crashed(4)], [1, readyAt(1)], [2, crashed(5)])], {}, ['crash-loop']],
    ['not a pod that was restarted often before the wait, and once since', [see([0, crashed(5), long], [1, crashed(6), long])], {}, []],
    [
      'a pod that was restarted before the wait, and three times since',
      [see([0, crashed(5), long], [1, crashed(8), long])],
      {},
      ['crash-loop'],
    ],
    ['not a pod that crashed only twice', [see([0, crashed(1)])], {}, []],
    ['a pod that crashed three times', [see([0, crashed(2)])], {}, ['crash-loop']],
    ['not a pod that runs without being ready', [see([0, unready])], {}, []],
    ['pods that are rejected', [], { rejected: { message: 'no', since: 0 } }, ['pod-rejected']],
    ['not a pod that does not exist yet', [], {}, []],
    ['a pod where nodes cannot be read', [see([0, missing])], { nodes: undefined }, ['image-pull']],
  ])('%s', (_name, pods, changes, causes) => {
    expect(stuck(pods, changes)).toEqual(causes);
  });

  const statuses = [missing, creating, crashed(1), crashed(3), unready, readyAt(0), { phase: 'Failed' }, {}];
  const anyPod = fc.record({
    status: fc.constantFrom(...statuses),
    generation: fc.constantFrom('2', '3'),
    node: fc.integer({ min: 1, max: 6 }),
    at: fc.nat(10_000),
  });

  test('is only a pod of the version, on a ready node from before the start, after the grace period', () => {
    fc.assert(
      fc.property(fc.array(anyPod, { maxLength: 10 }), fc.nat(8), fc.nat(10_000), (all, desired, grace) => {
        const pods = all.map(({ status, generation, node: on, at }, index) =>
          see([at, status, { name: `agent-${index}`, generation, node: `node-${on}` }]),
        );
        const nodes = new Map([
          ['node-1', node()],
          ['node-2', node({ ready: false })],
          ['node-3', node({ created: 1 })],
          ['node-4', node()],
          ['node-5', node({ marks: ['cordoned'] })],
        ]);
        const diagnosis = diagnose(situation(pods, { nodes, desired }), 10_000);
        for (const { node: name, pod: podName } of stuckOf(diagnosis, { graceMs: grace, tolerated: 0 }, 10_000)) {
          expect(['node-1', 'node-4', 'node-5']).toContain(name);
          const its = all[Number(podName.replace('agent-', ''))];
          expect(its).toMatchObject({ generation: '3' });
          expect([missing, crashed(3)]).toContainEqual(its?.status);
          expect(10_000 - (its?.at ?? 0)).toBeGreaterThanOrEqual(grace);
        }
      }),
    );
  });

  test('is never a crash from before the wait, however often the pod was restarted', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.nat(2), fc.nat(1_000_000), (before, since, now) => {
        const seen = see([0, crashed(before), long], [1, crashed(before + since), long]);
        expect(stuck([seen], {}, now)).toEqual([]);
      }),
    );
  });

  test('is judged again when the next grace period ends', () => {
    const on = (name: string, at: number, status: Pod['status'] = missing): SeenPod => see([at, status, { name, node: name }]);
    const pods = [on('a', 1_000), on('b', 3_000), on('c', 2_000), on('d', 0, unready)];
    const diagnosis = diagnose(situation(pods, { nodes: undefined, desired: 4 }), 6_000);
    expect([0, 6_000, 7_000, 8_000].map((now) => nextVerdictAt(diagnosis, patience, now))).toEqual([6_000, 7_000, 8_000, undefined]);
  });
});

test.each<[Parameters<typeof toleratedOf>[0], number, number]>([
  [{ nodes: 3 }, 2, 3],
  [{ percent: 10 }, 10, 1],
  [{ percent: 10 }, 19, 1],
  [{ percent: 99 }, 1, 0],
  [{ percent: 100 }, 7, 7],
  [{ percent: 0 }, 1_000, 0],
])('a tolerance of %j with %d nodes is %d', (tolerance, desired, nodes) => {
  expect(toleratedOf(tolerance, desired)).toBe(nodes);
});

describe('causes', () => {
  const failingNode: fc.Arbitrary<FailingNode> = fc
    .record({
      cause: fc.constantFrom(...CAUSES),
      container: fc.constantFrom('agent', 'sidecar'),
      image: fc.constantFrom('agent:v2', 'sidecar:v1'),
      restarts: fc.nat(9),
      node: fc.string(),
    })
    .map(({ node: name, ...failure }) => ({
      node: name,
      pod: 'agent-x',
      failure: { ...failure, reason: '', message: '' },
      since: 0,
      marks: [],
      isNew: false,
    }));

  test('list stuck groups first, each affected node exactly once, and as the example the pod with the most restarts', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(failingNode, fc.boolean())), (all) => {
        const failing = all.map(([one]) => one);
        const stuck = all.filter(([, is]) => is).map(([one]) => one);
        const groups = groupCauses(failing, stuck);
        const flags = groups.map((group) => group.stuck);
        expect(flags).toEqual([...flags].sort((a, b) => Number(b) - Number(a)));
        const nodes = groups.flatMap((group) => group.nodes);
        expect(nodes).toHaveLength(failing.length);
        expect(new Set(nodes)).toEqual(new Set(failing));
        for (const group of groups) {
          expect(group.nodes).toContain(group.example);
          expect(group.nodes.some((one) => stuck.includes(one))).toBe(group.stuck);
          for (const one of group.nodes) {
            expect(one.failure.cause).toBe(group.cause);
            expect(one.failure.restarts ?? 0).toBeLessThanOrEqual(group.example.failure.restarts ?? 0);
          }
        }
      }),
    );
  });

  test('name all nodes with the same failure as soon as one of them is stuck', () => {
    const one = (node: string, restarts: number): FailingNode => ({
      node,
      pod: node,
      failure: { cause: 'crash-loop', reason: '', message: '', container: 'agent', restarts },
      since: 0,
      marks: [],
      isNew: false,
    });
    const failing = [one('node-1', 2), one('node-2', 3), one('node-3', 1)];
    expect(groupCauses(failing, failing.slice(1, 2))).toEqual([{ cause: 'crash-loop', stuck: true, nodes: failing, example: failing[1] }]);
  });

  test('come in order of how much they explain, and of the same cause the one with more nodes first', () => {
    const one = (cause: Cause, container = 'agent'): FailingNode => ({
      node: cause,
      pod: cause,
      failure: { cause, reason: '', message: '', container },
      since: undefined,
      marks: [],
      isNew: false,
    });
    const failing = [one('not-replaced'), one('starting'), one('crash-loop', 'b'), one('crash-loop'), one('crash-loop'), one('oom-killed')];
    const groups = groupCauses(failing, []);
    expect(groups.map(({ cause, nodes }) => [cause, nodes.length])).toEqual([
      ['oom-killed', 1],
      ['crash-loop', 2],
      ['crash-loop', 1],
      ['starting', 1],
      ['not-replaced', 1],
    ]);
  });
});
