import * as v from 'valibot';
import { parseText } from './json.ts';
import { writesTemplate } from './managed-fields.ts';
import { templateGenerationOf } from './pods.ts';
import { type History, highestNumber, type Revision } from './revision.ts';
import { versionDigest } from './template.ts';
import { type DaemonSet, FIELD_MANAGER, type PodTemplate } from './types.ts';

/** The annotation with the rollback record. It is read from the DaemonSet only: the controller copies annotations into new ControllerRevisions. */
export const LAST_ROLLBACK = 'rollback-daemonset/last-rollback';

/** A run of a workflow. All attempts of a run have the same id. */
export interface Run {
  /** `owner/name`. */
  repository: string;
  id: string;
  /** The address of its page. */
  url: string;
}

/** Who wrote a rollback: the command `rollback`, a gate with `rollback-on-failure`, or the post step of a guard. */
export type RolledBackBy = 'rollback' | 'gate' | 'guard';

/** A revision in a rollback record. `digest` decides: it is that of the version. Number and name are for display. */
export interface RecordedRevision {
  revision: number;
  name: string;
  digest: string;
}

/** A version that a rollback left, by its digest, and the highest revision number at that time: a higher one is a later deploy. */
export interface LeftVersion {
  digest: string;
  highestRevision: number;
}

/** What the last rollback did. It is an annotation on the DaemonSet. */
export interface RollbackRecord {
  by: RolledBackBy;
  restored: RecordedRevision;
  left: RecordedRevision;
  /** Of the DaemonSet: a copy of the object takes its annotations along. */
  uid: string;
  /** The DaemonSet's count of template changes before the write. Undefined if the API server does not count. */
  templateGeneration?: number;
  /** The highest revision number before the write. */
  highestRevision: number;
  /** The versions that earlier rollbacks left and that were not deployed again since. */
  leftBefore?: LeftVersion[];
  /** The rollbacks of other runs before this one, the latest of each run, so that a re-run of one of them is recognized. The newest first. */
  earlier?: EarlierRollback[];
  repository?: string;
  run?: string;
  /** RFC 3339. */
  time: string;
}

/** An earlier rollback, by its run. */
export interface EarlierRollback {
  repository: string;
  run: string;
  left: RecordedRevision;
  /** RFC 3339. */
  time: string;
}

/** How many earlier rollbacks a record keeps. */
const MOST_EARLIER = 10;

/** Who writes a rollback, and when. */
export interface Writing {
  by: RolledBackBy;
  run: Run | undefined;
  time: Date;
}

/** The record of a rollback that is about to be written, from one revision to another. */
export function recordFor(
  daemonSet: DaemonSet,
  history: History,
  { from, target }: { from: Revision; target: Revision },
  { by, run, time }: Writing,
): RollbackRecord {
  const before = readRecord(daemonSet);
  const templateGeneration = templateGenerationOf(daemonSet);
  const [left, restored] = [recorded(from), recorded(target)];
  const leftBefore = (before ? leftVersions(before) : []).filter(
    (version) => ![left.digest, restored.digest].includes(version.digest) && isStillLeft(version, history),
  );
  const earlier = (before ? rollbacksIn(before) : []).filter((one) => !isOurs(one, run)).slice(0, MOST_EARLIER);
  return {
    by,
    restored,
    left,
    uid: daemonSet.metadata.uid,
    ...(templateGeneration !== undefined && { templateGeneration }),
    highestRevision: highestNumber(history),
    ...(leftBefore.length > 0 && { leftBefore }),
    ...(earlier.length > 0 && { earlier }),
    ...(run && { repository: run.repository, run: run.id }),
    time: time.toISOString(),
  };
}

function recorded({ number, name, template }: Revision): RecordedRevision {
  return { revision: number, name, digest: versionDigest(template) };
}

/** The rollback record of a DaemonSet. Other text counts as none, and so does the record of another object. */
export function readRecord({ metadata }: DaemonSet): RollbackRecord | undefined {
  const { success, output } = v.safeParse(RECORD, parseText(metadata.annotations?.[LAST_ROLLBACK]));
  return success && output.uid === metadata.uid ? output : undefined;
}

const RECORDED_REVISION = v.object({ revision: v.number(), name: v.string(), digest: v.string() });

const RECORD: v.GenericSchema<unknown, RollbackRecord> = v.object({
  by: v.picklist(['rollback', 'gate', 'guard']),
  restored: RECORDED_REVISION,
  left: RECORDED_REVISION,
  uid: v.string(),
  templateGeneration: v.exactOptional(v.number()),
  highestRevision: v.number(),
  leftBefore: v.exactOptional(v.array(v.object({ digest: v.string(), highestRevision: v.number() }))),
  earlier: v.exactOptional(v.array(v.object({ repository: v.string(), run: v.string(), left: RECORDED_REVISION, time: v.string() }))),
  repository: v.exactOptional(v.string()),
  run: v.exactOptional(v.string()),
  time: v.string(),
});

/**
 * Whether what a rollback restored is certainly still what it left in the DaemonSet: either nothing but the rollback changed the template since,
 * or each change gave the restored version another number, as a restart of the pods does.
 *
 * @param history undefined if it is not known.
 */
export function stands(record: RollbackRecord, daemonSet: DaemonSet, history: History | undefined): boolean {
  const now = templateGenerationOf(daemonSet);
  if (now === undefined || record.templateGeneration === undefined) return false;
  const isRestored = isRestoredBy(record);
  const changes = now - record.templateGeneration;
  // An admission webhook can change what is stored. If the write had been undone, someone else would have written the template.
  if (changes === 1) return isRestored(daemonSet.spec) || ownsTemplate(daemonSet);
  const later = history?.revisions.filter(({ number }) => number > record.highestRevision) ?? [];
  return changes > 1 && isRestored(daemonSet.spec) && later.length === changes && later.every(isRestored);
}

/**
 * Whether nothing shows that someone deployed another version since the rollback, although that is possible: a revision that is missing was given
 * a new number, or was pruned.
 */
export function couldStand(record: RollbackRecord, daemonSet: DaemonSet, { revisions }: History): boolean {
  const isRestored = isRestoredBy(record);
  return isRestored(daemonSet.spec) && revisions.every((revision) => revision.number <= record.highestRevision || isRestored(revision));
}

/** Whether the API server lists this action as a writer of the template. */
function ownsTemplate({ metadata }: DaemonSet): boolean {
  return (metadata.managedFields ?? []).some((entry) => entry.manager === FIELD_MANAGER && writesTemplate(entry));
}

/** Whether a template is the version that a rollback restored. */
function isRestoredBy({ restored }: RollbackRecord): (of: { template: PodTemplate }) => boolean {
  return ({ template }) => versionDigest(template) === restored.digest;
}

/** The rollback record of a DaemonSet, if it stands. */
export function standingRecord(daemonSet: DaemonSet, history: History | undefined): RollbackRecord | undefined {
  const record = readRecord(daemonSet);
  return record && stands(record, daemonSet, history) ? record : undefined;
}

/** Whether this run, in any attempt, wrote the record. */
export function isOurs(record: { repository?: string; run?: string }, run: Run | undefined): boolean {
  return run !== undefined && record.run === run.id && record.repository === run.repository;
}

/** The latest rollback of this run, in any attempt, although another run may have rolled back after it. */
export function rollbackBy(run: Run | undefined, record: RollbackRecord | undefined): EarlierRollback | undefined {
  return record && rollbacksIn(record).find((one) => isOurs(one, run));
}

/** The rollbacks by a run that a record shows, the newest first. */
function rollbacksIn({ repository, run, left, time, earlier = [] }: RollbackRecord): EarlierRollback[] {
  return repository === undefined || run === undefined ? earlier : [{ repository, run, left, time }, ...earlier];
}

/** Whether a revision is of a version that a rollback left and that was not deployed again since. */
export function wasRolledBack(record: RollbackRecord | undefined, { template }: Revision, history: History): boolean {
  if (!record) return false;
  const digest = versionDigest(template);
  return leftVersions(record).some((version) => version.digest === digest && isStillLeft(version, history));
}

function leftVersions({ left: { digest }, highestRevision, leftBefore = [] }: RollbackRecord): LeftVersion[] {
  return [{ digest, highestRevision }, ...leftBefore];
}

/** Whether the version is in the history, and was not deployed again: that would have given it a higher number. */
function isStillLeft({ digest, highestRevision }: LeftVersion, { revisions }: History): boolean {
  const same = revisions.filter(({ template }) => versionDigest(template) === digest);
  return same.length > 0 && same.every(({ number }) => number <= highestRevision);
}
