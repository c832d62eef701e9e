import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  CAUSES,
  type Cause,
  isUnrecoverable,
  mayBeUnrecoverable,
  type PodFailure,
  podFailureOf,
} from '../../../src/daemonset/pod-failure.ts';
import type { ContainerState, ContainerStatus, Pod } from '../../../src/daemonset/types.ts';
import { pod } from '../../helpers/builders.ts';

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
  test.each<[string, Pod, Partial<PodFailure> | undefined]>([
    ['nothing if it is ready', pod({ conditions: [ready], containerStatuses: [container(runs(), { ready: true })] }), undefined],
    ['it has no container status yet', pod(), { cause: 'starting', reason: 'Pending', message: '' }],
    ['it is being created', of(container(waits('ContainerCreating'))), { cause: 'starting', reason: 'ContainerCreating' }],
    [
      'it cannot be scheduled',
      pod({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'Insufficient cpu.' }] }),
      { cause: 'unschedulable', reason: 'Unschedulable', message: 'Insufficient cpu.' },
    ],
    [
      'it is being deleted, whatever its conditions are',
      pod({ conditions: [ready] }, { metadata: { deletionTimestamp: 'now' } }),
      { cause: 'terminating' },
    ],
    [
      'it was evicted, although a condition still says Ready',
      pod({ phase: 'Failed', reason: 'Evicted', message: 'low on memory', conditions: [ready] }),
      { cause: 'evicted', reason: 'Evicted', message: 'low on memory' },
    ],
    ['it failed without a reason', pod({ phase: 'Failed' }), { cause: 'evicted', reason: 'Failed' }],
    ['it was evicted, and its containers exited with 0', pod({ phase: 'Succeeded' }), { cause: 'evicted', reason: 'Succeeded' }],
    ...(
      [
        'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ',
        'Container agent exceeded its local ephemeral storage limit "1Mi". ',
        'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ',
      ] as const
    ).map((message): [string, Pod, Partial<PodFailure>] => [
      `it exceeded a limit of its own: ${message}`,
      pod({ phase: 'Failed', reason: 'Evicted', message }),
      { cause: 'storage-limit', message: message.trim() },
    ]),
    [
      'the kubelet rejects its spec',
      pod({ phase: 'Failed', reason: 'SysctlForbidden', message: 'Pod was rejected: forbidden sysctl' }),
      { cause: 'pod-rejected', reason: 'SysctlForbidden' },
    ],
    [
      'the kubelet rejects it because its node is full',
      pod({ phase: 'Failed', reason: 'OutOfcpu', message: 'Pod was rejected: not enough cpu' }),
      { cause: 'evicted', reason: 'OutOfcpu' },
    ],
    [
      'pods are being preempted for it',
      pod({ nominatedNodeName: 'node-1', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] }),
      { cause: 'starting', reason: 'Preempting' },
    ],
    [
      'a virtual node explains why it does not start it',
      pod({ phase: 'Pending', reason: 'ProviderFailed', message: 'quota of the subscription exceeded' }),
      { cause: 'starting', reason: 'ProviderFailed', message: 'quota of the subscription exceeded' },
    ],
    [
      'an init container is still running',
      pod({ initContainerStatuses: [container(runs())], containerStatuses: [container(waits('PodInitializing'))] }),
      { cause: 'starting', reason: 'PodInitializing', container: 'agent', init: true },
    ],
    [
      'the image is missing',
      of(container(waits('ErrImagePull', 'not found'))),
      { cause: 'image-pull', image: 'agent:v2', message: 'not found' },
    ],
    ['the image pull is in back-off', of(container(waits('ImagePullBackOff'))), { cause: 'image-pull', reason: 'ImagePullBackOff' }],
    ['the image is not on the node', of(container(waits('ErrImageNeverPull'))), { cause: 'image-pull' }],
    ['the image signature is not valid', of(container(waits('SignatureValidationFailed'))), { cause: 'image-pull' }],
    ['the image name is not valid', of(container(waits('InvalidImageName'))), { cause: 'invalid-image' }],
    ['a ConfigMap is missing', of(container(waits('CreateContainerConfigError', 'configmap "x" not found'))), { cause: 'config-error' }],
    ['the container cannot be created', of(container(waits('CreateContainerError'))), { cause: 'start-error', restarts: 0 }],
    ['a hook fails', of(container(waits('PostStartHookError'))), { cause: 'start-error' }],
    ['it exited', of(container(ended(2))), { cause: 'crash-loop', reason: 'Error', exitCode: 2, restarts: 0 }],
    [
      'the restart is in back-off',
      of(container(waits('CrashLoopBackOff', 'back-off 10s'), { restartCount: 4, lastState: ended(1, 'Error', 'last words') })),
      { cause: 'crash-loop', reason: 'CrashLoopBackOff', exitCode: 1, restarts: 4, message: 'last words' },
    ],
    [
      'it exits with success',
      of(container(waits('CrashLoopBackOff'), { lastState: ended(0, 'Completed') })),
      { cause: 'crash-loop', exitCode: 0 },
    ],
    ['it exceeds its memory limit', of(container(ended(137, 'OOMKilled'))), { cause: 'oom-killed', exitCode: 137 }],
    [
      'the program does not exist',
      of(container(ended(128, 'StartError', 'no such file'))),
      { cause: 'start-error', message: 'no such file' },
    ],
    ['the container cannot run', of(container(ended(127, 'ContainerCannotRun'))), { cause: 'start-error' }],
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
      'the first container that fails counts',
      of(container(runs(), { ready: true }), container(waits('ErrImagePull'), { name: 'b' }), container(ended(1), { name: 'c' })),
      { cause: 'image-pull', container: 'b' },
    ],
  ])('%s', (_name, one, failure) => {
    if (failure) expect(podFailureOf(one)).toMatchObject(failure);
    else expect(podFailureOf(one)).toBeUndefined();
  });

  test.each<[string, ContainerStatus, Partial<PodFailure>]>([
    [
      'that completed leaves the pod starting',
      container(ended(0, 'Completed'), { ready: true }),
      { cause: 'starting', reason: 'PodInitializing' },
    ],
    ['that runs leaves the pod starting', container(runs()), { cause: 'starting' }],
    ['that crashes is a failure of the pod', container(ended(1)), { cause: 'crash-loop', init: true, container: 'setup' }],
    ['that cannot pull its image is a failure of the pod', container(waits('ImagePullBackOff')), { cause: 'image-pull', init: true }],
    [
      'that runs again after a crash is a failure of the pod',
      container(runs(1), { lastState: ended(1), restartCount: 1 }),
      { cause: 'crash-loop', init: true },
    ],
  ])('an init container %s', (_name, setup, failure) => {
    const main = container(waits('PodInitializing'));
    expect(podFailureOf(pod({ initContainerStatuses: [{ ...setup, name: 'setup' }], containerStatuses: [main] }))).toMatchObject(failure);
  });

  test.each(['failed to sync configmap cache: timed out waiting for the condition', 'failed to sync secret cache: timed out'])(
    'a ConfigMap or Secret that the kubelet has not cached yet is not a failure: %s',
    (message) => {
      const failure = podFailureOf(of(container(waits('CreateContainerConfigError', message)))) as PodFailure;
      expect(failure).toMatchObject({ cause: 'starting', message });
      expect(isUnrecoverable(failure, 0, 1e9, 0)).toBe(false);
    },
  );

  test('a pod has a failure exactly if it is not ready, whatever its containers are', () => {
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
        const failure = podFailureOf(pod({ conditions, initContainerStatuses, containerStatuses }));
        expect(failure === undefined).toBe(isReady);
        if (failure) expect(CAUSES).toContain(failure.cause);
      }),
    );
  });
});

describe('an unrecoverable failure', () => {
  const crash: PodFailure = { cause: 'crash-loop', reason: 'CrashLoopBackOff', message: '', restarts: 2, crashes: 3 };
  const grace = 30_000;

  test.each<[string, PodFailure, number, boolean]>([
    ['is a third crash', crash, grace, true],
    ['is not a crash within the grace period', crash, grace - 1, false],
    ['is not a second crash', { ...crash, crashes: 2 }, 1e9, false],
    ['is not a container that ran out of memory twice', { ...crash, cause: 'oom-killed', crashes: 2 }, 1e9, false],
    [
      'is a container that cannot be started, however often it was tried',
      { ...crash, cause: 'start-error', restarts: 1, crashes: 1 },
      grace,
      true,
    ],
    ['is not a hook that failed twice', { ...crash, cause: 'start-error', reason: 'PostStartHookError', crashes: 2 }, 1e9, false],
    ['is not a sandbox that cannot be created for a minute', { ...crash, cause: 'pod-sandbox', restarts: 0 }, 60_000, false],
    ['is a sandbox that cannot be created for a minute and a half', { ...crash, cause: 'pod-sandbox', restarts: 0 }, 90_000, true],
    ['is a container that was never created', { ...crash, cause: 'start-error', restarts: 0 }, grace, true],
    ['is a missing image, without any restart', { ...crash, cause: 'image-pull', restarts: 0 }, grace, true],
    ...['503 Service Unavailable', '429 Too Many Requests', 'dial tcp: lookup registry.example: no such host', 'i/o timeout'].flatMap(
      (message): [string, PodFailure, number, boolean][] => [
        [`is not a registry that is away for a minute: ${message}`, { ...crash, cause: 'image-pull', message, restarts: 0 }, 60_000, false],
        [`is a registry that is away for longer: ${message}`, { ...crash, cause: 'image-pull', message, restarts: 0 }, 90_000, true],
      ],
    ),
    ['is not a pod that was evicted once for its own limit', { ...crash, cause: 'storage-limit', crashes: 1 }, 1e9, false],
    ['is a pod that was evicted twice for its own limit', { ...crash, cause: 'storage-limit', crashes: 2 }, grace, true],
    ['is a registry that refuses access', { ...crash, cause: 'image-pull', message: 'denied', restarts: 0 }, grace, true],
    ['is a container that crashed and has just restarted', { ...crash, runsSince: 60_000 - 1_000 }, 60_000, true],
    ['is not a container that has run for the grace period', { ...crash, runsSince: 60_000 - grace }, 60_000, false],
  ])('%s', (_name, failure, now, expected) => {
    expect(isUnrecoverable(failure, 0, now, grace)).toBe(expected);
  });

  test('is not a container that has run for ten seconds, even with a shorter grace period', () => {
    expect(isUnrecoverable({ ...crash, runsSince: 100_000 }, 0, 109_999, 0)).toBe(true);
    expect(isUnrecoverable({ ...crash, runsSince: 100_000 }, 0, 110_000, 0)).toBe(false);
  });

  const failure = fc.record({
    cause: fc.constantFrom(...CAUSES),
    reason: fc.string(),
    message: fc.string(),
    restarts: fc.nat(9),
    crashes: fc.nat(9),
  });

  test.each<[string, Partial<PodFailure>, number]>([
    ['a missing image', { cause: 'image-pull', message: 'manifest unknown' }, 30_000],
    ['a pull that is denied', { cause: 'image-pull', message: 'unauthorized' }, 30_000],
    ['an invalid image name', { cause: 'invalid-image' }, 30_000],
    ['a missing ConfigMap', { cause: 'config-error' }, 30_000],
    ['a third crash', {}, 30_000],
    ['a pod that admission denies', { cause: 'pod-rejected', message: 'violates PodSecurity' }, 30_000],
    ['a pod that a webhook cannot check', { cause: 'pod-rejected', message: 'failed calling webhook "x"' }, 90_000],
    ['a pull that fails for an unknown reason', { cause: 'image-pull', message: 'no space left on device' }, 90_000],
    ['a registry that is away', { cause: 'image-pull', message: '503 Service Unavailable' }, 90_000],
    ['a volume', { cause: 'volume-mount' }, 90_000],
    ['a lack of capacity', { cause: 'unschedulable' }, 90_000],
  ])('justifies a rollback after a time that depends on what may cure it: %s', (_name, more, after) => {
    const of = { ...crash, ...more };
    expect(isUnrecoverable(of, 0, after - 1, grace, 'for-rollback')).toBe(false);
    expect(isUnrecoverable(of, 0, after, grace, 'for-rollback')).toBe(true);
    expect(isUnrecoverable(of, 0, after, 60_000, 'for-rollback')).toBe(after >= 60_000 && after !== 90_000);
  });

  test('is not reported before the grace period ends', () => {
    fc.assert(
      fc.property(failure, fc.integer({ min: 1, max: 1e6 }), fc.nat(1e6), (one, patience, elapsed) => {
        if (isUnrecoverable(one, 1_000, 1_000 + elapsed, patience)) expect(elapsed).toBeGreaterThanOrEqual(patience);
      }),
    );
  });

  test('is never one that may resolve by waiting', () => {
    const curable: Cause[] = ['starting', 'not-ready', 'not-stable', 'min-ready-seconds', 'evicted', 'terminating', 'old-pod-unavailable'];
    const others: Cause[] = ['not-replaced', 'no-pod', 'node-not-ready'];
    expect(CAUSES.filter((cause) => !mayBeUnrecoverable({ cause }))).toEqual([...curable, ...others]);
    fc.assert(
      fc.property(failure, fc.nat(), (one, elapsed) => {
        if (!mayBeUnrecoverable(one)) expect(isUnrecoverable(one, 0, elapsed, 0)).toBe(false);
      }),
    );
  });
});

test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])(
  'the waiting reason %s is not looked up in the prototype of an object',
  (reason) => {
    const waiting = pod({ containerStatuses: [{ name: 'agent', state: { waiting: { reason } } }] });
    expect(podFailureOf(waiting)).toMatchObject({ cause: 'starting', reason });
  },
);
