import { isFailure } from '../cluster/cluster.ts';
import { marksToWithdraw } from '../daemonset/last-good.ts';
import { GOOD, goodText } from '../daemonset/mark.ts';
import type { History, Revision } from '../daemonset/revision.ts';
import { afterwards, type World } from './world.ts';

/** How long writing a good mark may take, in milliseconds. */
const LIMIT = 5_000;

/**
 * Sets the good mark on a ControllerRevision that was seen running on every node, for `last-good`. An existing mark stays, because it says
 * since when the version is known-good, and it takes no request. A mark that cannot be set is logged and is not a failure.
 */
export async function markGood(world: World, namespace: string, { name, uid, good }: Revision): Promise<void> {
  if (good) return;
  const { cluster, clock, log, run } = world;
  try {
    const text = goodText(name, run, new Date(clock.now()));
    await cluster.annotateControllerRevision({ namespace, name, uid }, { [GOOD]: text }, afterwards(world, LIMIT));
    log.info(`Set the good mark on ControllerRevision ${name}, because every node runs it.`);
  } catch (error) {
    const why = isFailure(error, 'conflict', 'not-found') ? 'The ControllerRevision no longer exists.' : (error as Error).message;
    log.info(`Could not set the good mark on ControllerRevision ${name}, by which to-revision: last-good finds it. ${why}`);
  }
}

/** Removes the good marks of the version that was left. A mark that cannot be removed is a warning. */
export async function withdrawGood(
  world: World,
  namespace: string,
  history: History,
  { left, restored }: { left: Revision; restored: Revision },
): Promise<void> {
  const { cluster, log } = world;
  const withdraw = async ({ name, uid }: Revision): Promise<void> => {
    try {
      await cluster.annotateControllerRevision({ namespace, name, uid }, { [GOOD]: null }, afterwards(world, LIMIT));
      log.info(`Removed the good mark from ControllerRevision ${name}, which was left.`);
    } catch (error) {
      if (isFailure(error, 'conflict', 'not-found')) return;
      log.warning(`Could not remove the good mark from ControllerRevision ${name}, which was left: ${(error as Error).message}`);
    }
  };
  await Promise.all(marksToWithdraw(history, left, restored).map(withdraw));
}
