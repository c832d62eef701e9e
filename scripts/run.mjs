// Runs a TypeScript program of this project under Node 24, on a machine that may have an older Node, and
// installs the dependencies first where they are missing: node scripts/run.mjs PROGRAM.ts [ARGUMENT …]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
const stamp = join(root, 'node_modules', '.installed-lock');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  process.stderr.write('Installing the dependencies (npm ci) …\n');
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(stamp, lock);
}

/** This Node if it is 24 or newer, else the one that came with the dependencies. */
function node() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const bundled = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(bundled)) return bundled;
  process.stderr.write(
    `Node 24 or newer is needed; this is ${process.version}, and there is no npm package with Node 24 for ${process.platform} ${process.arch}. Install it, then try again.\n`,
  );
  process.exit(1);
}

const program = process.argv.slice(2);
const executable = node();
const child = spawn(executable, ['--disable-warning=ExperimentalWarning', ...program], {
  stdio: 'inherit',
  // Programs that these start, such as the tests' runner, find the same Node.
  env: { ...process.env, PATH: `${dirname(executable)}${delimiter}${process.env.PATH ?? ''}` },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
