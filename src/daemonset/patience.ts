import type { Diagnosis, FailingNode } from './diagnosis.ts';
import { type Certainty, graceMsOf, isUnrecoverable, mayBeUnrecoverable } from './pod-failure.ts';

/** How many nodes may remain without an available pod: a number, or a percentage of those that should have one. */
export type Tolerance = { nodes: number } | { percent: number };

/** In nodes. A percentage is rounded down, so that never more is tolerated than was given. */
export function toleratedOf(tolerance: Tolerance, desired: number): number {
  return 'nodes' in tolerance ? tolerance.nodes : Math.floor((tolerance.percent * desired) / 100);
}

/** When to stop waiting for pods that cannot start. */
export interface Patience {
  /** How long a pod must be unable to start. */
  graceMs: number;
  /** Nodes that may have such a pod. */
  tolerated: number;
  /** How sure to be. By default as sure as a report requires. */
  certainty?: Certainty;
}

/** Nodes whose pod will not start, however long one waits, although the node itself is healthy. */
export function stuckOf({ failing }: { failing: readonly FailingNode[] }, patience: Patience, now: number): FailingNode[] {
  const { graceMs, certainty } = patience;
  return failing.filter(
    ({ failure, since, isNew }) =>
      !isNew && since !== undefined && failure.cause !== 'node-not-ready' && isUnrecoverable(failure, since, now, graceMs, certainty),
  );
}

/** The next time at which a pod may have been unable to start for too long, or undefined. */
export function nextVerdictAt({ failing }: Pick<Diagnosis, 'failing'>, patience: Patience, now: number): number | undefined {
  const { graceMs, certainty } = patience;
  const times = failing.flatMap(({ since, failure }) =>
    since !== undefined && mayBeUnrecoverable(failure) ? [since + graceMsOf(failure, graceMs, certainty)] : [],
  );
  const next = times.reduce((least, time) => (time > now ? Math.min(least, time) : least), Number.POSITIVE_INFINITY);
  return Number.isFinite(next) ? next : undefined;
}
