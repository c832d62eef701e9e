import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startStep } from '../testbed/step.ts';

/** For kubectl and Helm, in seconds. They end sooner only with a success. */
export const TIMEOUT = 60;

/** What a tool says about a rollout. */
export interface Verdict {
  code: number;
  seconds: number;
  /** What it says besides. */
  why: string;
}

/** Runs a program; its exit status and its time count. */
export function attempt(program: string, parameters: string[], input = ''): Promise<Verdict> {
  const began = performance.now();
  return new Promise((done) => {
    const child = execFile(program, parameters, (error) =>
      done({ code: error ? 1 : 0, seconds: (performance.now() - began) / 1_000, why: '' }),
    );
    child.stdin?.on('error', () => {}).end(input);
  });
}

/** Runs the action with `command: status`. */
export async function gate(inputs: Record<string, string>): Promise<Verdict> {
  const began = performance.now();
  const { code, outputs } = await startStep({ command: 'status', ...inputs }).done;
  const reason = outputs['reason'] ?? '';
  return { code: code === 0 ? 0 : 1, seconds: (performance.now() - began) / 1_000, why: reason === 'complete' ? '' : reason };
}

/** A verdict in a table, beside the exit status that says what happens. */
export function inCell({ code, seconds, why }: Verdict, right: number): string {
  const said = code === 0 ? 'success' : why === '' ? (seconds >= TIMEOUT - 1 ? 'timeout' : 'failure') : `\`${why}\``;
  return `${code === right ? '✅' : '❌'} ${said}, ${seconds.toFixed(1)} s`;
}

/** Writes a chart for Helm that contains one manifest, into a folder that it creates unless it exists. */
export function writeChart(folder: string, manifest: object): string {
  mkdirSync(join(folder, 'templates'), { recursive: true });
  writeFileSync(join(folder, 'Chart.yaml'), 'apiVersion: v2\nname: agent\nversion: 1.0.0\n');
  writeFileSync(join(folder, 'templates', 'daemonset.yaml'), JSON.stringify(manifest));
  return folder;
}
