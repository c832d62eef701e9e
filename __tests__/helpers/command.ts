import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from '@jest/globals';
import { load } from 'js-yaml';
import type { Any, Fleet } from './support.ts';

export const CLI = resolve('dist/cli.js');

/** A run of the command line that ended. */
export interface Ran {
  code: number | null;
  /** The signal that ended it, if any. */
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** The texts of the files in its folder, by name. */
  files: Record<string, string>;
}

/** A run that has not ended yet. */
export interface RunningCommand {
  process: ChildProcess;
  /** What it has printed so far, both streams. */
  log: () => string;
  /** Waits until it has printed something. Fails with its log if it ends before. */
  printed: (what: RegExp) => Promise<void>;
  done: Promise<Ran>;
}

export interface CommandOptions {
  /** What starts it. Default: the file itself. */
  program?: readonly string[];
  /** The folder that it runs in. Default: a new one, which is removed at its end. */
  folder?: string;
}

/**
 * Starts the command line in a folder, with no variables but PATH, HOME and `environment`, and without a terminal.
 *
 * @param environment undefined removes a variable.
 */
export function startCommand(
  parameters: readonly string[],
  environment: Record<string, string | undefined> = {},
  { program: [program = '', ...first] = [CLI], folder }: CommandOptions = {},
): RunningCommand {
  const cwd = folder ?? mkdtempSync(join(tmpdir(), 'rollback-daemonset-command-'));
  const { PATH = '' } = process.env;
  const child = spawn(program, [...first, ...parameters], {
    cwd,
    env: { PATH, HOME: cwd, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  let all = '';
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
      all += text;
    });
  }
  const done = new Promise<Ran>((end, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => {
      end({ code, signal, ...texts, files: textsIn(cwd) });
      if (folder === undefined) rmSync(cwd, { recursive: true, force: true });
    });
  });
  const printed = (what: RegExp): Promise<void> =>
    new Promise((found, fail) => {
      const look = (): void => {
        if (what.test(all)) found();
      };
      look();
      for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
      child.on('close', () => fail(new Error(`It ended without printing ${what}:\n${all}`)));
    });
  return { process: child, log: () => all, printed, done };
}

export function runCommand(...parameters: Parameters<typeof startCommand>): Promise<Ran> {
  return startCommand(...parameters).done;
}

/** The variables of a run on a fleet's cluster: short times, and its kubeconfig. */
export function variablesOf({ testbed: { kubeconfig } }: Fleet, more: Record<string, string> = {}): Record<string, string> {
  return { KUBECONFIG: kubeconfig, ROLLBACK_DAEMONSET_TIMEOUT: '100s', ROLLBACK_DAEMONSET_STABLE_FOR: '1s', ...more };
}

/** Like `expect(ran).toMatchObject(expected)`, and a failure shows all that was printed. */
export function expectRan(ran: Ran, expected: object): void {
  try {
    expect(ran).toMatchObject(expected);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n\nstdout:\n${ran.stdout}\nstderr:\n${ran.stderr}`);
  }
}

/** The only document on stdout. It fails if there is anything else. */
export function documentIn({ stdout, stderr }: Ran, format: 'json' | 'yaml' = 'json'): Any {
  try {
    const document = format === 'json' ? JSON.parse(stdout) : load(stdout);
    expect(document).toMatchObject({ outcome: expect.any(String), exitStatus: expect.any(Number) });
    expect(stdout.endsWith('\n')).toBe(true);
    return document;
  } catch (error) {
    throw new Error(`stdout is not one document: ${(error as Error).message}\n\nstdout:\n${stdout}\nstderr:\n${stderr}`);
  }
}

/** A dotenv file as its readers see it. It fails at a line that is not a variable. */
export function variablesIn(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .trimEnd()
      .split('\n')
      .map((line) => {
        const [, name = '', value = ''] = /^(ROLLBACK_[A-Z_]+)=([A-Za-z0-9_./:@,+=-]*)$/.exec(line) ?? [];
        if (name === '') throw new Error(`This line is not a variable: ${JSON.stringify(line)}`);
        return [name, value];
      }),
  );
}

function textsIn(folder: string): Record<string, string> {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(files.map(({ name }) => [name, readFileSync(join(folder, name), 'utf8')]));
}
