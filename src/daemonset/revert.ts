import type { Result } from './outcome.ts';
import { type Cause, mayBeHopeless } from './trouble.ts';

/** Whether a rollout that came to no good end is to be rolled back, and in a sentence why. */
export interface Verdict {
  revert: boolean;
  why: string;
}

/**
 * A version is to be left when its own pods are what holds the rollout up, and on more than one node, or on all that were updated so
 * far: one node's bad day does not revert a fleet. That it merely took too long says nothing about it.
 */
export function shouldRevert({ outcome, causes, counts }: Result, { onTimeout }: { onTimeout: boolean }): Verdict {
  if (outcome === 'timed-out') {
    return onTimeout
      ? yes('it was not done in time (rollback-on-timeout)')
      : no('it was not done in time, which does not show that the version is bad (rollback-on-timeout is not set)');
  }
  if (!causes || causes.length === 0) return no('which pods hold it up cannot be told');
  const bad = causes.filter(({ cause }) => isOfVersion(cause)).reduce((sum, { nodes }) => sum + nodes.length, 0);
  const updated = counts?.updated ?? 0;
  if (bad === 0) return no('what holds it up is not the version, and another one would fare no better');
  if (bad === 1 && updated > 1)
    return no(`only 1 of the ${updated} nodes that have the version is affected, which may be that node's fault`);
  return yes(`the version does not run on ${bad} ${bad === 1 ? 'node' : 'nodes'}`);
}

/** What another version may not have. */
function isOfVersion(cause: Cause): boolean {
  return mayBeHopeless({ cause }) || cause === 'not-ready' || cause === 'starting';
}

function yes(why: string): Verdict {
  return { revert: true, why: `Rolling back, because ${why}.` };
}

function no(why: string): Verdict {
  return { revert: false, why: `It was not rolled back: ${why}.` };
}
