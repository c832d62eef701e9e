import type { Counts, DaemonSet } from './types.ts';

/** The state of a rollout at a time. */
export interface Sample extends Counts {
  at: number;
}

/** Samples are thinned out above this many. */
const MOST_SAMPLES = 240;

/** The progress of a rollout so far. */
export interface Progress {
  /** The oldest first; the first is the start of the wait. */
  samples: readonly Sample[];
  /** The last time that more nodes than ever were updated, or updated and available, or that fewer than ever were left to update. */
  progressedAt: number;
  most: { updated: number; sum: number };
  least: { left: number; lacking: number };
  /** Since when all nodes have been updated and available, without interruption. */
  completeSince: number | undefined;
  /** Since when nodes have lacked an available pod, without interruption, while some have the version. */
  lackingSince: number | undefined;
  /** Nodes became unavailable although the controller had none left to update. */
  hasFallen: boolean;
}

export function begin(counts: Counts, now: number): Progress {
  const completeSince = isComplete(counts) ? now : undefined;
  const lackingSince = isLacking(counts) ? now : undefined;
  const [most, least] = [mostOf(counts), leastOf(counts)];
  return { samples: [{ ...counts, at: now }], progressedAt: now, most, least, completeSince, lackingSince, hasFallen: false };
}

function isLacking({ desired, updated, available }: Counts): boolean {
  return updated > 0 && available < desired;
}

function isComplete({ desired, updated, available }: Counts): boolean {
  return updated >= desired && available >= desired;
}

/**
 * Adds a state. Only what was never reached before is progress; a pod that alternates between available and unavailable is not.
 */
export function record(progress: Progress, counts: Counts, now: number): Progress {
  const { samples, most, least } = progress;
  const last = samples.at(-1);
  const same = last && last.desired === counts.desired && last.updated === counts.updated && last.available === counts.available;
  if (same) return progress;
  const reached = mostOf(counts);
  const { left, lacking } = leastOf(counts);
  // Nodes may join, which leaves more to do, or leave, with what was done.
  const further = reached.updated > most.updated || reached.sum > most.sum || left < least.left || lacking < least.lacking;
  const all = [...samples, { ...counts, at: now }];
  return {
    samples: all.length > MOST_SAMPLES ? thinned(all) : all,
    progressedAt: further ? now : progress.progressedAt,
    most: { updated: Math.max(most.updated, reached.updated), sum: Math.max(most.sum, reached.sum) },
    least: { left: Math.min(least.left, left), lacking: Math.min(least.lacking, lacking) },
    completeSince: isComplete(counts) ? (progress.completeSince ?? now) : undefined,
    lackingSince: isLacking(counts) ? (progress.lackingSince ?? now) : undefined,
    hasFallen: progress.hasFallen || (last !== undefined && counts.available < last.available && counts.updated >= counts.desired),
  };
}

function mostOf({ updated, available }: Counts): Progress['most'] {
  return { updated, sum: updated + available };
}

function leastOf({ desired, updated, available }: Counts): Progress['least'] {
  return { left: desired - updated, lacking: 2 * desired - updated - available };
}

/** An updated node may lack an available pod for this long before its pod is inspected. */
const STARTING_MS = 3_000;

/**
 * Whether pods of the version may fail although the rollout continues: more nodes lack an available pod than the controller may cause, or
 * for longer than a pod takes to start.
 */
export function isSuspicious({ lackingSince, hasFallen, samples }: Progress, daemonSet: DaemonSet, now: number): boolean {
  const { desired = 0, available = 0 } = samples.at(-1) ?? {};
  const allowed = surgeOf(daemonSet, desired) > 0 ? 0 : budgetOf(daemonSet, desired);
  return hasFallen || (lackingSince !== undefined && (now - lackingSince >= STARTING_MS || desired - available > allowed));
}

/** When that may become so without a change. */
export function suspiciousAt({ lackingSince }: Progress): number | undefined {
  return lackingSince === undefined ? undefined : lackingSince + STARTING_MS;
}

/** Every second one is removed, but not the first and the last. */
function thinned(samples: readonly Sample[]): Sample[] {
  return samples.filter((_, index) => index === 0 || index === samples.length - 1 || index % 2 === 1);
}

/**
 * How long the rest will take at the pace of the last updates; undefined while there are too few. A rough estimate: pods that
 * are in progress at the beginning and at the end are not distinguished.
 */
export function timeLeftMs({ samples }: Progress): number | undefined {
  const last = samples.at(-1);
  const first = samples.find(({ updated }) => updated > 0);
  if (!last || !first || last.updated - first.updated < 3) return undefined;
  const pace = (last.at - first.at) / (last.updated - first.updated);
  return last.updated >= last.desired ? undefined : Math.round(pace * (last.desired - last.updated));
}

/** How many nodes may be without an available pod at a time, or have a second one, during a rollout (`maxUnavailable`, `maxSurge`). */
export function budgetOf(daemonSet: DaemonSet, desired: number): number {
  const { maxUnavailable = 1 } = daemonSet.spec.updateStrategy?.rollingUpdate ?? {};
  const surge = surgeOf(daemonSet, desired);
  return Math.max(1, surge > 0 ? surge : scaled(maxUnavailable, desired));
}

/** How many nodes may have a second pod at a time. */
function surgeOf({ spec }: DaemonSet, desired: number): number {
  return scaled(spec.updateStrategy?.rollingUpdate?.maxSurge ?? 0, desired);
}

/** A number of nodes or a percentage of them, rounded up (DaemonSet controller: UnavailableCount, SurgeCount). */
function scaled(value: number | string, of: number): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value)?.[1];
  return percent === undefined ? 0 : Math.ceil((Number(percent) * of) / 100);
}

/**
 * The least time that a rollout can take: the remaining nodes, as many at a time as allowed, each for at least
 * `minReadySeconds`. 0 if nothing is known.
 */
export function leastTimeMs(daemonSet: DaemonSet, { desired, updated }: Counts): number {
  const rounds = Math.ceil((desired - updated) / budgetOf(daemonSet, desired));
  return Math.max(0, rounds) * (daemonSet.spec.minReadySeconds ?? 0) * 1_000;
}
