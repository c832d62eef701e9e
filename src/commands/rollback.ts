import { type Result, refuse } from '../daemonset/result.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import type { Context } from '../rollout/context.ts';
import { countAsDone, type Decision, decide, orderFor, type Wish } from '../rollout/decide.ts';
import { failureOf } from '../rollout/failure.ts';
import { finish } from '../rollout/rollback.ts';
import { resultOf, tasksFor } from '../rollout/tasks.ts';

export interface RollbackRequest extends Omit<Wish, 'by' | 'isDeployedByRun'> {
  command: 'rollback';
  daemonSets: AskedDaemonSets;
}

/**
 * find → settle → plan, for all DaemonSets before the first write: if one cannot be rolled back, all are refused. Then patch → track, for
 * all at the same time. One that another run has rolled back already counts as done, unless that is so for all.
 *
 * @throws ClusterError as `resolveDaemonSets` does; everything else is a result.
 */
export async function rollback(request: RollbackRequest, context: Context): Promise<Result[]> {
  const order = orderFor({ ...request, by: 'rollback', isDeployedByRun: request.expectedRevision !== undefined });
  const tasks = await tasksFor(context, request.daemonSets);
  const decided = await Promise.all(
    tasks.map(async (task) => ({ task, decision: await decide(order, task).catch((error: unknown): Decision => failureOf(error, false)) })),
  );
  const blockers = decided.flatMap(({ task, decision }) =>
    'outcome' in decision ? [{ name: task.found.name, reason: decision.reason }] : [],
  );
  const refuseAll = blockers.length > 0 && !request.dryRun && !context.signal.aborted;
  const isNew = decided.some(({ decision }) => 'plan' in decision && decision.plan.kind !== 'already-rolled-back');
  if (isNew && !refuseAll) for (const each of decided) each.decision = countAsDone(each.decision);
  return Promise.all(
    decided.map(({ task, decision }) => {
      const refused = refuseAll && !('outcome' in decision);
      return resultOf(
        task,
        finish(order, task, refused ? refuse('another-refused', { kind: 'another-refused', others: blockers }) : decision),
      );
    }),
  );
}
