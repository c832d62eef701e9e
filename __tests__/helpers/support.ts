import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import type { Testbed } from '../../testbed/testbed.ts';

export { type Any, eventually, execute, sharedTestbed } from './basics.ts';
export { Fleet, withFleet } from './fleet.ts';
export type { ManifestOptions } from './manifest.ts';

/** The API server's own certificate, PEM. It is valid for 127.0.0.1, and every client that trusts the cluster trusts it. */
export function servingCertificate({ directory }: Testbed): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(join(directory, 'serving.crt')), key: readFileSync(join(directory, 'serving.key')) };
}

/** Prints a line about a slow operation, such as a build, without the stack that jest adds to console output. */
export function printLine(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Like `expect(step).toMatchObject(expected)`, and a failure shows the step's log. */
export function expectStep(step: Step, expected: object): void {
  try {
    expect(step).toMatchObject(expected);
  } catch (error) {
    throw new Error(
      `${(error as Error).message}\n\nThe log of the step:\n${step.log}\nIts outputs: ${JSON.stringify(step.outputs, null, 1)}`,
    );
  }
}

/** The requests of a rollback with `stable-for: 0` to a version that has the good mark. */
export const PLAIN_ROLLBACK: readonly string[] = [
  'get daemonsets',
  'list controllerrevisions',
  'patch daemonsets dryRun',
  'create pods dryRun',
  'patch daemonsets',
  'watch daemonsets',
  'list pods',
];

/** The environment of a step in a different run: the same run would resume its rollback. */
export const run = (id: number): Record<string, string> => ({ GITHUB_RUN_ID: String(id) });

/** The processes whose command line contains a directory. */
export function processesOf(directory: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** For NODE_OPTIONS: logs a line when nothing is left open, just before the process ends by itself. */
export const LOG_WHEN_IDLE = "--import=data:text/javascript,process.once('beforeExit',()=>console.log('nothing-is-open'))";
