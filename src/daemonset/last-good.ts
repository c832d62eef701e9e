import type { GoodMark } from './mark.ts';
import type { PodCounts } from './outcome.ts';
import { type History, isSameVersion, type Revision } from './revision.ts';

/** A revision that may be restored. */
export interface Candidate extends Revision {
  /** Why it is the one, in a sentence; undefined where it is what was asked for by itself. */
  why?: string;
}

/** A version: its revisions, the newest first. */
type Version = [newest: Revision, ...older: Revision[]];

/**
 * The versions that are known to be good, other than the current one, the best first: those that are marked, the newest first; where
 * none is, those that have Ready pods, of which the one with the most comes first, and of equal ones the newest. A version is marked
 * when one of its revisions is, and all their pods are its pods. Its newest revision stands for it.
 *
 * @param pods undefined: only marks count.
 */
export function knownGood(history: History, pods?: PodCounts): Candidate[] {
  const versions = otherVersions(history);
  const marked = versions.flatMap((version) => {
    const mark = markOf(version);
    const by = mark?.run === undefined ? '' : ` by ${mark.run}`;
    return mark
      ? [{ ...version[0], why: `Revision ${version[0].number} is marked good: seen running everywhere at ${mark.time}${by}.` }]
      : [];
  });
  if (marked.length > 0 || !pods) return marked;
  return versions
    .map((version) => ({ version, ready: readyOf(version, pods) }))
    .filter(({ ready }) => ready > 0)
    .sort((a, b) => b.ready - a.ready)
    .map(({ version, ready }) => ({
      ...version[0],
      why: `No version other than the current one is marked good; revision ${version[0].number} runs ready on ${ready} ${ready === 1 ? 'node' : 'nodes'}.`,
    }));
}

function otherVersions({ revisions, current }: History): Version[] {
  const versions: Version[] = [];
  for (const revision of revisions) {
    if (current && isSameVersion(revision, current)) continue;
    const same = versions.find(([newest]) => isSameVersion(newest, revision));
    if (same) same.push(revision);
    else versions.push([revision]);
  }
  return versions;
}

/** The latest mark of a version. */
function markOf(version: Version): GoodMark | undefined {
  const marks = version.flatMap(({ good }) => good ?? []);
  return marks.sort((a, b) => Date.parse(b.time) - Date.parse(a.time))[0];
}

function readyOf(version: Version, pods: PodCounts): number {
  return version.reduce((sum, { name }) => sum + (pods[name]?.ready ?? 0), 0);
}

/** The revisions whose marks are void once their version was left for another. None where the other is the same version. */
export function marksToWithdraw({ revisions }: History, left: Revision, restored: Revision): Revision[] {
  if (isSameVersion(left, restored)) return [];
  return revisions.filter((revision) => revision.good && isSameVersion(revision, left));
}
