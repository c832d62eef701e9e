import { failureOfEnded, mayBeUnrecoverable, type PodFailure } from './pod-failure.ts';
import { ONLY_IN_EVENTS, type SeenPod } from './seen-pod.ts';
import type { Event } from './types.ts';

/** An event about a pod or the DaemonSet. */
export interface PodEvent {
  uid: string;
  name: string;
  /** The node of the kubelet that reported it; empty if another component did. */
  host: string;
  /** When it last happened, on the clock of the cluster. NaN if that is unknown. */
  at: number;
  /** It is of type Warning. */
  warning: boolean;
  reason: string;
  message: string;
  count: number;
}

/** The reason of the warning that the sandbox of a pod, which holds its network, cannot be created. */
export const NO_SANDBOX = 'FailedCreatePodSandBox';

/** The reason of the event about a pod that was evicted, whatever its phase says. */
export const EVICTED = 'Evicted';

/** Reasons of warnings that a pod is waiting for a volume: from the kubelet, and from the attach-detach controller. */
export const VOLUME_WARNINGS = ['FailedMount', 'FailedAttachVolume', 'FailedMapVolume'] as const;

/**
 * The same pod, with what the events about it show: why it is still starting, what ended its container, or what ended the pod.
 *
 * @param events the oldest first.
 */
export function withEvents(pod: SeenPod, events: readonly PodEvent[], now: number): SeenPod {
  const { failure } = pod;
  if (!failure || events.length === 0) return pod;
  const plain: PodFailure = ONLY_IN_EVENTS.has(failure.cause) ? { cause: 'starting', reason: 'ContainerCreating', message: '' } : failure;
  const explained = explain(plain, pod.prepared, events, now);
  if (explained === failure) return pod;
  return { ...pod, failure: explained, since: mayBeUnrecoverable(explained) ? (pod.since ?? now) : undefined };
}

/** Reasons of events after which a pod has its volumes and its sandbox. */
export const PREPARED = ['Pulling', 'Pulled'] as const;

/** A kubelet tries again every two minutes, and reports at least one failure in five (nestedpendingoperations; client-go: tools/events). */
const LONGEST_SILENCE_MS = 360_000;

function explain(failure: PodFailure, prepared: boolean, events: readonly PodEvent[], now: number): PodFailure {
  const last = (pattern: RegExp): PodEvent | undefined => events.findLast(({ reason, message }) => pattern.test(`${reason} ${message}`));
  switch (failure.cause) {
    case 'starting': {
      if (prepared) return failure;
      const isPrepared = ({ reason }: PodEvent): boolean => (PREPARED as readonly string[]).includes(reason);
      const unhealed = events.slice(events.findLastIndex(isPrepared) + 1).filter(({ at }) => !(now - at > LONGEST_SILENCE_MS));
      const mount = unhealed.findLast(({ reason }) => (VOLUME_WARNINGS as readonly string[]).includes(reason));
      const sandbox = unhealed.findLast(({ reason }) => reason === NO_SANDBOX);
      const why = mount ?? sandbox ?? last(/^NetworkNotReady /);
      if (!why) return failure;
      const cause = mount ? 'volume-mount' : sandbox ? 'pod-sandbox' : 'starting';
      return { ...failure, cause, reason: why.reason, message: why.message };
    }
    case 'crash-loop': {
      if (last(/^FailedPostStartHook /))
        return { ...failure, cause: 'start-error', reason: 'PostStartHookError', message: 'PostStartHook failed' };
      const probe = last(/^Unhealthy (Liveness|Startup) probe (failed|errored)/);
      if (!probe || !wasKilledByProbe(failure, events)) return failure;
      return { ...failure, cause: 'probe-failed', message: probe.message };
    }
    case 'not-ready': {
      const probe = last(/^Unhealthy Readiness probe (failed|errored)/);
      return probe ? { ...failure, message: probe.message } : failure;
    }
    case 'image-pull': {
      const secret = last(/^FailedToRetrieveImagePullSecret /);
      return secret && !failure.message.includes(secret.message)
        ? { ...failure, message: `${secret.message} ${failure.message}` }
        : failure;
    }
    case 'evicted': {
      const eviction = events.findLast(({ reason }) => reason === EVICTED);
      return eviction ? { ...failure, ...failureOfEnded(EVICTED, eviction.message) } : failure;
    }
    default:
      return failure;
  }
}

/**
 * Whether the kubelet ended the container because of a probe. A container may crash by itself while its probes fail, for example before it
 * has started. The kubelet sends SIGTERM: a program that handles it often exits with 0, the others end with 143 or 137.
 */
function wasKilledByProbe({ container = '', exitCode }: PodFailure, events: readonly PodEvent[]): boolean {
  const killed = events.some(
    ({ reason, message }) =>
      reason === 'Killing' && / failed (liveness|startup) probe/.test(message) && message.includes(`ontainer ${container} `),
  );
  return killed || exitCode === 0 || exitCode === 137 || exitCode === 143;
}

/** The kubelet and the controllers put this before the message when many events differ only in an id. */
const COMBINED = /^\(combined from similar events\): /;

/** The events, the oldest first. */
export function seeEvents(events: Event[]): PodEvent[] {
  const time = ({ series, lastTimestamp, eventTime, metadata }: Event): string =>
    series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '';
  return events
    .map((event) => ({ ...event, time: time(event) }))
    .sort((a, b) => a.time.localeCompare(b.time))
    .map(({ involvedObject, source, type, reason = '', message = '', count, series, time }) => ({
      uid: involvedObject.uid ?? '',
      name: involvedObject.name ?? '',
      host: source?.host ?? '',
      at: Date.parse(time),
      warning: type === 'Warning',
      reason,
      message: message.replace(COMBINED, '').trim(),
      count: series?.count ?? count ?? 1,
    }));
}
