import { readHold } from '../daemonset/hold.ts';
import type { Conclusion, Result } from '../daemonset/result.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { originText } from '../report/messages/hold.ts';
import { DECLINED } from '../rollout/conclude.ts';
import type { Context } from '../rollout/context.ts';
import { unanswered } from '../rollout/failure.ts';
import { getDaemonSet } from '../rollout/find.ts';
import { releaseHold } from '../rollout/hold.ts';
import { resultOf, type Task, tasksFor } from '../rollout/tasks.ts';

export interface ReleaseRequest {
  command: 'release';
  daemonSets: AskedDaemonSets;
  dryRun: boolean;
  showValues: boolean;
}

/** find → release, for all DaemonSets at the same time. It reads and changes only the annotation. @throws ClusterError as `resolveDaemonSets` does. */
export async function release(request: ReleaseRequest, context: Context): Promise<Result[]> {
  const tasks = await tasksFor(context, request.daemonSets);
  return Promise.all(tasks.map((task) => resultOf(task, releaseOne(request, task))));
}

async function releaseOne({ dryRun }: ReleaseRequest, task: Task): Promise<Conclusion> {
  const { context, found } = task;
  const daemonSet = found.daemonSet ?? (await getDaemonSet(context, found.name));
  const hold = readHold(daemonSet.metadata);
  if (hold && !dryRun && context.confirm) {
    const nodes = rolloutOf(daemonSet).counts.desired;
    const proposal = { daemonSet: found.name, change: `release the hold (${originText(hold)})`, nodes };
    if (!(await context.confirm([proposal], context.signal))) return DECLINED;
  }
  const released = await releaseHold(context, daemonSet, { dryRun });
  switch (released.kind) {
    case 'not-held':
      return { outcome: 'unchanged', reason: 'not-held', facts: { kind: 'not-held' } };
    case 'unknown':
      return unanswered(context.signal, { kind: 'release-unknown', why: released.why });
    case 'released': {
      const { hold } = released;
      if (dryRun) return { outcome: 'dry-run', reason: 'validated', facts: { kind: 'dry-run-of-release', hold } };
      task.learn({ changed: true });
      return { outcome: 'released', reason: 'released', facts: { kind: 'released', hold } };
    }
  }
}
