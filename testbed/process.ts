import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/**
 * Whether a process exists and belongs to the test bed in `directory`. Pids are
 * reused, therefore this checks the command line.
 */
export function belongsTo(pid: number, directory: string): boolean {
  return commandLine(pid).includes(directory);
}

/** The command line of a process; empty if there is none, also for a zombie. */
function commandLine(pid: number): string {
  try {
    return existsSync('/proc/self/cmdline')
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      : execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}
