// Runs a TypeScript program of this project under Node 24, also on a machine with an older Node. If the dependencies are missing, it
// installs them first: node scripts/run.mjs PROGRAM.ts [ARGUMENT …]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** When a file was changed, or 0 if it does not exist. */
const changedAt = (...path) => statSync(join(root, ...path), { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Installs what the lock file of a folder lists, unless that is there already. */
function install(what, ...folder) {
  // npm writes this copy of the lock file as its last act.
  if (changedAt(...folder, 'node_modules', '.package-lock.json') >= changedAt(...folder, 'package-lock.json')) return;
  process.stderr.write(`Installing ${what} (npm ci) …\n`);
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: join(root, ...folder),
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** The path of this Node if it is 24 or newer, or else of the one in scripts/node. */
function node() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  install('Node 24', 'scripts', 'node');
  const bundled = join(root, 'scripts', 'node', 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(bundled)) return bundled;
  process.stderr.write(
    `This project needs Node 24 or newer; this is ${process.version}, and no npm package provides Node 24 for ${process.platform} ${process.arch}. Install Node 24, then try again.\n`,
  );
  process.exit(1);
}

install('the dependencies');
const program = process.argv.slice(2);
const executable = node();
const child = spawn(executable, ['--disable-warning=ExperimentalWarning', ...program], {
  stdio: 'inherit',
  // Programs that the child starts, such as the test runner, find the same Node.
  env: { ...process.env, PATH: `${dirname(executable)}${delimiter}${process.env.PATH ?? ''}` },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
