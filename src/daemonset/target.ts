import { type AskedRevision, isCalled, isRelative, type NamedRevision } from './asked-revision.ts';
import { type Candidate, knownGood } from './known-good.ts';
import type { Note } from './notes.ts';
import type { PodCounts } from './pods.ts';
import { type Conclusion, refused } from './result.ts';
import { type History, isSameVersion, type Revision } from './revision.ts';
import { type RollbackRecord, wasRolledBack } from './rollback-record.ts';
import { differInChecksums, sameTemplate } from './template.ts';

export type Target =
  /** Try them in this order: the first one that changes the DaemonSet is restored. */
  { kind: 'candidates'; candidates: Candidate[]; notes: Note[] } | { kind: 'refused'; refusal: Conclusion };

/** What a relative target is chosen by, besides the history. */
export interface Knowledge {
  /** For `last-good`; undefined if they are not needed, or if this account is not allowed to list them. */
  pods?: PodCounts | undefined;
  /** Of the last rollback. */
  record?: RollbackRecord | undefined;
}

/**
 * The revisions that `asked` means.
 *
 * `previous` is the newest version other than the current one: `kubectl rollout undo` takes the second highest number, which may be the same
 * template in another serialization, or differ only in the time of a `kubectl rollout restart`. Such revisions are passed over.
 *
 * `last-good` is the newest version with a good mark other than the current one; if there is none, the one with the most Ready pods; if the
 * current one has replaced all pods, the one before it.
 *
 * Neither is a version that an earlier rollback left, unless it was deployed again. If the version that is meant differs from the current one
 * only in a checksum, the difference is outside of the history, and both are refused.
 */
export function chooseTarget(history: History, asked: AskedRevision, { pods, record }: Knowledge = {}): Target {
  if (!isRelative(asked)) return chooseNamed(history, asked);
  const left = history.revisions.filter((revision) => wasRolledBack(record, revision, history));
  const rest = { ...history, revisions: history.revisions.filter((revision) => !left.includes(revision)) };
  const target = asked.kind === 'previous' ? choosePrevious(rest, left) : chooseLastGood(rest, pods);
  const [first, ...others] = target.kind === 'candidates' ? target.candidates : [];
  const { current } = history;
  if (target.kind === 'refused' || !first || !current) return target;
  if (differInChecksums(first.template, current.template)) {
    const older = others.find(({ template }) => !differInChecksums(template, current.template));
    return refused('only-checksum', { kind: 'only-checksum', asked, candidate: first, older });
  }
  const newer = left.filter(({ number }) => number > first.number).map(({ number }) => number);
  return newer.length === 0 ? target : { ...target, notes: [...target.notes, { kind: 'rolled-back-before', numbers: newer }] };
}

function choosePrevious({ revisions, current }: History, left: readonly Revision[]): Target {
  const others = revisions.filter(({ name }) => name !== current?.name);
  const candidates = others.filter((revision) => !current || !isSameVersion(revision, current));
  const [first] = candidates;
  if (!first) {
    const why = left.length > 0 ? 'rolled-back' : others.length === 0 ? 'only-revision' : 'same-version';
    return refused('no-previous-revision', { kind: 'nothing-previous', why });
  }
  const same = others.filter((revision) => !candidates.includes(revision) && revision.number > first.number);
  return { kind: 'candidates', candidates, notes: current ? passedOver(same, current, first) : [] };
}

/** What to report of newer revisions of the current version, which `previous` passes over. */
function passedOver(same: readonly Revision[], current: Revision, target: Revision): Note[] {
  const numbers = same.map(({ number }) => number);
  if (numbers.length === 0) return [];
  const isRestart = same.some(({ template }) => !sameTemplate(template, current.template));
  return [isRestart ? { kind: 'older-code', current: current.number, numbers, target: target.number } : { kind: 'passed-over', numbers }];
}

function chooseLastGood(history: History, pods: PodCounts | undefined): Target {
  const candidates = knownGood(history, pods);
  if (candidates.length > 0) return { kind: 'candidates', candidates, notes: [] };
  return refused('no-known-good', { kind: 'nothing-known-good', why: pods ? 'none-ready' : 'pods-unknown' });
}

function chooseNamed({ revisions }: History, asked: NamedRevision): Target {
  const matches = revisions.filter((revision) => isCalled(revision, asked));
  if (matches.length === 0) return refused('revision-not-found', { kind: 'revision-not-found', asked });
  if (matches.length > 1) {
    return refused('ambiguous-revision', { kind: 'ambiguous-revision', asked, names: matches.map(({ name }) => name) });
  }
  return { kind: 'candidates', candidates: matches, notes: [] };
}
