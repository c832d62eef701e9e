import { isFailure } from '../cluster/cluster.ts';
import { marksToWithdraw } from '../daemonset/last-good.ts';
import { GOOD, goodText } from '../daemonset/mark.ts';
import type { History, Revision } from '../daemonset/revision.ts';
import type { World } from './world.ts';

/** A mark is worth no longer wait, in milliseconds. It is still written when the time is up in that very moment. */
const LIMIT = 5_000;

/**
 * Marks a ControllerRevision that was seen running everywhere, for `last-good`. One that is marked already stays so: the mark says since
 * when the version is known to be good, and no request is needed. That it cannot be done is told, and is no failure.
 */
export async function markGood({ cluster, clock, log, run }: World, namespace: string, { name, uid, good }: Revision): Promise<void> {
  if (good) return;
  try {
    const text = goodText(name, run, new Date(clock.now()));
    await cluster.annotateControllerRevision({ namespace, name, uid }, { [GOOD]: text }, AbortSignal.timeout(LIMIT));
    log.info(`ControllerRevision ${name} is marked as good, since every node runs it.`);
  } catch (error) {
    const why = isFailure(error, 'conflict', 'not-found') ? 'There is no such ControllerRevision any more.' : (error as Error).message;
    log.info(`ControllerRevision ${name} is not marked as good, by which to-revision: last-good would know it. ${why}`);
  }
}

/** Takes the marks from the version that was left: whoever left it did so for a reason. That it cannot be done is warned of. */
export async function withdrawGood(
  { cluster, log }: World,
  namespace: string,
  history: History,
  { left, restored }: { left: Revision; restored: Revision },
): Promise<void> {
  const withdraw = async ({ name, uid }: Revision): Promise<void> => {
    try {
      await cluster.annotateControllerRevision({ namespace, name, uid }, { [GOOD]: null }, AbortSignal.timeout(LIMIT));
      log.info(`ControllerRevision ${name}, which was left, is not marked as good any more.`);
    } catch (error) {
      if (isFailure(error, 'conflict', 'not-found')) return;
      log.warning(`ControllerRevision ${name} was left, and stays marked as good: ${(error as Error).message}`);
    }
  };
  await Promise.all(marksToWithdraw(history, left, restored).map(withdraw));
}
