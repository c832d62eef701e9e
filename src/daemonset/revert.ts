import type { Result, RollbackDecision } from './result.ts';
import { type Cause, mayBeHopeless } from './trouble.ts';

/**
 * Whether a gate rolls back after a rollout that did not succeed.
 *
 * It does if the version's own pods block the rollout, on more than one node or on all nodes that were updated so far: a single faulty
 * node must not revert a whole fleet. A timeout alone does not show that the version is bad.
 */
export function shouldRevert({ outcome, reason, causes = [], counts }: Result, { onTimeout }: { onTimeout: boolean }): RollbackDecision {
  if (outcome === 'timed-out') return { rollBack: onTimeout, because: 'timed-out' };
  if (reason === 'no-nodes') return { rollBack: true, because: 'no-nodes' };
  if (causes.length === 0) return { rollBack: false, because: 'causes-unknown' };
  const nodes = causes.filter(({ cause }) => isOfVersion(cause)).reduce((sum, group) => sum + group.nodes.length, 0);
  const updated = counts?.updated ?? 0;
  if (nodes === 0) return { rollBack: false, because: 'other-cause' };
  if (nodes === 1 && updated > 1) return { rollBack: false, because: 'one-node', updated };
  return { rollBack: true, because: 'version-fails', nodes };
}

/** Whether another version might not have this problem. */
function isOfVersion(cause: Cause): boolean {
  return mayBeHopeless({ cause }) || cause === 'not-ready' || cause === 'starting';
}
