import type { Facts, Result } from '../../daemonset/result.ts';
import { askedText, existingText, revisionText } from './revisions.ts';

export const NOT_RECORDED =
  'No ControllerRevision has the current template yet: the DaemonSet controller has not recorded it. Is kube-controller-manager running? Try again once it has recorded the template.';

export function nothingPreviousText({ why }: Extract<Facts, { kind: 'nothing-previous' }>, { history }: Result): string {
  const nothing = 'There is no previous version to roll back to:';
  switch (why) {
    case 'only-revision':
      return `${nothing} the history has no other revision. ${existingText(history?.before)}`;
    case 'same-version':
      return `${nothing} every other revision is the same version (equal, or changed only by "kubectl rollout restart"). ${existingText(history?.before)}`;
    case 'rolled-back':
      return `${nothing} every other version was rolled back before and was not deployed again. To restore one all the same, set to-revision to its name. ${existingText(history?.before)}`;
    case 'same-to-server':
      return `${nothing} to the API server, every other revision means the same as the current one.`;
  }
}

export function nothingKnownGoodText({ why }: Extract<Facts, { kind: 'nothing-known-good' }>, { history }: Result): string {
  if (why === 'same-to-server') return 'To the API server, every known-good version means the same as the current one.';
  const pods = why === 'none-ready' ? 'none has a Ready pod' : 'this account is not allowed to list pods, so Ready pods cannot be counted';
  return `There is no known-good version other than the current one: none has the good mark, and ${pods}. Set to-revision to the revision that you need. ${existingText(history?.before)}`;
}

export function notFoundText({ asked }: Extract<Facts, { kind: 'revision-not-found' }>, { history }: Result): string {
  return `There is no ${askedText(asked)} in the history. ${existingText(history?.before)}`;
}

export function ambiguousText({ asked, names }: Extract<Facts, { kind: 'ambiguous-revision' }>): string {
  return `${names.length} revisions match ${askedText(asked)}: ${names.join(', ')}. Set to-revision to one of these names.`;
}

export function unexpectedText({ expected, current }: Extract<Facts, { kind: 'unexpected-revision' }>): string {
  if (!current)
    return `No ControllerRevision has the DaemonSet's template, so the DaemonSet is not at ${askedText(expected)}, which expected-revision requires.`;
  return `The DaemonSet is at ${revisionText(current)}, not at ${askedText(expected)}, which expected-revision requires. Someone deployed or rolled back in between. Check what runs now before you continue.`;
}

export function alreadyRolledBackText(facts: Extract<Facts, { kind: 'already-rolled-back' }>): string {
  const { asked, time, run, repository, current, restored, left, older } = facts;
  const by = run === undefined ? '' : ` by run ${run}${repository === undefined ? '' : ` of ${repository}`}`;
  return [
    `The DaemonSet was rolled back already${by} at ${time}: ${revisionText(current)} restored what was revision ${restored} then, and it is still current.`,
    left && asked.kind === 'previous' ? `Its "previous" version is ${revisionText(left)}, the one that was left.` : '',
    older
      ? `To go back further, set to-revision to a name: ${older.name} is revision ${older.number}.`
      : 'If you need another revision, set to-revision to its name.',
  ]
    .filter(Boolean)
    .join(' ');
}

/** A rollback of several DaemonSets writes all or nothing, as far as that can be known before the first write. */
export function anotherRefusedText({ others }: Extract<Facts, { kind: 'another-refused' }>): string {
  const names = others.map(({ name, reason }) => `${name.namespace}/${name.name} (${reason})`).join(', ');
  return `Nothing was written, because another of these DaemonSets cannot be rolled back: ${names}.`;
}

export function newerChangeText({ time, left, current }: Extract<Facts, { kind: 'newer-change' }>): string {
  return `Nothing was written: this run rolled back revision ${left} at ${time}, and another version was deployed since, ${revisionText(current)}. The newer change takes precedence. If this run deployed it, set expected-revision to ${current.name}.`;
}

export function rolledBackByRunText({ time, by, left, current }: Extract<Facts, { kind: 'rolled-back-by-run' }>): string {
  const now = current ? `, ${revisionText(current)}` : '';
  return `The ${by} of this run rolled back what the run deployed, revision ${left.revision} (${left.name}), at ${time}. The DaemonSet still runs the restored version${now}, so this is not a success. Re-run the job that deploys, or set expected-revision to ${current?.name ?? 'the restored revision'} to check that version.`;
}

export function onlyChecksumText({ asked, candidate, older }: Extract<Facts, { kind: 'only-checksum' }>): string {
  return [
    `Nothing was written: the ${asked.kind === 'previous' ? 'previous' : 'last good'} version, ${revisionText(candidate)}, differs from the current one only in the checksum of a ConfigMap or Secret. Their content is not part of a revision.`,
    `To restart the pods with the present content and that checksum, set to-revision to ${candidate.name}.`,
    older ? `To go back to an older version, set it to ${older.name}, which is revision ${older.number}.` : 'No older version exists.',
    'To restore the content, deploy it again.',
  ].join(' ');
}
