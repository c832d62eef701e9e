import { sidecarsOf } from './template.ts';
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
  'storage-limit',
  'volume-mount',
  'pod-sandbox',
  'unschedulable',
  'pod-rejected',
] as const;

/** Why a node does not run a version, or has no available pod of it. docs/troubleshooting.md has a section for each. */
export const CAUSES = [
  ...INCURABLE,
  // it may still start
  'starting',
  'not-ready',
  'not-stable',
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
export interface PodFailure {
  cause: Cause;
  /** The reason that Kubernetes gives: `ImagePullBackOff`, `Unschedulable`. */
  reason: string;
  /** The message from Kubernetes; empty if there is none. */
  message: string;
  /** The container with the problem. */
  container?: string;
  init?: boolean;
  /** It is an init container that continues to run beside the others. */
  sidecar?: boolean;
  image?: string;
  restarts?: number;
  /** How often the container ended during the wait. What it did before proves nothing. */
  crashes?: number;
  exitCode?: number;
  /** Since when a container that crashed before has been running again. */
  runsSince?: number;
  /** How long its last run took, by the clock of its node. Whole seconds. */
  ranMs?: number;
}

const UNRECOVERABLE: ReadonlySet<Cause> = new Set(INCURABLE);

/** A crashing container counts from this many crashes during the wait on: two may be due to a dependency that starts at the same time. */
export const MANY_CRASHES = 3;

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
export function podFailureOf({ metadata, spec, status = {} }: Pod): PodFailure | undefined {
  const { phase, reason = '', message = '', nominatedNodeName, initContainerStatuses = [], containerStatuses = [] } = status;
  if (metadata.deletionTimestamp !== undefined) return { cause: 'terminating', reason: 'Terminating', message: '' };
  if (phase === 'Failed' || phase === 'Succeeded') return failureOfEnded(reason || phase, message);
  const condition = (type: string): Condition | undefined => status.conditions?.find((one) => one.type === type);
  if (condition('Ready')?.status === 'True') return undefined;
  const scheduled = condition('PodScheduled');
  if (scheduled?.status === 'False' && nominatedNodeName)
    return { cause: 'starting', reason: 'Preempting', message: 'pods with a lower priority are being removed for it' };
  if (scheduled?.status === 'False') return { cause: 'unschedulable', reason: scheduled.reason ?? '', message: scheduled.message ?? '' };
  const sidecars = sidecarsOf(spec);
  for (const container of initContainerStatuses) {
    const sidecar = sidecars.has(container.name);
    const role = { init: true, ...(sidecar && { sidecar }) };
    const failure = failureOfContainer(container, !sidecar);
    if (failure) return { ...failure, ...role };
    const { name, state, started } = container;
    if (state?.running && !(sidecar && started !== false))
      return { cause: 'starting', reason: 'PodInitializing', message: '', container: name, ...role };
  }
  for (const container of containerStatuses) {
    const failure = failureOfContainer(container, false);
    if (failure) return failure;
  }
  const waits = containerStatuses.find(({ state }) => state?.waiting);
  if (waits || containerStatuses.length === 0) {
    const waiting = waits?.state?.waiting;
    // Virtual nodes explain in the status of the pod why they do not start it: `ProviderFailed`.
    return { cause: 'starting', reason: reason || waiting?.reason || 'Pending', message: message || waiting?.message || '' };
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

/** Reasons with which a kubelet rejects a pod because of its spec (kubelet: sysctl/allowlist.go, lifecycle/handlers.go). */
const REJECTED: ReadonlySet<string> = new Set(['SysctlForbidden', 'AppArmor', 'PodOSNotSupported', 'PodOSSelectorNodeLabelDoesNotMatch']);

/** Messages of an eviction because of a limit of the pod itself, and not of the node (kubelet: eviction/helpers.go). */
const OWN_LIMIT = /exceeds the (total )?limit|exceeded its local ephemeral storage limit/;

/**
 * The problem of a pod that has ended. The DaemonSet controller replaces it. A kubelet may write the phase `Succeeded`, without a reason,
 * for a pod that it evicted; then only an event explains it.
 */
export function failureOfEnded(reason: string, message: string): PodFailure {
  if (REJECTED.has(reason)) return { cause: 'pod-rejected', reason, message };
  return { cause: reason === 'Evicted' && OWN_LIMIT.test(message) ? 'storage-limit' : 'evicted', reason, message: message.trim() };
}

/** @param completes whether the container is to end, with exit code 0. */
function failureOfContainer(container: ContainerStatus, completes: boolean): PodFailure | undefined {
  const { name, image, ready, restartCount = 0, state = {} } = container;
  const { waiting, terminated } = state;
  const of = { container: name, ...(image !== undefined && { image }), restarts: restartCount };
  const cause = WAITING.get(waiting?.reason ?? '');
  if (waiting && cause) {
    const { reason = '', message = '' } = waiting;
    // The kubelet has not received the ConfigMap or Secret yet, and tries again.
    if (cause === 'config-error' && /failed to sync \w+ cache/.test(message)) return { ...of, cause: 'starting', reason, message };
    return { ...of, cause, reason, message };
  }
  if (ready === true || (completes && terminated?.exitCode === 0)) return undefined;
  if (waiting && waiting.reason !== 'CrashLoopBackOff') return undefined;
  return crashOf(container);
}

/** The last crash of a container, whether it runs again or not; undefined if it never ended. */
export function crashOf({ name, image, restartCount = 0, state = {}, lastState = {} }: ContainerStatus): PodFailure | undefined {
  const { waiting, running, terminated } = state;
  const last = terminated ?? lastState.terminated;
  if (!last) return undefined;
  const { exitCode, reason = '', message = '' } = last;
  const since = Date.parse(running?.startedAt ?? '');
  const ranMs = Date.parse(last.finishedAt ?? '') - Date.parse(last.startedAt ?? '');
  return {
    container: name,
    ...(image !== undefined && { image }),
    restarts: restartCount,
    cause:
      reason === 'OOMKilled' ? 'oom-killed' : reason === 'StartError' || reason === 'ContainerCannotRun' ? 'start-error' : 'crash-loop',
    reason: waiting?.reason === 'CrashLoopBackOff' ? waiting.reason : reason,
    message,
    ...(exitCode !== undefined && { exitCode }),
    ...(Number.isFinite(since) && { runsSince: since }),
    ...(Number.isFinite(ranMs) && { ranMs }),
  };
}

/** The answer of a registry that fails. */
export const SERVER_ERROR = /\b5\d\d (Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)/i;

/** Why an image cannot be pulled, as far as the message shows. */
export type PullFailure = 'not-found' | 'denied' | 'rate-limit' | 'unavailable' | 'unreachable' | 'unknown';

const PULL_FAILURES: readonly (readonly [PullFailure, RegExp])[] = [
  ['not-found', /not found|manifest unknown|NotFound/i],
  ['denied', /unauthorized|denied|forbidden|authentication required|HTTP 40[13]/i],
  ['rate-limit', /too ?many ?requests|rate limit|HTTP 429/i],
  ['unavailable', SERVER_ERROR],
  ['unreachable', /timeout|refused|no such host|unreachable|TLS handshake|EOF|reset/i],
];

export function pullFailureOf(message: string): PullFailure {
  return PULL_FAILURES.find(([, pattern]) => pattern.test(message))?.[0] ?? 'unknown';
}

/** How sure a verdict has to be: it ends a wait, or it takes a version back. */
export type Certainty = 'for-report' | 'for-rollback';

/** Answers of an admission webhook that is away. */
const WEBHOOK_AWAY = /failed calling webhook|context deadline exceeded|connection refused/;

/**
 * Causes that an environment may cure: a network plugin that restarts, a registry that is away for a while. To take a version back, more
 * causes count as such: a volume that is still attached elsewhere, capacity that is about to be added, and a pull that fails for an unknown
 * reason. A missing image, ConfigMap or right does not depend on the node, and does not come by waiting.
 */
function mayBeCuredFromOutside({ cause, message = '' }: CauseAndMessage, certainty: Certainty): boolean {
  const pull = cause === 'image-pull' ? pullFailureOf(message) : undefined;
  if (cause === 'pod-sandbox' || pull === 'rate-limit' || pull === 'unavailable' || pull === 'unreachable') return true;
  if (certainty === 'for-report') return false;
  return (
    cause === 'volume-mount' || cause === 'unschedulable' || pull === 'unknown' || (cause === 'pod-rejected' && WEBHOOK_AWAY.test(message))
  );
}

type CauseAndMessage = Pick<PodFailure, 'cause'> & Partial<Pick<PodFailure, 'message'>>;

/** How long a pod must have been unable to start for a cause, given the grace period of most causes. */
export function graceMsOf(failure: CauseAndMessage, graceMs: number, certainty: Certainty = 'for-report'): number {
  return mayBeCuredFromOutside(failure, certainty) ? recoveryMs(graceMs) : graceMs;
}

/** How long an environment gets to recover, given the grace period of most causes. */
export function recoveryMs(graceMs: number): number {
  return Math.max(3 * graceMs, 90_000);
}

/**
 * Whether a pod has been unable to start for so long that waiting does not help.
 *
 * @param since when it was first seen unable to start, without having recovered in between.
 */
export function isUnrecoverable(
  failure: PodFailure,
  since: number,
  now: number,
  graceMs: number,
  certainty: Certainty = 'for-report',
): boolean {
  const { cause, crashes = 0, runsSince } = failure;
  if (!UNRECOVERABLE.has(cause) || now - since < graceMsOf(failure, graceMs, certainty)) return false;
  if (crashes < MANY_CRASHES && isCrash(failure)) return false;
  // A pod that was evicted once may have had more to store than others do.
  if (crashes < 2 && cause === 'storage-limit') return false;
  // It crashed before, but has now run for longer than the grace period: it may still become ready.
  return runsSince === undefined || now - runsSince < Math.max(graceMs, 10_000);
}

/** Whether waiting does not help against a cause, if it persists. */
export function mayBeUnrecoverable({ cause }: Pick<PodFailure, 'cause'>): boolean {
  return UNRECOVERABLE.has(cause);
}

/** Whether the container ran and exited. One that could not be started did not, although the kubelet counts restarts for it too. */
export function isCrash({ cause, reason }: PodFailure): boolean {
  return cause === 'crash-loop' || cause === 'oom-killed' || cause === 'probe-failed' || reason === 'PostStartHookError';
}
