/** How often the containers of a pod have crashed during a wait. Times on the clock of the wait. */

import { crashOf, type PodFailure } from './pod-failure.ts';
import { type Moment, type Run, stableAt, trustedTime } from './stability.ts';
import { sidecarsOf } from './template.ts';
import type { ContainerStatus, Pod } from './types.ts';

/** What a pod has shown of crashes. */
export interface Crashes {
  /** How often the container that crashes most has ended during the wait. */
  count: number;
  /** When that was first seen, and when a container last ended. */
  firstAt: number;
  lastAt: number;
  /** The last crash. */
  failure: PodFailure;
}

/** A pod that is so much older than the wait may have been restarted for other reasons than the version. */
const OF_THIS_DEPLOY_MS = 60_000;
/** A container that crashed is well again once it has run for this long, or for twice as long as before. */
const WELL_AFTER_MS = 10_000;
/** Shared, because there can be thousands of pods. */
const NONE: ReadonlyMap<string, number> = new Map();

/**
 * How often each container ended before the wait: what a pod shows when it is first seen, unless it was created for this deploy. Empty if
 * none did.
 */
export function endsBefore(pod: Pod, { isClusterTime, begun }: Moment): ReadonlyMap<string, number> {
  const created = Date.parse(pod.metadata.creationTimestamp ?? '');
  if (isClusterTime && created >= begun - OF_THIS_DEPLOY_MS) return NONE;
  const ends = lasting(pod).flatMap((one) => (endsOf(one) > 0 ? [[one.name, endsOf(one)] as const] : []));
  return ends.length > 0 ? new Map(ends) : NONE;
}

/**
 * The crashes of a pod; undefined if there was none.
 *
 * @param earlier how often each container ended before the wait.
 */
export function crashesOf(pod: Pod, before: Crashes | undefined, earlier: ReadonlyMap<string, number>, at: Moment): Crashes | undefined {
  // The containers of a pod that is being deleted, or was evicted, are ended by the kubelet.
  const { metadata, status: { phase } = {} } = pod;
  if (metadata.deletionTimestamp !== undefined || phase === 'Failed' || phase === 'Succeeded') return before;
  const all = lasting(pod).map((status) => ({ status, count: endsOf(status) - (earlier.get(status.name) ?? 0) }));
  const worst = all.reduce<(typeof all)[number] | undefined>((most, one) => (one.count > (most?.count ?? 0) ? one : most), undefined);
  const status = worst?.status ?? all.find((one) => endsOf(one.status) > 0)?.status;
  const failure = status && crashOf(status);
  const count = worst?.count ?? 0;
  if (!failure || (before && before.count >= count)) return before;
  const { finishedAt = '' } = status.state?.terminated ?? status.lastState?.terminated ?? {};
  const ended = trustedTime(finishedAt, Date.parse(metadata.creationTimestamp ?? ''), at);
  // A pod that is older than the wait has crashed in it only if that shows.
  if (count === 0 && !(ended !== undefined && ended >= at.begun - OF_THIS_DEPLOY_MS)) return before;
  const lastAt = ended ?? at.now;
  return { count, firstAt: before?.firstAt ?? lastAt, lastAt, failure };
}

/** Whether a pod that crashed may still be in a crash loop: it does not run, or not yet for long enough. */
export function isUnwell({ failure }: Crashes, runs: readonly Run[] | undefined, now: number): boolean {
  const run = runs?.find(({ container }) => container === failure.container);
  return run === undefined || stableAt(run, WELL_AFTER_MS) > now;
}

/** The containers that must not end, and init containers that failed. */
function lasting({ spec, status }: Pod): ContainerStatus[] {
  const sidecars = sidecarsOf(spec);
  const failed = ({ name, state, lastState }: ContainerStatus): boolean =>
    sidecars.has(name) || (state?.terminated ?? lastState?.terminated)?.exitCode !== 0;
  return [...(status?.initContainerStatuses ?? []).filter(failed), ...(status?.containerStatuses ?? [])];
}

/** How often a container has ended: each restart follows an end, and so does the time until the next one. */
function endsOf({ restartCount = 0, state, lastState }: ContainerStatus): number {
  return restartCount + (state?.terminated || (!state?.running && lastState?.terminated) ? 1 : 0);
}
