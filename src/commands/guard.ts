import { type GuardTerms, type Recorded, recordOf, returnTo } from '../daemonset/guard.ts';
import type { End, Result } from '../daemonset/outcome.ts';
import { historyOf } from '../daemonset/revision.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { notObserved } from '../rollback/ends.ts';
import { find, isMissing } from '../rollback/find.ts';
import { type Job, jobsFor, resultOf } from '../rollback/jobs.ts';
import { decide, finish, type Order } from '../rollback/rollback.ts';
import { settle } from '../rollback/settle.ts';
import type { World } from '../rollback/world.ts';

export interface GuardRequest extends Omit<Order, 'choose' | 'otherwise'>, GuardTerms {
  command: 'guard';
  daemonSets: AskedDaemonSets;
  /** Also when the job was cancelled. */
  onCancel: boolean;
  /** How the job stands: `success`, `failure` or `cancelled`. */
  jobStatus: string;
}

/**
 * Before a deploy: what runs now, to be put back should the job fail. Nothing is written to the cluster.
 *
 * @param keep takes what was recorded. @throws ClusterError as `locate` does.
 */
export async function guard(request: GuardRequest, world: World, keep: (records: Recorded[]) => void): Promise<Result[]> {
  const jobs = await jobsFor(world, request.daemonSets);
  const records: Recorded[] = [];
  const results = await Promise.all(jobs.map((job) => resultOf(job, record(job, records))));
  if (records.length > 0) keep(records);
  return results;
}

async function record({ found, known, world }: Job, records: Recorded[]): Promise<End> {
  const { cluster, log, signal } = world;
  const seen =
    found.daemonSet ??
    (await find(world, found.name).catch((error: unknown) => {
      if (isMissing(error)) return error;
      throw error;
    }));
  if (seen instanceof Error) {
    records.push({ kind: 'absent', daemonSet: found.name });
    const message = `${seen.message} If this job creates it, there is nothing to go back to when the job fails.`;
    return { outcome: 'absent', reason: 'absent', message };
  }
  const daemonSet = await settle(world, seen);
  if (!daemonSet) return notObserved();
  const history = historyOf(daemonSet, await cluster.listControllerRevisions(daemonSet, signal));
  const { current, revisions } = history;
  if (!current) return notObserved();
  const { kind, counts } = rolloutOf(daemonSet);
  known.old = current;
  known.target = current;
  known.newRevision = current.number;
  known.controllerRevision = current.name;
  known.counts = counts;
  known.history = { before: revisions, currentBefore: current.name, asOf: world.clock.now() };
  records.push(recordOf(daemonSet, current));
  if (kind !== 'complete' && kind !== 'on-delete') {
    log.warning(
      `What runs now has not been rolled out: ${counts.updated} of ${counts.desired} nodes have it, ${counts.available} are available. Should the job fail, it comes back as it is.`,
    );
  }
  const message = `Should this job fail, revision ${current.number} (${current.name}) comes back: ${current.images.join(', ')}.`;
  log.info(message);
  return { outcome: 'recorded', reason: 'recorded', message };
}

/** After the job has failed: puts back what was recorded, as far as this job has changed it. Each DaemonSet by itself. */
export async function putBack(request: GuardRequest, records: readonly Recorded[], world: World): Promise<Result[]> {
  const jobs = await jobsFor(world, { kind: 'named', daemonSets: records.map(({ daemonSet }) => daemonSet) });
  return Promise.all(jobs.map((job, index) => resultOf(job, putBackOne(request, records[index] as Recorded, job))));
}

async function putBackOne(request: GuardRequest, recorded: Recorded, job: Job): Promise<End> {
  if (recorded.kind === 'absent') return lookForNew(job);
  const order: Order = {
    ...request,
    choose: (daemonSet, history) => returnTo(daemonSet, history, recorded, request),
    otherwise: (at) => ({ kind: 'unchanged', at }),
  };
  try {
    return await finish(order, job, await decide(order, job));
  } catch (error) {
    if (job.known.changed || !isMissing(error)) throw error;
    const { number, name } = recorded.revision;
    return {
      outcome: 'deleted',
      reason: 'deleted',
      message: `The DaemonSet was deleted since the guard recorded revision ${number} (${name}). Nothing was written.`,
    };
  }
}

/** What was not there before is not taken away: it may be the only one that does the work. */
async function lookForNew({ found: { name }, world: { cluster, signal } }: Job): Promise<End> {
  const exists = await cluster.getDaemonSet(name, signal).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
  if (!exists) return { outcome: 'absent', reason: 'absent', message: 'There was no DaemonSet before the job, and there is none now.' };
  const message = `The DaemonSet did not exist before this job, so there is nothing to go back to. It was not deleted: kubectl delete daemonset/${name.name} -n ${name.namespace}`;
  return { outcome: 'absent', reason: 'created', message };
}
