import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CAUSES, type Cause, isHopeless, mayBeHopeless, type Trouble, troubleOf } from '../../../src/daemonset/trouble.ts';
import type { ContainerState, ContainerStatus, Pod } from '../../../src/daemonset/types.ts';
import { pod } from '../builders.ts';

const container = (state: ContainerState, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name: 'agent',
  image: 'agent:v2',
  ready: false,
  restartCount: 0,
  state,
  ...more,
});
const waits = (reason: string, message = ''): ContainerState => ({ waiting: { reason, message } });
const ended = (exitCode: number, reason = 'Error', message = ''): ContainerState => ({ terminated: { exitCode, reason, message } });
const runs = (seconds = 0): ContainerState => ({ running: { startedAt: new Date(seconds * 1_000).toISOString() } });
const of = (one: ContainerStatus, ...others: ContainerStatus[]): Pod => pod({ containerStatuses: [one, ...others] });
const ready = { type: 'Ready', status: 'True' };

describe('what is wrong with a pod', () => {
  test.each<[string, Pod, Partial<Trouble> | undefined]>([
    ['nothing where it is ready', pod({ conditions: [ready], containerStatuses: [container(runs(), { ready: true })] }), undefined],
    ['nothing of it is known yet', pod(), { cause: 'starting', reason: 'Pending', message: '' }],
    ['it is being created', of(container(waits('ContainerCreating'))), { cause: 'starting', reason: 'ContainerCreating' }],
    [
      'no node takes it',
      pod({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'Insufficient cpu.' }] }),
      { cause: 'unschedulable', reason: 'Unschedulable', message: 'Insufficient cpu.' },
    ],
    [
      'it is being deleted, whatever else it has',
      pod({ conditions: [ready] }, { metadata: { deletionTimestamp: 'now' } }),
      { cause: 'terminating' },
    ],
    [
      'it was evicted, though a condition still says that it is ready',
      pod({ phase: 'Failed', reason: 'Evicted', message: 'low on memory', conditions: [ready] }),
      { cause: 'evicted', reason: 'Evicted', message: 'low on memory' },
    ],
    ['it failed for no reason', pod({ phase: 'Failed' }), { cause: 'evicted', reason: 'Failed' }],
    [
      'the image is missing',
      of(container(waits('ErrImagePull', 'not found'))),
      { cause: 'image-pull', image: 'agent:v2', message: 'not found' },
    ],
    ['the pull is backed off from', of(container(waits('ImagePullBackOff'))), { cause: 'image-pull', reason: 'ImagePullBackOff' }],
    ['the image is not on the node', of(container(waits('ErrImageNeverPull'))), { cause: 'image-pull' }],
    ['the signature is wrong', of(container(waits('SignatureValidationFailed'))), { cause: 'image-pull' }],
    ['the image has no valid name', of(container(waits('InvalidImageName'))), { cause: 'invalid-image' }],
    ['a ConfigMap is missing', of(container(waits('CreateContainerConfigError', 'configmap "x" not found'))), { cause: 'config-error' }],
    ['it cannot be created', of(container(waits('CreateContainerError'))), { cause: 'start-error', restarts: 0 }],
    ['a hook fails', of(container(waits('PostStartHookError'))), { cause: 'start-error' }],
    ['it exited', of(container(ended(2))), { cause: 'crash-loop', reason: 'Error', exitCode: 2, restarts: 0 }],
    [
      'it is backed off from',
      of(container(waits('CrashLoopBackOff', 'back-off 10s'), { restartCount: 4, lastState: ended(1, 'Error', 'last words') })),
      { cause: 'crash-loop', reason: 'CrashLoopBackOff', exitCode: 1, restarts: 4, message: 'last words' },
    ],
    [
      'it exits with success',
      of(container(waits('CrashLoopBackOff'), { lastState: ended(0, 'Completed') })),
      { cause: 'crash-loop', exitCode: 0 },
    ],
    ['it needs too much memory', of(container(ended(137, 'OOMKilled'))), { cause: 'oom-killed', exitCode: 137 }],
    [
      'there is no such program',
      of(container(ended(128, 'StartError', 'no such file'))),
      { cause: 'start-error', message: 'no such file' },
    ],
    ['it cannot run', of(container(ended(127, 'ContainerCannotRun'))), { cause: 'start-error' }],
    [
      'it runs again after a crash',
      of(container(runs(7), { restartCount: 1, lastState: ended(1) })),
      { cause: 'crash-loop', runsSince: 7_000 },
    ],
    ['it is created again after a crash', of(container(waits('ContainerCreating'), { lastState: ended(1) })), { cause: 'starting' }],
    [
      'it is ready after a crash, and another one is not',
      of(container(runs(), { ready: true, lastState: ended(1) }), container(runs(), { name: 'sidecar' })),
      { cause: 'not-ready', container: 'sidecar' },
    ],
    ['it runs and is not ready', of(container(runs())), { cause: 'not-ready', container: 'agent', reason: 'NotReady' }],
    [
      'all containers are ready, and a readiness gate is not',
      pod({
        conditions: [{ type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady', message: 'no gate' }],
        containerStatuses: [container(runs(), { ready: true })],
      }),
      { cause: 'not-ready', reason: 'ReadinessGatesNotReady', message: 'no gate' },
    ],
    [
      'the first that holds it up counts',
      of(container(runs(), { ready: true }), container(waits('ErrImagePull'), { name: 'b' }), container(ended(1), { name: 'c' })),
      { cause: 'image-pull', container: 'b' },
    ],
  ])('%s', (_name, one, trouble) => {
    if (trouble) expect(troubleOf(one)).toMatchObject(trouble);
    else expect(troubleOf(one)).toBeUndefined();
  });

  test.each<[string, ContainerStatus, Partial<Trouble>]>([
    ['completed: it is starting', container(ended(0, 'Completed'), { ready: true }), { cause: 'starting', reason: 'PodInitializing' }],
    ['runs: it is starting', container(runs()), { cause: 'starting' }],
    ['crashes', container(ended(1)), { cause: 'crash-loop', init: true, container: 'setup' }],
    ['has no image', container(waits('ImagePullBackOff')), { cause: 'image-pull', init: true }],
    ['runs again after a crash', container(runs(1), { lastState: ended(1), restartCount: 1 }), { cause: 'crash-loop', init: true }],
  ])('an init container %s', (_name, setup, trouble) => {
    const main = container(waits('PodInitializing'));
    expect(troubleOf(pod({ initContainerStatuses: [{ ...setup, name: 'setup' }], containerStatuses: [main] }))).toMatchObject(trouble);
  });

  test.each(['failed to sync configmap cache: timed out waiting for the condition', 'failed to sync secret cache: timed out'])(
    'that the kubelet has not seen a ConfigMap or Secret yet is excused: %s',
    (message) => {
      const trouble = troubleOf(of(container(waits('CreateContainerConfigError', message)))) as Trouble;
      expect(trouble).toMatchObject({ cause: 'starting', message });
      expect(isHopeless(trouble, 0, 1e9, 0)).toBe(false);
    },
  );

  test('a pod that is ready has no trouble, and one that is not has one, whatever its containers are', () => {
    const word = fc.constantFrom(
      '',
      'Error',
      'OOMKilled',
      'CrashLoopBackOff',
      'ErrImagePull',
      'PodInitializing',
      'Completed',
      'New in 1.99',
    );
    const state: fc.Arbitrary<ContainerState> = fc.oneof(
      word.map((reason) => waits(reason)),
      fc.tuple(fc.integer({ min: 0, max: 255 }), word).map(([code, reason]) => ended(code, reason)),
      fc.constant(runs()),
      fc.constant({}),
    );
    const any = fc.array(
      fc.record({ state, lastState: state, ready: fc.boolean(), restartCount: fc.nat(9) }).map((more) => ({ ...container({}), ...more })),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(any, any, fc.boolean(), (initContainerStatuses, containerStatuses, isReady) => {
        const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }];
        const trouble = troubleOf(pod({ conditions, initContainerStatuses, containerStatuses }));
        expect(trouble === undefined).toBe(isReady);
        if (trouble) expect(CAUSES).toContain(trouble.cause);
      }),
    );
  });
});

describe('hopeless', () => {
  const crash: Trouble = { cause: 'crash-loop', reason: 'CrashLoopBackOff', message: '', restarts: 3 };
  const grace = 30_000;

  test.each<[string, Trouble, number, boolean]>([
    ['a crash after three restarts', crash, grace, true],
    ['not within the grace', crash, grace - 1, false],
    ['not after two restarts', { ...crash, restarts: 2 }, 1e9, false],
    ['not out of memory twice', { ...crash, cause: 'oom-killed', restarts: 2 }, 1e9, false],
    ['not started once, and restarted', { ...crash, cause: 'start-error', restarts: 1 }, 1e9, false],
    ['never created', { ...crash, cause: 'start-error', restarts: 0 }, grace, true],
    ['an image after no restart at all', { ...crash, cause: 'image-pull', restarts: 0 }, grace, true],
    ['it crashed and has just been started again', { ...crash, runsSince: 60_000 - 1_000 }, 60_000, true],
    ['not while it has run for longer than the grace', { ...crash, runsSince: 60_000 - grace }, 60_000, false],
  ])('%s', (_name, trouble, now, expected) => {
    expect(isHopeless(trouble, 0, now, grace)).toBe(expected);
  });

  test('with a short grace one that runs still has ten seconds to crash again', () => {
    expect(isHopeless({ ...crash, runsSince: 100_000 }, 0, 109_999, 0)).toBe(true);
    expect(isHopeless({ ...crash, runsSince: 100_000 }, 0, 110_000, 0)).toBe(false);
  });

  const trouble = fc.record({
    cause: fc.constantFrom(...CAUSES),
    reason: fc.string(),
    message: fc.string(),
    restarts: fc.nat(9),
  });

  test('nothing is before its grace', () => {
    fc.assert(
      fc.property(trouble, fc.integer({ min: 1, max: 1e6 }), fc.nat(1e6), (one, patience, elapsed) => {
        if (isHopeless(one, 1_000, 1_000 + elapsed, patience)) expect(elapsed).toBeGreaterThanOrEqual(patience);
      }),
    );
  });

  test('what waiting may cure never is', () => {
    const curable: Cause[] = ['starting', 'not-ready', 'min-ready-seconds', 'evicted', 'terminating', 'old-pod-unavailable'];
    const others: Cause[] = ['not-replaced', 'no-pod', 'node-not-ready'];
    expect(CAUSES.filter((cause) => !mayBeHopeless({ cause }))).toEqual([...curable, ...others]);
    fc.assert(
      fc.property(trouble, fc.nat(), (one, elapsed) => {
        if (!mayBeHopeless(one)) expect(isHopeless(one, 0, elapsed, 0)).toBe(false);
      }),
    );
  });
});
