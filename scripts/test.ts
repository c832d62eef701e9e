/** Runs the tests: `test.ts [unit|e2e|long] [arguments for jest]`, by default unit and e2e. Its last line is `N passed, N failed`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const node = (...program: string[]): number => spawnSync(process.execPath, program, { cwd: root, stdio: 'inherit', env }).status ?? 1;
const env = { ...process.env, NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning' };

const [project, ...rest] = process.argv.slice(2);
const isProject = project === 'unit' || project === 'e2e' || project === 'long';
const selected = isProject ? [project] : ['unit', 'e2e'];
const arguments_ = isProject || project === undefined ? rest : [project, ...rest];

// The end-to-end tests run dist/, so it must be made from these sources.
if (project !== 'unit' && node('scripts/build.ts', '--check') !== 0) process.exit(1);

const work = mkdtempSync(join(tmpdir(), 'rollback-daemonset-test-'));
const report = join(work, 'report.json');
const status = node(
  'node_modules/jest/bin/jest.js',
  '--selectProjects',
  ...selected,
  '--json',
  `--outputFile=${report}`,
  '--testLocationInResults=false',
  ...arguments_,
);
let passed = 0;
let failed = 0;
try {
  const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(report, 'utf8')) as Record<string, number>;
  passed = numPassedTests ?? 0;
  failed = (numFailedTests ?? 0) + (numRuntimeErrorTestSuites ?? 0);
} catch {
  failed = 1;
}
rmSync(work, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(status === 0 && failed === 0 && passed > 0 ? 0 : 1);
