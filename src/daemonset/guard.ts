import { isCalled, type NamedRevision } from './asked-revision.ts';
import type { Outcome, Reason } from './outcome.ts';
import type { Intent } from './plan.ts';
import { templateGenerationOf } from './pods.ts';
import { type Facts, refuse } from './result.ts';
import { CHANGE_CAUSE, type History, type Revision } from './revision.ts';
import { digest, sameButForRestart } from './template.ts';
import type { DaemonSet, DaemonSetName } from './types.ts';

/** What a guard records of a DaemonSet before a deploy. */
export type Recorded =
  | {
      kind: 'recorded';
      daemonSet: DaemonSetName;
      uid: string;
      /** How many times the template was changed so far; undefined if the API server does not count. */
      templateGeneration: number | undefined;
      /** The current revision, with the template and change-cause of the DaemonSet itself: nothing is lost if the ControllerRevision is deleted. */
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

export interface GuardTerms {
  /** The revision that the job deployed, if the job says so. */
  expected: NamedRevision | undefined;
  /** Restore even if it is not certain that the job made the change. */
  ifAmbiguous: boolean;
}

/**
 * Whether to restore what was recorded, from the settled DaemonSet after the job has failed.
 *
 * The change is the job's if the template changed exactly once since it was recorded, or if the job names the revision that it deployed
 * and that revision is current. Anyone else's change stays, because someone may rely on it.
 */
export function returnTo(daemonSet: DaemonSet, history: History, recorded: Present, { expected, ifAmbiguous }: GuardTerms): Intent {
  const { current } = history;
  const { revision } = recorded;
  if (daemonSet.metadata.uid !== recorded.uid) {
    return refused('recreated', { kind: 'recreated' });
  }
  if (daemonSet.metadata.deletionTimestamp) return refused('being-deleted', { kind: 'being-deleted' });
  const { template } = daemonSet.spec;
  if (digest(template) === revision.digest) {
    return ended('unchanged', 'not-changed', { kind: 'not-changed', recorded: revision });
  }
  if (sameButForRestart(template, revision.template)) {
    return ended('unchanged', 'not-changed', { kind: 'only-restarted', recorded: revision });
  }
  if (!current) {
    return refused('not-observed', { kind: 'not-recorded' });
  }
  const changes = changesSince(daemonSet, recorded);
  const isOurs = changes === 1 || (expected !== undefined && isCalled(current, expected));
  if (!isOurs && !ifAmbiguous) {
    return ended('superseded', 'ambiguous-change', { kind: 'ambiguous-change', changes, expected, current });
  }
  const stored = history.revisions.filter(({ digest }) => digest === revision.digest);
  const { number, name, hash } = stored.find(({ name }) => name === revision.name) ?? stored[0] ?? revision;
  return { kind: 'candidates', from: current, candidates: [{ ...revision, number, name, hash }], notes: [] };
}

/** How many times the template changed since; undefined if that is unknown. */
function changesSince(daemonSet: DaemonSet, { templateGeneration: before }: Present): number | undefined {
  const now = templateGenerationOf(daemonSet);
  return before === undefined || now === undefined ? undefined : now - before;
}

function ended(outcome: Outcome, reason: Reason, facts: Facts): Intent {
  return { kind: 'ended', end: { outcome, reason, facts } };
}

function refused(reason: Reason, facts: Facts): Intent {
  return { kind: 'refused', refusal: refuse(reason, facts) };
}
