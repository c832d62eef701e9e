import type { Counts, DaemonSet } from './types.ts';

/** How far a rollout is. `message` says it in the words of `kubectl rollout status`. */
export type Rollout = { kind: 'unobserved' | 'updating' | 'unavailable' | 'on-delete' | 'complete'; message: string; counts: Counts };

/** The status ladder, rung by rung in the order of `kubectl rollout status` (kubectl polymorphichelpers: DaemonSetStatusViewer). */
export function rolloutOf(daemonSet: DaemonSet): Rollout {
  const { name, generation = 0 } = daemonSet.metadata;
  const { observedGeneration = 0, desiredNumberScheduled, updatedNumberScheduled, numberAvailable } = daemonSet.status ?? {};
  const [desired, updated, available] = [desiredNumberScheduled ?? 0, updatedNumberScheduled ?? 0, numberAvailable ?? 0];
  const counts: Counts = { desired, updated, available };

  // The counters are of the spec before: how many nodes have this template is not known yet.
  if (observedGeneration < generation) {
    return { kind: 'unobserved', counts: { ...counts, updated: 0 }, message: 'Waiting for daemon set spec update to be observed...' };
  }
  if (updated < desired && daemonSet.spec.updateStrategy?.type === 'OnDelete') {
    return {
      kind: 'on-delete',
      counts,
      message: `Daemon set "${name}" has the update strategy OnDelete: ${updated} out of ${desired} pods have been updated, the others are replaced when somebody deletes them`,
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

/** Whether the controller has seen the latest change of the spec; only then is the history true. */
export function isObserved(daemonSet: DaemonSet): boolean {
  return (daemonSet.status?.observedGeneration ?? 0) >= (daemonSet.metadata.generation ?? 0);
}
