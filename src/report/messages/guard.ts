/** Sentences of the command `guard`. */
import type { Facts, RecordProblem, Result } from '../../daemonset/result.ts';
import type { Revision } from '../../daemonset/revision.ts';
import { askedText, revisionText } from './revisions.ts';
import { shellQuote } from './shell.ts';

export function recordLostText({ why }: Extract<Facts, { kind: 'record-lost' }>): string {
  return `${WHY_LOST[why]} Nothing was written. Check what runs now.`;
}

const WHY_LOST: Readonly<Record<RecordProblem, string>> = {
  gone: 'What the guard recorded before the deploy is gone: its file in RUNNER_TEMP was deleted.',
  changed: 'What the guard recorded before the deploy was changed since, so it is not used.',
  'not-ours':
    'The state of this step does not name a record that a guard can have written, so it is not used. Did another step set STATE_guard?',
  'other-job': 'The record that the state of this step names is from another job, run or attempt, so it is not used.',
  'other-cluster':
    'What the guard recorded is about another cluster than the one that the kubeconfig selects now (server or context), so it is not used. Keep the kubeconfig unchanged until the end of the job.',
};

export function recordNotSavedText({ why }: Extract<Facts, { kind: 'record-not-saved' }>): string {
  return `Could not save what the guard recorded (${why}), so it could not restore anything if the job fails. Can this step write to RUNNER_TEMP and GITHUB_STATE? In a container job, check the user of the container.`;
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

export function notChangedText({ kind, recorded }: Extract<Facts, { kind: 'not-changed' | 'only-restarted' }>): string {
  return kind === 'not-changed'
    ? `Nothing was written: the DaemonSet still has the template that the guard recorded, ${revisionText(recorded)}.`
    : `Nothing was written: since the guard recorded ${revisionText(recorded)}, the pods were only restarted.`;
}

export function ambiguousChangeText(facts: Extract<Facts, { kind: 'ambiguous-change' }>): string {
  const { changes, expected, current } = facts;
  const times =
    changes === undefined
      ? 'It is not known how many times the template changed since the guard recorded it'
      : `The template changed ${changes} times since the guard recorded it`;
  const not =
    expected === undefined
      ? ''
      : `, and the current revision is not ${askedText(expected)}, which expected-revision says this job deployed`;
  return [
    `Nothing was written, because it is not certain that this job made the last change. ${times}${not}.`,
    `The current one is ${revisionText(current)}.`,
    'To be certain next time, pass expected-revision from a history step after the deploy.',
  ].join(' ');
}

export function deletedSinceText({ recorded }: Extract<Facts, { kind: 'deleted-since' }>): string {
  return `The DaemonSet was deleted since the guard recorded ${revisionText(recorded)}. Nothing was written.`;
}

export function createdByJobText({ daemonSet: { namespace, name } }: Result): string {
  return `The DaemonSet did not exist before this job, so there is no version to restore. It was not deleted; to delete it: kubectl delete ${shellQuote(`daemonset/${name}`)} -n ${shellQuote(namespace)}`;
}
