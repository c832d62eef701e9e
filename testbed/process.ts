import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/**
 * Whether a process exists and is one of the test bed's in `directory`. Pids are
 * used again, therefore its command line is looked at.
 */
export function belongsTo(pid: number, directory: string): boolean {
  return commandLine(pid).includes(directory);
}

/** The command line of a process; empty where there is none, also for one that has ended but was not waited for. */
function commandLine(pid: number): string {
  try {
    return existsSync('/proc/self/cmdline')
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      : execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}
