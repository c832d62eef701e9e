/** The package of the command line, as npm publishes it. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

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
