import type { Condition, ContainerStatus, Pod } from './types.ts';

/** Causes that no waiting cures: the version, its configuration or the room for it has to change. */
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

/** Why a node does not run a version, or not available, in one word for machines. Each has its section in docs/troubleshooting.md. */
export const CAUSES = [
  ...INCURABLE,
  // it may start yet
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

/** What is wrong with a pod. */
export interface Trouble {
  cause: Cause;
  /** Kubernetes' own word for it: `ImagePullBackOff`, `Unschedulable`. */
  reason: string;
  /** What Kubernetes says about it; empty where it says nothing. */
  message: string;
  /** The container that has it. */
  container?: string;
  init?: boolean;
  image?: string;
  restarts?: number;
  exitCode?: number;
  /** A container that crashed before runs again, since then (milliseconds since the epoch). */
  runsSince?: number;
}

const HOPELESS: ReadonlySet<Cause> = new Set(INCURABLE);

/** A container that crashes counts from this many restarts on: one or two crashes may be a dependency that starts at the same time. */
const RESTARTS = 3;

/** Waiting reasons of a kubelet (kubelet/images: types.go; kuberuntime). */
const WAITING: Readonly<Record<string, Cause>> = {
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
};

/** What is wrong with a pod, the first that holds it up; undefined when it is ready. */
export function troubleOf({ metadata, status = {} }: Pod): Trouble | undefined {
  const { phase, reason = '', message = '', initContainerStatuses = [], containerStatuses = [] } = status;
  if (metadata.deletionTimestamp !== undefined) return { cause: 'terminating', reason: 'Terminating', message: '' };
  // Evicted, preempted, rejected by the kubelet: the DaemonSet controller puts another in its place.
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
  const cause = WAITING[waiting?.reason ?? ''];
  if (waiting && cause) {
    const { reason = '', message = '' } = waiting;
    // The kubelet has not seen the ConfigMap or Secret yet, and asks again.
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
 * Whether a pod has been unable to start for so long that no waiting will help.
 *
 * @param since when it was first seen unable to start, without having been able in between. All times in milliseconds.
 */
export function isHopeless({ cause, restarts = 0, runsSince }: Trouble, since: number, now: number, grace: number): boolean {
  if (!HOPELESS.has(cause) || now - since < grace) return false;
  if (restarts < RESTARTS && isCrash(cause, restarts)) return false;
  // It crashed before, and has run for longer than the grace now: it may become ready yet.
  return runsSince === undefined || now - runsSince < Math.max(grace, 10_000);
}

/** Whether a cause is of the kind that may pass by itself unless it persists. */
export function mayBeHopeless({ cause }: Pick<Trouble, 'cause'>): boolean {
  return HOPELESS.has(cause);
}

/** A container that could not be created at all does not restart: only what ran and ended counts its restarts. */
function isCrash(cause: Cause, restarts: number): boolean {
  return cause === 'crash-loop' || cause === 'oom-killed' || cause === 'probe-failed' || (cause === 'start-error' && restarts > 0);
}
