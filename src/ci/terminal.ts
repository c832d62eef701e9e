import { createInterface } from 'node:readline/promises';
import type { LiveRollout } from '../daemonset/live-rollout.ts';
import type { ClusterName, DaemonSetName } from '../daemonset/types.ts';
import type { GroupKind } from '../report/lines.ts';
import type { Report } from '../report/report.ts';
import { fitText, type Style } from '../report/terminal-text.ts';
import { logLine } from '../report/text.ts';
import type { Confirm, LiveView, Proposal } from '../rollout/context.ts';
import { LiveDisplay, styleFor } from './live-display.ts';
import { Plain, type PlainOptions } from './plain.ts';
import type { Level } from './writer.ts';

/** DaemonSets that a question names. */
const MOST_NAMED = 20;

export interface TerminalOptions {
  /** Whether a person has to confirm a write. */
  asks: boolean;
  /** Whether the terminal can move its cursor. */
  isLive: boolean;
}

/** Writes to a terminal: a live view while a rollout is waited for, and questions before a write. */
export class Terminal extends Plain {
  /** Asks before a write; undefined: nothing is asked. */
  readonly confirm: Confirm | undefined;
  /** Undefined: the log has plain lines only. */
  readonly live: LiveView | undefined;
  readonly #display: LiveDisplay;
  readonly #style: Style;
  #cluster: ClusterName | undefined;
  /** Whether the wait has ended, of each DaemonSet in the present view. Empty without a view. */
  readonly #ended = new Map<string, boolean>();
  /** The last question. */
  #asked: Promise<unknown> = Promise.resolve();
  /** What was held back while a question is open, in order. Undefined while there is none. */
  #held: (() => void)[] | undefined;

  constructor(options: PlainOptions, { asks, isLive }: TerminalOptions) {
    super(options);
    this.confirm = asks ? (proposals, signal) => this.#askNext(proposals, signal) : undefined;
    this.live = isLive ? { show: (daemonSet, state) => this.#show(daemonSet, state) } : undefined;
    this.#display = new LiveDisplay(process.stdout, { hide: (text) => this.hide(text) });
    this.#style = styleFor(process.stdout);
  }

  connected(cluster: ClusterName): void {
    this.#cluster = cluster;
  }

  #show(daemonSet: DaemonSetName, state: LiveRollout): void {
    if (this.#held) return void this.#held.push(() => this.#show(daemonSet, state));
    if (!this.#isLive && this.#cluster) this.#display.connected(this.#cluster);
    this.#display.show(daemonSet, state);
    this.#ended.set(`${daemonSet.namespace}/${daemonSet.name}`, state.end !== undefined);
    // The last state of a wait stays, also if another wait follows, as after a gate that rolls back.
    if ([...this.#ended.values()].every(Boolean)) this.#endView();
  }

  /** One question at a time: several DaemonSets may have to be confirmed again. */
  #askNext(proposals: readonly Proposal[], signal: AbortSignal): Promise<boolean> {
    const answer = this.#asked.then(() => this.#ask(proposals, signal));
    this.#asked = answer.catch(() => {});
    return answer;
  }

  /** Anything but `y` or `yes` means no, and so does the end of the input. */
  async #ask(proposals: readonly Proposal[], signal: AbortSignal): Promise<boolean> {
    const { server = '', context = '' } = this.#cluster ?? {};
    this.#endView();
    this.info('');
    for (const { daemonSet, change, nodes } of proposals.slice(0, MOST_NAMED)) {
      this.info(`DaemonSet ${daemonSet.name}, namespace ${daemonSet.namespace}, ${nodes === 1 ? '1 node' : `${nodes} nodes`}: ${change}`);
    }
    if (proposals.length > MOST_NAMED) this.info(`and ${proposals.length - MOST_NAMED} more DaemonSets`);
    const question = logLine(this.hide(`Write this to context ${context} (${server})? [y/N] `));
    this.#held = [];
    try {
      return /^\s*y(es)?\s*$/i.test(await answerTo(this.#style.strong(question), signal));
    } finally {
      const held = this.#held;
      this.#held = undefined;
      for (const print of held) print();
    }
  }

  get #isLive(): boolean {
    return this.#ended.size > 0;
  }

  override write(report: Report): void {
    this.#endView();
    super.write(report);
  }

  #endView(): void {
    this.#display.end();
    this.#ended.clear();
  }

  /** While there is a view, the lines of the log are its last events. */
  protected override printLine(line: string): void {
    if (this.#held) this.#held.push(() => this.printLine(line));
    else if (this.#isLive) this.#display.event(line);
    else super.printLine(line);
  }

  protected override printWarning(text: string): void {
    if (this.#held) this.#held.push(() => this.printWarning(text));
    else if (this.#isLive) this.#display.print(`Warning: ${text}`, 'busy');
    else process.stderr.write(`${this.#style.busy(logLine(`Warning: ${text}`))}\n`);
  }

  protected override printGroup(title: string, lines: string[], kind?: GroupKind): void {
    if (this.#held) return void this.#held.push(() => this.printGroup(title, lines, kind));
    if (this.#isLive) for (const line of [title, ...lines.map((each) => `  ${each}`)]) this.#display.print(line);
    else
      super.printGroup(
        this.#style.strong(title),
        lines.map((line) => this.#shown(line, kind)),
      );
  }

  /** A line of a diff in its color. That of a table does not wrap: what is cut off is in the output of `history`. */
  #shown(line: string, kind: GroupKind | undefined): string {
    if (kind === 'table') return fitText(line, (process.stdout.columns || 80) - 2);
    if (kind !== 'diff') return line;
    if (line.startsWith('+ ')) return this.#style.good(line);
    return line.startsWith('- ') ? this.#style.bad(line) : line;
  }

  protected override printVerdict(level: Level, title: string, text: string): void {
    const style = { error: this.#style.bad, warning: this.#style.busy, notice: this.#style.good }[level];
    super.printVerdict(level, title, text, style);
  }
}

/** The answer to a question at the terminal; empty at the end of the input. @throws the signal's reason if it is aborted first. */
async function answerTo(question: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // While it reads, Ctrl-C arrives as a character.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    return await Promise.race([terminal.question(question, { signal }), ended]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}
