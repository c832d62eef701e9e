import type { CauseGroup } from '../daemonset/cause-groups.ts';
import type { Diagnosis } from '../daemonset/diagnosis.ts';
import type { Rollout } from '../daemonset/rollout.ts';
import type { Counts } from '../daemonset/types.ts';
import { formatDuration } from '../duration.ts';
import { causeText, nextCommand, nodeInBrief, runText } from '../report/messages/causes.ts';
import type { Context, Log } from './context.ts';

/** While nothing changes, the last line is logged again after this long. */
export const HEARTBEAT_MS = 60_000;
/** The least time between two progress lines, and between two that differ only in the problems of pods. */
const BETWEEN_LINES_MS = 1_000;
const BETWEEN_TROUBLES = 10_000;
/** Nodes that a progress line names. */
const MOST_NODES = 3;

/** The problems of pods that are worth a word while the rollout is in progress. */
function failuresInBrief(diagnosis: Diagnosis | undefined): string {
  const ordinary = new Set(['not-replaced', 'no-pod', 'starting', 'min-ready-seconds', 'terminating']);
  const failing = diagnosis?.failing.filter(({ failure }) => !ordinary.has(failure.cause)) ?? [];
  if (failing.length === 0) return '';
  const more = failing.length > MOST_NODES ? ` and ${failing.length - MOST_NODES} more` : '';
  return `unavailable: ${failing.slice(0, MOST_NODES).map(nodeInBrief).join(', ')}${more}`;
}

/** Logs the progress of a rollout: the words of `kubectl rollout status` at each step of the ladder, and a line for each change in between. */
export class ProgressLog {
  readonly #context: Context;
  #rung = '';
  #logged: Counts | undefined;
  #failures = '';
  #line = '';
  #at = 0;
  #due: number | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  say(line: string): void {
    const { clock, log } = this.#context;
    if (line !== this.#line || clock.now() - this.#at >= HEARTBEAT_MS) {
      log.info(line);
      this.#at = clock.now();
    }
    this.#line = line;
  }

  /** When to log a line that was held back, or the last one again. */
  nextAt(): number {
    return this.#due ?? this.#at + HEARTBEAT_MS;
  }

  /** @param left how long the rest will take, in milliseconds; undefined if that is unknown. */
  progress({ kind, message, counts }: Rollout, diagnosis: Diagnosis | undefined, left: number | undefined): void {
    const failures = failuresInBrief(diagnosis);
    const now = this.#context.clock.now();
    const before = this.#logged;
    const moved =
      !before || before.updated !== counts.updated || before.available !== counts.available || before.desired !== counts.desired;
    const logLine = (line: string): void => {
      this.say(line);
      this.#logged = counts;
      this.#failures = failures;
      this.#rung = kind;
    };
    this.#due = undefined;
    if (kind !== this.#rung || !before) {
      logLine(message);
      return;
    }
    const silent = now - this.#at;
    if (!moved && failures === this.#failures) {
      if (silent >= HEARTBEAT_MS) logLine(failures === '' ? message : `${message} ${failures}`);
      return;
    }
    const wait = moved ? BETWEEN_LINES_MS : BETWEEN_TROUBLES;
    if (silent < wait) {
      this.#due = this.#at + wait;
      return;
    }
    const updated = before.updated === counts.updated ? counts.updated : `${before.updated}→${counts.updated}`;
    const rest = left === undefined ? '' : `; about ${formatDuration(left)} left`;
    logLine(
      `updated ${updated} of ${counts.desired}, available ${counts.available} of ${counts.desired}${failures === '' ? '' : `, ${failures}`}${rest}`,
    );
  }
}

/** Logs why nodes do not run the version, the next command to type, and in groups the events and the container's log. */
export function logCauses(log: Log, causes: readonly CauseGroup[], namespace: string): void {
  for (const group of causes) {
    const command = nextCommand(group, namespace);
    log.info(`${causeText(group)}.${command === undefined ? '' : ` Next: ${command}`}`);
    const { evidence, example } = group;
    if (!evidence) continue;
    if (evidence.events.length > 0) log.group(`Events of pod ${example.pod}`, evidence.events);
    if (evidence.log) {
      log.group(`Log of pod ${example.pod}, container ${example.failure.container}, ${runText(evidence)}`, evidence.log);
    }
  }
}
