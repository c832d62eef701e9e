import { isFailure } from '../cluster/cluster.ts';
import type { Note } from '../daemonset/notes.ts';
import { type PodCounts, podCounts } from '../daemonset/pods.ts';
import { type History, historyOf } from '../daemonset/revision.ts';
import { keepsNoHistory } from '../daemonset/rollout.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import { noteText } from '../report/messages/notes.ts';
import type { Context } from './context.ts';
import type { Task } from './tasks.ts';

/** The history of a settled DaemonSet. If it is not needed and this account is not allowed to read it: undefined, with a warning. */
export async function readHistory(
  { cluster, log, signal }: Context,
  daemonSet: DaemonSet,
  { needed }: { needed: boolean },
): Promise<History | undefined> {
  try {
    return historyOf(daemonSet, await cluster.listControllerRevisions(daemonSet, signal));
  } catch (error) {
    if (needed || !isFailure(error, 'forbidden')) throw error;
    log.warning(`Could not determine which revision this is. ${error.message}`);
    return undefined;
  }
}

/** Warns of a DaemonSet that keeps no old revisions. */
export function warnWithoutHistory(task: Task, daemonSet: DaemonSet): void {
  if (!keepsNoHistory(daemonSet)) return;
  const note: Note = { kind: 'no-history' };
  task.context.log.warning(noteText(note));
  task.note(note);
}

/** How many pods run each revision. If this account is not allowed to list pods: undefined, with a warning. */
export async function readPodCounts(
  { cluster, log, signal }: Context,
  daemonSet: DaemonSet,
  { revisions }: History,
): Promise<PodCounts | undefined> {
  try {
    return podCounts(daemonSet, await cluster.listPods(daemonSet, signal), revisions);
  } catch (error) {
    if (!isFailure(error, 'forbidden')) throw error;
    log.warning(`Could not determine how many pods run each revision. ${error.message}`);
    return undefined;
  }
}
