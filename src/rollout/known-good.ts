import { isFailure } from '../cluster/cluster.ts';
import { GOOD, type GoodMark, goodText } from '../daemonset/good-mark.ts';
import { otherBytes, type SeenDigests, toMark } from '../daemonset/image-digests.ts';
import { marksToWithdraw } from '../daemonset/known-good.ts';
import type { Note } from '../daemonset/notes.ts';
import type { History, Revision } from '../daemonset/revision.ts';
import { noteText } from '../report/messages/notes.ts';
import { afterwards, type Context } from './context.ts';

/** How long writing a good mark may take. */
const LIMIT_MS = 5_000;
/** A good mark that is older is renewed. Younger ones cost no request. */
const RENEWED_AFTER_MS = 24 * 3_600_000;

/**
 * Sets the good mark on a ControllerRevision that was seen running on every node, for `last-good`, with the bytes that run. A mark
 * is renewed at most once a day, so that it says when the version was last seen. A mark that cannot be set is logged and is not a failure.
 *
 * @param before the mark of the version; undefined if it has none.
 * @returns what to report if nodes run other bytes than before, or not the same ones. Then no mark is set.
 */
export async function markGood(
  context: Context,
  namespace: string,
  { name, uid }: Revision,
  seen: SeenDigests,
  before: GoodMark | undefined,
): Promise<Note | undefined> {
  const images = otherBytes(seen, before?.images);
  if (images.length > 0) {
    const note: Note = { kind: 'other-bytes', images };
    context.log.warning(noteText(note));
    return note;
  }
  const { cluster, clock, log, run } = context;
  const now = cluster.serverTime(clock.now()) ?? clock.now();
  const isFresh = before !== undefined && now - Date.parse(before.time) < RENEWED_AFTER_MS;
  if (isFresh && (before.images || seen.size === 0)) return undefined;
  try {
    const mark = isFresh ? before : { time: new Date(now).toISOString(), ...(run && { run: run.url }) };
    const text = goodText(name, mark, seen.size > 0 ? toMark(seen) : (before?.images ?? {}));
    await cluster.annotateControllerRevision({ namespace, name, uid }, { [GOOD]: text }, afterwards(context, LIMIT_MS));
    log.info(`Set the good mark on ControllerRevision ${name}, because every node runs it.`);
  } catch (error) {
    const why = isFailure(error, 'conflict', 'not-found') ? 'The ControllerRevision no longer exists.' : (error as Error).message;
    log.info(`Could not set the good mark on ControllerRevision ${name}, by which to-revision: last-good finds it. ${why}`);
  }
  return undefined;
}

/** Removes the good marks of the version that was left. A mark that cannot be removed is a warning. */
export async function withdrawGood(
  context: Context,
  namespace: string,
  history: History,
  { left, restored }: { left: Revision; restored: Revision },
): Promise<void> {
  const { cluster, log } = context;
  const withdraw = async ({ name, uid }: Revision): Promise<void> => {
    try {
      await cluster.annotateControllerRevision({ namespace, name, uid }, { [GOOD]: null }, afterwards(context, LIMIT_MS));
      log.info(`Removed the good mark from ControllerRevision ${name}, which was left.`);
    } catch (error) {
      if (isFailure(error, 'conflict', 'not-found')) return;
      log.warning(`Could not remove the good mark from ControllerRevision ${name}, which was left: ${(error as Error).message}`);
    }
  };
  await Promise.all(marksToWithdraw(history, left, restored).map(withdraw));
}
