import type { AskedRevision, NamedRevision } from '../daemonset/asked-revision.ts';
import { type Conclusion, type Result, refuse } from '../daemonset/result.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import type { Context } from '../rollout/context.ts';
import { failureOf } from '../rollout/failure.ts';
import { chooserFor, makePlan, type Planned, type RollbackOptions } from '../rollout/plan.ts';
import { carryOut } from '../rollout/rollback.ts';
import { resultOf, type Task, tasksFor } from '../rollout/tasks.ts';

export interface RollbackRequest extends Omit<RollbackOptions, 'by'> {
  command: 'rollback';
  daemonSets: AskedDaemonSets;
  toRevision: AskedRevision;
  /** The revision that has to be current; otherwise the rollback is refused. Undefined: any. */
  expectedRevision: NamedRevision | undefined;
}

/**
 * find → settle → plan, for all DaemonSets before the first write: if one cannot be rolled back, all are refused. Then patch → track, for
 * all at the same time. One that another run has rolled back already counts as done, unless that is so for all.
 *
 * @throws ClusterError as `resolveDaemonSets` does; everything else is a result.
 */
export async function rollback(request: RollbackRequest, context: Context): Promise<Result[]> {
  const { toRevision, expectedRevision: expected } = request;
  const choose = chooserFor({ toRevision, expected, isDeployedByRun: expected !== undefined });
  const options: RollbackOptions = { ...request, by: 'rollback' };
  const tasks = await tasksFor(context, request.daemonSets);
  const all = await Promise.all(
    tasks.map(async (task) => ({
      task,
      planned: await makePlan(task, choose, options).catch((error: unknown): Conclusion => failureOf(error, false)),
    })),
  );
  const blockers = all.flatMap(({ task, planned }) => ('outcome' in planned ? [{ name: task.found.name, reason: planned.reason }] : []));
  const refuseAll = blockers.length > 0 && !request.dryRun && !context.signal.aborted;
  const isNew = all.some(({ planned }) => 'plan' in planned && planned.plan.kind !== 'already-rolled-back');
  const next = ({ task, planned }: (typeof all)[number]): Planned | Conclusion => {
    if ('outcome' in planned) return planned;
    if (refuseAll) return refuse('another-refused', { kind: 'another-refused', others: blockers });
    return isNew ? countAsDone(task, planned) : planned;
  };
  return Promise.all(all.map((each) => resultOf(each.task, carryOut(each.task, choose, options, next(each)))));
}

/** A DaemonSet that another run has rolled back already, in a list of several: nothing is written, and it must run what was restored. */
function countAsDone(task: Task, planned: Planned): Planned {
  const { plan } = planned;
  if (plan.kind !== 'already-rolled-back') return planned;
  const { time, run } = plan.record;
  task.note({ kind: 'rolled-back-already', time, run });
  return { ...planned, plan: { kind: 'unchanged', at: plan.at } };
}
