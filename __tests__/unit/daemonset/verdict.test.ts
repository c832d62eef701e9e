/** The verdict about a rollout: tables for each rule, and properties for what must never happen. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { announcedMs } from '../../../src/daemonset/announced-time.ts';
import type { Diagnosis, FailingNode } from '../../../src/daemonset/diagnosis.ts';
import { CAUSES, type Cause } from '../../../src/daemonset/pod-failure.ts';
import { begin, record } from '../../../src/daemonset/progress.ts';
import type { DaemonSet, JsonObject } from '../../../src/daemonset/types.ts';
import { countsOf, type Limits, type PodKnowledge, type Snapshot, verdict } from '../../../src/daemonset/verdict.ts';
import { daemonSet, template } from '../../helpers/builders.ts';

const limits: Limits = {
  stableFor: 10_000,
  progressDeadlineMs: 300_000,
  failFast: true,
  failureGraceMs: 30_000,
  tolerateUnavailable: { nodes: 0 },
  logLines: 0,
};
const known: PodKnowledge = { kind: 'known' };
const v2 = template('agent:v2');
const rolledOut = daemonSet(v2);
const halfway = daemonSet(v2, { status: { updatedNumberScheduled: 1, numberAvailable: 2 } });
const unavailable = daemonSet(v2, { status: { numberAvailable: 2 } });

function node(cause: Cause, changes: Partial<FailingNode> = {}): FailingNode {
  const failure = { cause, reason: '', message: '', restarts: 3, crashes: 3 };
  return { node: `node-${cause}`, pod: `agent-${cause}`, failure, since: 0, marks: [], isNew: false, ...changes };
}

function diagnosis(right: number, ...failing: FailingNode[]): Diagnosis {
  return { right, updated: right + failing.length, available: right, failing, crashing: [], othersCrashedAt: undefined };
}

function snapshot(of: DaemonSet, changes: Partial<Snapshot> = {}, begunAt = 0): Snapshot {
  const { desiredNumberScheduled = 0, updatedNumberScheduled = 0, numberAvailable = 0 } = of.status ?? {};
  const counts = { desired: desiredNumberScheduled, updated: updatedNumberScheduled, available: numberAvailable };
  return {
    daemonSet: of,
    uid: of.metadata.uid,
    template: v2,
    progress: begin(counts, begunAt),
    pods: known,
    diagnosis: diagnosis(3),
    podsProgressedAt: 0,
    graceMs: 0,
    nodesReadAt: Number.POSITIVE_INFINITY,
    eventsReadAt: Number.POSITIVE_INFINITY,
    eventsDueAt: undefined,
    ...changes,
  };
}

const kindOf = (one: Snapshot, now = 0, changes: Partial<Limits> = {}): string => verdict(one, { ...limits, ...changes }, now).kind;
const restarted = (stamp: string): JsonObject => ({
  ...v2,
  metadata: { labels: { app: 'agent' }, annotations: { [stamp]: '2026-01-01T00:00:00Z' } },
});

describe('the object', () => {
  test.each<[string, Snapshot, string]>([
    ['that was deleted and created again', snapshot(rolledOut, { uid: 'uid-0' }), 'recreated'],
    ['with another template', snapshot(daemonSet(template('agent:v3'))), 'superseded'],
    ['with OnDelete and pods to delete', snapshot(daemonSet(v2, { type: 'OnDelete', status: { updatedNumberScheduled: 1 } })), 'on-delete'],
    [
      'with OnDelete, before the pods were read',
      snapshot(daemonSet(v2, { type: 'OnDelete', status: { updatedNumberScheduled: 1 } }), { pods: { kind: 'unread' } }),
      'waiting',
    ],
  ])('%s', (_name, one, expected) => {
    expect(kindOf(one)).toBe(expected);
  });

  test.each(['kubectl.kubernetes.io/restartedAt', 'cattle.io/timestamp', 'reloader.stakater.com/last-reloaded-from', 'rollme'])(
    'whose pods are restarted (%s) is the same version',
    (stamp) => {
      expect(kindOf(snapshot(daemonSet(restarted(stamp))))).toBe('complete');
    },
  );

  test('whose template has another annotation is another version', () => {
    expect(kindOf(snapshot(daemonSet(restarted('checksum/config'))))).toBe('superseded');
  });
});

describe('complete', () => {
  const unstable = (stableAt: number | undefined): FailingNode =>
    node('not-stable', { since: undefined, ...(stableAt !== undefined && { stableAt }) });

  test.each<[string, Snapshot, number, string]>([
    ['every node is right', snapshot(rolledOut), 0, 'complete'],
    ['the pods were not read', snapshot(rolledOut, { pods: { kind: 'unread' }, diagnosis: undefined }), 0, 'waiting'],
    ['the watch of the pods was interrupted', snapshot(rolledOut, { pods: { kind: 'outdated' } }), 0, 'waiting'],
    ['the pods cannot be read', snapshot(rolledOut, { pods: { kind: 'unreadable', why: '500' } }), 0, 'waiting'],
    ['a container has not run for long enough', snapshot(rolledOut, { diagnosis: diagnosis(2, unstable(5_000)) }), 4_999, 'waiting'],
    ['a container does not run', snapshot(rolledOut, { diagnosis: diagnosis(2, unstable(undefined)) }), 1_000, 'waiting'],
    ['a pod runs another template', snapshot(rolledOut, { diagnosis: diagnosis(2, node('not-replaced')) }), 0, 'waiting'],
    ['no node is right', snapshot(rolledOut, { diagnosis: diagnosis(0) }), 0, 'waiting'],
    [
      'no node should run it',
      snapshot(daemonSet(v2, { status: { desiredNumberScheduled: 0, updatedNumberScheduled: 0, numberAvailable: 0 } }), {
        pods: { kind: 'unread' },
      }),
      0,
      'complete',
    ],
    ['the counters are not complete, although every pod is right', snapshot(unavailable), 0, 'waiting'],
  ])('or not: %s', (_name, one, now, expected) => {
    expect(kindOf(one, now)).toBe(expected);
  });

  test('wakes up when the last container will have run for long enough', () => {
    const one = snapshot(rolledOut, { diagnosis: diagnosis(1, unstable(3_000), unstable(4_000)) });
    expect(verdict(one, limits, 1_000)).toMatchObject({ kind: 'waiting', wakeAt: 4_000, missing: { kind: 'stability', until: 4_000 } });
  });

  test('never misses the moment at which the last container is stable, even if the snapshot is a little older', () => {
    const one = snapshot(rolledOut, { diagnosis: diagnosis(2, unstable(4_000)) });
    expect(verdict(one, limits, 4_000.5)).toMatchObject({ kind: 'waiting', wakeAt: 4_001.5 });
  });

  test('while containers only need time, the rollout is not stalled', () => {
    const one = snapshot(rolledOut, { diagnosis: diagnosis(2, unstable(700_000)) });
    expect(kindOf(one, 650_000)).toBe('waiting');
  });

  test.each<[Limits['stableFor'], JsonObject, number]>([
    [10_000, {}, 10_000],
    ['auto', {}, 10_000],
    ['auto', { livenessProbe: { periodSeconds: 10, failureThreshold: 3, timeoutSeconds: 1 } }, 32_000],
    ['auto', { livenessProbe: { initialDelaySeconds: 90, periodSeconds: 10, failureThreshold: 3 } }, 60_000],
  ])('without the right to list pods, the counters must stay complete for stable-for (%s, %j): %d ms', (stableFor, container, expected) => {
    const of = daemonSet(template('agent:v2', container));
    const one = snapshot(of, { template: of.spec.template, pods: { kind: 'forbidden', why: '' }, diagnosis: undefined }, 5_000);
    expect(kindOf(one, 5_000 + expected - 1, { stableFor })).toBe('waiting');
    expect(verdict(one, { ...limits, stableFor }, 5_000 + expected)).toMatchObject({ kind: 'complete', isVerified: false });
  });
});

describe('tolerated nodes', () => {
  const two = { tolerateUnavailable: { nodes: 2 } };
  const at = (one: Snapshot, now = 30_000, changes: Partial<Limits> = two): string => kindOf(one, now, { failFast: false, ...changes });

  test.each<[string, FailingNode[], string]>([
    ['with a pod that crashes', [node('crash-loop')], 'complete'],
    ['that are not ready', [node('node-not-ready')], 'complete'],
    ['with a pod that is not ready', [node('not-ready')], 'complete'],
    ['two of them', [node('crash-loop'), node('image-pull')], 'complete'],
    ['but not three', [node('crash-loop'), node('image-pull'), node('oom-killed')], 'waiting'],
    ['but not one that runs another version', [node('not-replaced')], 'waiting'],
    ['but not one whose old pod is not available', [node('old-pod-unavailable')], 'waiting'],
    ['but not one whose old pod terminates', [node('terminating')], 'waiting'],
    ['but not one that the controller has not reached', [node('no-pod')], 'waiting'],
    ['but not one whose pod is starting', [node('starting')], 'waiting'],
    ['but not one whose pod has crashed and runs again', [node('not-stable')], 'waiting'],
    ['that joined during the wait do not count', [node('starting', { isNew: true }), node('crash-loop'), node('oom-killed')], 'complete'],
    ['that joined during the wait, and run another version', [node('not-replaced', { isNew: true })], 'waiting'],
  ])('%s', (_name, failing, expected) => {
    expect(at(snapshot(unavailable, { diagnosis: diagnosis(2, ...failing) }))).toBe(expected);
  });

  test('never leave none that are right, even if all others have joined during the wait', () => {
    const joined = [node('starting', { isNew: true }), node('no-pod', { isNew: true })];
    expect(at(snapshot(unavailable, { diagnosis: diagnosis(0, ...joined) }))).toBe('waiting');
    expect(at(snapshot(unavailable, { diagnosis: diagnosis(1, ...joined) }))).toBe('complete');
  });

  test('count after failure-grace, once the nodes were read', () => {
    const one = snapshot(unavailable, { diagnosis: diagnosis(2, node('crash-loop')) });
    expect(at(one, 29_999)).toBe('waiting');
    const unread = verdict({ ...one, nodesReadAt: Number.NEGATIVE_INFINITY }, { ...limits, ...two }, 30_000);
    expect(unread).toMatchObject({ kind: 'waiting', needs: expect.arrayContaining(['nodes']) });
  });

  test('a pod that is not ready counts only after the time that its probes announce', () => {
    const slow = template('agent:v2', { startupProbe: { periodSeconds: 10, failureThreshold: 10, timeoutSeconds: 1 } });
    const of = daemonSet(slow, { status: { numberAvailable: 2 } });
    const one = snapshot(of, { template: slow, diagnosis: diagnosis(2, node('not-ready')) });
    expect(at(one, 130_000)).toBe('waiting');
    expect(at(one, 131_000)).toBe('complete');
  });
});

describe('failed and stalled', () => {
  const crashing = snapshot(unavailable, { diagnosis: diagnosis(2, node('crash-loop')) });

  test.each<[string, Snapshot, number, Partial<Limits>, string]>([
    ['failed after the grace', crashing, 30_000, {}, 'failed'],
    ['not before', crashing, 29_999, {}, 'waiting'],
    ['not without fail-fast', crashing, 30_000, { failFast: false }, 'waiting'],
    ['stalled after the deadline', snapshot(halfway, { diagnosis: diagnosis(1, node('not-replaced')) }), 300_000, {}, 'stalled'],
    ['not before', snapshot(halfway, { diagnosis: diagnosis(1, node('not-replaced')) }), 299_999, {}, 'waiting'],
    ['never without a deadline', snapshot(halfway), 9e9, { progressDeadlineMs: 0 }, 'waiting'],
    ['one deadline later if every pod is right', snapshot(unavailable), 599_999, {}, 'waiting'],
    ['and then', snapshot(unavailable), 600_000, {}, 'stalled'],
    ['also if pods run another template', snapshot(rolledOut, { diagnosis: diagnosis(2, node('not-replaced')) }), 300_000, {}, 'stalled'],
  ])('%s', (_name, one, now, changes, expected) => {
    expect(kindOf(one, now, changes)).toBe(expected);
  });

  test.each<[string, Partial<Snapshot>, JsonObject, number]>([
    ['nothing', {}, {}, 0],
    ['the time that old pods may take to terminate', { graceMs: 300_000 }, {}, 300_000],
    ['a startup probe of 15 minutes', {}, { startupProbe: { periodSeconds: 10, failureThreshold: 90, timeoutSeconds: 1 } }, 901_000],
    ['the delay of a readiness probe', {}, { readinessProbe: { initialDelaySeconds: 120, periodSeconds: 10 } }, 120_000],
  ])('the deadline is longer by %s', (_name, changes, container, announced) => {
    const of = daemonSet(template('agent:v2', container), { status: { numberAvailable: 2 } });
    const one = snapshot(of, { template: of.spec.template, diagnosis: diagnosis(2, node('starting')), ...changes });
    expect(announcedMs(one)).toBe(announced);
    expect(kindOf(one, 300_000 + announced - 1)).toBe('waiting');
    expect(kindOf(one, 300_000 + announced)).toBe('stalled');
  });
});

describe('what ends the wait while other nodes are on their way', () => {
  const crash = (changes: Partial<FailingNode> = {}, crashes = 3): FailingNode => {
    const one = node('crash-loop', changes);
    return { ...one, failure: { ...one.failure, crashes } };
  };
  const three = (crashes: number, changes: Partial<FailingNode> = {}): FailingNode[] =>
    ['a', 'b', 'c'].map((name) => crash({ node: name, pod: name, ...changes }, crashes));
  const of = (right: number, failing: FailingNode[], changes: Partial<Diagnosis> = {}): Snapshot => {
    const status = { desiredNumberScheduled: 100, updatedNumberScheduled: 10, numberAvailable: 90 };
    const crashing = failing.filter(({ failure }) => (failure.crashes ?? 0) >= 2 && failure.cause === 'crash-loop');
    return snapshot(daemonSet(v2, { status }), { diagnosis: { ...diagnosis(right, ...failing), crashing, ...changes } });
  };
  const underway = node('starting');
  const chronic = crash({ wasBroken: true });

  test.each<[string, Snapshot, number, Record<NonNullable<Limits['failsFor']>, string>]>([
    ['two crashes on three nodes', of(7, three(2)), 1, { 'a-node': 'failed', 'a-rollback': 'waiting', 'all-nodes': 'waiting' }],
    ['a third crash on them', of(7, three(3)), 1, { 'a-node': 'failed', 'a-rollback': 'failed', 'all-nodes': 'waiting' }],
    ['one crash on three nodes', of(7, three(1)), 1, { 'a-node': 'waiting', 'a-rollback': 'waiting', 'all-nodes': 'waiting' }],
    [
      'one node, after the grace',
      of(7, [crash(), underway]),
      30_000,
      { 'a-node': 'failed', 'a-rollback': 'waiting', 'all-nodes': 'waiting' },
    ],
    [
      'one node, and nothing is on its way',
      of(7, [crash()]),
      30_000,
      { 'a-node': 'failed', 'a-rollback': 'failed', 'all-nodes': 'failed' },
    ],
    ['all nodes', of(0, three(3)), 30_000, { 'a-node': 'failed', 'a-rollback': 'failed', 'all-nodes': 'failed' }],
    [
      'a node from before, others are on their way',
      of(7, [chronic, underway]),
      30_000,
      { 'a-node': 'waiting', 'a-rollback': 'waiting', 'all-nodes': 'waiting' },
    ],
    [
      'a node from before, and nothing is on its way',
      of(7, [chronic]),
      30_000,
      { 'a-node': 'failed', 'a-rollback': 'failed', 'all-nodes': 'failed' },
    ],
    [
      'crashes while other versions crash too',
      of(7, three(3), { othersCrashedAt: 0 }),
      30_000,
      { 'a-node': 'failed', 'a-rollback': 'waiting', 'all-nodes': 'failed' },
    ],
    [
      'those, later',
      of(7, three(3), { othersCrashedAt: 0 }),
      90_000,
      { 'a-node': 'failed', 'a-rollback': 'failed', 'all-nodes': 'failed' },
    ],
    [
      'a volume on all nodes',
      of(0, [node('volume-mount')]),
      30_000,
      { 'a-node': 'failed', 'a-rollback': 'waiting', 'all-nodes': 'failed' },
    ],
    [
      'a volume on one node of many',
      of(7, [node('volume-mount')]),
      30_000,
      { 'a-node': 'failed', 'a-rollback': 'failed', 'all-nodes': 'failed' },
    ],
    ['that, later', of(0, [node('volume-mount')]), 90_000, { 'a-node': 'failed', 'a-rollback': 'failed', 'all-nodes': 'failed' }],
  ])('%s', (_name, one, now, expected) => {
    for (const [failsFor, kind] of Object.entries(expected))
      expect([failsFor, kindOf(one, now, { failsFor: failsFor as Limits['failsFor'] & string })]).toEqual([failsFor, kind]);
  });

  test('a few nodes justify a rollback only once the events about the pods before them were read', () => {
    const one = { ...of(0, [crash()]), eventsReadAt: Number.NEGATIVE_INFINITY };
    const answer = verdict(one, { ...limits, failsFor: 'a-rollback' }, 30_000);
    expect(answer).toMatchObject({ kind: 'waiting', needs: expect.arrayContaining(['events']) });
    expect(kindOf({ ...one, eventsReadAt: 20_000 }, 30_000, { failsFor: 'a-rollback' })).toBe('failed');
    expect(kindOf(one, 30_000)).toBe('failed');
  });

  test('the nodes are read as soon as a pod may be the cause, and that delays nothing', () => {
    const one = { ...of(7, [crash({}, 1)]), nodesReadAt: Number.NEGATIVE_INFINITY };
    expect(verdict(one, limits, 1)).toMatchObject({ kind: 'waiting', needs: expect.arrayContaining(['nodes']) });
  });
});

describe('pods are watched', () => {
  const counts = (updated: number, available: number): DaemonSet['status'] => ({
    desiredNumberScheduled: 10,
    updatedNumberScheduled: updated,
    numberAvailable: available,
  });
  const after = (states: [at: number, updated: number, available: number][], rollingUpdate: object, now: number): boolean => {
    const [[begun, ...first], ...others] = states as [(typeof states)[number], ...typeof states];
    const of = (updated: number, available: number): DaemonSet => {
      const one = daemonSet(v2, { status: counts(updated, available) });
      return { ...one, spec: { ...one.spec, updateStrategy: { type: 'RollingUpdate', rollingUpdate } } };
    };
    let progress = begin({ desired: 10, updated: first[0], available: first[1] }, begun);
    for (const [at, updated, available] of others) progress = record(progress, { desired: 10, updated, available }, at);
    const [, updated, available] = states.at(-1) as (typeof states)[number];
    const one = snapshot(of(updated, available), { pods: { kind: 'unread' }, diagnosis: undefined, progress });
    const answer = verdict(one, limits, now);
    return answer.kind === 'waiting' && answer.needs.includes('pods');
  };

  test.each<[string, [number, number, number][], object, number, boolean]>([
    [
      'not while the controller replaces as many as it may',
      [
        [0, 0, 10],
        [1, 0, 7],
        [2, 3, 7],
        [3, 3, 10],
      ],
      { maxUnavailable: 3 },
      4,
      false,
    ],
    [
      'once more are unavailable',
      [
        [0, 0, 10],
        [1, 3, 10],
        [2, 4, 6],
      ],
      { maxUnavailable: 3 },
      2,
      true,
    ],
    [
      'not by the percentage, which is rounded up',
      [
        [0, 0, 10],
        [1, 3, 7],
      ],
      { maxUnavailable: '25%' },
      2,
      false,
    ],
    [
      'once any is unavailable with maxSurge',
      [
        [0, 0, 10],
        [1, 2, 9],
      ],
      { maxSurge: 2, maxUnavailable: 0 },
      2,
      true,
    ],
    [
      '3 s after the first updated node was not available',
      [
        [0, 0, 10],
        [1_000, 1, 9],
      ],
      { maxUnavailable: 1 },
      4_000,
      true,
    ],
    [
      'not before',
      [
        [0, 0, 10],
        [1_000, 1, 9],
      ],
      { maxUnavailable: 1 },
      3_999,
      false,
    ],
    [
      'not if all were available in between',
      [
        [0, 0, 10],
        [1_000, 1, 9],
        [2_000, 1, 10],
        [3_000, 2, 9],
      ],
      { maxUnavailable: 1 },
      5_000,
      false,
    ],
    [
      'once an available node is lost after the last update',
      [
        [0, 9, 9],
        [1, 10, 10],
        [2, 10, 9],
      ],
      { maxUnavailable: '100%' },
      2,
      true,
    ],
  ])('%s', (_name, states, rollingUpdate, now, expected) => {
    expect(after(states, rollingUpdate, now)).toBe(expected);
  });
});

describe('the numbers', () => {
  test('are those of the version: without the pods, at least so many', () => {
    expect(countsOf({ daemonSet: halfway, diagnosis: undefined })).toEqual({ desired: 3, updated: 1, available: 0 });
    const more = daemonSet(v2, { status: { desiredNumberScheduled: 10, updatedNumberScheduled: 4, numberAvailable: 9 } });
    expect(countsOf({ daemonSet: more, diagnosis: undefined })).toEqual({ desired: 10, updated: 4, available: 3 });
  });

  test('come from the pods where those are known', () => {
    const seen = { ...diagnosis(1), updated: 2, available: 1 };
    expect(countsOf({ daemonSet: halfway, diagnosis: seen })).toEqual({ desired: 3, updated: 2, available: 1 });
  });
});

describe('always', () => {
  const anyNode = fc
    .record({ cause: fc.constantFrom(...CAUSES), isNew: fc.boolean(), since: fc.nat(400_000), stableAt: fc.nat(400_000) })
    .map(({ cause, ...changes }) => node(cause, changes));
  const anyDaemonSet = fc
    .record({ desiredNumberScheduled: fc.nat(4), updatedNumberScheduled: fc.nat(4), numberAvailable: fc.nat(4) })
    .map((status) => daemonSet(v2, { status }));
  const anyPods: fc.Arbitrary<PodKnowledge> = fc.constantFrom<PodKnowledge>(
    known,
    { kind: 'unread' },
    { kind: 'outdated' },
    { kind: 'forbidden', why: '' },
    { kind: 'unreadable', why: '' },
  );
  const any = fc.record({
    of: anyDaemonSet,
    pods: anyPods,
    right: fc.nat(3),
    failing: fc.array(anyNode, { maxLength: 3 }),
    now: fc.nat(1_000_000),
    tolerated: fc.nat(2),
    failFast: fc.boolean(),
    nodesReadAt: fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0),
  });
  type Any = typeof any extends fc.Arbitrary<infer T> ? T : never;
  const judge = ({ of, pods, right, failing, now, tolerated, failFast, nodesReadAt }: Any): ReturnType<typeof verdict> =>
    verdict(
      snapshot(of, { pods, diagnosis: pods.kind === 'unread' ? undefined : diagnosis(right, ...failing), nodesReadAt }),
      { ...limits, tolerateUnavailable: { nodes: tolerated }, failFast },
      now,
    );

  test('a success has a right node, and no node that runs another version, is unstable or was not reached', () => {
    fc.assert(
      fc.property(any, (one) => {
        const answer = judge(one);
        if (answer.kind !== 'complete' || one.of.status?.desiredNumberScheduled === 0 || !answer.isVerified) return;
        expect(one.right).toBeGreaterThan(0);
        const bad = new Set<Cause>(['not-replaced', 'old-pod-unavailable', 'not-stable', 'starting', 'no-pod', 'terminating']);
        expect(one.failing.filter(({ isNew, failure }) => !isNew && bad.has(failure.cause))).toEqual([]);
        expect(one.failing.filter(({ failure }) => failure.cause === 'not-replaced')).toEqual([]);
        expect(one.failing.filter(({ isNew }) => !isNew).length).toBeLessThanOrEqual(one.tolerated);
      }),
    );
  });

  test('a success that was not verified is only one where this account is not allowed to list pods', () => {
    fc.assert(
      fc.property(any, (one) => {
        const answer = judge(one);
        if (answer.kind === 'complete' && !answer.isVerified && one.of.status?.desiredNumberScheduled !== 0)
          expect(one.pods.kind).toBe('forbidden');
      }),
    );
  });

  test('one more right node, or one problem less, never turns a success into something else', () => {
    fc.assert(
      fc.property(any, fc.nat(2), (one, index) => {
        if (judge(one).kind !== 'complete') return;
        expect(judge({ ...one, right: one.right + 1 }).kind).toBe('complete');
        const fewer = one.failing.filter((_, at) => at !== index);
        const isDone = rolledOutOf(one.of);
        if (fewer.length > 0 || isDone) expect(judge({ ...one, failing: fewer }).kind).toBe('complete');
      }),
    );
  });

  test('what waits has a time to wake up, or something that it needs', () => {
    fc.assert(
      fc.property(any, (one) => {
        const answer = judge(one);
        if (answer.kind !== 'waiting') return;
        expect(answer.wakeAt).toBeGreaterThan(one.now);
      }),
    );
  });
});

function rolledOutOf({ status = {} }: DaemonSet): boolean {
  const { desiredNumberScheduled = 0, updatedNumberScheduled = 0, numberAvailable = 0 } = status;
  return updatedNumberScheduled >= desiredNumberScheduled && numberAvailable >= desiredNumberScheduled;
}
