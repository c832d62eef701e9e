import { isFailure } from '../cluster/cluster.ts';
import type { Counts, PodOnNode } from '../daemonset/outcome.ts';
import { wrongPods } from '../daemonset/pods.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import { digest } from '../daemonset/template.ts';
import type { DaemonSet, Pod } from '../daemonset/types.ts';
import { Interruption, type World } from './world.ts';

/** While nothing moves, the last line is said again after this long, in milliseconds. */
const HEARTBEAT = 60_000;

/** How the wait ended. */
export interface Tracked {
  kind: 'complete' | 'on-delete' | 'not-waited' | 'superseded' | 'deleted' | 'recreated' | 'timeout' | 'cancelled';
  daemonSet: DaemonSet;
  counts: Counts;
  /** Pods that run something else although the counters are complete. */
  wrong?: string[];
  /** With the update strategy OnDelete: the pods that wait for somebody to delete them. Undefined where they may not be seen. */
  toReplace?: PodOnNode[];
}

/** The pods that do not run the DaemonSet's template. Without the right to see pods, it is said what they are needed for. */
async function podsThatLag({ cluster, log, signal }: World, daemonSet: DaemonSet, why: string): Promise<Pod[] | undefined> {
  try {
    return wrongPods(daemonSet, await cluster.listPods(daemonSet, signal));
  } catch (error) {
    if (!isFailure(error, 'forbidden')) throw error;
    log.warning(`${why} ${error.message}`);
    return undefined;
  }
}

export interface TrackOptions {
  /** The digest of the template that every node shall run. */
  wanted: string;
  /** The counters may lie: look at the pods before believing them. */
  verifyPods: boolean;
  /** Only say how it is now. */
  once?: boolean;
}

/** Waits until each node runs the wanted template, or until it never will. Each change of the state is logged once. */
export async function track(world: World, start: DaemonSet, { wanted, verifyPods, once = false }: TrackOptions): Promise<Tracked> {
  const { cluster, clock, log, signal } = world;
  const tell = teller(log);
  let daemonSet = start;
  let { generation } = start.metadata;
  let wrong: string[] = [];
  let toReplace: PodOnNode[] | undefined;
  const ended = (kind: Tracked['kind']): Tracked => ({
    kind,
    daemonSet,
    counts: rolloutOf(daemonSet).counts,
    ...(wrong.length > 0 && { wrong }),
    ...(toReplace && { toReplace }),
  });

  /** The end that the present state is, if it is one. */
  const judge = async (): Promise<Tracked['kind'] | undefined> => {
    if (daemonSet.metadata.uid !== start.metadata.uid) return 'recreated';
    if (digest(daemonSet.spec.template) !== wanted) return 'superseded';
    if (daemonSet.metadata.generation !== generation) {
      generation = daemonSet.metadata.generation;
      log.info('The spec was changed meanwhile, but not the template; the wait goes on.');
    }
    const rollout = rolloutOf(daemonSet);
    const doubt = 'The history holds the same version twice, so the counters may be wrong, and the pods may not be looked at.';
    const lagging = rollout.kind === 'complete' && verifyPods ? await podsThatLag(world, daemonSet, doubt) : [];
    wrong = (lagging ?? []).map(({ metadata }) => metadata.name);
    if (wrong.length > 0) {
      tell(
        `The counters say that the rollout is complete, but ${wrong.length} pods run another template: ${wrong.slice(0, 10).join(', ')}`,
      );
      return undefined;
    }
    tell(rollout.message);
    if (rollout.kind === 'on-delete') {
      const unseen = 'Which pods are still to be replaced cannot be told, because the pods may not be looked at.';
      toReplace = (await podsThatLag(world, daemonSet, unseen))?.map(({ metadata, spec }) => ({
        name: metadata.name,
        node: String(spec?.['nodeName'] ?? ''),
      }));
    }
    return rollout.kind === 'complete' || rollout.kind === 'on-delete' ? rollout.kind : undefined;
  };

  try {
    const first = await judge();
    if (first) return ended(first);
    if (once) return ended('not-waited');
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
      // Where the last event was the end of the watch, nobody else would let go of its timers.
      await events.return?.().catch(() => {});
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
