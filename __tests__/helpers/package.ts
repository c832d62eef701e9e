/** The npm package of this repository: what `npm pack` makes of it, as a registry would serve it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The path of the tarball, in build/. It is packed again if dist/cli.js or package.json is newer. */
export function packedPackage(): string {
  const tarball = resolve('build', 'rollback-daemonset.tgz');
  const changedAt = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (changedAt(tarball) > Math.max(changedAt('dist/cli.js'), changedAt('package.json'))) return tarball;
  mkdirSync('build', { recursive: true });
  const folder = mkdtempSync(resolve('build', 'pack-'));
  try {
    execFileSync('npm', ['pack', '--ignore-scripts', '--loglevel=error', `--pack-destination=${folder}`], { encoding: 'utf8' });
    const [packed = ''] = readdirSync(folder);
    // Tests in another process can pack at the same time: each renames a complete file.
    renameSync(join(folder, packed), tarball);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return tarball;
}
