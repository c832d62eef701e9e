import type { GoodMark } from './good-mark.ts';
import type { Note } from './notes.ts';
import type { PodCounts } from './pods.ts';
import { type History, isSameVersion, type Revision } from './revision.ts';
import type { SpecFields } from './spec-fields.ts';

/** A revision that may be restored. */
export interface Candidate extends Revision {
  /** Why it was chosen; undefined if it is exactly what was asked for. */
  why?: Note;
  /** Other fields of the spec that are restored with it. */
  spec?: SpecFields;
}

/** A version: its revisions, the newest first. */
type Version = [newest: Revision, ...older: Revision[]];

/**
 * The known-good versions other than the current one, the best first: those with a good mark, the newest first. If no version has one: those
 * that have Ready pods, the one with the most first, and of equal ones the newest. If all their pods were replaced, the one that ran before
 * the current one. A version has a good mark if one of its revisions has,
 * and the pods of all its revisions are its pods. It is restored by its newest revision.
 *
 * @param pods undefined: only good marks count.
 */
export function knownGood(history: History, pods?: PodCounts): Candidate[] {
  const versions = otherVersions(history);
  const marked = versions.flatMap((version): Candidate[] => {
    const mark = markOf(version);
    const [newest] = version;
    return mark ? [{ ...newest, why: { kind: 'known-good', number: newest.number, time: mark.time, run: mark.run } }] : [];
  });
  if (marked.length > 0 || !pods) return marked;
  const running = versions
    .map((version) => ({ newest: version[0], ready: podsOf(version, pods, 'ready') }))
    .filter(({ ready }) => ready > 0)
    .sort((a, b) => b.ready - a.ready)
    .map(({ newest, ready }): Candidate => ({ ...newest, why: { kind: 'most-ready', number: newest.number, ready } }));
  const [before, ...older] = versions;
  if (running.length > 0 || !before || versions.some((version) => podsOf(version, pods, 'total') > 0)) return running;
  // All pods were replaced, so none can show that its version runs. The newest one ran before the current one.
  const [{ number }] = before;
  return [{ ...before[0], why: { kind: older.length === 0 ? 'only-other' : 'ran-before', number } }];
}

/** The versions other than the current one, the newest first. */
export function otherVersions({ revisions, current }: History): Version[] {
  const versions: Version[] = [];
  for (const revision of revisions) {
    if (current && isSameVersion(revision, current)) continue;
    const same = versions.find(([newest]) => isSameVersion(newest, revision));
    if (same) same.push(revision);
    else versions.push([revision]);
  }
  return versions;
}

/** The latest good mark of a version. */
function markOf(version: Version): GoodMark | undefined {
  const marks = version.flatMap(({ good }) => good ?? []);
  return marks.sort((a, b) => Date.parse(b.time) - Date.parse(a.time))[0];
}

function podsOf(version: Version, pods: PodCounts, which: 'ready' | 'total'): number {
  return version.reduce((sum, { name }) => sum + (pods[name]?.[which] ?? 0), 0);
}

/** The revisions that lose their good mark when their version is left for another one. None if both are the same version. */
export function marksToWithdraw({ revisions }: History, left: Revision, restored: Revision): Revision[] {
  if (isSameVersion(left, restored)) return [];
  return revisions.filter((revision) => revision.good && isSameVersion(revision, left));
}
