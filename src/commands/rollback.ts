import type { Result } from '../daemonset/outcome.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { anotherRefused } from '../rollback/ends.ts';
import { failureOf } from '../rollback/failure.ts';
import { jobsFor, resultOf } from '../rollback/jobs.ts';
import { type Decision, decide, finish, orderFor, type Wish } from '../rollback/rollback.ts';
import type { World } from '../rollback/world.ts';

export interface RollbackRequest extends Wish {
  command: 'rollback';
  daemonSets: AskedDaemonSets;
}

/**
 * find → settle → plan, of all before the first write: one that cannot be rolled back refuses all. Then patch → track, of all
 * at the same time. @throws ClusterError as `locate` does; every other end is a result.
 */
export async function rollback(request: RollbackRequest, world: World): Promise<Result[]> {
  const order = orderFor(request);
  const jobs = await jobsFor(world, request.daemonSets);
  const decided = await Promise.all(
    jobs.map(async (job) => ({ job, decision: await decide(order, job).catch((error: unknown): Decision => failureOf(error, false)) })),
  );
  const hindered = decided.flatMap(({ job, decision }) =>
    'outcome' in decision ? [{ name: job.found.name, reason: decision.reason }] : [],
  );
  const refuseAll = hindered.length > 0 && !request.dryRun && !world.signal.aborted;
  return Promise.all(
    decided.map(({ job, decision }) => {
      const last: Decision = refuseAll && !('outcome' in decision) ? anotherRefused(hindered) : decision;
      return resultOf(job, finish(order, job, last));
    }),
  );
}
