import type { AskedRevision, NamedRevision } from '../daemonset/asked-revision.ts';
import { type Conclusion, type Result, refuse } from '../daemonset/result.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { DECLINED } from '../rollout/conclude.ts';
import type { Context, Deadline, Proposal } from '../rollout/context.ts';
import { failureOf } from '../rollout/failure.ts';
import { chooserFor, makePlan, type Planned, type RollbackOptions } from '../rollout/plan.ts';
import { announce, carryOut, proposalOf } from '../rollout/rollback.ts';
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
 * @param renew gives what follows a confirmation a timeout of its own. @throws ClusterError as `resolveDaemonSets` does; everything else is a result.
 */
export async function rollback(request: RollbackRequest, context: Context, renew: () => Deadline): Promise<Result[]> {
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
  const works = all.map((each) => ({ task: each.task, planned: next(each) }));
  const answer = request.dryRun ? 'nothing-to-ask' : await confirmAll(works, options, context, renew);
  return Promise.all(
    works.map(({ task, planned }) => {
      const asked = 'outcome' in planned || answer === 'nothing-to-ask' || planned.plan.kind !== 'restore' ? undefined : planned;
      if (asked && answer === 'no') return resultOf(task, Promise.resolve(DECLINED));
      const { confirm } = context;
      return resultOf(task, carryOut(task, choose, options, planned, confirm && { confirm, renew, confirmed: asked }));
    }),
  );
}

/** The work on a DaemonSet: a plan, or a conclusion without one. */
interface Work {
  task: Task;
  planned: Planned | Conclusion;
}

/** Shows all that would be written, and asks once. A person may take long to read it, so the rest has a timeout of its own. */
async function confirmAll(
  works: readonly Work[],
  options: RollbackOptions,
  { confirm, signal }: Context,
  renew: () => Deadline,
): Promise<'yes' | 'no' | 'nothing-to-ask'> {
  if (!confirm) return 'nothing-to-ask';
  const proposals: Proposal[] = [];
  for (const { task, planned } of works) {
    const proposal = 'plan' in planned && proposalOf(task, planned);
    if (!proposal) continue;
    announce(task, planned, options);
    proposals.push(proposal);
  }
  if (proposals.length === 0) return 'nothing-to-ask';
  if (!(await confirm(proposals, signal))) return 'no';
  const deadline = renew();
  for (const { task } of works) task.renew(deadline);
  return 'yes';
}

/** A DaemonSet that another run has rolled back already, in a list of several: nothing is written, and it must run what was restored. */
function countAsDone(task: Task, planned: Planned): Planned {
  const { plan } = planned;
  if (plan.kind !== 'already-rolled-back') return planned;
  const { time, run } = plan.record;
  task.note({ kind: 'rolled-back-already', time, run });
  return { ...planned, plan: { kind: 'unchanged', at: plan.at } };
}
