import type { End, Result } from '../daemonset/outcome.ts';
import { unexpected } from '../daemonset/plan.ts';
import { hasTwin } from '../daemonset/revision.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import { isCalled, type NamedRevision } from '../daemonset/target.ts';
import { digest } from '../daemonset/template.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { endOf, noNodeMatches, notObserved, refusal } from '../rollback/ends.ts';
import { find } from '../rollback/find.ts';
import { markGood } from '../rollback/good.ts';
import { readHistory } from '../rollback/history.ts';
import { type Job, jobsFor, learnFrom, resultOf } from '../rollback/jobs.ts';
import { settle } from '../rollback/settle.ts';
import { type Limits, track } from '../rollback/track.ts';
import type { World } from '../rollback/world.ts';

export interface StatusRequest {
  command: 'status';
  daemonSets: AskedDaemonSets;
  /** Undefined: whatever is deployed. */
  expectedRevision: NamedRevision | undefined;
  wait: boolean;
  showValues: boolean;
  limits: Limits;
}

/** The gate: find → settle → track, of all at the same time. Nothing is written but the mark of what runs everywhere. @throws ClusterError as `locate` does. */
export async function status(request: StatusRequest, world: World): Promise<Result[]> {
  const jobs = await jobsFor(world, request.daemonSets);
  return Promise.all(jobs.map((job) => resultOf(job, gate(request, job))));
}

async function gate({ expectedRevision, wait, limits }: StatusRequest, { found, known, world }: Job): Promise<End> {
  const daemonSet = await settle(world, found.daemonSet ?? (await find(world, found.name)));
  if (!daemonSet) return notObserved();
  known.counts = rolloutOf(daemonSet).counts;
  const history = await readHistory(world, daemonSet, { needed: expectedRevision !== undefined });
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
