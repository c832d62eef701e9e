/** How often the containers of a pod have crashed during a wait. */
import { describe, expect, test } from '@jest/globals';
import { diagnose } from '../../../src/daemonset/diagnosis.ts';
import { watchedPod } from '../../../src/daemonset/pods.ts';
import { type SeenPod, seePod } from '../../../src/daemonset/seen-pod.ts';
import type { ContainerStatus, Pod } from '../../../src/daemonset/types.ts';
import { daemonSet, pod, template } from '../../helpers/builders.ts';

/** Seconds since the wait began, as a time. */
const at = (seconds: number): string => new Date(seconds * 1_000).toISOString();
const ended = (restartCount: number, from: number, to: number, exitCode = 1): ContainerStatus => ({
  name: 'agent',
  restartCount,
  state: { terminated: { exitCode, reason: 'Error', startedAt: at(from), finishedAt: at(to) } },
});
const runs = (restartCount: number, since: number, last?: { from: number; to: number }): ContainerStatus => ({
  name: 'agent',
  ready: true,
  restartCount,
  state: { running: { startedAt: at(since) } },
  ...(last && { lastState: { terminated: { exitCode: 1, reason: 'Error', startedAt: at(last.from), finishedAt: at(last.to) } } }),
});

type State = [seconds: number, status: ContainerStatus, kind?: 'container' | 'init'];
function see(states: State[], createdAt = 0, more: { metadata?: object; phase?: string } = {}): SeenPod {
  let seen: SeenPod | undefined;
  for (const [seconds, status, kind = 'container'] of states) {
    const statuses: Pod['status'] =
      kind === 'init'
        ? { initContainerStatuses: [status], containerStatuses: [{ name: 'main', state: { waiting: { reason: 'PodInitializing' } } }] }
        : {
            containerStatuses: [status],
            ...(status.ready && { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: at(seconds) }] }),
          };
    const one = pod(
      { ...statuses, ...(more.phase && { phase: more.phase }) },
      { metadata: { creationTimestamp: at(createdAt), ...more.metadata } },
    );
    seen = seePod(seen, watchedPod(one, { metadata: {}, spec: {} }), daemonSet(template('v2')), {
      now: seconds * 1_000,
      isClusterTime: true,
      begun: 0,
    });
  }
  return { ...(seen as SeenPod), wanted: true };
}

const HOUR = -3_600;
const loop: State[] = [
  [1, runs(0, 1)],
  [2, ended(0, 1, 2)],
  [3, runs(1, 3, { from: 1, to: 2 })],
  [4, ended(1, 3, 4)],
];

describe('crashes', () => {
  test.each<[string, SeenPod, number]>([
    ['none', see([[1, runs(0, 1)]]), 0],
    ['each end counts, also before the restart', see(loop.slice(0, 2)), 1],
    ['a restart adds nothing', see(loop.slice(0, 3)), 1],
    ['the second one', see(loop), 2],
    ['those of a pod of this deploy count, although they were before the wait', see([[1, ended(4, -2, -1)]], -10), 5],
    ['those of an older pod do not', see([[1, runs(5, -60)]], HOUR), 0],
    [
      'nor does the end that it was first seen with',
      see(
        [
          [1, ended(5, -90, -80)],
          [2, runs(6, 2)],
        ],
        HOUR,
      ),
      0,
    ],
    [
      'but one that follows does',
      see(
        [
          [1, runs(5, -60)],
          [9, ended(5, -60, 9)],
        ],
        HOUR,
      ),
      1,
    ],
    ['an init container that failed', see([[1, ended(1, 0, 1), 'init']]), 2],
    ['an init container that completed', see([[1, ended(1, 0, 1, 0), 'init']]), 0],
    ['nothing in a pod that is being deleted', see([[1, ended(0, 0, 1)]], 0, { metadata: { deletionTimestamp: at(0) } }), 0],
    ['nothing in a pod that was evicted', see([[1, ended(0, 0, 1)]], 0, { phase: 'Failed' }), 0],
    ['an exit with 0 of a container that must run', see([[1, ended(0, 0, 1, 0)]]), 1],
  ])('%s', (_name, { crashes }, expected) => {
    expect(crashes?.count ?? 0).toBe(expected);
  });

  test('have the times of the first and the last', () => {
    expect(see(loop).crashes).toMatchObject({ firstAt: 2_000, lastAt: 4_000 });
  });

  test('of an old pod are known if they were just before the wait', () => {
    expect(see([[1, runs(1, -1, { from: HOUR, to: -2 })]], HOUR).crashes).toMatchObject({ count: 0, lastAt: -2_000 });
    expect(see([[1, runs(1, -1_000, { from: HOUR, to: -1_001 })]], HOUR).crashes).toBeUndefined();
  });
});

describe('a node crashes repeatedly', () => {
  const situation = { ended: new Map(), nodes: undefined, rejected: undefined, undeletable: '', desired: 1, minReadyMs: 0 };
  const crashing = (one: SeenPod, seconds: number): number =>
    diagnose({ ...situation, pods: [one], stableForMs: 0, start: 0, brokenBefore: new Set(), othersCrashedAt: undefined }, seconds * 1_000)
      .crashing.length;

  test.each<[string, SeenPod, number, number]>([
    ['from the second crash on', see(loop), 4, 1],
    ['not after one', see(loop.slice(0, 2)), 2, 0],
    ['also while it is ready for a moment', see([...loop, [14, runs(2, 14, { from: 3, to: 4 })]]), 15, 1],
    ['not once it has run for ten seconds', see([...loop, [14, runs(2, 14, { from: 3, to: 4 })]]), 24, 0],
    [
      'not before it has run for twice as long as before',
      see([
        [16, ended(0, 1, 16)],
        [17, runs(1, 17)],
        [32, ended(1, 17, 32)],
        [42, runs(2, 42, { from: 17, to: 32 })],
      ]),
      71,
      1,
    ],
    [
      'and not after that',
      see([
        [16, ended(0, 1, 16)],
        [17, runs(1, 17)],
        [32, ended(1, 17, 32)],
        [42, runs(2, 42, { from: 17, to: 32 })],
      ]),
      72,
      0,
    ],
  ])('%s', (_name, one, seconds, expected) => {
    expect(crashing(one, seconds)).toBe(expected);
  });
});
