import type { Counts, DaemonSet } from './types.ts';

/** The progress of a rollout. `message` is in the words of `kubectl rollout status`. */
export type Rollout = { kind: 'unobserved' | 'updating' | 'unavailable' | 'on-delete' | 'complete'; message: string; counts: Counts };

/** The status ladder, in the order of `kubectl rollout status` (kubectl polymorphichelpers: DaemonSetStatusViewer). */
export function rolloutOf(daemonSet: DaemonSet): Rollout {
  const { name, generation = 0 } = daemonSet.metadata;
  const { observedGeneration = 0, desiredNumberScheduled, updatedNumberScheduled, numberAvailable } = daemonSet.status ?? {};
  const [desired, updated, available] = [desiredNumberScheduled ?? 0, updatedNumberScheduled ?? 0, numberAvailable ?? 0];
  const counts: Counts = { desired, updated, available };

  // The counters are those of the previous spec: it is not known yet how many nodes have this template.
  if (observedGeneration < generation) {
    return { kind: 'unobserved', counts: { ...counts, updated: 0 }, message: 'Waiting for daemon set spec update to be observed...' };
  }
  if (updated < desired && daemonSet.spec.updateStrategy?.type === 'OnDelete') {
    return {
      kind: 'on-delete',
      counts,
      message: `Daemon set "${name}" has the update strategy OnDelete: ${updated} out of ${desired} pods have been updated, the others are replaced when someone deletes them`,
    };
  }
  if (updated < desired) {
    return {
      kind: 'updating',
      counts,
      message: `Waiting for daemon set "${name}" rollout to finish: ${updated} out of ${desired} new pods have been updated...`,
    };
  }
  if (available < desired) {
    return {
      kind: 'unavailable',
      counts,
      message: `Waiting for daemon set "${name}" rollout to finish: ${available} of ${desired} updated pods are available...`,
    };
  }
  return { kind: 'complete', counts, message: `daemon set "${name}" successfully rolled out` };
}

/** Whether the controller has observed the latest change of the spec. Only then is the history complete. */
export function isObserved(daemonSet: DaemonSet): boolean {
  return (daemonSet.status?.observedGeneration ?? 0) >= (daemonSet.metadata.generation ?? 0);
}

/** Whether old revisions are deleted as soon as they have no pods, so that nothing is left to roll back to. */
export function keepsNoHistory({ spec }: DaemonSet): boolean {
  return spec.revisionHistoryLimit === 0;
}
