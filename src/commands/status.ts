import type { End, Outcome, Result } from '../daemonset/outcome.ts';
import { unexpected } from '../daemonset/plan.ts';
import { shouldRevert } from '../daemonset/revert.ts';
import { hasTwin } from '../daemonset/revision.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import { type AskedRevision, isCalled, type NamedRevision } from '../daemonset/target.ts';
import { digest } from '../daemonset/template.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { endOf, noNodeMatches, notObserved, refusal } from '../rollback/ends.ts';
import { find } from '../rollback/find.ts';
import { markGood } from '../rollback/good.ts';
import { readHistory } from '../rollback/history.ts';
import { type Job, jobsFor, learnFrom, resultOf } from '../rollback/jobs.ts';
import { decide, finish, orderFor } from '../rollback/rollback.ts';
import { settle } from '../rollback/settle.ts';
import { type Limits, track } from '../rollback/track.ts';
import type { Term, World } from '../rollback/world.ts';

export interface StatusRequest {
  command: 'status';
  daemonSets: AskedDaemonSets;
  /** Undefined: whatever is deployed. */
  expectedRevision: NamedRevision | undefined;
  wait: boolean;
  showValues: boolean;
  limits: Limits;
  /** What to do when the rollout does not come to a good end; undefined: nothing. */
  rollback?: {
    toRevision: AskedRevision;
    changeCause: string | undefined;
    /** Also when it was merely not done in time. */
    onTimeout: boolean;
  };
}

/**
 * The gate: find → settle → track, of all at the same time; where that is wanted, what failed is rolled back at once. Else nothing is written but
 * the mark of what runs everywhere.
 *
 * @param renew gives a rollback time of its own. @throws ClusterError as `locate` does.
 */
export async function status(request: StatusRequest, world: World, renew: () => Term): Promise<Result[]> {
  const jobs = await jobsFor(world, request.daemonSets);
  return Promise.all(jobs.map((job) => judge(request, job, renew)));
}

/** Ends after which a version may be left. */
const BAD: ReadonlySet<Outcome> = new Set(['failed', 'stalled', 'timed-out']);

async function judge(request: StatusRequest, job: Job, renew: () => Term): Promise<Result> {
  const result = await resultOf(job, gate(request, job));
  const { rollback, limits, showValues } = request;
  if (!rollback || !BAD.has(result.outcome) || !result.old) return result;
  const { revert, why } = shouldRevert(result, rollback);
  job.world.log.info(revert ? `${result.message} ${why}` : why);
  if (!revert) return { ...result, message: `${result.message} ${why}` };
  const { toRevision, changeCause } = rollback;
  // Only what has failed is left; whoever deployed something else meanwhile has the word.
  const expectedRevision: NamedRevision = { kind: 'name', name: result.old.name };
  const order = orderFor({ toRevision, expectedRevision, changeCause, wait: true, dryRun: false, showValues, limits });
  const next: Job = {
    found: { name: result.daemonSet },
    known: { daemonSet: result.daemonSet, changed: false, notes: [] },
    world: { ...job.world, ...renew() },
  };
  const back = await resultOf(
    next,
    decide(order, next).then((decision) => finish(order, next, decision)),
  );
  return both(result, back);
}

/** What broke, and what runs now. The step still fails. */
function both(broken: Result, back: Result): Result {
  const { outcome, reason, message } = back;
  const said =
    outcome === 'rolled-back'
      ? `It was rolled back. ${message} Every node runs that now.`
      : outcome === 'pending'
        ? `It was rolled back. ${message}`
        : `${back.changed ? 'The rollback that followed did not come to a good end' : 'It could not be rolled back'} (${outcome}, ${reason}): ${message}`;
  return {
    ...(back.changed ? back : broken),
    outcome: broken.outcome,
    reason: broken.reason,
    message: `${broken.message} ${said}`,
    notes: [...broken.notes, ...back.notes],
    rollback: { outcome, reason, message },
    ...(broken.causes && { causes: broken.causes }),
    ...(broken.samples && { samples: broken.samples }),
  };
}

async function gate({ expectedRevision, wait, limits, rollback }: StatusRequest, { found, known, world }: Job): Promise<End> {
  const daemonSet = await settle(world, found.daemonSet ?? (await find(world, found.name)));
  if (!daemonSet) return notObserved();
  known.counts = rolloutOf(daemonSet).counts;
  const history = await readHistory(world, daemonSet, { needed: expectedRevision !== undefined || rollback !== undefined });
  if (history) known.history = { before: history.revisions, asOf: world.clock.now() };
  const current = history?.current;
  if (current) {
    known.history = { ...known.history, before: history.revisions, currentBefore: current.name, asOf: world.clock.now() };
    known.old = current;
    known.target = current;
    known.newRevision = current.number;
    known.controllerRevision = current.name;
    world.log.info(`Revision ${current.number} (${current.name}): ${current.images.join(', ')}`);
  }
  if (expectedRevision && !(current && isCalled(current, expectedRevision))) {
    return refusal('unexpected-revision', unexpected(expectedRevision, current));
  }

  const tracked = await track(world, daemonSet, {
    wanted: digest(daemonSet.spec.template),
    ...(current && { hash: current.hash }),
    // When the controller removes a twin, it relabels the pods of other versions too, and leaves no trace of it.
    verifyPods: history && current && hasTwin(history, current) ? 'doubt' : 'where-allowed',
    limits,
    once: !wait,
  });
  learnFrom(tracked, known, world);
  if (tracked.kind !== 'complete') return endOf(tracked, found.name, 'deployed');
  if (wait && current && tracked.everywhere) await markGood(world, found.name.namespace, current);
  const { desired, available } = tracked.counts;
  if (desired === 0) world.log.warning(noNodeMatches(tracked.daemonSet));
  const what = current ? `revision ${current.number} (${current.name})` : 'the deployed version';
  const message =
    desired === 0
      ? `No node is to run ${what}.`
      : tracked.causes.length > 0
        ? `${available} of ${desired} nodes have ${what} available; the others were tolerated.`
        : `Every node runs ${what}, and it is available on all ${desired}.`;
  return { outcome: 'complete', reason: 'complete', message };
}
