/** Every sentence about how a step ended: what happened, why, and what to do next. */
import { isSuccess } from '../../daemonset/outcome.ts';
import type { Facts, Result } from '../../daemonset/result.ts';
import {
  absentText,
  ambiguousChangeText,
  chosenByJobText,
  createdByJobText,
  deletedSinceText,
  GUARDED_RECREATED,
  leftAfterCancelText,
  NOT_DEPLOYED,
  notChangedText,
  recordedText,
  recordLostText,
  recordNotSavedText,
  restoreByHandText,
  STILL_ABSENT,
  seenCompleteText,
} from './guard.ts';
import { dryRunOfReleaseText, heldRefusalText, holdRejectedText, NOTHING_HELD, releasedText, releaseUnknownText } from './hold.ts';
import { wouldNotStartText } from './preflight.ts';
import {
  alreadyRolledBackText,
  ambiguousText,
  anotherRefusedText,
  NOT_RECORDED,
  newerChangeText,
  notFoundText,
  nothingKnownGoodText,
  nothingPreviousText,
  onlyChecksumText,
  rolledBackByRunText,
  unexpectedText,
} from './refusals.ts';
import { revisionText } from './revisions.ts';
import { gateRollbackText, noNodesText, restoredText, rolledOutText, unfinishedText } from './rollout.ts';
import { shellQuote } from './shell.ts';

/** The message of a result: one sentence or a few, as one line of text that may quote the cluster. */
export function messageOf(result: Result): string {
  const { rollback, facts } = result;
  if (rollback) return `${textOf(rollback.gate.facts, rollback.gate)} ${gateRollbackText(rollback, messageOf)}`;
  return needsRestoreByHand(result) ? `${textOf(facts, result)} ${restoreByHandText(result)}` : textOf(facts, result);
}

/** Whether a guard left the DaemonSet without what it recorded, although that is still in the history. */
function needsRestoreByHand({ recorded, outcome, facts }: Result): boolean {
  if (recorded === undefined || outcome === 'deleted' || facts.kind === 'recreated') return false;
  return facts.kind === 'seen-complete' || facts.kind === 'chosen-by-job' || !isSuccess(outcome, 'guard');
}

function textOf(facts: Facts, result: Result): string {
  switch (facts.kind) {
    case 'restored':
      return restoredText(result);
    case 'restored-not-waited':
      return `${restoredText(result)} The nodes follow; this step did not wait for them (wait: false).`;
    case 'already-current':
      return `Nothing was written: the DaemonSet is already at ${result.target ? revisionText(result.target) : 'that revision'}.`;
    case 'dry-run': {
      const { old, target } = result;
      return `The rollback would go from revision ${old?.number ?? '?'} to revision ${target?.number ?? '?'} (${target?.name ?? '?'}). Nothing was written. ${facts.validated ? 'The API server would accept it.' : 'The API server could not check it.'}${facts.holds ? ' It would also hold the DaemonSet.' : ''}`;
    }
    case 'dry-run-of-resumed':
      return `This run rolled back already (at ${facts.time}): nothing would be written.`;
    case 'write-unknown': {
      const { namespace, name } = result.daemonSet;
      return `It is not known whether the rollback was written (${facts.why}). To check: kubectl rollout history ${shellQuote(`daemonset/${name}`)} -n ${shellQuote(namespace)}`;
    }
    case 'write-undone':
      return 'The API server accepted the rollback and stored the template unchanged: an admission webhook or another controller undid the change. The DaemonSet is as it was before.';
    case 'rolled-out':
      return rolledOutText(result);
    case 'unfinished-rollout':
      return unfinishedText(facts, result);
    case 'no-nodes':
      return noNodesText(facts, result);
    case 'not-observed':
      return 'The DaemonSet controller has not observed the latest change within 30 s, so the history may be out of date. Is kube-controller-manager running?';
    case 'not-recorded':
      return NOT_RECORDED;
    case 'being-deleted':
      return 'The DaemonSet is being deleted.';
    case 'nothing-previous':
      return nothingPreviousText(facts, result);
    case 'nothing-known-good':
      return nothingKnownGoodText(facts, result);
    case 'revision-not-found':
      return notFoundText(facts, result);
    case 'ambiguous-revision':
      return ambiguousText(facts);
    case 'unexpected-revision':
      return unexpectedText(facts);
    case 'already-rolled-back':
      return alreadyRolledBackText(facts);
    case 'newer-change':
      return newerChangeText(facts);
    case 'rolled-back-by-run':
      return rolledBackByRunText(facts);
    case 'only-checksum':
      return onlyChecksumText(facts);
    case 'would-not-start':
      return wouldNotStartText(facts);
    case 'another-refused':
      return anotherRefusedText(facts);
    case 'recorded':
      return result.old ? recordedText(result.old) : 'If this job fails, what runs now is restored.';
    case 'absent':
      return absentText(facts);
    case 'record-lost':
      return recordLostText(facts);
    case 'record-not-saved':
      return recordNotSavedText(facts);
    case 'left-after-cancel':
      return leftAfterCancelText(result);
    case 'recreated':
      return GUARDED_RECREATED;
    case 'not-deployed':
      return NOT_DEPLOYED;
    case 'chosen-by-job':
      return chosenByJobText(facts);
    case 'seen-complete':
      return seenCompleteText(facts);
    case 'not-changed':
    case 'only-restarted':
      return notChangedText(facts);
    case 'ambiguous-change':
      return ambiguousChangeText(facts);
    case 'deleted-since':
      return deletedSinceText(facts);
    case 'still-absent':
      return STILL_ABSENT;
    case 'created-by-job':
      return createdByJobText(result);
    case 'held':
      return heldRefusalText(facts.hold);
    case 'hold-rejected':
      return holdRejectedText(facts.why);
    case 'released':
      return releasedText(facts.hold);
    case 'dry-run-of-release':
      return dryRunOfReleaseText(facts.hold);
    case 'not-held':
      return NOTHING_HELD;
    case 'release-unknown':
      return releaseUnknownText(facts.why);
    case 'listed':
      return listedText(result);
    case 'invalid-input':
      return facts.mistakes.join(' ');
    case 'interrupted':
      return `${facts.by === 'cancelled' ? 'Cancelled.' : 'The time is up.'} ${written(facts.written)}`;
    case 'declined':
      return 'The change was not confirmed. Nothing was written.';
    case 'cluster-error':
      return facts.written ? `${facts.message} ${written(true)}` : facts.message;
    case 'bug':
      return `This is a bug, please report it: ${facts.detail}. ${written(facts.written)}`;
  }
}

function written(written: boolean): string {
  return written ? 'The rollback was written and continues in the cluster.' : 'Nothing was written.';
}

function listedText({ history, old }: Result): string {
  const count = history?.before.length ?? 0;
  const current = old ? `revision ${old.number} is current` : 'the current version is not among them';
  return `${count} ${count === 1 ? 'revision' : 'revisions'}; ${current}.`;
}
