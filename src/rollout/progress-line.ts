import type { Rollout } from '../daemonset/rollout.ts';
import type { Counts } from '../daemonset/types.ts';
import { formatDuration } from '../duration.ts';

/** While nothing changes, the last line is logged again after this long. */
export const HEARTBEAT_MS = 60_000;
/** The least time between two lines. */
const BETWEEN_LINES_MS = 1_000;
/** The least time between two lines that differ only in the failures of pods. */
const BETWEEN_FAILURE_LINES_MS = 10_000;

/** The state of a rollout, as lines show it. */
export type Shown = Rollout & {
  /** The failures of pods, in brief. Empty if there are none. */
  failures: string;
  /** How long the rest will take; undefined if that is unknown. */
  leftMs: number | undefined;
};

/** Log a line now, or at that time if the state is still the same, or only after another change. */
export type NextLine = { kind: 'now'; line: string } | { kind: 'later'; atMs: number } | { kind: 'none' };

/**
 * The line to log about a rollout: the words of `kubectl rollout status` at each step of the status ladder, and the counters for each
 * change in between.
 *
 * @param before the state that was logged last.
 * @param loggedAtMs the time of the last line, whatever it was about.
 */
export function nextLine(before: Shown | undefined, present: Shown, loggedAtMs: number, nowMs: number): NextLine {
  if (!before || before.kind !== present.kind) return { kind: 'now', line: present.message };
  const hasMoved = isOtherCount(before.counts, present.counts);
  if (!hasMoved && before.failures === present.failures) {
    if (nowMs - loggedAtMs < HEARTBEAT_MS) return { kind: 'none' };
    return { kind: 'now', line: [present.message, present.failures].filter(Boolean).join(' ') };
  }
  const dueMs = loggedAtMs + (hasMoved ? BETWEEN_LINES_MS : BETWEEN_FAILURE_LINES_MS);
  if (nowMs < dueMs) return { kind: 'later', atMs: dueMs };
  return { kind: 'now', line: changeLine(before.counts, present) };
}

function isOtherCount(a: Counts, b: Counts): boolean {
  return a.updated !== b.updated || a.available !== b.available || a.desired !== b.desired;
}

function changeLine(before: Counts, { counts: { updated, available, desired }, failures, leftMs }: Shown): string {
  const step = before.updated === updated ? updated : `${before.updated}→${updated}`;
  const parts = [`updated ${step} of ${desired}`, `available ${available} of ${desired}`, failures];
  const rest = leftMs === undefined ? '' : `; about ${formatDuration(leftMs)} left`;
  return `${parts.filter(Boolean).join(', ')}${rest}`;
}
