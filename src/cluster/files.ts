import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** A file that cannot be used, and why. The message does not contain the path. */
export class FileError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'FileError';
  }
}

/**
 * The content of a regular file. A device or a named pipe can be endless, or never answer, so it is refused.
 *
 * @throws FileError
 */
export function readRegularFile(path: string, maxBytes: number): Buffer {
  let descriptor: number | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe waits for a writer. Windows does not have it.
    descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = fstatSync(descriptor);
    if (stats.isDirectory()) throw new FileError('it is a directory');
    if (!stats.isFile()) throw new FileError('it is not a regular file');
    if (stats.size > maxBytes) throw new FileError(`it is larger than ${maxBytes / 1024 / 1024} MiB`);
    return readFileSync(descriptor);
  } catch (error) {
    if (error instanceof FileError) throw error;
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new FileError(code === 'ENOENT' ? 'it does not exist' : code);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
