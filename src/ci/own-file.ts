import { closeSync, constants, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';

/** Why a file is not used: it is not there, or it is not one that this action can have written. */
export type FileProblem = 'gone' | 'not-ours';

/** A larger file is not ours, in bytes. An object of Kubernetes has at most 1.5 MiB. */
const LARGEST = 64 * 1024 * 1024;

// Windows has neither of the two.
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/** The content of a regular file of this user that others cannot read. */
export function readOwnFile(path: string): { text: string } | { problem: FileProblem } {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    return { problem: (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'not-ours' };
  }
  try {
    return isOwn(file) ? { text: readFileSync(file, 'utf8') } : { problem: 'not-ours' };
  } catch {
    return { problem: 'gone' };
  } finally {
    closeSync(file);
  }
}

/**
 * Appends a line to such a file, which is created with a first line.
 *
 * @throws Error if the file is not ours or cannot be written.
 */
export function appendToOwnFile(path: string, header: string, line: string): void {
  const file = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    if (!isOwn(file)) throw new Error('the file is not one that this action can have written');
    writeSync(file, `${fstatSync(file).size === 0 ? `${header}\n` : ''}${line}\n`);
  } finally {
    closeSync(file);
  }
}

function isOwn(file: number): boolean {
  const stats = fstatSync(file);
  // Windows has neither owners nor modes like these.
  const isPrivate = process.getuid === undefined || (stats.uid === process.getuid() && (stats.mode & 0o777) === 0o600);
  return stats.isFile() && isPrivate && stats.size <= LARGEST;
}
