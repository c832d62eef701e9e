import { diffTemplates, type TemplateChange } from './diff.ts';
import { isOurs, type Mark, type Run, readMark, stands } from './mark.ts';
import type { Refusal } from './outcome.ts';
import type { History, Revision } from './revision.ts';
import { type AskedRevision, chooseTarget, inWords, isCalled, type NamedRevision } from './target.ts';
import { sameTemplate } from './template.ts';
import type { DaemonSet, PodTemplate } from './types.ts';

/** What is to be tried, before the server was asked. */
export type Intent =
  | { kind: 'candidates'; from: Revision; candidates: Revision[]; passedOver: Revision[] }
  /** This run has restored already: wait for it again, write nothing. */
  | { kind: 'resume'; at: Revision; mark: Mark }
  | { kind: 'refused'; refusal: Refusal };

/** What is to happen to one DaemonSet, decided before anything is written. */
export type Plan =
  | {
      kind: 'restore';
      from: Revision;
      target: Revision;
      passedOver: Revision[];
      merged: PodTemplate;
      validated: boolean;
      changes: TemplateChange[];
    }
  | { kind: 'unchanged'; at: Revision }
  | { kind: 'resume'; at: Revision; mark: Mark }
  | { kind: 'refused'; refusal: Refusal };

/**
 * From a settled DaemonSet and its history to what should be tried.
 *
 * While the template that a rollback restored still stands, a relative target never writes: "previous" would be the very
 * version that was left. The same run (a re-run of a failed job) resumes; any other is refused. A named revision is always honoured.
 *
 * @param expected what has to be current, else it is refused. A re-run of the same run expects what its first attempt has left.
 */
export function intend(
  daemonSet: DaemonSet,
  history: History,
  asked: AskedRevision,
  run: Run | undefined,
  expected?: NamedRevision,
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
  const mark = readMark(daemonSet);
  const standing = mark && stands(mark, daemonSet) ? mark : undefined;
  const ours = standing && isOurs(standing, run) ? standing : undefined;
  if (expected && !isCalled(current, expected) && !(ours && wasLeft(ours, history, expected))) {
    return refused('unexpected-revision', unexpected(expected, current));
  }
  if (asked.kind === 'previous' && standing) {
    return ours
      ? { kind: 'resume', at: current, mark: ours }
      : refused('already-rolled-back', alreadyRolledBack(standing, current, history));
  }
  const target = chooseTarget(history, asked);
  return target.kind === 'refused' ? target : { ...target, from: current };
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

function alreadyRolledBack(mark: Mark, current: Revision, history: History): string {
  const by = mark.run ? ` by run ${mark.run}${mark.repository ? ` of ${mark.repository}` : ''}` : '';
  const older = chooseTarget(history, { kind: 'previous' });
  const others = older.kind === 'candidates' ? older.candidates.filter((revision) => revision.digest !== mark.left.digest) : [];
  const left = history.revisions.find((revision) => revision.digest === mark.left.digest);
  return [
    `It was rolled back already${by} at ${mark.time}: revision ${current.number} (${current.name}) restored what was revision ${mark.restored.revision} then, and still stands.`,
    left ? `Its "previous" is revision ${left.number} (${left.name}), the one that was left.` : '',
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
  candidate: Revision,
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

function refused(reason: Refusal['reason'], message: string): { kind: 'refused'; refusal: Refusal } {
  return { kind: 'refused', refusal: { reason, message } };
}
