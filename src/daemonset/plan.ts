import { type AskedRevision, isCalled, isRelative, type NamedRevision, type RelativeRevision } from './asked-revision.ts';
import { diffTemplates, type TemplateChange } from './diff.ts';
import { type Candidate, knownGood } from './last-good.ts';
import { isOurs, type Mark, type Run, readMark, stands } from './mark.ts';
import type { Reason } from './outcome.ts';
import type { PodCounts } from './pods.ts';
import { type Conclusion, type Facts, refuse } from './result.ts';
import type { History, Revision } from './revision.ts';
import { chooseTarget } from './target.ts';
import { sameTemplate } from './template.ts';
import type { DaemonSet, PodTemplate } from './types.ts';

/** What to try, before the API server is asked. */
export type Intent =
  | { kind: 'candidates'; from: Revision; candidates: Candidate[]; passedOver: Revision[] }
  /** This run has restored the version already: wait for it again, write nothing. */
  | { kind: 'resume'; at: Revision; mark: Mark }
  | { kind: 'refused'; refusal: Conclusion }
  /** The DaemonSet stays unchanged, and that is not a refusal. */
  | { kind: 'ended'; end: Conclusion };

/** What happens to one DaemonSet, decided before anything is written. */
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
  | { kind: 'refused'; refusal: Conclusion }
  | { kind: 'ended'; end: Conclusion };

/**
 * What to try, from a settled DaemonSet and its history.
 *
 * While the template that a rollback restored is still current, a relative target never writes: `previous` would be the very version that
 * was left. The same run (a re-run of a failed job) resumes; any other run is refused. A named revision is always restored.
 *
 * @param expected the revision that has to be current; otherwise the rollback is refused. A re-run expects what its first attempt has left.
 * @param pods if `needsPods` says so, and if this account is allowed to list them.
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
  if (daemonSet.metadata.deletionTimestamp) return refused('being-deleted', { kind: 'being-deleted' });
  if (!current) return refused('not-observed', { kind: 'not-recorded' });
  const standing = standingMark(daemonSet);
  const ours = standing && isOurs(standing, run) ? standing : undefined;
  if (expected && !isCalled(current, expected) && !(ours && wasLeft(ours, history, expected))) {
    return refused('unexpected-revision', { kind: 'unexpected-revision', expected, current });
  }
  if (isRelative(asked) && standing) {
    return ours
      ? { kind: 'resume', at: current, mark: ours }
      : refused('already-rolled-back', alreadyRolledBack(asked, standing, current, history));
  }
  const target = chooseTarget(history, asked, pods);
  return target.kind === 'refused' ? target : { ...target, from: current };
}

/** Whether only the pods show which version is meant: `last-good` is asked for, and no version has a good mark. */
export function needsPods(daemonSet: DaemonSet, history: History, asked: AskedRevision): boolean {
  return asked.kind === 'last-good' && !standingMark(daemonSet) && knownGood(history).length === 0;
}

/** The record of a rollback whose template is still the DaemonSet's. */
function standingMark(daemonSet: DaemonSet): Mark | undefined {
  const mark = readMark(daemonSet);
  return mark && stands(mark, daemonSet) ? mark : undefined;
}

function wasLeft({ left }: Mark, { revisions }: History, expected: NamedRevision): boolean {
  const hash = revisions.find(({ name }) => name === left.name)?.hash ?? '';
  return isCalled({ number: left.revision, name: left.name, hash }, expected);
}

function alreadyRolledBack(asked: RelativeRevision, mark: Mark, current: Revision, history: History): Facts {
  const previous = chooseTarget(history, { kind: 'previous' });
  const others = previous.kind === 'candidates' ? previous.candidates : [];
  return {
    kind: 'already-rolled-back',
    asked,
    time: mark.time,
    run: mark.run,
    repository: mark.repository,
    current,
    restored: mark.restored.revision,
    left: history.revisions.find(({ digest }) => digest === mark.left.digest),
    older: others.find(({ digest }) => digest !== mark.left.digest),
  };
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
}

/** The plan for a candidate that the API server has checked, or undefined if it changes nothing and the next one may be tried. */
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

/** The plan if no candidate changes anything: a named revision is current already, and a relative one does not exist. */
export function planWithout(asked: AskedRevision, at: Revision): Plan {
  if (!isRelative(asked)) return { kind: 'unchanged', at };
  return asked.kind === 'previous'
    ? refused('no-previous-revision', { kind: 'nothing-previous', why: 'same-to-server' })
    : refused('no-known-good', { kind: 'nothing-known-good', why: 'same-to-server' });
}

function refused(reason: Reason, facts: Facts): { kind: 'refused'; refusal: Conclusion } {
  return { kind: 'refused', refusal: refuse(reason, facts) };
}
