import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));

/** The result of a step. */
export interface Step {
  code: number | null;
  /** Without the lines that a runner removes, those with values to mask. */
  log: string;
  outputs: Record<string, string>;
  /** The state for its post step. */
  state: Record<string, string>;
  /** GitHub-flavoured Markdown. */
  summary: string;
}

/** A step that is still running. */
export interface RunningStep {
  process: ChildProcess;
  /** The lines printed so far. */
  log: () => string;
  done: Promise<Step>;
}

/**
 * Starts the action like a runner does: the environment contains only inputs, files and `environment`.
 *
 * @param onLine receives each line of the log when it is printed.
 * @param left the state that the step left; if given, its post step is started.
 * @param through a program that starts the action, for example to measure it.
 */
export function startStep(
  inputs: Record<string, string>,
  environment: Record<string, string | undefined> = {},
  onLine: (line: string) => void = () => {},
  left?: Step['state'],
  through: string[] = [],
): RunningStep {
  const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-step-'));
  const output = join(directory, 'output');
  const summary = join(directory, 'summary');
  const state = join(directory, 'state');
  for (const file of [output, summary, state]) writeFileSync(file, '');
  const { PATH = '' } = process.env;
  const [program = '', ...parameters] = [...through, process.execPath, join(DIST, left ? 'post.js' : 'index.js')];
  const child = spawn(program, parameters, {
    env: {
      PATH,
      HOME: directory,
      GITHUB_ACTIONS: 'true',
      GITHUB_REPOSITORY: 'octo/fleet',
      GITHUB_RUN_ID: '1',
      GITHUB_OUTPUT: output,
      GITHUB_STEP_SUMMARY: summary,
      GITHUB_STATE: state,
      ...environment,
      ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
      ...Object.fromEntries(Object.entries(left ?? {}).map(([name, value]) => [`STATE_${name}`, value])),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const isMask = (line: string): boolean => line.startsWith('::add-mask::');
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (!isMask(line)) onLine(line);
    });
  }
  const text = (of: string[]): string => of.map((line) => `${line}\n`).join('');
  const done = new Promise<Step>((end) => {
    child.on('close', (code) => {
      end({
        code,
        log: text(lines.filter((line) => !isMask(line))),
        outputs: valuesOf(readFileSync(output, 'utf8')),
        state: valuesOf(readFileSync(state, 'utf8')),
        summary: readFileSync(summary, 'utf8'),
      });
      rmSync(directory, { recursive: true, force: true });
    });
  });
  return { process: child, log: () => text(lines), done };
}

/** The values in a file of outputs or state, as @actions/core writes it. */
function valuesOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^(\S+?)<<(ghadelimiter_\S+)\n([\s\S]*?)\n\2$/gm)].map(([, name = '', , value = '']) => [name, value]),
  );
}
