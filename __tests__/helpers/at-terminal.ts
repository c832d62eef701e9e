/** Runs the command line of dist/ in a terminal, against a fleet. */
import { fileURLToPath } from 'node:url';
import type { Fleet } from './fleet.ts';
import { type RunningTerminal, startTerminal, type TerminalOptions } from './terminal.ts';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const QUESTION = /Write this to context testbed \(https:\/\/127\.0\.0\.1:\d+\)\? \[y\/N\]/;

/** @param words the command, names and flags, in the namespace of the fleet. @param command for a guard: the program that it runs, and its arguments. */
export function atTerminal(fleet: Fleet, words: string[], options: TerminalOptions = {}, command: string[] = []): RunningTerminal {
  const { testbed, namespace } = fleet;
  const env = { KUBECONFIG: testbed.kubeconfig, ROLLBACK_DAEMONSET_STABLE_FOR: '1s', ...options.env };
  const terminal = startTerminal(process.execPath, [CLI, ...words, '--namespace', namespace, ...command], {
    columns: 120,
    rows: 30,
    ...options,
    env,
  });
  let isDone = false;
  void terminal.done.then(() => {
    isDone = true;
  });
  // A test that fails must not leave it behind.
  fleet.onRemove(async () => {
    if (!isDone) terminal.kill();
  });
  return terminal;
}

/** All rows as one text. */
export function textOf(terminal: RunningTerminal): string {
  return terminal.scrollback().join('\n');
}

/** How often a question was asked. */
export function questions(terminal: RunningTerminal): number {
  return textOf(terminal).split(QUESTION).length - 1;
}

/** Waits until a question is open. */
export function asked(terminal: RunningTerminal, times = 1): Promise<void> {
  return terminal.until(`question ${times}`, () => questions(terminal) >= times);
}

/** Waits until the live view shows a text. */
export function shown(terminal: RunningTerminal, text: string | RegExp): Promise<void> {
  return terminal.until(String(text), () =>
    terminal.screen().some((row) => (typeof text === 'string' ? row.includes(text) : text.test(row))),
  );
}
