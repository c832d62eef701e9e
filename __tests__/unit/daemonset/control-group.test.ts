/** The pods of other versions, which show what is not the fault of the new one. */
import { describe, expect, test } from '@jest/globals';
import {
  brokenNodes,
  brokenPredecessors,
  type Failing,
  mostExceptions,
  type OtherPod,
  othersCrashedAt,
} from '../../../src/daemonset/control-group.ts';
import type { PodEvent } from '../../../src/daemonset/pod-events.ts';
import { watchedPod } from '../../../src/daemonset/pods.ts';
import { seePod } from '../../../src/daemonset/seen-pod.ts';
import type { Pod } from '../../../src/daemonset/types.ts';
import { daemonSet, pod, template } from '../../helpers/builders.ts';

const other = (node: string, changes: Partial<OtherPod> = {}): OtherPod => ({
  node,
  hash: 'v1',
  wasBroken: false,
  wasCrashing: false,
  crashedAt: undefined,
  ...changes,
});
const fine = ['a', 'b', 'c'].map((node) => other(node));

describe('a node was unavailable before', () => {
  test.each<[string, OtherPod[], string[]]>([
    ['if the version before was available on most others', [...fine, other('d', { wasBroken: true })], ['d']],
    ['but not if that was broken itself', fine.map((one) => ({ ...one, wasBroken: true })), []],
    ['but not if it was on as many nodes', [other('a'), other('b', { wasBroken: true })], []],
    ['but not because another version was available elsewhere', [...fine, other('d', { hash: 'v2', wasBroken: true })], []],
  ])('%s', (_name, others, nodes) => {
    expect([...brokenNodes(others)]).toEqual(nodes);
  });

  const at = { now: 100_000, isClusterTime: true, begun: 90_000 };
  const time = (ms: number): string => new Date(ms).toISOString();
  const see = (name: string, node: string, status: Pod['status']): Failing =>
    ({
      ...seePod(
        undefined,
        watchedPod(pod(status, { name, node, metadata: { creationTimestamp: time(90_000) } }), { metadata: {}, spec: {} }),
        daemonSet(template('v2')),
        at,
      ),
      wanted: true,
    }) as unknown as Failing;
  const crashed = see('agent-new11', 'a', {
    containerStatuses: [{ name: 'agent', restartCount: 1, state: { terminated: { exitCode: 1, finishedAt: time(95_000) } } }],
  });
  const pending = see('agent-new22', 'a', { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] });
  const missing = see('agent-new33', 'a', {
    containerStatuses: [{ name: 'agent', state: { waiting: { reason: 'ErrImagePull', message: 'manifest unknown' } } }],
  });
  const unready = see('agent-new44', 'a', { containerStatuses: [{ name: 'agent', state: { running: { startedAt: time(91_000) } } }] });
  const event = (reason: string, changes: Partial<PodEvent> = {}): PodEvent => ({
    uid: 'old',
    name: 'agent-old11',
    host: 'a',
    at: 80_000,
    warning: true,
    reason,
    message: 'Back-off restarting failed container',
    count: 3,
    ...changes,
  });

  test.each<[string, Failing, PodEvent, boolean]>([
    ['if its last pod crashed as this one does', crashed, event('BackOff'), true],
    ['but not if that was on another node', crashed, event('BackOff', { host: 'b' }), false],
    ['but not if it had another problem', crashed, event('FailedMount'), false],
    ['but not long ago', crashed, event('BackOff', { at: -520_000 }), false],
    ['but not by an event from after this pod was created', crashed, event('BackOff', { at: 95_000 }), false],
    ['but not by a pod of this version', crashed, event('BackOff', { uid: 'ours' }), false],
    ['if its last pod could not be scheduled either', pending, event('FailedScheduling', { host: '' }), true],
    ['if its last pod could not pull its image either', missing, event('Failed', { message: 'Error: ErrImagePull' }), true],
    ['if its last pod was never ready either', unready, event('Unhealthy', { message: 'Readiness probe failed: 503', count: 20 }), true],
    ['but not if it was not ready for a moment', unready, event('Unhealthy', { message: 'Readiness probe failed: 503', count: 3 }), false],
    ['but not if it failed to start', missing, event('Failed', { message: 'Error: no such file' }), false],
  ])('%s', (_name, one, shown, was) => {
    expect([...brokenPredecessors([one], [shown], ({ uid }) => uid !== 'ours', 10)]).toEqual(was ? ['a'] : []);
  });

  test('but not half of the nodes or more', () => {
    const pods = ['a', 'b'].map((node) => ({ ...crashed, node }));
    const events = ['a', 'b'].map((host) => event('BackOff', { host, uid: host }));
    expect(brokenPredecessors(pods, events, () => true, 4).size).toBe(0);
    expect(brokenPredecessors(pods, events, () => true, 5).size).toBe(2);
    expect([1, 2, 3, 10, 300].map(mostExceptions)).toEqual([0, 0, 1, 4, 149]);
  });

  test('of pods that the scheduler cannot place, each explains one node', () => {
    const pods = ['a', 'b'].map((node) => ({ ...pending, node }));
    expect([...brokenPredecessors(pods, [event('FailedScheduling', { host: '' })], () => true, 20)]).toEqual(['a']);
  });
});

test.each<[string, OtherPod[], number | undefined]>([
  ['never', fine, undefined],
  ['when the last of them did', [...fine, other('d', { crashedAt: 5 }), other('e', { crashedAt: 7 })], 7],
  ['not when one did that crashed all the time', [...fine, other('d', { crashedAt: 5, wasCrashing: true })], undefined],
  ['when most of them crash all the time', fine.map((one) => ({ ...one, crashedAt: 5, wasCrashing: true })), 5],
])('pods of other versions crashed %s', (_name, others, expected) => {
  expect(othersCrashedAt(others)).toBe(expected);
});
