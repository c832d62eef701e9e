/** What tests and benchmarks share. It imports nothing of jest. */
import { execFile } from 'node:child_process';
import { attachTestbed, type Testbed } from '../../testbed/testbed.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read arbitrary fields of API objects
export type Any = any;

export function sharedTestbed(): Testbed {
  const directory = process.env['TESTBED'];
  if (!directory) throw new Error('The test bed is not running: run the tests by "npm run test:e2e".');
  return attachTestbed(directory);
}

/** Runs a program with text on its standard input. */
export function execute(program: string, parameters: string[], input = ''): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const child = execFile(program, parameters, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      done({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
    // A program can end without reading its input.
    child.stdin?.on('error', () => {}).end(input);
  });
}

/** Waits until a condition holds. Fails after a minute with the last value. */
export async function eventually<T>(what: string, look: () => T | Promise<T>, holds: (seen: T) => boolean): Promise<T> {
  const end = Date.now() + 60_000;
  // Less and less often: most looks start kubectl, and the tests share two cores.
  for (let pauseMs = 100; ; pauseMs = Math.min(1.5 * pauseMs, 500)) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > end) throw new Error(`Waited in vain for ${what}. Seen last: ${JSON.stringify(seen, null, 1)?.slice(0, 4_000)}`);
    await new Promise((next) => setTimeout(next, pauseMs));
  }
}
