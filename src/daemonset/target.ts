import { type Candidate, knownGood } from './last-good.ts';
import type { PodCounts, Refusal } from './outcome.ts';
import { type History, isSameVersion, type Revision } from './revision.ts';

/** A revision by what it is called. */
export type NamedRevision =
  | { kind: 'number'; number: number }
  /** A ControllerRevision's name or its hash. */
  | { kind: 'name'; name: string };

/** A revision by how it stands to the current one. */
export interface RelativeRevision {
  kind: 'previous' | 'last-good';
}

/** What `to-revision` asks for. */
export type AskedRevision = RelativeRevision | NamedRevision;

/** Whether what is asked for is another one after each rollback. */
export function isRelative(asked: AskedRevision): asked is RelativeRevision {
  return asked.kind === 'previous' || asked.kind === 'last-good';
}

/** Whether a revision is called so. */
export function isCalled({ number, name, hash }: Pick<Revision, 'number' | 'name' | 'hash'>, asked: NamedRevision): boolean {
  return asked.kind === 'number' ? number === asked.number : name === asked.name || (hash !== '' && hash === asked.name);
}

/** A revision as people call it: `revision 3`, `ControllerRevision "agent-5fb484bc78"`. */
export function inWords(asked: NamedRevision): string {
  return asked.kind === 'number' ? `revision ${asked.number}` : `ControllerRevision "${asked.name}"`;
}

export type Target =
  /** Try them in this order: the first that changes the DaemonSet is the one. */
  { kind: 'candidates'; candidates: Candidate[]; passedOver: Revision[] } | { kind: 'refused'; refusal: Refusal };

/**
 * Which revisions are meant.
 *
 * `previous` is the newest version other than the current one, by meaning: `kubectl rollout undo` takes the
 * second highest number, which may be the same template in other bytes, or differ only in the time of a
 * `kubectl rollout restart`. Such revisions are passed over.
 *
 * `last-good` is the newest marked version other than the current one; where none is marked, the one that has most Ready pods.
 *
 * @param pods for `last-good`; undefined where they were not needed, or may not be looked at.
 */
export function chooseTarget(history: History, asked: AskedRevision, pods?: PodCounts): Target {
  if (!isRelative(asked)) return chooseNamed(history, asked);
  return asked.kind === 'previous' ? choosePrevious(history) : chooseLastGood(history, pods);
}

function choosePrevious({ revisions, current }: History): Target {
  const others = revisions.filter(({ name }) => name !== current?.name);
  const candidates = others.filter((revision) => !current || !isSameVersion(revision, current));
  if (candidates.length === 0) {
    const why =
      others.length === 0
        ? 'its history holds no other revision'
        : 'every other revision in its history is the same version (equal, or changed only by "kubectl rollout restart")';
    return refused('no-previous-revision', `There is nothing to go back to: ${why}. ${listed(revisions)}`);
  }
  const passedOver = others.filter((revision) => !candidates.includes(revision) && revision.number > (candidates[0]?.number ?? 0));
  return { kind: 'candidates', candidates, passedOver };
}

function chooseLastGood(history: History, pods: PodCounts | undefined): Target {
  const candidates = knownGood(history, pods);
  if (candidates.length > 0) return { kind: 'candidates', candidates, passedOver: [] };
  const running = pods ? 'has a Ready pod' : 'is known to have Ready pods, since the pods may not be looked at';
  return refused(
    'no-known-good',
    `No version other than the current one is known to be good: none is marked, and none ${running}. Set to-revision to the one that is meant. ${listed(history.revisions)}`,
  );
}

function chooseNamed({ revisions }: History, asked: NamedRevision): Target {
  const wanted = inWords(asked);
  const matches = revisions.filter((revision) => isCalled(revision, asked));
  if (matches.length === 0) {
    return refused('revision-not-found', `There is no ${wanted} in the history. ${listed(revisions)}`);
  }
  if (matches.length > 1) {
    const names = matches.map(({ name }) => name).join(', ');
    return refused(
      'ambiguous-revision',
      `There are ${matches.length} revisions that match ${wanted}: ${names}. Set to-revision to one of these names.`,
    );
  }
  return { kind: 'candidates', candidates: matches, passedOver: [] };
}

function refused(reason: Refusal['reason'], message: string): Target {
  return { kind: 'refused', refusal: { reason, message } };
}

/** The revisions that exist, in one sentence. */
function listed(revisions: Revision[]): string {
  if (revisions.length === 0) return 'No revisions exist.';
  const most = 20;
  const shown = revisions
    .slice(0, most)
    .map(({ number, name, changeCause }) => `${number} (${name}${changeCause ? `: ${changeCause}` : ''})`);
  const rest = revisions.length > most ? `, and ${revisions.length - most} older` : '';
  return `Revisions that exist: ${shown.join(', ')}${rest}.`;
}
