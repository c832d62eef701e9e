import { HOLD, readHold } from '../daemonset/hold.ts';
import type { Conclusion, Result } from '../daemonset/result.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { AskedDaemonSets, DaemonSet } from '../daemonset/types.ts';
import { originText } from '../report/messages/hold.ts';
import { DECLINED } from '../rollout/conclude.ts';
import type { Context, Deadline, Proposal } from '../rollout/context.ts';
import { failureOf, unanswered } from '../rollout/failure.ts';
import { getDaemonSet } from '../rollout/find.ts';
import { releaseHold } from '../rollout/hold.ts';
import { resultOf, type Task, tasksFor } from '../rollout/tasks.ts';

export interface ReleaseRequest {
  command: 'release';
  daemonSets: AskedDaemonSets;
  dryRun: boolean;
  showValues: boolean;
}

/**
 * find → release, for all DaemonSets at the same time. It reads and changes only the annotation. A person at a terminal is asked once for all, and again
 * about a hold that was not shown.
 *
 * @param renew gives what follows a confirmation a timeout of its own. @throws ClusterError as `resolveDaemonSets` does.
 */
export async function release(request: ReleaseRequest, context: Context, renew: () => Deadline): Promise<Result[]> {
  const tasks = await tasksFor(context, request.daemonSets);
  const all = await Promise.all(
    tasks.map(async (task) => ({
      task,
      read: await readOne(task).catch((error: unknown): Conclusion => failureOf(error, false)),
    })),
  );
  const held = all.flatMap(({ task, read }) => ('outcome' in read || !readHold(read.metadata) ? [] : [{ task, daemonSet: read }]));
  const confirm = request.dryRun ? undefined : context.confirm;
  const shown = new Set<string>();
  const isConfirmed = async (some: readonly Held[], signal: AbortSignal): Promise<boolean> => {
    const news = some.filter((one) => !shown.has(holdOf(one)));
    if (!confirm || news.length === 0) return true;
    if (!(await confirm(news.map(proposalOf), signal))) return false;
    const deadline = renew();
    for (const { task } of some) task.renew(deadline);
    for (const one of news) shown.add(holdOf(one));
    return true;
  };
  const isYes = await isConfirmed(held, context.signal);
  return Promise.all(
    all.map(({ task, read }) => {
      if ('outcome' in read) return resultOf(task, Promise.resolve(read));
      if (!isYes && readHold(read.metadata)) return resultOf(task, Promise.resolve(DECLINED));
      return resultOf(
        task,
        releaseOne(request, task, read, (daemonSet) => isConfirmed([{ task, daemonSet }], task.context.signal)),
      );
    }),
  );
}

/** A DaemonSet with a hold. */
interface Held {
  task: Task;
  daemonSet: DaemonSet;
}

function holdOf({ daemonSet: { metadata } }: Held): string {
  return JSON.stringify([metadata.uid, metadata.annotations?.[HOLD]]);
}

function proposalOf({ task, daemonSet }: Held): Proposal {
  const change = `release the hold (${originText(readHold(daemonSet.metadata) ?? {})})`;
  return { daemonSet: task.found.name, change, nodes: rolloutOf(daemonSet).counts.desired };
}

async function readOne({ context, found }: Task): Promise<DaemonSet> {
  return found.daemonSet ?? (await getDaemonSet(context, found.name));
}

async function releaseOne(
  { dryRun }: ReleaseRequest,
  task: Task,
  daemonSet: DaemonSet,
  isConfirmed: (daemonSet: DaemonSet) => Promise<boolean>,
): Promise<Conclusion> {
  const { context } = task;
  const released = await releaseHold(context, daemonSet, { dryRun, isConfirmed });
  switch (released.kind) {
    case 'not-held':
      return { outcome: 'unchanged', reason: 'not-held', facts: { kind: 'not-held' } };
    case 'declined':
      return DECLINED;
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
