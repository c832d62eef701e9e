import { afterEach, describe, expect, test } from '@jest/globals';
import { type RunningTerminal, startTerminal, type TerminalOptions } from '../../helpers/terminal.ts';

const PROGRAM = '__tests__/helpers/live-program.ts';
const running: RunningTerminal[] = [];

/** Starts the program, and waits for its first view. Without `raw`, the terminal turns Ctrl-C into a signal. */
async function start(options: TerminalOptions = {}, mode = 'raw'): Promise<RunningTerminal> {
  const terminal = startTerminal(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, mode], options);
  running.push(terminal);
  await terminal.until('the view', shows(/2 nodes broken/, /node-7/));
  return terminal;
}

const shows =
  (...patterns: RegExp[]) =>
  (terminal: RunningTerminal): boolean =>
    patterns.every((pattern) => terminal.screen().some((line) => pattern.test(line)));

/** The view was drawn again, without news. */
const isLater = shows(/· (6[7-9]|[7-9]\d)s so far/);

const count = (lines: readonly string[], pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;

afterEach(() => {
  for (const terminal of running.splice(0)) terminal.kill();
});

describe('a live display', () => {
  test('draws one view, again each second, below what was there', async () => {
    const terminal = await start();
    await terminal.until('a later second', isLater);
    expect(terminal.screen()[0]).toBe('before');
    expect(count(terminal.scrollback(), /so far/)).toBe(1);
    expect(terminal.isCursorVisible()).toBe(false);
  });

  test('prints lines above the view, and shows events in it', async () => {
    const terminal = await start();
    terminal.type('pepe');
    await terminal.until('the lines', shows(/printed 3/, /event 4/));
    const lines = terminal.scrollback();
    expect(lines.slice(0, 4)).toEqual(['before', 'printed 1', 'printed 3', expect.stringContaining('logging/log-agent')]);
    expect(lines.filter((line) => /event|Waiting/.test(line)).map((line) => line.slice(10))).toEqual([
      'Waiting for the rollout',
      'event 2',
      'event 4',
    ]);
  });

  test('scrolls what is printed above out of the window, and keeps one view', async () => {
    const terminal = await start();
    terminal.type('p'.repeat(40));
    await terminal.until('the lines', shows(/printed 40/));
    const lines = terminal.scrollback();
    expect(count(lines, /^printed \d+$/)).toBe(40);
    expect(count(lines, /so far/)).toBe(1);
  });

  test('leaves the last view in the scrollback, with the cursor below', async () => {
    const terminal = await start();
    terminal.type('q');
    expect(await terminal.done).toEqual({ code: 0 });
    const lines = terminal.scrollback();
    expect(count(lines, /✓ Complete · after 70s/)).toBe(1);
    expect(count(lines, /so far|node-7/)).toBe(0);
    expect(lines.at(-1)).toBe('after');
    expect(terminal.isCursorVisible()).toBe(true);
  });

  test.each<[columns: number, rows: number, isDrawn: (terminal: RunningTerminal) => boolean]>([
    [40, 24, shows(/^[█×▒░]{40}$/)],
    [120, 24, shows(/^[█×▒░]{60} /)],
    [80, 10, (terminal) => /^logging/.test(terminal.screen()[0] ?? '')],
    [40, 6, shows(/^[█×▒░]{40}$/)],
  ])('draws one view of the new size: %d × %d', async (columns, rows, isDrawn) => {
    const terminal = await start({ columns: 80, rows: 24 });
    terminal.resize(columns, rows);
    await terminal.until('a view of that size', isDrawn);
    terminal.type('p');
    await terminal.until('another view', (one) => one.scrollback().includes('printed 1'));
    expect(count(terminal.screen(), /nodes broken/)).toBe(1);
    // What a lower window has scrolled out cannot be erased.
    if (rows === 24) expect(count(terminal.scrollback(), /nodes broken/)).toBe(1);
  });

  test('does not redraw what is above when the window becomes narrower', async () => {
    const terminal = await start({ columns: 80, rows: 24 });
    terminal.resize(40, 24);
    await terminal.until('a view of that size', shows(/^[█×▒░]{40}$/));
    expect(terminal.scrollback()[0]).toBe('before');
  });

  test('the cursor is visible after a second interrupt', async () => {
    const terminal = await start({}, 'cooked');
    terminal.type('\x03');
    await terminal.until('a later second', isLater);
    terminal.type('\x03');
    expect(await terminal.done).toEqual({ code: 130 });
    expect(terminal.isCursorVisible()).toBe(true);
  });

  test.each<[string, Record<string, string>, boolean]>([
    ['has colors', {}, true],
    ['has no colors with NO_COLOR', { NO_COLOR: '1' }, false],
    ['has no colors in a dumb terminal', { TERM: 'dumb' }, false],
  ])('%s', async (_name, env, hasColors) => {
    const terminal = await start({ env });
    expect(terminal.output().includes('\x1b[1m')).toBe(hasColors);
    expect(terminal.html()).toContain('log-agent');
  });
});
