import type { Condition, ContainerStatus, Pod } from './types.ts';

/** Causes that do not go away by waiting: the version, its configuration or the capacity for it has to change. */
const INCURABLE = [
  'image-pull',
  'invalid-image',
  'config-error',
  'start-error',
  'crash-loop',
  'oom-killed',
  'probe-failed',
  'volume-mount',
  'unschedulable',
  'pod-rejected',
] as const;

/** Why a node does not run a version, or has no available pod of it. docs/troubleshooting.md has a section for each. */
export const CAUSES = [
  ...INCURABLE,
  // it may still start
  'starting',
  'not-ready',
  'min-ready-seconds',
  'evicted',
  'terminating',
  // another version runs, or none
  'old-pod-unavailable',
  'not-replaced',
  'no-pod',
  // the node
  'node-not-ready',
] as const;

export type Cause = (typeof CAUSES)[number];

/** The problem of a pod. */
export interface Trouble {
  cause: Cause;
  /** The reason that Kubernetes gives: `ImagePullBackOff`, `Unschedulable`. */
  reason: string;
  /** The message from Kubernetes; empty if there is none. */
  message: string;
  /** The container with the problem. */
  container?: string;
  init?: boolean;
  image?: string;
  restarts?: number;
  exitCode?: number;
  /** Since when a container that crashed before has been running again, in milliseconds since the epoch. */
  runsSince?: number;
}

const HOPELESS: ReadonlySet<Cause> = new Set(INCURABLE);

/** A crashing container counts from this many restarts on: one or two may be due to a dependency that starts at the same time. */
const RESTARTS = 3;

/** Waiting reasons of a kubelet (kubelet/images: types.go; kuberuntime). */
const WAITING: ReadonlyMap<string, Cause> = new Map<string, Cause>(
  Object.entries({
    ErrImagePull: 'image-pull',
    ImagePullBackOff: 'image-pull',
    ErrImageNeverPull: 'image-pull',
    ImageInspectError: 'image-pull',
    RegistryUnavailable: 'image-pull',
    SignatureValidationFailed: 'image-pull',
    InvalidImageName: 'invalid-image',
    CreateContainerConfigError: 'config-error',
    CreateContainerError: 'start-error',
    RunContainerError: 'start-error',
    PreCreateHookError: 'start-error',
    PreStartHookError: 'start-error',
    PostStartHookError: 'start-error',
  }),
);

/** The first problem that keeps a pod from becoming ready; undefined if it is ready. */
export function troubleOf({ metadata, status = {} }: Pod): Trouble | undefined {
  const { phase, reason = '', message = '', initContainerStatuses = [], containerStatuses = [] } = status;
  if (metadata.deletionTimestamp !== undefined) return { cause: 'terminating', reason: 'Terminating', message: '' };
  // Evicted, preempted or rejected by the kubelet: the DaemonSet controller replaces it.
  if (phase === 'Failed') return { cause: 'evicted', reason: reason || 'Failed', message };
  const condition = (type: string): Condition | undefined => status.conditions?.find((one) => one.type === type);
  if (condition('Ready')?.status === 'True') return undefined;
  const scheduled = condition('PodScheduled');
  if (scheduled?.status === 'False') return { cause: 'unschedulable', reason: scheduled.reason ?? '', message: scheduled.message ?? '' };
  for (const container of initContainerStatuses) {
    const trouble = troubleOfContainer(container, true);
    if (trouble) return { ...trouble, init: true };
  }
  for (const container of containerStatuses) {
    const trouble = troubleOfContainer(container, false);
    if (trouble) return trouble;
  }
  const waits = containerStatuses.find(({ state }) => state?.waiting);
  if (waits || containerStatuses.length === 0) {
    return { cause: 'starting', reason: waits?.state?.waiting?.reason ?? 'Pending', message: waits?.state?.waiting?.message ?? '' };
  }
  const unready = containerStatuses.find(({ ready }) => ready !== true);
  const why = condition(unready ? 'ContainersReady' : 'Ready');
  return {
    cause: 'not-ready',
    reason: why?.reason ?? 'NotReady',
    message: why?.message ?? '',
    ...(unready && { container: unready.name, ...(unready.image !== undefined && { image: unready.image }) }),
  };
}

function troubleOfContainer(container: ContainerStatus, init: boolean): Trouble | undefined {
  const { name, image, ready, restartCount = 0, state = {}, lastState = {} } = container;
  const { waiting, running, terminated } = state;
  const of = { container: name, ...(image !== undefined && { image }), restarts: restartCount };
  const cause = WAITING.get(waiting?.reason ?? '');
  if (waiting && cause) {
    const { reason = '', message = '' } = waiting;
    // The kubelet has not received the ConfigMap or Secret yet, and tries again.
    if (cause === 'config-error' && /failed to sync \w+ cache/.test(message)) return { ...of, cause: 'starting', reason, message };
    return { ...of, cause, reason, message };
  }
  const last = terminated ?? lastState.terminated;
  if (!last || ready === true || (init && terminated?.exitCode === 0)) return undefined;
  if (waiting && waiting.reason !== 'CrashLoopBackOff') return undefined;
  const { exitCode, reason = '', message = '' } = last;
  const since = Date.parse(running?.startedAt ?? '');
  return {
    ...of,
    cause:
      reason === 'OOMKilled' ? 'oom-killed' : reason === 'StartError' || reason === 'ContainerCannotRun' ? 'start-error' : 'crash-loop',
    reason: waiting?.reason ?? reason,
    message,
    ...(exitCode !== undefined && { exitCode }),
    ...(Number.isFinite(since) && { runsSince: since }),
  };
}

/**
 * Whether a pod has been unable to start for so long that waiting does not help.
 *
 * @param since when it was first seen unable to start, without having recovered in between. All times in milliseconds.
 */
export function isHopeless({ cause, restarts = 0, runsSince }: Trouble, since: number, now: number, grace: number): boolean {
  if (!HOPELESS.has(cause) || now - since < grace) return false;
  if (restarts < RESTARTS && isCrash(cause, restarts)) return false;
  // It crashed before, but has now run for longer than the grace period: it may still become ready.
  return runsSince === undefined || now - runsSince < Math.max(grace, 10_000);
}

/** Whether waiting does not help against a cause, if it persists. */
export function mayBeHopeless({ cause }: Pick<Trouble, 'cause'>): boolean {
  return HOPELESS.has(cause);
}

/** Whether the container ran and exited. One that could not be created has no restarts. */
function isCrash(cause: Cause, restarts: number): boolean {
  return cause === 'crash-loop' || cause === 'oom-killed' || cause === 'probe-failed' || (cause === 'start-error' && restarts > 0);
}
