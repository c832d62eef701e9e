/** What a terminal shows of a rollout while it is waited for. */
import type { FailingNode } from './diagnosis.ts';
import { timeLeftMs } from './progress.ts';
import type { UnfinishedRollout } from './result.ts';
import { type Rollout, rolloutOf } from './rollout.ts';
import { countsOf, type Snapshot, type Verdict } from './verdict.ts';
import { distinct } from './version-failure.ts';

/** The present state of a rollout. All times are on the clock of the wait, in ms. */
export interface LiveRollout {
  /** What is rolled out: `revision 3 → 4, restores revision 2`. Empty if unknown. */
  title: string;
  /** The step of the status ladder. Its counts are those of the version: `available` is how many nodes have an available pod of it. */
  rollout: Rollout;
  /** Nodes on which the version is available and has run for long enough. Undefined while the pods are unread. */
  stable: number | undefined;
  /** The nodes that are not right. Empty while the pods are unread. */
  failing: readonly FailingNode[];
  /** How long the rest will take, from `now` on; undefined if that is unknown. */
  leftMs: number | undefined;
  /** When the wait began, and when something last progressed. */
  begun: number;
  progressedAt: number;
  now: number;
  /** When the timeout is up. */
  deadline: number;
  /** How the wait ended. Undefined while it continues. */
  end?: 'complete' | UnfinishedRollout;
}

/** What a wait knows besides the snapshot. */
export interface AboutWait extends Pick<LiveRollout, 'title' | 'now' | 'deadline' | 'end'> {
  /** The last verdict. */
  answer?: Verdict | undefined;
}

/** The state of a rollout, from the snapshot that verdicts are based on. */
export function liveRollout(snapshot: Snapshot, { answer, ...about }: AboutWait): LiveRollout {
  const { daemonSet, diagnosis, progress, podsProgressedAt } = snapshot;
  const left = about.end === undefined ? leftMs(snapshot, answer, about.now) : undefined;
  return {
    ...about,
    rollout: { ...rolloutOf(daemonSet), counts: countsOf(snapshot) },
    stable: diagnosis?.right,
    failing: diagnosis ? distinct([...diagnosis.crashing, ...diagnosis.failing]) : [],
    leftMs: left !== undefined && left > 0 ? left : undefined,
    begun: progress.samples[0]?.at ?? about.now,
    progressedAt: Math.max(progress.progressedAt, podsProgressedAt),
  };
}

/** Until every container has run for long enough, if only that is missing; otherwise at the pace so far, since the last change. */
function leftMs({ progress }: Snapshot, answer: Verdict | undefined, now: number): number | undefined {
  const missing = answer?.kind === 'waiting' ? answer.missing : undefined;
  if (missing && 'until' in missing) return missing.until === undefined ? undefined : missing.until - now;
  const left = timeLeftMs(progress);
  return left === undefined ? undefined : left - (now - (progress.samples.at(-1)?.at ?? now));
}
