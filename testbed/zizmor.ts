import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheDirectory, exists } from './build.ts';

const REQUIREMENTS = fileURLToPath(new URL('./modules/zizmor/requirements.txt', import.meta.url));
const execute = promisify(execFile);

/**
 * The path of zizmor, a workflow auditor, with the version and digests in `modules/zizmor/requirements.txt`. If it is not in the cache,
 * pip installs it there.
 *
 * @throws if Python with pip is missing, or the package index does not have it.
 */
export async function installZizmor(log: (line: string) => void): Promise<string> {
  const requirements = await readFile(REQUIREMENTS, 'utf8');
  const hash = createHash('sha256').update(`${requirements}\0${process.platform}\0${process.arch}`).digest('hex').slice(0, 12);
  const directory = join(cacheDirectory(), `zizmor-${hash}`);
  const binary = join(directory, 'bin', 'zizmor');
  if (await exists(binary)) return binary;
  log('installing zizmor (pip)');
  const unfinished = `${directory}.${process.pid}`;
  await mkdir(dirname(directory), { recursive: true });
  try {
    const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--require-hashes'];
    await execute('python3', ['-m', 'pip', 'install', ...options, '--target', unfinished, '--requirement', REQUIREMENTS]);
    await rename(unfinished, directory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return binary;
}
