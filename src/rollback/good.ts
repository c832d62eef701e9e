import { isFailure } from '../cluster/cluster.ts';
import { marksToWithdraw } from '../daemonset/last-good.ts';
import { GOOD, goodText } from '../daemonset/mark.ts';
import type { History, Revision } from '../daemonset/revision.ts';
import type { World } from './world.ts';

/** How long writing a mark may take, in milliseconds. It is still written if the timeout comes at that very moment. */
const LIMIT = 5_000;

/**
 * Sets the good mark on a ControllerRevision that was seen running on every node, for `last-good`. An existing mark stays, because it says
 * since when the version is known-good, and it takes no request. A mark that cannot be set is logged and is not a failure.
 */
export async function markGood({ cluster, clock, log, run }: World, namespace: string, { name, uid, good }: Revision): Promise<void> {
  if (good) return;
  try {
    const text = goodText(name, run, new Date(clock.now()));
    await cluster.annotateControllerRevision({ namespace, name, uid }, { [GOOD]: text }, AbortSignal.timeout(LIMIT));
    log.info(`Set the good mark on ControllerRevision ${name}, because every node runs it.`);
  } catch (error) {
    const why = isFailure(error, 'conflict', 'not-found') ? 'The ControllerRevision no longer exists.' : (error as Error).message;
    log.info(`Could not set the good mark on ControllerRevision ${name}, by which to-revision: last-good finds it. ${why}`);
  }
}

/** Removes the good marks of the version that was left. A mark that cannot be removed is a warning. */
export async function withdrawGood(
  { cluster, log }: World,
  namespace: string,
  history: History,
  { left, restored }: { left: Revision; restored: Revision },
): Promise<void> {
  const withdraw = async ({ name, uid }: Revision): Promise<void> => {
    try {
      await cluster.annotateControllerRevision({ namespace, name, uid }, { [GOOD]: null }, AbortSignal.timeout(LIMIT));
      log.info(`Removed the good mark from ControllerRevision ${name}, which was left.`);
    } catch (error) {
      if (isFailure(error, 'conflict', 'not-found')) return;
      log.warning(`Could not remove the good mark from ControllerRevision ${name}, which was left: ${(error as Error).message}`);
    }
  };
  await Promise.all(marksToWithdraw(history, left, restored).map(withdraw));
}
