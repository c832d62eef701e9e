import type { LedgerEntry } from './ledger.ts';
import { templateGenerationOf } from './pods.ts';
import { type History, highestNumber } from './revision.ts';
import { versionDigest } from './template.ts';
import type { DaemonSet } from './types.ts';

/** The state of a DaemonSet that changes are counted from. */
export interface Start {
  /** The digest of the version that was current. */
  version: string;
  templateGeneration: number | undefined;
  highestRevision: number;
}

/** A change to another version. */
interface VersionChange {
  /** The template generation that it led to. */
  at: number;
  /** Undefined if neither the history nor the ledger shows it. */
  version: string | undefined;
  /** A rollback of this job wrote it. */
  isOwn: boolean;
}

/** More changes than this are not followed one by one. */
const MOST_CHANGES = 1_000;

/**
 * The changes that led from one version to the present one. Restarts of the pods are left out, and so is what a rollback of this job has undone.
 * Undefined if it is not known how often the template changed.
 */
export function versionChanges(
  daemonSet: DaemonSet,
  history: History,
  start: Start,
  ledger: readonly LedgerEntry[],
): VersionChange[] | undefined {
  const [before, now] = [start.templateGeneration, templateGenerationOf(daemonSet)];
  if (before === undefined || now === undefined || now < before || now - before > MOST_CHANGES) return undefined;
  const current = versionDigest(daemonSet.spec.template);
  // Each change that the controller has seen got a number. If there are as many, they belong together in this order.
  const isNumbered = highestNumber(history) - start.highestRevision === now - before;
  const versionAt = (at: number): string | undefined => {
    const seen = at === now ? current : ledger.findLast(({ templateGeneration }) => templateGeneration === at)?.version;
    if (seen !== undefined || !isNumbered) return seen;
    const revision = history.revisions.find(({ number }) => number === start.highestRevision + at - before);
    return revision && versionDigest(revision.template);
  };
  let path: VersionChange[] = [];
  for (let at = before + 1; at <= now; at++) {
    const version = versionAt(at);
    const isOwn = ledger.some(({ kind, templateGeneration }) => kind === 'wrote' && templateGeneration === at);
    const last = path.at(-1);
    if (version !== undefined && version === (last ? last.version : start.version)) continue;
    const undone = isOwn ? path.findIndex((change) => change.version === version) : -1;
    if (isOwn && version === start.version) path = [];
    else if (undone >= 0) path = path.slice(0, undone + 1);
    else path.push({ at, version, isOwn });
  }
  return path;
}

/** How many of the changes are not this action's own. */
export function othersAmong(changes: readonly VersionChange[]): number {
  return changes.filter(({ isOwn }) => !isOwn).length;
}

/** Whether one of the changes came after the last time that a step of this job saw or wrote another version than the one at the start. */
export function isAfterLastLook(changes: readonly VersionChange[], start: Start, ledger: readonly LedgerEntry[]): boolean {
  const looks = ledger.filter(({ templateGeneration }) => templateGeneration > (start.templateGeneration ?? 0));
  const last = Math.max(...looks.filter(({ version }) => version !== start.version).map(({ templateGeneration }) => templateGeneration));
  return Number.isFinite(last) && changes.some(({ at, isOwn }) => !isOwn && at > last);
}
