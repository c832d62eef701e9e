import type { Refusal } from './outcome.ts';
import type { History, Revision } from './revision.ts';
import { sameButForRestart } from './template.ts';

/** A revision by what it is called. */
export type NamedRevision =
  | { kind: 'number'; number: number }
  /** A ControllerRevision's name or its hash. */
  | { kind: 'name'; name: string };

/** What `to-revision` asks for. */
export type AskedRevision = { kind: 'previous' } | NamedRevision;

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
  { kind: 'candidates'; candidates: Revision[]; passedOver: Revision[] } | { kind: 'refused'; refusal: Refusal };

/**
 * Which revisions are meant.
 *
 * `previous` is the newest version other than the current one, by meaning: `kubectl rollout undo` takes the
 * second highest number, which may be the same template in other bytes, or differ only in the time of a
 * `kubectl rollout restart`. Such revisions are passed over.
 */
export function chooseTarget(history: History, asked: AskedRevision): Target {
  return asked.kind === 'previous' ? choosePrevious(history) : chooseNamed(history, asked);
}

function choosePrevious({ revisions, current }: History): Target {
  const others = revisions.filter(({ name }) => name !== current?.name);
  const candidates = others.filter(({ template }) => !current || !sameButForRestart(template, current.template));
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
