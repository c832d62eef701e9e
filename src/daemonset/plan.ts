import type { AnnotationChanges } from './annotation-changes.ts';
import { type AskedRevision, isCalled, isRelative, type NamedRevision, type RelativeRevision } from './asked-revision.ts';
import { diffTemplates, type TemplateChange } from './diff.ts';
import { HOLD, readHold } from './hold.ts';
import { type Candidate, knownGood } from './known-good.ts';
import { LAST_APPLIED } from './managed-fields.ts';
import { leftByNextDeploy } from './next-deploy.ts';
import type { LeftOut, Note } from './notes.ts';
import type { PodCounts } from './pods.ts';
import { type Conclusion, type Facts, refuse, refused } from './result.ts';
import type { History, Revision } from './revision.ts';
import { couldStand, isOurs, type RollbackRecord, type Run, readRecord, rollbackBy, standingRecord } from './rollback-record.ts';
import { chooseTarget } from './target.ts';
import { sameTemplate, versionDigest } from './template.ts';
import type { DaemonSet, PodTemplate } from './types.ts';

/** Why nothing is written, whatever the candidates are. */
type NoWrite =
  /** This run has restored the version already: wait for it again, write nothing. */
  | { kind: 'resume'; at: Revision; record: RollbackRecord }
  /** Another run has rolled back already, and a relative target would restore the version that it left. Refused, unless other DaemonSets are rolled back too. */
  | { kind: 'already-rolled-back'; at: Revision; record: RollbackRecord; refusal: Conclusion }
  | { kind: 'refused'; refusal: Conclusion }
  /** The DaemonSet stays unchanged, and that is not a refusal. */
  | { kind: 'ended'; end: Conclusion };

/** What happens to one DaemonSet, decided before anything is written. */
export type Plan =
  /** What to try, before the API server is asked: the first one that changes the DaemonSet is restored. */
  | {
      kind: 'candidates';
      from: Revision;
      candidates: Candidate[];
      notes: Note[];
      /** What the candidates were chosen by. Undefined: a record, which is current if no candidate changes anything. */
      asked?: AskedRevision;
    }
  | {
      kind: 'restore';
      from: Revision;
      target: Candidate;
      /** What the write will record. */
      record: RollbackRecord;
      notes: Note[];
      preview: Preview;
      changes: TemplateChange[];
    }
  | { kind: 'unchanged'; at: Revision }
  | NoWrite;

/** What is asked for, and by whom. */
export interface Terms {
  toRevision: AskedRevision;
  run: Run | undefined;
  /** The revision that has to be current; otherwise the rollback is refused. A re-run expects what its first attempt has left. */
  expected?: NamedRevision | undefined;
  /** The inputs say that this run deployed what is current. */
  isDeployedByRun?: boolean;
  /** If `needsPods` says so, and if this account is allowed to list them. */
  pods?: PodCounts | undefined;
}

/**
 * What to try, from a settled DaemonSet and its history.
 *
 * While the record of a rollback stands, or could stand, a relative target never writes: `previous` would be the very version that was left.
 * If it stands, the same run (a re-run of a failed job) resumes. Otherwise the run is refused. A named revision is restored. If the record of
 * this run no longer stands, the run writes only if the version that it left is current again: a newer change by another run takes precedence.
 */
export function choosePlan(daemonSet: DaemonSet, history: History, { toRevision, run, expected, isDeployedByRun, pods }: Terms): Plan {
  const { current } = history;
  if (daemonSet.metadata.deletionTimestamp) return refused('being-deleted', { kind: 'being-deleted' });
  if (!current) return refused('not-observed', { kind: 'not-recorded' });
  const record = readRecord(daemonSet);
  const standing = standingRecord(daemonSet, history);
  const ours = record && isOurs(record, run) ? record : undefined;
  const mismatch = expected && unexpected(history, expected);
  if (mismatch && !(standing && ours && wasLeft(ours, history, expected))) return mismatch;
  if (standing && ours && isSameTarget(ours, history, toRevision)) return { kind: 'resume', at: current, record: ours };
  if (record && isRelative(toRevision) && (standing || couldStand(record, daemonSet, history))) {
    return alreadyRolledBack(toRevision, record, current, history);
  }
  const target = chooseTarget(history, toRevision, { pods, record });
  const last = standing && ours ? undefined : rollbackBy(run, record);
  const isNewer = last && !isDeployedByRun && versionDigest(current.template) !== last.left.digest;
  if (isNewer && !(target.kind === 'candidates' && target.candidates.every((candidate) => alreadyThere(daemonSet, candidate)))) {
    return refused('unexpected-revision', { kind: 'newer-change', time: last.time, left: last.left.revision, current });
  }
  return target.kind === 'refused' ? target : { ...target, from: current, asked: toRevision };
}

/** Whether only the pods show which version is meant: `last-good` is asked for, and no version has a good mark. */
export function needsPods(daemonSet: DaemonSet, history: History, asked: AskedRevision): boolean {
  return asked.kind === 'last-good' && !standingRecord(daemonSet, history) && knownGood(history).length === 0;
}

/** The refusal if the revision that is expected is not the current one. */
export function unexpected(history: History, expected: NamedRevision): { kind: 'refused'; refusal: Conclusion } | undefined {
  const called = history.revisions.filter((revision) => isCalled(revision, expected));
  if (called.length > 1) {
    return refused('ambiguous-revision', { kind: 'ambiguous-revision', asked: expected, names: called.map(({ name }) => name) });
  }
  const { current } = history;
  return current && called[0]?.name === current.name
    ? undefined
    : refused('unexpected-revision', { kind: 'unexpected-revision', expected, current });
}

function wasLeft({ left }: RollbackRecord, history: History, expected: NamedRevision): boolean {
  return isCalled({ number: left.revision, name: left.name, hash: hashOf(left.name, history) }, expected);
}

/** Whether an attempt asks for what the first attempt has restored. The number that it had then is gone, or has another meaning. */
function isSameTarget({ restored }: RollbackRecord, history: History, asked: AskedRevision): boolean {
  return isRelative(asked) || isCalled({ number: restored.revision, name: restored.name, hash: hashOf(restored.name, history) }, asked);
}

function hashOf(name: string, { revisions }: History): string {
  return revisions.find((revision) => revision.name === name)?.hash ?? '';
}

function alreadyRolledBack(asked: RelativeRevision, record: RollbackRecord, current: Revision, history: History): Plan {
  const { time, run, repository, restored, left } = record;
  const previous = chooseTarget(history, { kind: 'previous' }, { record });
  const facts: Facts = {
    kind: 'already-rolled-back',
    asked,
    time,
    run,
    repository,
    current,
    restored: restored.revision,
    left: history.revisions.find(({ template }) => versionDigest(template) === left.digest),
    older: previous.kind === 'candidates' ? previous.candidates[0] : undefined,
  };
  return { kind: 'already-rolled-back', at: current, record, refusal: refuse('already-rolled-back', facts) };
}

/** The refusal of a rollback that does not take over the hold of a DaemonSet. */
export function refusalIfHeld({ metadata }: DaemonSet): { kind: 'refused'; refusal: Conclusion } | undefined {
  const hold = readHold(metadata);
  return hold && refused('held', { kind: 'held', hold });
}

/** Whether the candidate means what is there already, so that there is no need to ask the API server. */
export function alreadyThere(daemonSet: DaemonSet, candidate: Revision): boolean {
  return sameTemplate(daemonSet.spec.template, candidate.template);
}

/** The API server's answer to the patch as a dry run; without an answer, what the patch would store as far as we know. */
export interface Preview {
  template: PodTemplate;
  /** The API server accepted the patch, admission included. */
  validated: boolean;
  /** The DaemonSet's `generation` would change: the template means something else to the API server. */
  changes: boolean;
  /** The annotations of the patch. */
  annotations: AnnotationChanges;
  /** Those that it does without. */
  leftOut: LeftOut[];
}

/** The plan for a candidate that the API server has checked, or undefined if it changes nothing and the next one may be tried. A hold is not optional. */
export function planFor(
  daemonSet: DaemonSet,
  { from, notes }: Extract<Plan, { kind: 'candidates' }>,
  candidate: Candidate,
  record: RollbackRecord,
  preview: Preview,
): Extract<Plan, { kind: 'restore' | 'refused' }> | undefined {
  if (!preview.changes) return undefined;
  const unheld = preview.leftOut.find(({ keys }) => keys.includes(HOLD));
  if (unheld) return refused('hold-rejected', { kind: 'hold-rejected', why: unheld.why });
  return {
    kind: 'restore',
    from,
    target: candidate,
    record,
    notes: [...notes, ...notesOn(daemonSet, candidate, preview)],
    preview,
    changes: diffTemplates(daemonSet.spec.template, preview.template),
  };
}

/** What the write leaves out, and what the next deploy leaves in place. */
function notesOn(daemonSet: DaemonSet, candidate: Candidate, { leftOut }: Preview): Note[] {
  const isStale = leftOut.some(({ keys }) => keys.includes(LAST_APPLIED));
  return [
    ...leftOut.map((one): Note => ({ kind: 'annotations-left-out', ...one })),
    ...leftByNextDeploy(daemonSet, candidate, isStale).map((left): Note => ({ kind: 'left-by-next-deploy', ...left })),
  ];
}

/** The plan if no candidate changes anything: a named revision, or a record, is current already, and a relative one does not exist. */
export function planWithout(asked: AskedRevision | undefined, at: Revision): Extract<Plan, { kind: 'unchanged' | 'refused' }> {
  if (!asked || !isRelative(asked)) return { kind: 'unchanged', at };
  return asked.kind === 'previous'
    ? refused('no-previous-revision', { kind: 'nothing-previous', why: 'same-to-server' })
    : refused('no-known-good', { kind: 'nothing-known-good', why: 'same-to-server' });
}
