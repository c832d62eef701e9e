import type { Conclusion, Result } from '../daemonset/result.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { toleratedNote } from './conclude.ts';
import { about, type Context, type Known, type PartialResult } from './context.ts';
import { failureOf } from './failure.ts';
import { type Found, resolveDaemonSets } from './find.ts';
import { logCauses } from './progress-log.ts';
import type { Waited } from './wait.ts';

/** The work on one DaemonSet. */
export interface Task extends PartialResult {
  found: Found;
  /** If there are several DaemonSets, each line of its log names this one. */
  context: Context;
}

/** A job for each DaemonSet that the step is about. @throws ClusterError as `locate` does. */
export async function tasksFor(context: Context, asked: AskedDaemonSets): Promise<Task[]> {
  const all = await resolveDaemonSets(context, asked);
  const tasks = all.map((found) => ({
    found,
    known: { daemonSet: found.name, changed: false, notes: [] },
    context: all.length > 1 ? about(found.name, context) : context,
  }));
  context.partial.push(...tasks);
  return tasks;
}

/** The result of a job. Nothing is thrown: whatever happens to one DaemonSet, the others are reported too. */
export async function resultOf(task: Task, work: Promise<Conclusion>): Promise<Result> {
  const { known } = task;
  const conclusion = await work.catch((error: unknown) => failureOf(error, known.changed));
  task.result = { ...known, ...conclusion };
  return task.result;
}

/** Adds what a wait has found out, however it ended. */
export function learnFrom(waited: Waited, known: Known, { log }: Context): void {
  const { counts, samples, causes, fault, isVerified, toReplace } = waited;
  logCauses(log, causes, known.daemonSet.namespace);
  known.counts = counts;
  known.samples = samples;
  if (causes.length > 0) known.causes = causes;
  if (fault) known.fault = fault;
  if (toReplace) known.toReplace = toReplace;
  if (waited.kind === 'complete' && counts.desired > 0 && !isVerified) known.notes.push({ kind: 'unverified' });
  const note = toleratedNote(waited);
  if (note) known.notes.push(note);
}
