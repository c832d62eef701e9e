import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** How a command ended. */
export interface ChildEnd {
  /** As a shell reports it: 128 plus the number of the signal that ended it, 127 if it was not found, 126 if it could not be started. */
  status: number;
  /** Why it could not be started. */
  error?: string;
}

/**
 * Runs a command with the streams of this process, and waits for its end. A cancellation is passed on to it.
 *
 * @param stdout where its standard output goes: `inherit`, or the number of a stream of this process.
 */
export function runChild(command: readonly string[], stdout: 'inherit' | number, cancel: AbortSignal): Promise<ChildEnd> {
  const [program = '', ...parameters] = command;
  return new Promise((resolve) => {
    const child = spawn(program, parameters, { stdio: ['inherit', stdout, 'inherit'] });
    // At a terminal, the command receives Ctrl-C itself.
    const onCancel = (): void => {
      if (!process.stdin.isTTY) child.kill('SIGTERM');
    };
    if (cancel.aborted) onCancel();
    else cancel.addEventListener('abort', onCancel, { once: true });
    const end = (ended: ChildEnd): void => {
      cancel.removeEventListener('abort', onCancel);
      resolve(ended);
    };
    child.on('error', ({ code, message }: NodeJS.ErrnoException) =>
      end(code === 'ENOENT' ? { status: 127, error: 'command not found' } : { status: 126, error: message }),
    );
    child.on('exit', (code, signal) => end({ status: code ?? 128 + (signal ? constants.signals[signal] : 0) }));
  });
}
