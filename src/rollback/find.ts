import { ClusterError, isFailure } from '../cluster/cluster.ts';
import type { AskedDaemonSets, DaemonSet, DaemonSetName } from '../daemonset/types.ts';
import type { World } from './world.ts';

/** A DaemonSet that is meant, with what is known of it already. */
export interface Found {
  name: DaemonSetName;
  /** As a list had it. */
  daemonSet?: DaemonSet;
}

/**
 * The DaemonSets that are meant, each once. Those that are named are not looked for yet.
 *
 * @throws ClusterError `not-found` when a selector matches none: a rollback of nothing is no success.
 */
export async function locate({ cluster, signal }: World, asked: AskedDaemonSets): Promise<Found[]> {
  if (asked.kind === 'named') {
    const names = asked.daemonSets.map(({ namespace = cluster.namespace, name }) => ({ namespace, name }));
    const first = new Map(names.map((name) => [`${name.namespace}/${name.name}`, name]));
    return [...first.values()].map((name) => ({ name }));
  }
  const namespace = asked.namespace ?? cluster.namespace;
  const everywhere = namespace === '*';
  const all = await cluster.listDaemonSets(everywhere ? undefined : namespace, asked.selector, signal);
  if (all.length === 0) {
    throw new ClusterError(
      'not-found',
      `No DaemonSet ${everywhere ? 'in any namespace' : `in namespace "${namespace}"`} of ${cluster.server} (context "${cluster.context}") matches the selector "${asked.selector}".`,
    );
  }
  return all.map((daemonSet) => ({ name: { namespace: daemonSet.metadata.namespace, name: daemonSet.metadata.name }, daemonSet }));
}

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

/** Whether that is the error of a DaemonSet, or its namespace, that does not exist. */
export function isMissing(error: unknown): error is ClusterError {
  return isFailure(error, 'not-found');
}
