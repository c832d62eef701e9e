/** What is kept of pods that come and go during a wait. */
import { expect, test } from '@jest/globals';
import { diagnose } from '../../../src/daemonset/diagnosis.ts';
import { watchedPod } from '../../../src/daemonset/pods.ts';
import { SeenPods } from '../../../src/daemonset/seen-pods.ts';
import type { Pod } from '../../../src/daemonset/types.ts';
import { daemonSet, pod, template } from '../../helpers/builders.ts';

const of = daemonSet(template('agent:v2'));
const wanted = { generation: '3', hashes: new Set(['hash3']) };
const time = (seconds: number): string => new Date(seconds * 1_000).toISOString();
const at = (seconds: number): { now: number; isClusterTime: boolean; begun: number } => ({
  now: seconds * 1_000,
  isClusterTime: true,
  begun: 0,
});
const evicted: Pod['status'] = {
  phase: 'Failed',
  reason: 'Evicted',
  message: 'Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ',
};
const ready = (seconds: number): Pod['status'] => ({
  conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: time(seconds) }],
  containerStatuses: [{ name: 'agent', ready: true, state: { running: { startedAt: time(seconds) } } }],
});

/** Each pod is created, becomes ready, and is evicted after a time; the controller replaces it at once. */
function evictions(lives: number[]): { pods: SeenPods; now: number } {
  const pods = new SeenPods(of, wanted);
  let now = 1;
  lives.forEach((seconds, index) => {
    const name = `agent-${index}`;
    const metadata = { creationTimestamp: time(now) };
    pods.see(watchedPod(pod(ready(now), { name, metadata }), {}), at(now));
    now += seconds;
    if (index === lives.length - 1) return;
    pods.see(watchedPod(pod(evicted, { name, metadata }), {}), at(now));
    pods.remove(name);
  });
  return { pods, now };
}

test.each<[string, number[], number, number, string | undefined]>([
  ['a first one, like any other', [5], 1, 0, 'not-stable'],
  ['a first one that has run for long enough', [10], 0, 1, undefined],
  ['one that replaces another that was full after 20 s, for twice as long', [20, 39], 1, 0, 'storage-limit'],
  ['and not for longer', [20, 40], 0, 1, undefined],
])('a pod that exceeds its limits is not yet right: %s', (_name, lives, failing, right, cause) => {
  const { pods, now } = evictions(lives);
  const situation = { nodes: undefined, rejected: undefined, undeletable: '', desired: 1, minReadyMs: 0, stableForMs: 10_000, start: 0 };
  const { present, ended } = pods;
  const diagnosis = diagnose({ ...situation, pods: present, ended, brokenBefore: new Set(), othersCrashedAt: undefined }, now * 1_000);
  expect([diagnosis.failing.length, diagnosis.right]).toEqual([failing, right]);
  expect(diagnosis.failing[0]?.failure.cause).toBe(cause);
});

test('evictions are counted on each node', () => {
  const { pods } = evictions([5, 5, 5, 1]);
  expect(pods.ended.get('node-1')).toMatchObject({ since: 6_000, failure: { cause: 'storage-limit', crashes: 3, ranMs: 5_000 } });
});

test('pods of other versions are remembered as they were first seen, also after they were replaced', () => {
  const pods = new SeenPods(of, wanted);
  const old = (status: Pod['status'], name: string, node: string): void =>
    pods.see(watchedPod(pod(status, { name, node, generation: '2', metadata: { creationTimestamp: time(-900) } }), {}), at(1));
  old(ready(-800), 'agent-a', 'node-1');
  old({ containerStatuses: [{ name: 'agent', state: { waiting: { reason: 'ImagePullBackOff' } } }] }, 'agent-b', 'node-2');
  old({ containerStatuses: [{ name: 'agent', restartCount: 1, state: { terminated: { exitCode: 1 } } }] }, 'agent-a', 'node-1');
  pods.remove('agent-b');
  expect(pods.others.map(({ node, wasBroken }) => [node, wasBroken]).sort()).toEqual([
    ['node-1', false],
    ['node-2', true],
  ]);
});
