/** Sentences of the command `guard`. */
import type { Facts, RecordProblem, Result } from '../../daemonset/result.ts';
import type { Revision } from '../../daemonset/revision.ts';
import { askedText, revisionText } from './revisions.ts';
import { shellQuote } from './shell.ts';

export function recordLostText({ why }: Extract<Facts, { kind: 'record-lost' }>): string {
  return `${WHY_LOST[why]} Nothing was written. Check what runs now.`;
}

const WHY_LOST: Readonly<Record<RecordProblem, string>> = {
  gone: 'What the guard recorded before the deploy is gone: its file was deleted.',
  changed: 'What the guard recorded before the deploy was changed since, so it is not used.',
  'not-ours':
    'This step does not name a record that a guard can have written and that only its user can read, so it is not used. In a workflow: did another step set STATE_guard?',
  'other-job': 'The record that this step names is from another job, run or attempt, so it is not used.',
  'other-cluster':
    'What the guard recorded is about another cluster than the one that the kubeconfig selects now (server or context), so it is not used. Keep the kubeconfig unchanged until the end of the job.',
};

export function recordNotSavedText({ why }: Extract<Facts, { kind: 'record-not-saved' }>): string {
  return `Could not save what the guard recorded (${why}), so it could not restore anything if the job fails. Can this step write to the file, or in a workflow to RUNNER_TEMP and GITHUB_STATE? In a container job, check the user of the container.`;
}

export const GUARDED_RECREATED =
  'The DaemonSet was deleted and recreated since the guard recorded it. The new one has its own history and was not touched.';

export const STILL_ABSENT = 'There was no DaemonSet before the job, and there is none now.';

export function recordedText(current: Revision): string {
  return `If this job fails, ${revisionText(current)} is restored: ${current.images.join(', ')}.`;
}

export function absentText({ message }: Extract<Facts, { kind: 'absent' }>): string {
  return `${message} If this job creates it and then fails, there is no version to restore.`;
}

export function leftAfterCancelText({ recorded }: Result): string {
  const left = 'The job was cancelled and rollback-on-cancel is not set, so the DaemonSet was not checked and nothing was written.';
  return recorded ? left : `${left} There was no DaemonSet before the job.`;
}

/** How to restore what the guard recorded, after it could not. */
export function restoreByHandText({ daemonSet: { namespace, name }, recorded }: Result): string {
  if (!recorded) return '';
  return `The guard recorded ${revisionText(recorded)}. To restore it, roll back with to-revision: ${recorded.name}, or: kubectl rollout undo ${shellQuote(`daemonset/${name}`)} -n ${shellQuote(namespace)} --to-revision=${recorded.number}`;
}

export const NOT_DEPLOYED =
  'Nothing was written: this job did not deploy. Its deploy step was skipped or did not run (deploy-outcome or expected-revision), so any change of the DaemonSet is from someone else.';

export function notChangedText({ kind, recorded, fields }: Extract<Facts, { kind: 'not-changed' | 'only-restarted' }>): string {
  const what =
    kind === 'not-changed'
      ? `Nothing was written: the DaemonSet still has the template that the guard recorded, ${revisionText(recorded)}.`
      : `Nothing was written: since the guard recorded ${revisionText(recorded)}, the pods were only restarted.`;
  return fields.length === 0 ? what : `${what} Other fields of the spec changed since and stay unchanged: ${fields.join(', ')}.`;
}

export function seenCompleteText({ current }: Extract<Facts, { kind: 'seen-complete' }>): string {
  return `Nothing was written: a gate of this job saw ${revisionText(current)} running on every node, so something else failed afterwards. To restore what the guard recorded in this case too, set expected-revision or rollback-if-ambiguous.`;
}

export function chosenByJobText({ current }: Extract<Facts, { kind: 'chosen-by-job' }>): string {
  return `Nothing was written: a step of this job rolled back to ${revisionText(current)}, and the guard does not undo that. To restore what the guard recorded in this case too, set rollback-if-ambiguous.`;
}

/** That the ledger of the job could not be written, and what that means. */
export function ledgerText(why: string): string {
  return `Could not write the ledger of this job in its folder, such as RUNNER_TEMP (${why}), so a guard cannot distinguish the rollbacks of this job from the changes of others.`;
}

export function ambiguousChangeText(facts: Extract<Facts, { kind: 'ambiguous-change' }>): string {
  const { changes, expected, isLater, current } = facts;
  const times =
    changes === undefined
      ? 'It is not known how many times the template changed since the guard recorded it.'
      : `The template changed ${changes} times since the guard recorded it, restarts and rollbacks of this job aside.`;
  const why =
    expected !== undefined
      ? `The current revision is not ${askedText(expected)}, which expected-revision says this job deployed.`
      : isLater
        ? 'The template changed after the last time that a gate or a guard of this job checked it.'
        : times;
  return [
    `Nothing was written, because it is not certain that this job made the last change. ${why}`,
    `The current one is ${revisionText(current)}.`,
    expected === undefined && !isLater
      ? 'To be certain next time, set deploy-outcome to the outcome of the deploy step.'
      : 'To be certain next time, set expected-revision to the output controller-revision of a step after the deploy.',
  ].join(' ');
}

export function deletedSinceText({ recorded }: Extract<Facts, { kind: 'deleted-since' }>): string {
  return `The DaemonSet was deleted since the guard recorded ${revisionText(recorded)}. Nothing was written.`;
}

export function createdByJobText({ daemonSet: { namespace, name } }: Result): string {
  return `The DaemonSet did not exist before this job, so there is no version to restore. It was not deleted; to delete it: kubectl delete ${shellQuote(`daemonset/${name}`)} -n ${shellQuote(namespace)}`;
}
