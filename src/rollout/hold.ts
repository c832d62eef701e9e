import { ClusterError, isFailure, type PatchOperation } from '../cluster/cluster.ts';
import { type Enforcement, HOLD, type Hold, isDenialOfHold, readHold } from '../daemonset/hold.ts';
import { isObject } from '../daemonset/json.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import { heldText, NOT_HELD_NOTE } from '../report/messages/hold.ts';
import { afterwards, type Context, untilAnswered } from './context.ts';
import { getDaemonSet } from './find.ts';
import { annotationPath } from './patch.ts';
import type { Task } from './tasks.ts';

/** How long it may take to find out whether a hold is enforced. */
const LIMIT_MS = 2_000;
/** How many times to read a DaemonSet again that was changed in the meantime. */
const TRIES = 5;

/**
 * Adds the hold of a DaemonSet to what is known, if it has one. Beside the other work, one dry run finds out whether the API server enforces it: that adds
 * at most 2 s, and only where the server does not answer.
 *
 * @param isAsked whether the step was asked to hold the DaemonSet: then it is a warning if it is not held.
 */
export function noteHold(task: Task, daemonSet: DaemonSet, isAsked = false): void {
  const hold = readHold(daemonSet.metadata);
  if (!hold && isAsked) {
    task.note({ kind: 'not-held' });
    task.context.log.warning(NOT_HELD_NOTE);
  }
  if (!hold) return;
  task.learn({ hold: { ...hold, enforcement: 'unknown' } });
  const find = async (): Promise<void> => {
    const seen = { ...hold, enforcement: await enforcementOf(task.context, daemonSet) };
    task.learn({ hold: seen });
    const { log } = task.context;
    if (seen.enforcement === 'advisory') log.warning(heldText(seen));
    else log.info(heldText(seen));
  };
  task.beside(find());
}

/** Whether a change of the template that keeps the hold is denied. It never throws. */
async function enforcementOf(context: Context, { metadata, spec }: DaemonSet): Promise<Enforcement> {
  const template = spec.template['metadata'];
  const isFirst = !isObject(template) || !isObject(template['annotations']);
  const patch: PatchOperation[] = [
    { op: 'test', path: '/metadata/uid', value: metadata.uid },
    { op: 'test', path: annotationPath(HOLD), value: metadata.annotations?.[HOLD] ?? '' },
    ...(isFirst ? [{ op: 'add', path: '/spec/template/metadata/annotations', value: {} } as const] : []),
    { op: 'add', path: `/spec/template${annotationPath(HOLD)}`, value: 'dry run' },
  ];
  try {
    await context.cluster.patchDaemonSet(metadata, patch, { dryRun: true }, afterwards(context, LIMIT_MS));
    return 'advisory';
  } catch (error) {
    const { message } = error as Error;
    context.log.debug(`The API server does not accept a change of the template while the DaemonSet is held: ${message}`);
    return isFailure(error, 'admission-denied') && isDenialOfHold(message) ? 'enforced' : 'unknown';
  }
}

export type Released =
  | { kind: 'released'; hold: Hold }
  | { kind: 'not-held' }
  /** A person did not confirm it. */
  | { kind: 'declined' }
  /** It could not be determined whether the hold was released. */
  | { kind: 'unknown'; why: string };

/**
 * Removes the hold of a DaemonSet, and nothing else. The patch fits only the object and the hold that were read; after a change in between, they are read
 * again.
 *
 * @param isConfirmed whether a person agrees to release the present hold of a DaemonSet.
 * @throws ClusterError if the API server refuses it.
 */
export async function releaseHold(
  context: Context,
  first: DaemonSet,
  { dryRun, isConfirmed }: { dryRun: boolean; isConfirmed: (daemonSet: DaemonSet) => Promise<boolean> },
): Promise<Released> {
  const { cluster } = context;
  const signal = untilAnswered(context);
  let daemonSet = first;
  let sent: Hold | undefined;
  let why = '';
  for (let attempt = 0; ; attempt++) {
    const { metadata } = daemonSet;
    const hold = readHold(metadata);
    if (!hold) return sent ? { kind: 'released', hold: sent } : { kind: 'not-held' };
    if (attempt === TRIES) throw new ClusterError('api', `Could not release the hold: ${why}`);
    if (!(await isConfirmed(daemonSet))) return { kind: 'declined' };
    const path = annotationPath(HOLD);
    const patch: PatchOperation[] = [
      { op: 'test', path: '/metadata/uid', value: metadata.uid },
      { op: 'test', path, value: metadata.annotations?.[HOLD] ?? '' },
      { op: 'remove', path },
    ];
    context.signal.throwIfAborted();
    try {
      await cluster.patchDaemonSet(metadata, patch, { dryRun }, signal);
      return { kind: 'released', hold };
    } catch (error) {
      const isLost = signal.aborted || isFailure(error, 'answer-lost');
      if (!isLost && !isFailure(error, 'conflict')) throw error;
      why = (error as Error).message;
      if (isLost && !dryRun) sent = hold;
    }
    const read = await getDaemonSet(context, metadata).catch((error: unknown) => {
      if (!sent) throw error;
    });
    if (!read) return { kind: 'unknown', why };
    daemonSet = read;
  }
}
