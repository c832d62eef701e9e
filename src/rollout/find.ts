import { ClusterError, isFailure } from '../cluster/cluster.ts';
import type { AskedDaemonSets, DaemonSet, DaemonSetName } from '../daemonset/types.ts';
import { noDaemonSetText, noneMatchesText } from '../report/messages/not-found.ts';
import type { Context } from './context.ts';

/** A DaemonSet that the step is about. */
export interface Found {
  name: DaemonSetName;
  /** As a list returned it. */
  daemonSet?: DaemonSet;
}

/**
 * The DaemonSets that the step is about, each once. Those given by name are not looked up yet.
 *
 * @throws ClusterError `not-found` if a selector matches none: a rollback of nothing is not a success.
 */
export async function resolveDaemonSets({ cluster, signal }: Context, asked: AskedDaemonSets): Promise<Found[]> {
  if (asked.kind === 'named') {
    const names = asked.daemonSets.map(({ namespace = cluster.namespace, name }) => ({ namespace, name }));
    const first = new Map(names.map((name) => [`${name.namespace}/${name.name}`, name]));
    return [...first.values()].map((name) => ({ name }));
  }
  const given = asked.namespace ?? cluster.namespace;
  const namespace = given === '*' ? undefined : given;
  const all = await cluster.listDaemonSets(namespace, asked.selector, signal);
  if (all.length === 0) throw new ClusterError('not-found', noneMatchesText(cluster, namespace, asked.selector));
  return all.map((daemonSet) => ({ name: { namespace: daemonSet.metadata.namespace, name: daemonSet.metadata.name }, daemonSet }));
}

/** @throws ClusterError `not-found`, naming the DaemonSets that exist, if this account is allowed to list them. */
export async function getDaemonSet({ cluster, signal }: Context, daemonSet: DaemonSetName): Promise<DaemonSet> {
  try {
    return await cluster.getDaemonSet(daemonSet, signal);
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error;
    const others = await cluster.listDaemonSetNames(daemonSet.namespace, signal).catch(() => undefined);
    throw new ClusterError('not-found', noDaemonSetText(cluster, daemonSet, others), { cause: error });
  }
}

/** Whether the error says that the DaemonSet, or its namespace, does not exist. */
export function isMissing(error: unknown): error is ClusterError {
  return isFailure(error, 'not-found');
}
