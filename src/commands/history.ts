import type { NamedRevision } from '../daemonset/asked-revision.ts';
import { diffTemplates } from '../daemonset/diff.ts';
import type { Conclusion, Result } from '../daemonset/result.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import { chooseTarget } from '../daemonset/target.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { changeLines, differences, historyLines, templateLines } from '../report/lines.ts';
import { revisionText } from '../report/messages/revisions.ts';
import { notObserved } from '../rollout/conclude.ts';
import type { World } from '../rollout/context.ts';
import { find } from '../rollout/find.ts';
import { readHistory, readPodCounts } from '../rollout/history.ts';
import { settle } from '../rollout/settle.ts';
import { type Job, jobsFor, resultOf } from '../rollout/tasks.ts';

export interface HistoryRequest {
  command: 'history';
  daemonSets: AskedDaemonSets;
  /** The revision to show in full. */
  revision: NamedRevision | undefined;
  showValues: boolean;
}

/** find → settle → list, for all DaemonSets at the same time. Nothing is written. @throws ClusterError as `locate` does. */
export async function history(request: HistoryRequest, world: World): Promise<Result[]> {
  const jobs = await jobsFor(world, request.daemonSets);
  return Promise.all(jobs.map((job) => resultOf(job, list(request, job))));
}

async function list({ revision: asked, showValues }: HistoryRequest, { found, known, world }: Job): Promise<Conclusion> {
  const daemonSet = await settle(world, found.daemonSet ?? (await find(world, found.name)));
  if (!daemonSet) return notObserved();
  const history = (await readHistory(world, daemonSet, { needed: true })) ?? { revisions: [], current: undefined };
  const { revisions, current } = history;
  const pods = await readPodCounts(world, daemonSet, history);
  known.counts = rolloutOf(daemonSet).counts;
  known.history = {
    before: revisions,
    asOf: world.clock.now(),
    ...(current && { currentBefore: current.name }),
    ...(pods && { pods }),
  };
  if (current) {
    known.old = current;
    known.controllerRevision = current.name;
  } else known.notes.push({ kind: 'current-not-in-history' });
  for (const line of historyLines(known.history, found.name, showValues)) world.log.info(line);

  if (asked) {
    const target = chooseTarget(history, asked);
    if (target.kind === 'refused') return target.refusal;
    for (const revision of target.candidates) {
      const changes = diffTemplates(daemonSet.spec.template, revision.template);
      known.shown = { revision, changes };
      world.log.group(`Template of ${revisionText(revision)}`, templateLines(revision, showValues));
      world.log.group(
        `From the current template to revision ${revision.number}: ${differences(changes)}`,
        changeLines(changes, showValues),
      );
    }
  }
  return { outcome: 'listed', reason: 'listed', facts: { kind: 'listed' } };
}
