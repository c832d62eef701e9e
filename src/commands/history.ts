import type { NamedRevision } from '../daemonset/asked-revision.ts';
import { diffTemplates } from '../daemonset/diff.ts';
import type { PreflightMode } from '../daemonset/preflight.ts';
import type { Conclusion, Result } from '../daemonset/result.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import { chooseTarget } from '../daemonset/target.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { historyLines } from '../report/history.ts';
import { changeLines, differences, templateLines } from '../report/lines.ts';
import { preflightLines } from '../report/messages/preflight.ts';
import { revisionText } from '../report/messages/revisions.ts';
import { notObserved } from '../rollout/conclude.ts';
import type { Context } from '../rollout/context.ts';
import { getDaemonSet } from '../rollout/find.ts';
import { readHistory, readPodCounts } from '../rollout/history.ts';
import { noteHold } from '../rollout/hold.ts';
import { checksFor, preflight } from '../rollout/preflight.ts';
import { settle } from '../rollout/settle.ts';
import { resultOf, type Task, tasksFor } from '../rollout/tasks.ts';

export interface HistoryRequest {
  command: 'history';
  daemonSets: AskedDaemonSets;
  /** The revision to show in full. */
  revision: NamedRevision | undefined;
  showValues: boolean;
  preflight: PreflightMode;
}

/** find → settle → list, for all DaemonSets at the same time. Nothing is written. @throws ClusterError as `resolveDaemonSets` does. */
export async function history(request: HistoryRequest, context: Context): Promise<Result[]> {
  const tasks = await tasksFor(context, request.daemonSets);
  return Promise.all(tasks.map((task) => resultOf(task, list(request, task))));
}

async function list({ revision: asked, showValues, preflight: mode }: HistoryRequest, task: Task): Promise<Conclusion> {
  const { context, found } = task;
  const daemonSet = await settle(context, found.daemonSet ?? (await getDaemonSet(context, found.name)));
  if (!daemonSet) return notObserved();
  noteHold(task, daemonSet);
  const history = (await readHistory(context, daemonSet, { needed: true })) ?? { revisions: [], current: undefined };
  const { revisions, current } = history;
  const pods = await readPodCounts(context, daemonSet, history);
  const seen = {
    before: revisions,
    asOf: context.clock.now(),
    ...(current && { currentBefore: current.name }),
    ...(pods && { pods }),
  };
  task.learn({ counts: rolloutOf(daemonSet).counts, history: seen });
  if (current) task.learn({ old: current, controllerRevision: current.name });
  else task.note({ kind: 'current-not-in-history' });
  for (const line of historyLines(seen, found.name, showValues)) context.log.info(line);

  if (asked) {
    const target = chooseTarget(history, asked);
    if (target.kind === 'refused') return target.refusal;
    for (const revision of target.candidates) {
      const changes = diffTemplates(daemonSet.spec.template, revision.template);
      const checked =
        mode === 'off' || revision === current ? undefined : await preflight(checksFor(context, daemonSet, history), revision);
      task.learn({ shown: { revision, changes, ...(checked && { preflight: checked }) } });
      context.log.group(`Template of ${revisionText(revision)}`, templateLines(revision, showValues));
      context.log.group(
        `From the current template to revision ${revision.number}: ${differences(changes)}`,
        changeLines(changes, showValues),
      );
      if (checked) for (const line of preflightLines(revision, checked)) context.log.info(line);
    }
  }
  return { outcome: 'listed', reason: 'listed', facts: { kind: 'listed' } };
}
