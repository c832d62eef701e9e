import { isFailure } from '../cluster/cluster.ts';
import type { Counts } from '../daemonset/outcome.ts';
import { wrongPods } from '../daemonset/pods.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import { digest } from '../daemonset/template.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import { Interruption, type World } from './world.ts';

/** While nothing moves, the last line is said again after this long, in milliseconds. */
const HEARTBEAT = 60_000;

/** How the wait ended. */
export interface Tracked {
  kind: 'complete' | 'on-delete' | 'superseded' | 'deleted' | 'recreated' | 'timeout' | 'cancelled';
  daemonSet: DaemonSet;
  counts: Counts;
  /** Pods that run something else although the counters are complete. */
  wrong?: string[];
}

export interface TrackOptions {
  /** The digest of the template that every node shall run. */
  wanted: string;
  /** The counters may lie: look at the pods before believing them. */
  verifyPods: boolean;
}

/** Waits until each node runs the wanted template, or until it never will. Each change of the state is logged once. */
export async function track(world: World, start: DaemonSet, { wanted, verifyPods }: TrackOptions): Promise<Tracked> {
  const { cluster, clock, log, signal } = world;
  const tell = teller(log);
  let daemonSet = start;
  let wrong: string[] = [];
  const ended = (kind: Tracked['kind']): Tracked => ({
    kind,
    daemonSet,
    counts: rolloutOf(daemonSet).counts,
    ...(wrong.length > 0 && { wrong }),
  });

  /** Without the right to see pods the counters must do. */
  const podsThatLag = async (): Promise<string[]> => {
    try {
      return wrongPods(daemonSet, await cluster.listPods(daemonSet, signal)).map(({ metadata }) => metadata.name);
    } catch (error) {
      if (!isFailure(error, 'forbidden')) throw error;
      log.warning(
        `The history holds the same version twice, so the counters may be wrong, and the pods may not be looked at. ${error.message}`,
      );
      return [];
    }
  };

  /** The end that the present state is, if it is one. */
  const judge = async (): Promise<Tracked['kind'] | undefined> => {
    if (daemonSet.metadata.uid !== start.metadata.uid) return 'recreated';
    if (digest(daemonSet.spec.template) !== wanted) return 'superseded';
    const rollout = rolloutOf(daemonSet);
    wrong = rollout.kind === 'complete' && verifyPods ? await podsThatLag() : [];
    if (wrong.length > 0) {
      tell(
        `The counters say that the rollout is complete, but ${wrong.length} pods run another template: ${wrong.slice(0, 10).join(', ')}`,
      );
      return undefined;
    }
    tell(rollout.message);
    return rollout.kind === 'complete' || rollout.kind === 'on-delete' ? rollout.kind : undefined;
  };

  try {
    const first = await judge();
    if (first) return ended(first);
    const watch = new AbortController();
    const events = cluster.watchDaemonSet(daemonSet, AbortSignal.any([signal, watch.signal]))[Symbol.asyncIterator]();
    let next = events.next();
    next.catch(() => {});
    try {
      for (;;) {
        // Where pods are looked at, the counters no longer move: look again soon.
        const event = await withPause(next, wrong.length > 0 ? 5_000 : HEARTBEAT, clock, signal);
        if (event === 'pause') {
          if (wrong.length === 0) {
            tell.again();
            continue;
          }
        } else {
          if (event.done || event.value.kind === 'deleted') return ended('deleted');
          daemonSet = event.value.daemonSet;
          next = events.next();
          next.catch(() => {});
        }
        const end = await judge();
        if (end) return ended(end);
      }
    } finally {
      watch.abort();
    }
  } catch (error) {
    if (error instanceof Interruption) return ended(error.kind);
    throw error;
  }
}

/** What comes first: the event, or a pause in which there was none. */
async function withPause<T>(next: Promise<T>, milliseconds: number, clock: World['clock'], signal: AbortSignal): Promise<T | 'pause'> {
  const stop = new AbortController();
  const pause = clock.sleep(milliseconds, AbortSignal.any([signal, stop.signal])).then(() => 'pause' as const);
  pause.catch(() => {});
  try {
    return await Promise.race([next, pause]);
  } finally {
    stop.abort();
  }
}

/** Says a line when it is another than the last; `again` says the last one once more. */
function teller(log: World['log']): ((line: string) => void) & { again: () => void } {
  let last = '';
  const tell = (line: string): void => {
    if (line !== last) log.info(line);
    last = line;
  };
  return Object.assign(tell, { again: () => log.info(last) });
}
