import { isObserved } from '../daemonset/rollout.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import type { Context } from './context.ts';
import { getDaemonSet } from './find.ts';

/** How long the controller may take to observe a change. */
const LIMIT_MS = 30_000;

/**
 * The DaemonSet once its controller has observed the latest change. Before that, the newest ControllerRevision may be missing, and
 * "previous" would go back two steps. Undefined if it takes more than 30 s.
 *
 * @throws ClusterError `not-found` if the DaemonSet is deleted.
 */
export async function settle(context: Context, daemonSet: DaemonSet): Promise<DaemonSet | undefined> {
  const { cluster, log, signal, clock } = context;
  if (isObserved(daemonSet)) return daemonSet;
  log.info('Waiting for daemon set spec update to be observed...');
  const limit = new AbortController();
  const both = AbortSignal.any([signal, limit.signal]);
  void clock.sleep(LIMIT_MS, both).then(
    () => limit.abort(),
    () => {},
  );
  try {
    for await (const event of cluster.watchDaemonSet(daemonSet, both)) {
      if (event.kind === 'deleted') return await settle(context, await getDaemonSet(context, daemonSet.metadata));
      if (isObserved(event.daemonSet)) return event.daemonSet;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!limit.signal.aborted) throw error;
  } finally {
    limit.abort();
  }
  return undefined;
}
