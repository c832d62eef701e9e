import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Times in milliseconds. */
export interface Times {
  /** User and system time, including all child processes. */
  cpu: number;
  wall: number;
}

/** Runs a program under bash, which prints the times in the last line of standard error, and keeps the exit code. */
export const TIMED = ['bash', '-c', 'TIMEFORMAT="%R %U %S"; time "$@"', 'bash'];

/** @param printed the output of a program that was started with TIMED. */
export function timesIn(printed: string): Times {
  const [, real, user, system] = /(\d+\.\d+) (\d+\.\d+) (\d+\.\d+)\s*$/.exec(printed) ?? [];
  if (real === undefined) throw new Error(`The output does not end with times: ${printed.slice(-500)}`);
  return { wall: Number(real) * 1_000, cpu: (Number(user) + Number(system)) * 1_000 };
}

/** Runs a program, and returns its output, when it exited, and its peak memory in MB. @throws if it fails. */
export async function run([program = '', ...parameters]: string[]): Promise<{ printed: string; ended: number; peak: number }> {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const memory = peakOf(child);
  const ended = endOf(child);
  const code = await new Promise((done) => child.once('close', done));
  if (code !== 0) throw new Error(`${program} ${parameters.join(' ')} failed with exit code ${code}: ${printed}`);
  return { printed, ended: await ended, peak: await memory };
}

/** When a process exits, in milliseconds since the epoch. */
export function endOf(child: ChildProcess): Promise<number> {
  return new Promise((done) => child.once('exit', () => done(Date.now())));
}

/** The peak memory of a process until it exits, in MB (10^6 bytes), read every 10 ms. */
export async function peakOf(child: ChildProcess): Promise<number> {
  let most = 0;
  while (child.exitCode === null && child.signalCode === null) {
    try {
      const [, kibibytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      most = Math.max(most, (Number(kibibytes ?? 0) * 1024) / 1e6);
    } catch {
      // The process has just exited.
    }
    await new Promise((next) => setTimeout(next, 10));
  }
  return most;
}

/** @param values must not be empty. */
export function median(values: number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
