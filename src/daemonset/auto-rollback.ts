import type { Result, RollbackDecision } from './result.ts';

/**
 * Whether a gate rolls back after a rollout that did not succeed: only if the version is at fault, or no longer matches nodes that the one
 * before matched. A timeout alone does not show that the version is bad.
 */
export function shouldRollBack({ outcome, reason, fault }: Result, { onTimeout }: { onTimeout: boolean }): RollbackDecision {
  if (outcome === 'timed-out') return { rollBack: onTimeout, because: 'timed-out' };
  if (reason === 'no-nodes') return { rollBack: true, because: 'no-nodes' };
  if (!fault) return { rollBack: false, because: 'causes-unknown' };
  return fault.kind === 'version' ? { rollBack: true, because: 'version-fails', nodes: fault.nodes } : { rollBack: false, because: fault };
}
