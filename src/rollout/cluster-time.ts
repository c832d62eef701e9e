import type { Moment } from '../daemonset/stability.ts';
import type { Context } from './context.ts';

/**
 * The clock of a wait: the API server's, by its answers so far, because the runner's can be hours off. It never jumps. If the answers do not
 * show the server's time, it is the runner's, and times in the cluster are not compared with it.
 */
export function clusterTime({ cluster, clock }: Pick<Context, 'cluster' | 'clock'>): () => Moment {
  const begun = clock.now();
  const server = cluster.serverTime(begun);
  const offset = server === undefined ? 0 : server - begun;
  return () => {
    const now = clock.now();
    return { now: now + offset, begun: begun + offset, isClusterTime: server !== undefined && cluster.serverTime(now) !== undefined };
  };
}
