import { ClusterError, isFailure } from '../cluster/cluster.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import type { Limits } from '../daemonset/verdict.ts';
import { stableForDeniedText } from '../report/messages/rollout.ts';
import type { Context } from './context.ts';

/** Whether the pods must be checked: a time was asked for. `auto` does without the right to list pods. */
export function isExplicit({ stableFor }: Limits): boolean {
  return stableFor !== 'auto' && stableFor > 0;
}

/**
 * Checks before a write that an explicit `stable-for` can be granted.
 *
 * @throws ClusterError `forbidden` that names the missing rule.
 */
export async function requireStableFor({ cluster, signal }: Context, daemonSet: DaemonSet, limits: Limits): Promise<void> {
  if (!isExplicit(limits)) return;
  try {
    await cluster.tryListPods(daemonSet, signal);
  } catch (error) {
    if (!isFailure(error, 'forbidden')) throw error;
    throw new ClusterError('forbidden', stableForDeniedText(Number(limits.stableFor), error.message));
  }
}
