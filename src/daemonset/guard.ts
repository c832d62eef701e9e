import type { Outcome, Reason } from './outcome.ts';
import type { Intent } from './plan.ts';
import { TEMPLATE_GENERATION } from './pods.ts';
import { CHANGE_CAUSE, type History, type Revision } from './revision.ts';
import { inWords, isCalled, type NamedRevision } from './target.ts';
import { digest, sameButForRestart } from './template.ts';
import type { DaemonSet, DaemonSetName } from './types.ts';

/** What a guard keeps of a DaemonSet before a deploy. */
export type Recorded =
  | {
      kind: 'recorded';
      daemonSet: DaemonSetName;
      uid: string;
      /** How often the template was changed so far; undefined where the server does not count. */
      templateGeneration: number | undefined;
      /** What was current. Its template and change-cause are those of the DaemonSet itself, so that nothing is lost with the ControllerRevision. */
      revision: Revision;
    }
  /** It did not exist. */
  | { kind: 'absent'; daemonSet: DaemonSetName };

type Present = Extract<Recorded, { kind: 'recorded' }>;

export function recordOf(daemonSet: DaemonSet, current: Revision): Present {
  const { namespace, name, uid, annotations } = daemonSet.metadata;
  const { template } = daemonSet.spec;
  return {
    kind: 'recorded',
    daemonSet: { namespace, name },
    uid,
    templateGeneration: templateGenerationOf(daemonSet),
    revision: { ...current, template, digest: digest(template), changeCause: annotations?.[CHANGE_CAUSE] },
  };
}

/** The DaemonSet's count of template changes; other changes of its spec are not among them (DaemonSet strategy: PrepareForUpdate). */
function templateGenerationOf({ metadata }: DaemonSet): number | undefined {
  const text = metadata.annotations?.[TEMPLATE_GENERATION] ?? '';
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

export interface GuardTerms {
  /** The revision that the job deployed, where it says so. */
  expected: NamedRevision | undefined;
  /** Restore also when it is not certain that the job made the change. */
  ifAmbiguous: boolean;
}

/**
 * Whether to put back what was recorded, from the settled DaemonSet after the job has failed.
 *
 * The change is the job's when the template was changed exactly once since it was recorded, or when the job has said which revision it
 * deployed, and that is current. Whatever else happened, somebody else may rely on it.
 */
export function returnTo(daemonSet: DaemonSet, history: History, recorded: Present, { expected, ifAmbiguous }: GuardTerms): Intent {
  const { current } = history;
  const { revision } = recorded;
  const was = `revision ${revision.number} (${revision.name})`;
  if (daemonSet.metadata.uid !== recorded.uid) {
    return refused(
      'recreated',
      'The DaemonSet was deleted and created anew since the guard recorded it. The new one has a history of its own, and was not touched.',
    );
  }
  if (daemonSet.metadata.deletionTimestamp) return refused('being-deleted', 'The DaemonSet is being deleted.');
  const { template } = daemonSet.spec;
  if (digest(template) === revision.digest) {
    return left('unchanged', 'not-changed', `Nothing was written: the DaemonSet has the template that the guard recorded, ${was}.`);
  }
  if (sameButForRestart(template, revision.template)) {
    return left('unchanged', 'not-changed', `Nothing was written: the pods were only restarted since the guard recorded ${was}.`);
  }
  if (!current) {
    return refused('not-observed', 'No ControllerRevision holds the current template yet: the DaemonSet controller has not recorded it.');
  }
  const changes = changesSince(daemonSet, recorded);
  const isOurs = changes === 1 || (expected !== undefined && isCalled(current, expected));
  if (!isOurs && !ifAmbiguous) return left('superseded', 'ambiguous-change', doubt(changes, current, expected, was));
  const stored = history.revisions.filter(({ digest }) => digest === revision.digest);
  const { number, name, hash } = stored.find(({ name }) => name === revision.name) ?? stored[0] ?? revision;
  return { kind: 'candidates', from: current, candidates: [{ ...revision, number, name, hash }], passedOver: [] };
}

/** How often the template was changed since, where that is known. */
function changesSince(daemonSet: DaemonSet, { templateGeneration: before }: Present): number | undefined {
  const now = templateGenerationOf(daemonSet);
  return before === undefined || now === undefined ? undefined : now - before;
}

function doubt(changes: number | undefined, current: Revision, expected: NamedRevision | undefined, was: string): string {
  const times =
    changes === undefined
      ? 'How often it was changed since is not known'
      : `The template was changed ${changes} times since it was recorded`;
  const not =
    expected === undefined ? '' : `, and what is current is not ${inWords(expected)}, which expected-revision says this job deployed`;
  return [
    `Nothing was written, because it is not certain that this job made the last change. ${times}${not}.`,
    `Revision ${current.number} (${current.name}) is current; recorded was ${was}.`,
    'If that should come back, roll back to it by its name. To be certain the next time, hand over expected-revision from a history step after the deploy.',
  ].join(' ');
}

function left(outcome: Outcome, reason: Reason, message: string): Intent {
  return { kind: 'ended', end: { outcome, reason, message } };
}

function refused(reason: Reason, message: string): Intent {
  return { kind: 'refused', refusal: { reason, message } };
}
