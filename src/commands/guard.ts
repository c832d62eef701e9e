import { type GuardTerms, type Recorded, recordOf, returnTo } from '../daemonset/guard.ts';
import type { Conclusion, Facts, Result } from '../daemonset/result.ts';
import { historyOf } from '../daemonset/revision.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { recordedText } from '../report/messages/guard.ts';
import { notObserved } from '../rollout/conclude.ts';
import type { Context } from '../rollout/context.ts';
import { getDaemonSet, isMissing } from '../rollout/find.ts';
import { warnWithoutHistory } from '../rollout/history.ts';
import { noteHold } from '../rollout/hold.ts';
import { type Choose, makePlan, type RollbackOptions } from '../rollout/plan.ts';
import { carryOut } from '../rollout/rollback.ts';
import { recordSeen } from '../rollout/seen.ts';
import { settle } from '../rollout/settle.ts';
import { requireStableFor } from '../rollout/stable-for.ts';
import { resultOf, type Task, tasksFor } from '../rollout/tasks.ts';

export interface GuardRequest extends Omit<RollbackOptions, 'by'>, GuardTerms {
  command: 'guard';
  daemonSets: AskedDaemonSets;
  /** Also restore if the job was cancelled. */
  onCancel: boolean;
  /** The status of the job: `success`, `failure` or `cancelled`. */
  jobStatus: string;
}

/**
 * Before a deploy: records what runs now, so that it can be restored if the job fails. Nothing is written to the cluster.
 *
 * @param save keeps what was recorded for the post step. @throws ClusterError as `resolveDaemonSets` does.
 */
export async function guard(request: GuardRequest, context: Context, save: (records: Recorded[]) => void): Promise<Result[]> {
  const tasks = await tasksFor(context, request.daemonSets);
  const records: Recorded[] = [];
  const results = await Promise.all(tasks.map((task) => resultOf(task, record(request, task, records))));
  if (records.length === 0) return results;
  try {
    save(records);
    return results;
  } catch (error) {
    const facts: Facts = { kind: 'record-not-saved', why: (error as Error).message };
    return results.map((result) => ({ ...result, outcome: 'error', reason: 'record-lost', facts }));
  }
}

async function record({ wait, limits }: GuardRequest, task: Task, records: Recorded[]): Promise<Conclusion> {
  const { context, found } = task;
  const { cluster, log, signal } = context;
  const seen =
    found.daemonSet ??
    (await getDaemonSet(context, found.name).catch((error: unknown) => {
      if (isMissing(error)) return error;
      throw error;
    }));
  if (seen instanceof Error) {
    records.push({ kind: 'absent', daemonSet: found.name });
    return { outcome: 'absent', reason: 'absent', facts: { kind: 'absent', message: seen.message } };
  }
  const daemonSet = await settle(context, seen);
  if (!daemonSet) return notObserved();
  noteHold(task, daemonSet);
  const history = historyOf(daemonSet, await cluster.listControllerRevisions(daemonSet, signal));
  const { current, revisions } = history;
  if (!current) return notObserved();
  const { kind, counts } = rolloutOf(daemonSet);
  task.learn({
    old: current,
    target: current,
    newRevision: current.number,
    controllerRevision: current.name,
    counts,
    history: { before: revisions, currentBefore: current.name, asOf: context.clock.now() },
  });
  if (wait) await requireStableFor(context, daemonSet, limits);
  records.push(recordOf(daemonSet, history, current));
  recordSeen(context, daemonSet, { by: 'guard', complete: false });
  warnWithoutHistory(task, daemonSet);
  if (kind !== 'complete' && kind !== 'on-delete') {
    log.warning(
      `The current version is not rolled out completely: ${counts.updated} of ${counts.desired} nodes have it, ${counts.available} are available. If the job fails, that version is restored all the same.`,
    );
  }
  log.info(recordedText(current));
  return { outcome: 'recorded', reason: 'recorded', facts: { kind: 'recorded' } };
}

/** After the job has failed: restores what was recorded, if this job changed it. Each DaemonSet by itself. */
export async function restoreRecorded(request: GuardRequest, records: readonly Recorded[], context: Context): Promise<Result[]> {
  const tasks = await tasksFor(context, { kind: 'named', daemonSets: records.map(({ daemonSet }) => daemonSet) });
  return Promise.all(
    tasks.map((task, index) => {
      const recorded = records[index] as Recorded;
      task.learn(ofRecord(recorded));
      return resultOf(task, restoreOne(request, recorded, task));
    }),
  );
}

/** The part of a result that a record gives. */
export function ofRecord(recorded: Recorded): Pick<Result, 'daemonSet' | 'recorded'> {
  return { daemonSet: recorded.daemonSet, ...(recorded.kind === 'recorded' && { recorded: recorded.revision }) };
}

async function restoreOne(request: GuardRequest, recorded: Recorded, task: Task): Promise<Conclusion> {
  if (recorded.kind === 'absent') return lookForNew(task);
  const choose: Choose = (daemonSet, history, { ledger }) => returnTo(daemonSet, history, recorded, request, ledger.read(recorded.uid));
  const options: RollbackOptions = { ...request, by: 'guard' };
  try {
    return await carryOut(task, choose, options, await makePlan(task, choose, options));
  } catch (error) {
    if (task.known.changed || !isMissing(error)) throw error;
    return { outcome: 'deleted', reason: 'deleted', facts: { kind: 'deleted-since', recorded: recorded.revision } };
  }
}

/** A DaemonSet that did not exist before is not deleted: it may be the only one that does the work. */
async function lookForNew({ found: { name }, context: { cluster, signal } }: Task): Promise<Conclusion> {
  const exists = await cluster.getDaemonSet(name, signal).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
  return exists
    ? { outcome: 'absent', reason: 'created', facts: { kind: 'created-by-job' } }
    : { outcome: 'absent', reason: 'absent', facts: { kind: 'still-absent' } };
}
