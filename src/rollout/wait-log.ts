import { announcedMs } from '../daemonset/announced-time.ts';
import { leastTimeMs, timeLeftMs } from '../daemonset/progress.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import { stableForMs } from '../daemonset/stability.ts';
import type { Limits, Missing, Snapshot, Verdict } from '../daemonset/verdict.ts';
import { formatDuration } from '../duration.ts';
import { missingText } from '../report/messages/rollout.ts';
import type { Context } from './context.ts';
import { HEARTBEAT_MS } from './progress-line.ts';
import { ProgressLog } from './progress-log.ts';

/** The pace of a rollout is known after this long. */
const PACE_AFTER_MS = 10_000;
/** Announced time that is longer is logged. */
const WORTH_A_LINE_MS = 60_000;
/** A change of the remaining time that is smaller is not logged. */
const SAME_TIME_MS = 2_000;

/** Logs a wait: its progress, what is missing at the end, and warnings about time. */
export class WaitLog {
  readonly #context: Context;
  readonly #limits: Limits;
  readonly #lines: ProgressLog;
  #begun: number | undefined;
  #warnedOfTime = false;
  #announced = 0;
  /** What was last said to be missing. */
  #missing = '';
  #line = '';
  #until = 0;

  constructor(context: Context, limits: Limits) {
    this.#context = context;
    this.#limits = limits;
    this.#lines = new ProgressLog(context);
  }

  /** When a line is due, from now. */
  nextInMs(): number {
    const inMs = this.#lines.nextAt() - this.#context.clock.now();
    return inMs > 0 ? inMs : HEARTBEAT_MS;
  }

  progress(snapshot: Snapshot, answer: Verdict, now: number): void {
    this.#begun ??= now;
    const rollout = rolloutOf(snapshot.daemonSet);
    const isWaiting = answer.kind === 'waiting';
    // Before the controller has observed the change, it is unknown how many nodes have it already.
    if (isWaiting && rollout.kind !== 'unobserved')
      this.#warnOfTime(leastTimeMs(snapshot.daemonSet, rollout.counts), 'With the present minReadySeconds and maxUnavailable');
    if (isWaiting && answer.missing) {
      this.#logMissing(answer.missing, snapshot, now);
      return;
    }
    if (isWaiting || answer.kind === 'complete' || answer.kind === 'on-delete') {
      const left = timeLeftMs(snapshot.progress);
      if (!(answer.kind === 'complete' && answer.tolerated.length > 0)) this.#lines.progress(rollout, snapshot.diagnosis, left);
      if (isWaiting && left !== undefined && now - this.#begun >= PACE_AFTER_MS) this.#warnOfTime(left, 'At this pace');
    }
    if (isWaiting) this.#logAnnounced(snapshot);
  }

  #logMissing(missing: Missing, { template }: Snapshot, now: number): void {
    const until = 'until' in missing ? (missing.until ?? 0) : 0;
    const key = missing.kind === 'other-version' ? String(missing.nodes.length) : missing.kind === 'pods' ? missing.why : missing.kind;
    if (key !== this.#missing || Math.abs(until - this.#until) >= SAME_TIME_MS) {
      this.#missing = key;
      this.#until = until;
      this.#line = missingText(missing, stableForMs(this.#limits.stableFor, template), now);
      if (until > 0) this.#warnOfTime(until - now, 'Until every container has run for long enough without a crash');
    }
    if (this.#line !== '') this.#lines.say(this.#line);
  }

  /** The deadline without progress is longer than the input says. */
  #logAnnounced(snapshot: Snapshot): void {
    const { progressDeadlineMs } = this.#limits;
    const announced = announcedMs(snapshot);
    if (progressDeadlineMs === 0 || announced < WORTH_A_LINE_MS || announced === this.#announced) return;
    this.#announced = announced;
    this.#context.log.info(
      `The rollout counts as stalled after ${formatDuration(progressDeadlineMs + announced)} without progress: progress-deadline, and ${formatDuration(announced)} that the templates announce (startup and readiness probes, terminationGracePeriodSeconds, minReadySeconds).`,
    );
  }

  /** Warns as soon as it is known that the timeout is too short. */
  #warnOfTime(needed: number, why: string): void {
    const { clock, deadline, log } = this.#context;
    const left = deadline - clock.now();
    if (this.#warnedOfTime || needed <= left) return;
    this.#warnedOfTime = true;
    log.warning(
      `${why}, the rest takes about ${formatDuration(needed)}, but the timeout leaves ${formatDuration(Math.max(0, left))}. Set a longer timeout.`,
    );
  }
}
