import { stripVTControlCharacters, styleText } from 'node:util';
import type { LiveRollout } from '../daemonset/live-rollout.ts';
import type { ClusterName, DaemonSetName } from '../daemonset/types.ts';
import { type LiveEntry, liveLines, type Screen } from '../report/live-view.ts';
import { PLAIN, type Style, widthOf } from '../report/terminal-text.ts';
import { oneLine } from '../report/text.ts';

/** The least time between two frames, and the time after which the view is drawn again, so that its times count. */
const FRAME_MS = 100;
const TICK_MS = 1_000;
/** Lines of the log that are kept: more than any view shows. */
const MOST_EVENTS = 100;

/** What is written to: a terminal. */
export type Terminal = Pick<NodeJS.WriteStream, 'write' | 'on' | 'off'> &
  Partial<Pick<NodeJS.WriteStream, 'columns' | 'rows' | 'hasColors'>>;

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
/** The terminal shows what is between them at once, if it can (synchronized output). */
const [BEGIN, END] = ['\x1b[?2026h', '\x1b[?2026l'];
const ERASE_LINE = '\x1b[K';
const ERASE_BELOW = '\x1b[J';

/** Colors, unless the terminal has none or the environment forbids them (`NO_COLOR`, `TERM=dumb`; Node: WriteStream.getColorDepth). */
export function styleFor(terminal: Terminal): Style {
  if (!terminal.hasColors?.()) return PLAIN;
  const as = (format: Parameters<typeof styleText>[0]) => (text: string) => styleText(format, text, { validateStream: false });
  return { strong: as('bold'), faint: as('dim'), good: as('green'), bad: as(['bold', 'red']), busy: as('yellow') };
}

export type LiveDisplayOptions = Partial<Pick<Screen, 'cluster' | 'hide'>>;

/**
 * Keeps a view of rollouts at the bottom of a terminal: over the last one, line by line, so that nothing flickers. It exists from the first
 * line or state until `end`, and leaves the cursor visible however the process exits.
 */
export class LiveDisplay {
  readonly #terminal: Terminal;
  readonly #style: Style;
  readonly #options: LiveDisplayOptions;
  readonly #rollouts = new Map<string, LiveEntry & { shownAt: number }>();
  readonly #events: { clock: string; line: string }[] = [];
  /** The lines on the screen, without colors. Undefined while there is no view. */
  #drawn: string[] | undefined;
  #drawnAt = 0;
  #timers: { tick?: NodeJS.Timeout; frame?: NodeJS.Timeout | undefined } = {};

  constructor(terminal: Terminal, options: LiveDisplayOptions = {}) {
    this.#terminal = terminal;
    this.#style = styleFor(terminal);
    this.#options = { ...options };
  }

  /** The cluster, once it is known. */
  connected(cluster: ClusterName): void {
    this.#options.cluster = cluster;
    this.#change();
  }

  /** The present state of a rollout (`LiveView`). */
  show(daemonSet: DaemonSetName, state: LiveRollout): void {
    const { namespace, name } = daemonSet;
    this.#rollouts.set(`${namespace}/${name}`, { daemonSet: { namespace, name }, state, shownAt: Date.now() });
    this.#change();
  }

  /** A line of the log, as one of the last events in the view. */
  event(line: string): void {
    this.#events.push({ clock: clockOf(new Date()), line });
    if (this.#events.length > MOST_EVENTS) this.#events.shift();
    this.#change();
  }

  /** A line that stays above the view. */
  print(line: string, as?: keyof Style): void {
    const plain = oneLine(this.#options.hide?.(line) ?? line);
    const text = as ? this.#style[as](plain) : plain;
    if (this.#drawn === undefined) this.#terminal.write(`${text}\n`);
    else this.#draw([text]);
  }

  /** Leaves the last view in the scrollback. A change after that begins another one below. */
  end(): void {
    if (this.#drawn === undefined) return;
    this.#draw();
    this.#drawn = undefined;
    clearInterval(this.#timers.tick);
    clearTimeout(this.#timers.frame);
    this.#timers = {};
    this.#terminal.off('resize', this.#resized);
    process.off('exit', this.#exit);
    this.#terminal.write(SHOW_CURSOR);
    this.#rollouts.clear();
    this.#events.length = 0;
  }

  #begin(): void {
    this.#drawn = [];
    this.#terminal.write(HIDE_CURSOR);
    this.#terminal.on('resize', this.#resized);
    process.on('exit', this.#exit);
    this.#timers.tick = setInterval(() => this.#draw(), TICK_MS).unref();
  }

  /** Draws soon: at once, unless the last frame is too recent. */
  #change(): void {
    if (this.#drawn === undefined) this.#begin();
    const inMs = this.#drawnAt + FRAME_MS - Date.now();
    if (inMs <= 0) this.#draw();
    else
      this.#timers.frame ??= setTimeout(() => {
        this.#timers.frame = undefined;
        this.#draw();
      }, inMs).unref();
  }

  readonly #resized = (): void => this.#draw();

  readonly #exit = (): void => void this.#terminal.write(SHOW_CURSOR);

  /** Draws the view over the last one, and lines above it. */
  #draw(above: readonly string[] = []): void {
    const { columns = 80, rows = 24 } = this.#terminal;
    const now = Date.now();
    const rollouts = [...this.#rollouts.values()].map(({ daemonSet, state, shownAt }) => ({
      daemonSet,
      state: later(state, now - shownAt),
    }));
    const screen: Screen = { cluster: undefined, ...this.#options, rollouts, events: this.#events };
    const lines = liveLines(screen, { columns, rows }, this.#style);
    const up = rowsOf(this.#drawn ?? [], columns);
    // There is nothing above the first row to move up to.
    const toTop = up > 0 ? `\x1b[${up}A\r` : '\r';
    // Lines above may take several rows.
    const space = above.length > 0 ? ERASE_BELOW : '';
    // Erased first: behind a line as wide as the terminal, its last character would be erased.
    const written = [...above, ...lines].map((line) => `${ERASE_LINE}${line}\n`).join('');
    this.#terminal.write(`${BEGIN}${toTop}${space}${written}${ERASE_BELOW}${END}`);
    this.#drawn = lines.map(stripVTControlCharacters);
    this.#drawnAt = now;
  }
}

/** The state of a rollout after a while without news. */
function later(state: LiveRollout, ms: number): LiveRollout {
  if (state.end) return state;
  const left = state.leftMs === undefined ? 0 : state.leftMs - ms;
  return { ...state, now: state.now + ms, leftMs: left > 0 ? left : undefined };
}

/** How many rows lines take. In a window that became narrower, most terminals have wrapped them. */
function rowsOf(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / Math.max(1, columns))), 0);
}

/** The local time of day: `12:31:02`. */
function clockOf(time: Date): string {
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}
