import { type AskedRevision, isCalled, isRelative, type NamedRevision } from './asked-revision.ts';
import { type Candidate, knownGood } from './last-good.ts';
import type { Reason } from './outcome.ts';
import type { PodCounts } from './pods.ts';
import { type Conclusion, type Facts, refuse } from './result.ts';
import { type History, isSameVersion, type Revision } from './revision.ts';

export type Target =
  /** Try them in this order: the first one that changes the DaemonSet is restored. */
  { kind: 'candidates'; candidates: Candidate[]; passedOver: Revision[] } | { kind: 'refused'; refusal: Conclusion };

/**
 * The revisions that `asked` means.
 *
 * `previous` is the newest version other than the current one, by meaning: `kubectl rollout undo` takes the second highest number, which
 * may be the same template in another serialization, or differ only in the time of a `kubectl rollout restart`. Such revisions are passed over.
 *
 * `last-good` is the newest version with a good mark other than the current one; if there is none, the one with the most Ready pods; if the
 * current one has replaced all pods, the one before it.
 *
 * @param pods for `last-good`; undefined if they are not needed, or if this account is not allowed to list them.
 */
export function chooseTarget(history: History, asked: AskedRevision, pods?: PodCounts): Target {
  if (!isRelative(asked)) return chooseNamed(history, asked);
  return asked.kind === 'previous' ? choosePrevious(history) : chooseLastGood(history, pods);
}

function choosePrevious({ revisions, current }: History): Target {
  const others = revisions.filter(({ name }) => name !== current?.name);
  const candidates = others.filter((revision) => !current || !isSameVersion(revision, current));
  if (candidates.length === 0) {
    return refused('no-previous-revision', { kind: 'nothing-previous', why: others.length === 0 ? 'only-revision' : 'same-version' });
  }
  const passedOver = others.filter((revision) => !candidates.includes(revision) && revision.number > (candidates[0]?.number ?? 0));
  return { kind: 'candidates', candidates, passedOver };
}

function chooseLastGood(history: History, pods: PodCounts | undefined): Target {
  const candidates = knownGood(history, pods);
  if (candidates.length > 0) return { kind: 'candidates', candidates, passedOver: [] };
  return refused('no-known-good', { kind: 'nothing-known-good', why: pods ? 'none-ready' : 'pods-unknown' });
}

function chooseNamed({ revisions }: History, asked: NamedRevision): Target {
  const matches = revisions.filter((revision) => isCalled(revision, asked));
  if (matches.length === 0) return refused('revision-not-found', { kind: 'revision-not-found', asked });
  if (matches.length > 1) {
    return refused('ambiguous-revision', { kind: 'ambiguous-revision', asked, names: matches.map(({ name }) => name) });
  }
  return { kind: 'candidates', candidates: matches, passedOver: [] };
}

function refused(reason: Reason, facts: Facts): Target {
  return { kind: 'refused', refusal: refuse(reason, facts) };
}
