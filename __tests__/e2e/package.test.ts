/** The package that npm publishes: its files, and that it runs alone, under each Node that it says it supports. */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { expectRan, type Ran, runCommand } from '../helpers/command.ts';
import { type Installed, installPackage } from '../helpers/package.ts';
import { type Any, execute } from '../helpers/support.ts';

let installed: Installed;
beforeAll(() => {
  installed = installPackage();
});
afterAll(() => installed.remove());

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const program = (): string => join(installed.bin, 'rollback-daemonset');

test('has the command line and its documents, and nothing else', () => {
  expect(installed.files).toEqual([
    'LICENSE',
    'README.md',
    'dist/cli.js',
    'dist/licenses.txt',
    'dist/socks.cjs',
    'docs/any-ci.md',
    'docs/cli.md',
    'package.json',
  ]);
});

test('needs no other package', () => {
  const folder = dirname(installed.bin);
  expect(readdirSync(folder).filter((name) => !name.startsWith('.'))).toEqual(['rollback-daemonset']);
  const {
    dependencies,
    optionalDependencies,
    peerDependencies,
    scripts = {},
  } = JSON.parse(readFileSync(join(folder, 'rollback-daemonset', 'package.json'), 'utf8')) as Any;
  expect([dependencies, optionalDependencies, peerDependencies]).toEqual([undefined, undefined, undefined]);
  expect(Object.keys(scripts).filter((name) => /install|prepare/.test(name))).toEqual([]);
});

test('has two programs that anyone can run', () => {
  expect(readdirSync(installed.bin).sort()).toEqual(['kubectl-rollback_daemonset', 'rollback-daemonset']);
  for (const name of readdirSync(installed.bin)) expect(statSync(join(installed.bin, name)).mode & 0o111).toBe(0o111);
});

/** The folders of PATH with a Node, one for each version. */
async function nodes(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const folder of new Set((process.env['PATH'] ?? '').split(delimiter))) {
    const { code, stdout } = await execute(join(folder, 'node'), ['--version']);
    if (code === 0) found[stdout.trim()] ??= folder;
  }
  return found;
}

test('runs under each Node of the PATH', async () => {
  const all = await nodes();
  expect(Object.keys(all)).toContain(process.version);
  for (const [name, folder] of Object.entries(all)) {
    expect(Number(/^v(\d+)/.exec(name)?.[1])).toBeGreaterThanOrEqual(20);
    const PATH = `${folder}${delimiter}/usr/bin${delimiter}/bin`;
    expect((await runCommand(['--version'], { PATH }, { program: ['node'] })).stdout.trim()).toBe(name);
    const run = (...parameters: string[]): Promise<Ran> => runCommand(parameters, { PATH }, { program: [program()] });
    expectRan(await run('--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
    expectRan(await run('rollback', '--help'), { code: 0, stderr: '', stdout: expect.stringContaining('Usage:') });
    // All that the bundle loads when it starts to work, up to the first thing that it lacks.
    expectRan(await run('rollback', 'agent', '--kubeconfig', 'none', '--env-file', 'result.env', '-o', 'json'), {
      code: 1,
      stdout: expect.stringContaining('"reason": "kubeconfig"'),
      files: { 'result.env': expect.stringContaining('ROLLBACK_EXIT_STATUS=1\n') },
    });
  }
});

// Node takes its own --env-file from anywhere before "--", also from the arguments of npx.
test.each([
  ['the shell', ['sh', '-c', 'rollback-daemonset "$@"', 'sh']],
  ['npx', ['npx', '--offline', '--', 'rollback-daemonset']],
  ['its path', ['node_modules/.bin/rollback-daemonset']],
  ['sh', ['sh', 'node_modules/.bin/rollback-daemonset']],
  ['node', ['node', '--', 'node_modules/.bin/rollback-daemonset']],
])('is started by %s, with an option that Node has too', async (_what, start) => {
  const folder = dirname(dirname(installed.bin));
  rmSync(join(folder, 'result.env'), { force: true });
  const environment = { PATH: `${installed.bin}${delimiter}${process.env['PATH']}` };
  const parameters = ['rollback', '--env-file', 'result.env', '--kubeconfig', 'none', 'agent'];
  const ran = await runCommand(parameters, environment, { program: start, folder });
  expectRan(ran, { code: 1, files: { 'result.env': expect.stringContaining('ROLLBACK_OUTCOME=error\n') } });
});
