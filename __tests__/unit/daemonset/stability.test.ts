import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { diagnose, type Situation } from '../../../src/daemonset/diagnosis.ts';
import { watchedPod } from '../../../src/daemonset/pods.ts';
import { type SeenPod, seePod } from '../../../src/daemonset/seen-pod.ts';
import { type StableFor, stableForMs } from '../../../src/daemonset/stability.ts';
import type { ContainerStatus, JsonObject, Pod } from '../../../src/daemonset/types.ts';
import { daemonSet, pod, template } from '../../helpers/builders.ts';

const of = daemonSet(template('agent:v2'));
/** Seconds after the pod was created, as a time. */
const at = (seconds: number): string => new Date(seconds * 1_000).toISOString();

const created = { metadata: { creationTimestamp: at(0) } };
const readySince = (seconds: number): { type: string; status: string; lastTransitionTime: string } => ({
  type: 'Ready',
  status: 'True',
  lastTransitionTime: at(seconds),
});

test.each<[StableFor, JsonObject, number]>([
  ['auto', {}, 10],
  ['auto', { readinessProbe: { periodSeconds: 30, failureThreshold: 3 } }, 10],
  ['auto', { livenessProbe: { periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 1 } }, 10],
  // What the API server sets if nothing is given; the kubelet restarts the container after 30 s.
  ['auto', { livenessProbe: { periodSeconds: 10, failureThreshold: 3, timeoutSeconds: 1 } }, 32],
  ['auto', { livenessProbe: { initialDelaySeconds: 5, periodSeconds: 5, failureThreshold: 3, timeoutSeconds: 1 } }, 22],
  ['auto', { livenessProbe: { initialDelaySeconds: 300, periodSeconds: 10, failureThreshold: 3 } }, 60],
  ['auto', { resources: { limits: { memory: '1Gi' } } }, 10],
  ['auto', { resources: { limits: { 'ephemeral-storage': '1Gi' } } }, 30],
  [0, { livenessProbe: { periodSeconds: 10, failureThreshold: 3 } }, 0],
  [120_000, {}, 120],
])('stable-for: %s with %j is %d s', (stableFor, container, seconds) => {
  expect(stableForMs(stableFor, template('agent:v2', container))).toBe(seconds * 1_000);
});

/** A pod that was created at 0 and is ready. */
function running(startedAt: number, restartCount = 0, last?: { from: number; to: number }, more: Partial<ContainerStatus> = {}): Pod {
  const status: ContainerStatus = {
    name: 'agent',
    ready: true,
    restartCount,
    state: { running: { startedAt: at(startedAt) } },
    ...(last && { lastState: { terminated: { exitCode: 1, startedAt: at(last.from), finishedAt: at(last.to) } } }),
    ...more,
  };
  const ready = { type: 'Ready', status: 'True', lastTransitionTime: at(startedAt) };
  return pod({ conditions: [ready], containerStatuses: [status] }, { metadata: { creationTimestamp: at(0) } });
}
const crashed = (restartCount: number): Pod =>
  pod(
    {
      containerStatuses: [
        { name: 'agent', ready: false, restartCount, state: { terminated: { exitCode: 1, startedAt: at(0), finishedAt: at(1) } } },
      ],
    },
    { metadata: { creationTimestamp: at(0) } },
  );

function see(states: [seconds: number, pod: Pod][], isClusterTime = true): SeenPod {
  let seen: SeenPod | undefined;
  for (const [seconds, state] of states)
    seen = seePod(seen, watchedPod(state, { metadata: {}, spec: {} }), of, { now: seconds * 1_000, isClusterTime, begun: 0 });
  return { ...(seen as SeenPod), wanted: true };
}

/** One node with this pod. */
function situationOf(pod: SeenPod, stableFor: number): Situation {
  const nothing = {
    ended: new Map(),
    nodes: undefined,
    rejected: undefined,
    undeletable: '',
    brokenBefore: new Set<string>(),
    othersCrashedAt: undefined,
  };
  return { ...nothing, desired: 1, minReadyMs: 0, stableForMs: stableFor, start: 0, pods: [pod] };
}

/** The first second at which the pod is stable, if nothing else happens until then; undefined if that is not in an hour. */
function stableFrom(states: [seconds: number, pod: Pod][], stableFor = 10_000, isClusterTime = true): number | undefined {
  const seen = see(states, isClusterTime);
  const last = states.at(-1)?.[0] ?? 0;
  for (let second = last; second <= 3_600; second++) if (diagnose(situationOf(seen, stableFor), second * 1_000).right === 1) return second;
  return undefined;
}

describe('a pod is stable', () => {
  test.each<[string, [number, Pod][], number]>([
    ['10 s after its container started', [[3, running(2)]], 12],
    ['at once if it started long ago', [[500, running(2)]], 500],
    ['however many old restarts it has', [[500, running(100, 7, { from: 90, to: 99 })]], 500],
    ['after a crash before the wait: after twice the run before', [[50, running(45, 1, { from: 29, to: 44 })]], 75],
    ['but at most a minute', [[500, running(450, 1, { from: 0, to: 440 })]], 510],
    [
      'after a crash during the wait: after twice the run before',
      [
        [3, running(2)],
        [17, crashed(0)],
        [18, running(18, 1, { from: 2, to: 17 })],
      ],
      48,
    ],
    [
      'at most after five minutes, if it had run for long',
      [
        [500, running(0)],
        [501, running(501, 1, { from: 0, to: 500 })],
      ],
      801,
    ],
    [
      'counted anew after each crash',
      [
        [3, running(2)],
        [18, running(18, 1, { from: 2, to: 17 })],
        [34, running(34, 2, { from: 18, to: 33 })],
      ],
      64,
    ],
    ['as late as its youngest container', [[9, twoContainers(2, 8)]], 18],
    ['as late as its youngest sidecar', [[9, withSidecar(2, 8)]], 18],
    ['by its condition where a virtual node reports no containers', [[9, pod({ conditions: [readySince(5)] }, created)]], 15],
  ])('%s', (_name, states, expected) => {
    expect(stableFrom(states)).toBe(expected);
  });

  test('never while a container does not run', () => {
    expect(stableFrom([[9, running(2, 0, undefined, { state: { waiting: { reason: 'CrashLoopBackOff' } } })]])).toBeUndefined();
  });

  test('at once with stable-for 0', () => {
    expect(stableFrom([[3, running(3, 4, { from: 1, to: 2 })]], 0)).toBe(3);
  });
});

describe('the start of a container, which is on the clock of its node', () => {
  test.each<[string, [number, Pod][], boolean, number]>([
    ['does not count before the pod was created', [[100, running(-60)]], true, 110],
    ['does not count in the future', [[100, running(160)]], true, 110],
    [
      'does not count before the run before was seen',
      [
        [100, running(50)],
        [101, running(60, 1)],
      ],
      true,
      111,
    ],
    ['does not count where the time of the cluster is unknown', [[100, running(50)]], false, 110],
    [
      'is then the time at which the run was first seen',
      [
        [100, running(50)],
        [105, running(50)],
      ],
      false,
      110,
    ],
  ])('%s', (_name, states, isClusterTime, expected) => {
    expect(stableFrom(states, 10_000, isClusterTime)).toBe(expected);
  });
});

test('at the time for which the loop is woken, the pod is stable', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 60_000, noNaN: true }), fc.double({ min: 1, max: 60_000, noNaN: true }), (now, stableFor) => {
      const seen = seePod(undefined, watchedPod(running(0), { metadata: {}, spec: {} }), of, { now, isClusterTime: false, begun: 0 });
      const at = situationOf({ ...(seen as SeenPod), wanted: true }, stableFor);
      const { right, failing } = diagnose(at, now);
      expect(right).toBe(0);
      expect(diagnose(at, failing[0]?.stableAt ?? 0).right).toBe(1);
    }),
  );
});

test('no clock of a node makes a pod stable before it can have run for long enough', () => {
  fc.assert(
    fc.property(fc.integer({ min: -10_000, max: 10_000 }), fc.nat(30), (startedAt, firstSeen) => {
      // It was created at 0, so that it cannot have run for longer than since then.
      expect(stableFrom([[firstSeen, running(startedAt)]])).toBeGreaterThanOrEqual(10);
    }),
  );
});

function twoContainers(first: number, second: number): Pod {
  const one = running(first);
  const two = running(second, 0, undefined, { name: 'exporter' });
  return {
    ...one,
    status: {
      ...one.status,
      containerStatuses: [...(one.status?.containerStatuses ?? []), ...(two.status?.containerStatuses ?? [])],
    },
  };
}

function withSidecar(main: number, sidecar: number): Pod {
  const one = running(main);
  const statuses = running(sidecar, 0, undefined, { name: 'mesh', started: true }).status?.containerStatuses ?? [];
  return {
    ...one,
    spec: { ...one.spec, initContainers: [{ name: 'mesh', restartPolicy: 'Always' }] },
    status: { ...one.status, initContainerStatuses: statuses },
  };
}
