import type { NamedRevision } from './asked-revision.ts';
import type { LedgerEntry } from './ledger.ts';
import type { Note } from './notes.ts';
import type { Outcome, Reason } from './outcome.ts';
import { isAfterLastLook, othersAmong, type Start, versionChanges } from './own-changes.ts';
import { type Plan, unexpected } from './plan.ts';
import { templateGenerationOf } from './pods.ts';
import { type Conclusion, type Facts, refused } from './result.ts';
import { CHANGE_CAUSE, type History, highestNumber, type Revision } from './revision.ts';
import { differingFields, type SpecFields, specFieldsOf } from './spec-fields.ts';
import { digest, sameButForRestart, versionDigest } from './template.ts';
import type { DaemonSet, DaemonSetName } from './types.ts';

/** What a guard records of a DaemonSet before a deploy. */
export type Recorded =
  | {
      kind: 'recorded';
      daemonSet: DaemonSetName;
      uid: string;
      /** How many times the spec was changed so far. */
      generation: number;
      /** How many times the template was changed so far; undefined if the API server does not count. */
      templateGeneration: number | undefined;
      /** The highest revision number. */
      highestRevision: number;
      /** What a deploy can change besides the template. */
      spec: SpecFields;
      /** The current revision, with the template and change-cause of the DaemonSet itself: nothing is lost if the ControllerRevision is deleted. */
      revision: Revision;
    }
  /** It did not exist. */
  | { kind: 'absent'; daemonSet: DaemonSetName };

type Present = Extract<Recorded, { kind: 'recorded' }>;

export function recordOf(daemonSet: DaemonSet, history: History, current: Revision): Present {
  const { namespace, name, uid, annotations, generation = 0 } = daemonSet.metadata;
  const { template } = daemonSet.spec;
  return {
    kind: 'recorded',
    daemonSet: { namespace, name },
    uid,
    generation,
    templateGeneration: templateGenerationOf(daemonSet),
    highestRevision: highestNumber(history),
    spec: specFieldsOf(daemonSet),
    revision: { ...current, template, digest: digest(template), changeCause: annotations?.[CHANGE_CAUSE] },
  };
}

export interface GuardTerms {
  /** Whether the job deployed, if the job says so. */
  deployed: boolean | undefined;
  /** The revision that the job deployed, if the job says so. */
  expected: NamedRevision | undefined;
  /** Restore even if it is not certain that the job made the change. */
  ifAmbiguous: boolean;
}

/** The conclusion if the job did not deploy, whatever the cluster shows. */
export const NOT_DEPLOYED: Conclusion = { outcome: 'unchanged', reason: 'not-deployed', facts: { kind: 'not-deployed' } };

/**
 * Whether to restore what was recorded, from the settled DaemonSet after the job has failed. docs/guard.md has the rules as a table.
 *
 * The change is the job's if the job names the revision that it deployed and that one is current. Otherwise nothing must have changed after the
 * last look of one of the job's gates or guards, and the job says that it deployed, or, by assumption, exactly one change led from the recorded
 * version to the present one. Anyone else's change stays, because someone may rely on it.
 *
 * @param ledger what the steps of the job saw and wrote.
 */
export function returnTo(
  daemonSet: DaemonSet,
  history: History,
  recorded: Present,
  { deployed, expected, ifAmbiguous }: GuardTerms,
  ledger: readonly LedgerEntry[],
): Plan {
  const { current } = history;
  const { revision } = recorded;
  if (daemonSet.metadata.uid !== recorded.uid) {
    return refused('recreated', { kind: 'recreated' });
  }
  if (daemonSet.metadata.deletionTimestamp) return refused('being-deleted', { kind: 'being-deleted' });
  if (deployed === false) return { kind: 'ended', end: NOT_DEPLOYED };
  const { template } = daemonSet.spec;
  const fields = differingFields(daemonSet, recorded.spec);
  if (digest(template) === revision.digest) {
    return ended('unchanged', 'not-changed', { kind: 'not-changed', recorded: revision, fields });
  }
  if (sameButForRestart(template, revision.template)) {
    return ended('unchanged', 'not-changed', { kind: 'only-restarted', recorded: revision, fields });
  }
  if (!current) {
    return refused('not-observed', { kind: 'not-recorded' });
  }
  const start: Start = { ...recorded, version: versionDigest(revision.template) };
  const changes = versionChanges(daemonSet, history, start, ledger);
  const isExpected = expected && !unexpected(history, expected);
  if (!isExpected && !ifAmbiguous) {
    if (wasSeenComplete(daemonSet, ledger)) return ended('unchanged', 'seen-complete', { kind: 'seen-complete', current });
    if (wasChosen(daemonSet, ledger)) return ended('unchanged', 'already-rolled-back', { kind: 'chosen-by-job', current });
  }
  const isLater = changes !== undefined && isAfterLastLook(changes, start, ledger);
  const others = changes && othersAmong(changes);
  const isOurs = isExpected ?? (!isLater && (deployed === true || others === 1));
  if (!isOurs && !ifAmbiguous) {
    return ended('superseded', 'ambiguous-change', {
      kind: 'ambiguous-change',
      changes: others,
      expected,
      isLater,
      current,
    });
  }
  const stored = history.revisions.filter(({ digest }) => digest === revision.digest);
  const { number, name, hash } = stored.find(({ name }) => name === revision.name) ?? stored[0] ?? revision;
  const isWhole = movedTogether(daemonSet, recorded);
  const notes: Note[] = [];
  if (isOurs && !isExpected && !deployed) notes.push({ kind: 'assumed-change' });
  if (fields.length > 0) notes.push({ kind: isWhole ? 'fields-restored' : 'fields-left', fields });
  const spec = Object.fromEntries(fields.map((field) => [field, recorded.spec[field]]));
  const candidate = { ...revision, number, name, hash, ...(isWhole && fields.length > 0 && { spec }) };
  return { kind: 'candidates', from: current, candidates: [candidate], notes };
}

/** Whether the last gate of the job that saw the present version saw it running on every node. */
function wasSeenComplete({ spec: { template } }: DaemonSet, ledger: readonly LedgerEntry[]): boolean {
  const version = versionDigest(template);
  const last = ledger.findLast((entry) => entry.kind === 'saw' && entry.by === 'gate' && entry.version === version);
  return last?.kind === 'saw' && last.complete;
}

/** Whether the last write of the job was a rollback that it asked for by `command: rollback`, and the present version is that one. */
function wasChosen({ spec: { template } }: DaemonSet, ledger: readonly LedgerEntry[]): boolean {
  const last = ledger.findLast(({ kind }) => kind === 'wrote');
  return last?.by === 'rollback' && last.version === versionDigest(template);
}

/** Whether the spec changed only together with the template, so that no one else changed another field in between. */
function movedTogether(daemonSet: DaemonSet, { generation, templateGeneration = Number.NaN }: Present): boolean {
  const { generation: now = 0 } = daemonSet.metadata;
  return now - generation === (templateGenerationOf(daemonSet) ?? Number.NaN) - templateGeneration;
}

function ended(outcome: Outcome, reason: Reason, facts: Facts): Plan {
  return { kind: 'ended', end: { outcome, reason, facts } };
}
