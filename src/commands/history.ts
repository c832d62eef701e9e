import type { End, Result } from '../daemonset/outcome.ts';
import { historyOf } from '../daemonset/revision.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { DaemonSetName } from '../daemonset/types.ts';
import { historyLines } from '../report/lines.ts';
import { notObserved } from '../rollback/ends.ts';
import { failureOf } from '../rollback/failure.ts';
import { find } from '../rollback/find.ts';
import { settle } from '../rollback/settle.ts';
import type { World } from '../rollback/world.ts';

export interface HistoryRequest {
  command: 'history';
  /** Undefined namespace: the context's. */
  daemonSet: { namespace: string | undefined; name: string };
  showValues: boolean;
}

/** find → settle → list. Every end is a result; nothing is thrown, nothing is written. */
export async function history(request: HistoryRequest, world: World): Promise<Result> {
  const daemonSet: DaemonSetName = { namespace: request.daemonSet.namespace ?? world.cluster.namespace, name: request.daemonSet.name };
  const known: Omit<Result, keyof End> = { daemonSet, changed: false, notes: [] };
  try {
    const end = await list(world, known);
    return { ...known, ...end };
  } catch (error) {
    return { ...known, ...failureOf(error, false) };
  }
}

async function list(world: World, known: Omit<Result, keyof End>): Promise<End> {
  const daemonSet = await settle(world, await find(world, known.daemonSet));
  if (!daemonSet) return notObserved();
  const { revisions, current } = historyOf(daemonSet, await world.cluster.listControllerRevisions(daemonSet, world.signal));
  known.counts = rolloutOf(daemonSet).counts;
  known.history = { before: revisions, ...(current && { currentBefore: current.name }) };
  for (const line of historyLines(known.history)) world.log.info(line);
  if (!current) {
    known.notes.push('None of these revisions is the template that the DaemonSet has now.');
    return { outcome: 'listed', reason: 'listed', message: `${count(revisions.length)}; the current version is not among them.` };
  }
  known.old = current;
  known.controllerRevision = current.name;
  return { outcome: 'listed', reason: 'listed', message: `${count(revisions.length)}; revision ${current.number} is current.` };
}

function count(revisions: number): string {
  return `${revisions} ${revisions === 1 ? 'revision' : 'revisions'}`;
}
