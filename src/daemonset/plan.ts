import { diffTemplates, type TemplateChange } from './diff.ts';
import { type Candidate, knownGood } from './last-good.ts';
import { isOurs, type Mark, type Run, readMark, stands } from './mark.ts';
import type { End, PodCounts, Refusal } from './outcome.ts';
import type { History, Revision } from './revision.ts';
import { type AskedRevision, chooseTarget, inWords, isCalled, isRelative, type NamedRevision, type RelativeRevision } from './target.ts';
import { sameTemplate } from './template.ts';
import type { DaemonSet, PodTemplate } from './types.ts';

/** What is to be tried, before the server was asked. */
export type Intent =
  | { kind: 'candidates'; from: Revision; candidates: Candidate[]; passedOver: Revision[] }
  /** This run has restored already: wait for it again, write nothing. */
  | { kind: 'resume'; at: Revision; mark: Mark }
  | { kind: 'refused'; refusal: Refusal }
  /** It is left as it is, which is no refusal. */
  | { kind: 'ended'; end: End };

/** What is to happen to one DaemonSet, decided before anything is written. */
export type Plan =
  | {
      kind: 'restore';
      from: Revision;
      target: Candidate;
      passedOver: Revision[];
      merged: PodTemplate;
      validated: boolean;
      changes: TemplateChange[];
    }
  | { kind: 'unchanged'; at: Revision }
  | { kind: 'resume'; at: Revision; mark: Mark }
  | { kind: 'refused'; refusal: Refusal }
  | { kind: 'ended'; end: End };

/**
 * From a settled DaemonSet and its history to what should be tried.
 *
 * While the template that a rollback restored still stands, a relative target never writes: "previous" would be the very
 * version that was left. The same run (a re-run of a failed job) resumes; any other is refused. A named revision is always honoured.
 *
 * @param expected what has to be current, else it is refused. A re-run of the same run expects what its first attempt has left.
 * @param pods where `needsPods` says so, as far as they may be looked at.
 */
export function intend(
  daemonSet: DaemonSet,
  history: History,
  asked: AskedRevision,
  run: Run | undefined,
  expected?: NamedRevision,
  pods?: PodCounts,
): Intent {
  const { current } = history;
  if (daemonSet.metadata.deletionTimestamp) {
    return refused('being-deleted', 'The DaemonSet is being deleted.');
  }
  if (!current) {
    return refused(
      'not-observed',
      'No ControllerRevision holds the current template yet: the DaemonSet controller has not recorded it. Is kube-controller-manager running? Try again, or name the revision with to-revision once it has.',
    );
  }
  const standing = standingMark(daemonSet);
  const ours = standing && isOurs(standing, run) ? standing : undefined;
  if (expected && !isCalled(current, expected) && !(ours && wasLeft(ours, history, expected))) {
    return refused('unexpected-revision', unexpected(expected, current));
  }
  if (isRelative(asked) && standing) {
    return ours
      ? { kind: 'resume', at: current, mark: ours }
      : refused('already-rolled-back', alreadyRolledBack(asked, standing, current, history));
  }
  const target = chooseTarget(history, asked, pods);
  return target.kind === 'refused' ? target : { ...target, from: current };
}

/** Whether only the pods tell which version is meant: `last-good` is asked for, and no version is marked. */
export function needsPods(daemonSet: DaemonSet, history: History, asked: AskedRevision): boolean {
  return asked.kind === 'last-good' && !standingMark(daemonSet) && knownGood(history).length === 0;
}

/** The mark of a rollback whose template is still the DaemonSet's. */
function standingMark(daemonSet: DaemonSet): Mark | undefined {
  const mark = readMark(daemonSet);
  return mark && stands(mark, daemonSet) ? mark : undefined;
}

function wasLeft({ left }: Mark, { revisions }: History, expected: NamedRevision): boolean {
  const hash = revisions.find(({ name }) => name === left.name)?.hash ?? '';
  return isCalled({ number: left.revision, name: left.name, hash }, expected);
}

/** Why a guard says no to what is current, or to what no ControllerRevision holds yet. */
export function unexpected(expected: NamedRevision, current: Revision | undefined): string {
  if (!current)
    return `No ControllerRevision holds the DaemonSet's template, so it is not at ${inWords(expected)}, which expected-revision asks for.`;
  return `The DaemonSet is at revision ${current.number} (${current.name}), and not at ${inWords(expected)}, which expected-revision asks for. Somebody deployed or rolled back in between: look at what runs now before you go on.`;
}

function alreadyRolledBack(asked: RelativeRevision, mark: Mark, current: Revision, history: History): string {
  const by = mark.run ? ` by run ${mark.run}${mark.repository ? ` of ${mark.repository}` : ''}` : '';
  const older = chooseTarget(history, { kind: 'previous' });
  const others = older.kind === 'candidates' ? older.candidates.filter((revision) => revision.digest !== mark.left.digest) : [];
  const left = history.revisions.find((revision) => revision.digest === mark.left.digest);
  return [
    `It was rolled back already${by} at ${mark.time}: revision ${current.number} (${current.name}) restored what was revision ${mark.restored.revision} then, and still stands.`,
    left && asked.kind === 'previous' ? `Its "previous" is revision ${left.number} (${left.name}), the one that was left.` : '',
    others[0]
      ? `To go back further, set to-revision to a name: ${others[0].name} is revision ${others[0].number}.`
      : 'If another revision is meant, set to-revision to its name.',
  ]
    .filter(Boolean)
    .join(' ');
}

/** Whether the plan can be made without asking the server: the candidate means what is there already. */
export function alreadyThere(daemonSet: DaemonSet, candidate: Revision): boolean {
  return sameTemplate(daemonSet.spec.template, candidate.template);
}

/** What the server said to the patch as a dry run; without an answer, what the patch would store as far as we know. */
export interface Preview {
  template: PodTemplate;
  /** The server accepted the patch, admission included. */
  validated: boolean;
  /** The DaemonSet's `generation` would move: the template means something else to the server. */
  changes: boolean;
}

/** The plan for a candidate that the server has seen, or undefined when it changes nothing and the next may be tried. */
export function planFor(
  daemonSet: DaemonSet,
  from: Revision,
  candidate: Candidate,
  passedOver: Revision[],
  preview: Preview,
): Plan | undefined {
  if (!preview.changes) return undefined;
  return {
    kind: 'restore',
    from,
    target: candidate,
    passedOver,
    merged: preview.template,
    validated: preview.validated,
    changes: diffTemplates(daemonSet.spec.template, preview.template),
  };
}

/** The plan where no candidate changes anything: what is named is there then, and of what is not, there is none. */
export function planWithout(asked: AskedRevision, at: Revision): Plan {
  if (!isRelative(asked)) return { kind: 'unchanged', at };
  return asked.kind === 'previous'
    ? refused(
        'no-previous-revision',
        'There is nothing to go back to: to the API server every other revision in the history means what runs now.',
      )
    : refused('no-known-good', 'To the API server every version that is known to be good means what runs now.');
}

function refused(reason: Refusal['reason'], message: string): { kind: 'refused'; refusal: Refusal } {
  return { kind: 'refused', refusal: { reason, message } };
}
