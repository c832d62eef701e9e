import { HOLD } from './hold.ts';
import type { Candidate } from './known-good.ts';
import { lastAppliedAfter } from './last-applied.ts';
import { LAST_APPLIED } from './managed-fields.ts';
import type { LeftOut } from './notes.ts';
import { CHANGE_CAUSE } from './revision.ts';
import { LAST_ROLLBACK, type RollbackRecord } from './rollback-record.ts';
import type { DaemonSet } from './types.ts';

/** The annotations of the DaemonSet that a rollback writes together with the template. Undefined removes one. */
export type AnnotationChanges = Readonly<Record<string, string | undefined>>;

/** The largest size of all annotations of an object together, keys included, in bytes (apimachinery: TotalAnnotationSizeLimitB). */
const ROOM = 256 * 1024;

/**
 * The annotations to leave out if there is not enough room, in this order. A rollback does not need them, except the last one: if the hold has no room, the
 * rollback is refused.
 */
const DISPENSABLE = [LAST_APPLIED, LAST_ROLLBACK, CHANGE_CAUSE, HOLD];

/**
 * The annotations to write with a rollback, as far as there is room for them.
 *
 * @param hold the value of the hold; undefined if the rollback does not hold the DaemonSet.
 */
export function annotationChanges(
  daemonSet: DaemonSet,
  target: Candidate,
  record: RollbackRecord,
  hold?: string,
): { changes: AnnotationChanges; leftOut: LeftOut[] } {
  const { annotations = {} } = daemonSet.metadata;
  const applied = lastAppliedAfter(daemonSet, target);
  const wanted: Record<string, string | undefined> = {
    [CHANGE_CAUSE]: target.changeCause,
    ...(typeof applied === 'object' && { [LAST_APPLIED]: applied.text }),
    [LAST_ROLLBACK]: JSON.stringify(record),
    ...(hold !== undefined && { [HOLD]: hold }),
  };
  const changes = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => annotations[key] !== value));
  const keys: string[] = [];
  for (const key of DISPENSABLE) {
    if (sizeOf({ ...annotations, ...changes }) <= ROOM) break;
    if (!(key in changes)) continue;
    delete changes[key];
    keys.push(key);
  }
  const leftOut: LeftOut[] = applied === 'unreadable' ? [{ keys: [LAST_APPLIED], why: { kind: 'unreadable' } }] : [];
  if (keys.length > 0) leftOut.push({ keys, why: { kind: 'no-room' } });
  return { changes, leftOut };
}

function sizeOf(annotations: AnnotationChanges): number {
  return Object.entries(annotations).reduce(
    (sum, [key, value]) => (value === undefined ? sum : sum + Buffer.byteLength(key) + Buffer.byteLength(value)),
    0,
  );
}

/** The same changes without some annotations. */
export function withoutKeys(changes: AnnotationChanges, keys: readonly string[]): AnnotationChanges {
  return Object.fromEntries(Object.entries(changes).filter(([key]) => !keys.includes(key)));
}
