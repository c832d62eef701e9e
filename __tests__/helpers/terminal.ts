/** Runs programs in a real pseudoterminal, and shows what a terminal shows of them. */
import pty from '@lydell/node-pty';
import addon from '@xterm/addon-serialize';
import xterm from '@xterm/headless';

export interface TerminalOptions {
  columns?: number;
  rows?: number;
  env?: Record<string, string | undefined>;
  cwd?: string;
}

/** A program in a terminal. */
export interface RunningTerminal {
  /** The rows of the window, without the spaces at their ends. */
  screen(): string[];
  /** All rows: those that were scrolled out of the window, and the window up to its last text. */
  scrollback(): string[];
  /** Whether the cursor is visible. */
  isCursorVisible(): boolean;
  type(text: string): void;
  resize(columns: number, rows: number): void;
  /** Waits until a condition holds. @throws with the rows if it never does: the program ended, or a minute passed. */
  until(what: string, condition: (terminal: RunningTerminal) => boolean): Promise<void>;
  pid: number;
  /** The exit status, once everything that was written is on the screen. */
  done: Promise<{ code: number }>;
  /** Everything that was written so far, with its escape sequences. */
  output(): string;
  /** The rows of the window, with colors, as an HTML page. @param from the index of the first row. */
  html(from?: number): string;
  kill(): void;
}

const LONGEST_WAIT_MS = 60_000;

export function startTerminal(program: string, args: string[], options: TerminalOptions = {}): RunningTerminal {
  const { columns = 80, rows = 24, cwd = process.cwd() } = options;
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], LANG: 'C.UTF-8', TERM: 'xterm-256color', ...options.env };
  const emulator = new xterm.Terminal({ cols: columns, rows, scrollback: 10_000, allowProposedApi: true });
  const serializer = new addon.SerializeAddon();
  emulator.loadAddon(serializer);
  const child = pty.spawn(program, args, { name: env.TERM, cols: columns, rows, cwd, env });
  let written = '';
  let isDone = false;
  const changed = new EventTarget();
  const announce = (): void => void changed.dispatchEvent(new Event('change'));
  child.onData((data) => {
    written += data;
    emulator.write(data, announce);
  });
  // What a terminal answers when it is asked about itself.
  emulator.onData((answer) => child.write(answer));
  const done = new Promise<{ code: number }>((resolve) => {
    child.onExit(({ exitCode, signal = 0 }) => {
      emulator.write('', () => {
        isDone = true;
        announce();
        resolve({ code: signal > 0 ? 128 + signal : exitCode });
      });
    });
  });
  const lines = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, index) => emulator.buffer.active.getLine(from + index)?.translateToString(true) ?? '');
  const terminal: RunningTerminal = {
    screen: () => lines(emulator.buffer.active.baseY, emulator.buffer.active.baseY + emulator.rows),
    scrollback: () => {
      const all = lines(0, emulator.buffer.active.length);
      return all.slice(0, all.findLastIndex((line) => line !== '') + 1);
    },
    isCursorVisible: () => written.lastIndexOf('\x1b[?25h') >= written.lastIndexOf('\x1b[?25l'),
    type: (text) => child.write(text),
    resize: (columns, rows) => {
      emulator.resize(columns, rows);
      child.resize(columns, rows);
    },
    until: (what, condition) =>
      new Promise<void>((resolve, reject) => {
        const fail = (why: string): void => finish(() => reject(new Error(`${why} until ${what}:\n${terminal.scrollback().join('\n')}`)));
        const timer = setTimeout(() => fail('a minute passed'), LONGEST_WAIT_MS);
        const finish = (settle: () => void): void => {
          clearTimeout(timer);
          changed.removeEventListener('change', check);
          settle();
        };
        const check = (): void => {
          if (condition(terminal)) finish(resolve);
          else if (isDone) fail('the program ended');
        };
        changed.addEventListener('change', check);
        check();
      }),
    pid: child.pid,
    done,
    output: () => written,
    html: (from = 0) => {
      const { baseY } = emulator.buffer.active;
      const range = { startLine: baseY + from, endLine: baseY + emulator.rows - 1, startCol: 0 };
      return serializer.serializeAsHTML({ includeGlobalBackground: true, range });
    },
    kill: () => child.kill('SIGKILL'),
  };
  return terminal;
}
