import { ClusterError, isFailure } from '../cluster/cluster.ts';
import type { DaemonSet, DaemonSetName } from '../daemonset/types.ts';
import type { World } from './world.ts';

/** @throws ClusterError `not-found`, naming the DaemonSets that do exist, as far as they may be listed. */
export async function find({ cluster, signal }: World, daemonSet: DaemonSetName): Promise<DaemonSet> {
  try {
    return await cluster.getDaemonSet(daemonSet, signal);
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error;
    const { namespace, name } = daemonSet;
    const others = await cluster.listDaemonSetNames(namespace, signal).catch(() => undefined);
    const exist =
      others === undefined
        ? ''
        : others.length === 0
          ? ` The namespace has no DaemonSets: is it the right namespace, and the right cluster?`
          : ` The namespace has: ${others.join(', ')}.`;
    throw new ClusterError(
      'not-found',
      `There is no DaemonSet "${name}" in namespace "${namespace}" of ${cluster.server} (context "${cluster.context}").${exist}`,
      { cause: error },
    );
  }
}
