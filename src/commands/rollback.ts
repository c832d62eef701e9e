import { type Result, refuse } from '../daemonset/result.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import type { World } from '../rollout/context.ts';
import { failureOf } from '../rollout/failure.ts';
import { countAsDone, type Decision, decide, finish, orderFor, type Wish } from '../rollout/rollback.ts';
import { jobsFor, resultOf } from '../rollout/tasks.ts';

export interface RollbackRequest extends Omit<Wish, 'by' | 'isDeployedByRun'> {
  command: 'rollback';
  daemonSets: AskedDaemonSets;
}

/**
 * find → settle → plan, for all DaemonSets before the first write: if one cannot be rolled back, all are refused. Then patch → track, for
 * all at the same time. One that another run has rolled back already counts as done, unless that is so for all.
 *
 * @throws ClusterError as `locate` does; everything else is a result.
 */
export async function rollback(request: RollbackRequest, world: World): Promise<Result[]> {
  const order = orderFor({ ...request, by: 'rollback', isDeployedByRun: request.expectedRevision !== undefined });
  const jobs = await jobsFor(world, request.daemonSets);
  const decided = await Promise.all(
    jobs.map(async (job) => ({ job, decision: await decide(order, job).catch((error: unknown): Decision => failureOf(error, false)) })),
  );
  const blockers = decided.flatMap(({ job, decision }) =>
    'outcome' in decision ? [{ name: job.found.name, reason: decision.reason }] : [],
  );
  const refuseAll = blockers.length > 0 && !request.dryRun && !world.signal.aborted;
  const isNew = decided.some(({ decision }) => 'plan' in decision && decision.plan.kind !== 'already-rolled-back');
  if (isNew && !refuseAll) for (const each of decided) each.decision = countAsDone(each.decision);
  return Promise.all(
    decided.map(({ job, decision }) => {
      const refused = refuseAll && !('outcome' in decision);
      return resultOf(
        job,
        finish(order, job, refused ? refuse('another-refused', { kind: 'another-refused', others: blockers }) : decision),
      );
    }),
  );
}
