/** How long the containers of a pod have run without a crash, and how long they must. */
import { isObject } from './json.ts';
import { containersOf, sidecarsOf } from './template.ts';
import type { Json, JsonObject, Pod, PodTemplate } from './types.ts';

/** `stable-for`: a time, or as long as the template makes reasonable. */
export type StableFor = number | 'auto';

const SHORTEST_MS = 10_000;
const LONGEST_MS = 60_000;
/** How long a kubelet may take to report that it has restarted a container. */
const REPORTED_AFTER_MS = 1_000;
/** A kubelet measures every 10 s what pods store, from measurements that can be as old (kubelet: eviction manager). */
const STORAGE_CHECKED_MS = 30_000;
/** A container that ran for longer before it crashed need not run for twice as long again. */
const LONGEST_AFTER_CRASH_MS = 300_000;
/** The same for a crash that was over when the wait began. */
const LONGEST_AFTER_EARLIER_CRASH_MS = 60_000;

/**
 * How long the containers of a version must run without a crash. `auto` is 10 s; with a liveness probe, as long as that needs to fail and to
 * restart the container, at most 60 s; with a limit of local storage, 30 s.
 */
export function stableForMs(stableFor: StableFor, template: PodTemplate): number {
  if (stableFor !== 'auto') return stableFor;
  const { spec } = template;
  const probes = [...containersOf(spec), ...containersOf(spec, 'initContainers')].map(({ raw }) => raw['livenessProbe']);
  const shortest = limitsStorage(template) ? STORAGE_CHECKED_MS : SHORTEST_MS;
  return Math.min(LONGEST_MS, Math.max(shortest, ...probes.filter(isObject).map((probe) => failsAfterMs(probe) + REPORTED_AFTER_MS)));
}

/** Whether a pod can be evicted for what its containers store, although there is room for it. */
function limitsStorage({ spec }: PodTemplate): boolean {
  return containersOf(spec).some(({ raw: { resources } }) => {
    const limits = isObject(resources) ? resources['limits'] : undefined;
    return isObject(limits) && limits['ephemeral-storage'] !== undefined;
  });
}

/** How long a probe can fail until the kubelet acts on it; 0 without a probe. */
export function failsAfterMs(probe: Json | undefined): number {
  if (!isObject(probe)) return 0;
  const seconds = secondsIn(probe, 'failureThreshold', 3) * secondsIn(probe, 'periodSeconds', 10) + secondsIn(probe, 'timeoutSeconds', 1);
  return delayMs(probe) + seconds * 1_000;
}

/** How long the kubelet waits before a probe; 0 without a probe. */
export function delayMs(probe: Json | undefined): number {
  return isObject(probe) ? secondsIn(probe, 'initialDelaySeconds', 0) * 1_000 : 0;
}

function secondsIn(probe: JsonObject, field: string, otherwise: number): number {
  const value = probe[field];
  return typeof value === 'number' ? value : otherwise;
}

/** One run of a container. */
export interface Run {
  container: string;
  /** What distinguishes this run from others of the container. */
  id: string;
  /** Its restart count. */
  restarts: number;
  /** When it began. */
  since: number;
  /** How long the run before took; undefined if there was none, or if that is unknown. */
  previousMs: number | undefined;
  /** The container ran before, and that run ended during the wait. */
  crashedInWait: boolean;
}

/** The time at which a pod was seen. */
export interface Moment {
  /** On the clock of the API server, if that is known. */
  now: number;
  /** Whether it is, so that times in the pod can be compared with it. */
  isClusterTime: boolean;
  /** When the wait began. */
  begun: number;
}

/**
 * The runs of the containers of a pod that must not end: its containers and sidecars. Undefined if one of them does not run.
 *
 * The start of a run is on the clock of its node, so it counts only where it lies between the creation of the pod, or the last time at which
 * the run before was seen, and now. Otherwise the run began when it was first seen.
 *
 * @param before the runs that were seen before, and when.
 */
export function runsOf(pod: Pod, before: { runs: readonly Run[] | undefined; seen: number } | undefined, at: Moment): Run[] | undefined {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const sidecars = sidecarsOf(pod.spec);
  const statuses = [...initContainerStatuses.filter(({ name }) => sidecars.has(name)), ...containerStatuses];
  const created = Date.parse(pod.metadata.creationTimestamp ?? '');
  const runs: Run[] = [];
  for (const { name, restartCount = 0, state, lastState } of statuses) {
    if (!state?.running) return undefined;
    const { startedAt = '' } = state.running;
    const id = `${restartCount} ${startedAt}`;
    const known = before?.runs?.find(({ container }) => container === name);
    if (known?.id === id) {
      runs.push(known);
      continue;
    }
    const earliest = before ? before.seen : created;
    const last = lastState?.terminated;
    const previousMs = restartCount > 0 ? Date.parse(last?.finishedAt ?? '') - Date.parse(last?.startedAt ?? '') : Number.NaN;
    runs.push({
      container: name,
      id,
      restarts: restartCount,
      since: startOf(startedAt, earliest, at),
      previousMs: previousMs >= 0 ? previousMs : undefined,
      crashedInWait: before !== undefined && restartCount > 0,
    });
  }
  return runs;
}

/** A time in a pod, if it can be trusted; otherwise now. */
export function startOf(time: string, earliest: number, at: Moment): number {
  return trustedTime(time, earliest, at) ?? at.now;
}

/** A time in a pod if it can be trusted: it lies between two times that are known. Its fraction of a second is cut off. */
export function trustedTime(time: string, earliest: number, { now, isClusterTime }: Moment): number | undefined {
  const parsed = Date.parse(time);
  return isClusterTime && parsed >= earliest - 1_000 && parsed <= now + 1_000 ? Math.min(Math.max(parsed, earliest), now) : undefined;
}

/** When a run has lasted long enough: `stableFor`, or after a crash twice as long as the run before, if that is longer. */
export function stableAt({ since, previousMs, crashedInWait }: Run, stableFor: number): number {
  if (stableFor === 0) return since;
  return (
    since + (crashedInWait ? stableAfterMs(previousMs, stableFor) : stableAfterMs(previousMs, stableFor, LONGEST_AFTER_EARLIER_CRASH_MS))
  );
}

/** How long a run must last after one that failed. */
export function stableAfterMs(previousMs: number | undefined, stableFor: number, longest = LONGEST_AFTER_CRASH_MS): number {
  return Math.max(stableFor, Math.min(2 * (previousMs ?? 0), longest));
}
