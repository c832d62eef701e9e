import { expect, test } from '@jest/globals';
import type { Diagnosis } from '../../../src/daemonset/diagnosis.ts';
import { liveRollout } from '../../../src/daemonset/live-rollout.ts';
import { begin, record } from '../../../src/daemonset/progress.ts';
import { rolloutOf } from '../../../src/daemonset/rollout.ts';
import type { Snapshot, Verdict } from '../../../src/daemonset/verdict.ts';
import { daemonSet, template } from '../../helpers/builders.ts';
import { crash, waiting } from '../../helpers/live-states.ts';

const wanted = template('agent:2');
const of = daemonSet(wanted, { status: { desiredNumberScheduled: 10, updatedNumberScheduled: 6, numberAvailable: 9 } });
/** Six nodes in thirty seconds: the rest takes twenty, after the last of them. */
const progress = [0, 3, 6].reduce(
  (so, updated) => record(so, { desired: 10, updated, available: 9 }, 1_000 + updated * 5_000),
  begin({ desired: 10, updated: 1, available: 10 }, 1_000),
);
const diagnosis: Diagnosis = {
  right: 3,
  updated: 6,
  available: 5,
  failing: [crash('node-3'), waiting('node-9')],
  crashing: [crash('node-3', 5), crash('node-4')],
  othersCrashedAt: undefined,
};
const snapshot: Snapshot = {
  daemonSet: of,
  uid: 'uid-1',
  template: wanted,
  progress,
  pods: { kind: 'known' },
  diagnosis,
  podsProgressedAt: 32_000,
  graceMs: 0,
  nodesReadAt: 0,
  eventsReadAt: 0,
  eventsDueAt: undefined,
};
const about = { title: 'revision 4', now: 33_000, deadline: 90_000 };
const waitingFor = (missing: Extract<Verdict, { kind: 'waiting' }>['missing']): Verdict => ({
  kind: 'waiting',
  needs: [],
  missing,
  wakeAt: 0,
});

test('has the counts of the version, and each node once', () => {
  const state = liveRollout(snapshot, about);
  expect(state).toMatchObject({ title: 'revision 4', begun: 1_000, progressedAt: 32_000, stable: 3, deadline: 90_000 });
  expect(state.rollout).toEqual({ ...rolloutOf(of), counts: { desired: 10, updated: 6, available: 5 } });
  expect(state.failing).toEqual([crash('node-3', 5), crash('node-4'), waiting('node-9')]);
});

test('without the pods, only what the counters show', () => {
  const state = liveRollout({ ...snapshot, pods: { kind: 'unread' }, diagnosis: undefined, podsProgressedAt: 0 }, about);
  expect(state).toMatchObject({ stable: undefined, failing: [], progressedAt: 31_000 });
  expect(state.rollout.counts).toEqual({ desired: 10, updated: 6, available: 5 });
});

const left = (change: Partial<typeof about> & { end?: 'timeout' }, answer?: Verdict): number | undefined =>
  liveRollout(snapshot, { ...about, ...change, answer }).leftMs;

test.each<[string, number | undefined, number | undefined]>([
  ['at the pace so far, since the last change', left({}), 22_000],
  ['not once that has passed', left({ now: 80_000 }), undefined],
  ['not at the end', left({ end: 'timeout' }), undefined],
  ['until the containers are stable', left({}, waitingFor({ kind: 'stability', nodes: [], until: 40_000 })), 7_000],
  ['unknown while a container does not run', left({}, waitingFor({ kind: 'stability', nodes: [], until: undefined })), undefined],
])('the time left: %s', (_name, actual, expected) => {
  expect(actual).toBe(expected);
});
