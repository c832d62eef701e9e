/** The npm package of this repository: what `npm pack` makes of it, as a registry would serve it. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

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

/** A package that is installed in a folder of its own. */
export interface Installed {
  /** The paths of the files in the package. */
  files: string[];
  /** The folder with its programs. */
  bin: string;
  remove: () => void;
}

/** Packs a copy of the files that git knows, and installs the package in an empty folder, without a network. */
export function installPackage(): Installed {
  const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-package-'));
  const [copy, project] = [join(folder, 'copy'), join(folder, 'project')];
  const tracked = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const path of tracked) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(path, join(copy, path), { verbatimSymlinks: true });
  }
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{"name":"empty","private":true}\n');
  const env = { PATH: process.env['PATH'], HOME: folder };
  const npm = (cwd: string, ...parameters: string[]): string => execFileSync('npm', parameters, { cwd, env, encoding: 'utf8' });
  const [packed] = JSON.parse(npm(copy, 'pack', '--json', '--ignore-scripts')) as [{ filename: string; files: { path: string }[] }];
  npm(project, 'install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', join(copy, packed.filename));
  return {
    files: packed.files.map(({ path }) => path).sort(),
    bin: join(project, 'node_modules', '.bin'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
