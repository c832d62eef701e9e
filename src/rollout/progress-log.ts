import type { CauseGroup } from '../daemonset/cause-groups.ts';
import type { Diagnosis } from '../daemonset/diagnosis.ts';
import type { Rollout } from '../daemonset/rollout.ts';
import { causeText, nextCommand, nodeInBrief, runText } from '../report/messages/causes.ts';
import type { Context, Log } from './context.ts';
import { HEARTBEAT_MS, nextLine, type Shown } from './progress-line.ts';

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

/** Logs the progress of a rollout, and remembers what it has logged. */
export class ProgressLog {
  readonly #context: Context;
  #shown: Shown | undefined;
  #line = '';
  #loggedAtMs = 0;
  /** When a line that was held back is due. */
  #dueMs: number | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  say(line: string): void {
    const { clock, log } = this.#context;
    if (line !== this.#line || clock.now() - this.#loggedAtMs >= HEARTBEAT_MS) {
      log.info(line);
      this.#loggedAtMs = clock.now();
    }
    this.#line = line;
  }

  /** When to log a line that was held back, or the last one again. */
  nextAt(): number {
    return this.#dueMs ?? this.#loggedAtMs + HEARTBEAT_MS;
  }

  /** @param leftMs how long the rest will take; undefined if that is unknown. */
  progress(rollout: Rollout, diagnosis: Diagnosis | undefined, leftMs: number | undefined): void {
    const present: Shown = { ...rollout, failures: failuresInBrief(diagnosis), leftMs };
    const next = nextLine(this.#shown, present, this.#loggedAtMs, this.#context.clock.now());
    this.#dueMs = next.kind === 'later' ? next.atMs : undefined;
    if (next.kind !== 'now') return;
    this.say(next.line);
    this.#shown = present;
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
