/**
 * Runs the tests: `test.ts [unit|e2e|cli|runner|testbed|faults|node|long] [arguments for jest]`. The default is unit and e2e. `long` without arguments also runs the
 * end-to-end tests on each older Kubernetes. The last line of the output is `N passed, N failed`, and `, N skipped` where this machine cannot run real nodes.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OLDER } from '../testbed/build.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const node = (program: string[], environment: Record<string, string> = {}): number =>
  spawnSync(process.execPath, program, { cwd: root, stdio: 'inherit', env: { ...env, ...environment } }).status ?? 1;
const env = { ...process.env, NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning' };

const [project, ...rest] = process.argv.slice(2);
const isProject = ['unit', 'e2e', 'cli', 'runner', 'testbed', 'faults', 'node', 'long'].includes(project ?? '');
const arguments_ = isProject || project === undefined ? rest : [project, ...rest];

// The end-to-end tests run dist/, so it must match the sources.
if (project !== 'unit' && node(['scripts/build.ts', '--check']) !== 0) process.exit(1);

let passed = 0;
let failed = 0;
let skipped = 0;
jest(isProject ? [project as string] : ['unit', 'e2e']);
if (project === 'long' && rest.length === 0)
  for (const kubernetes of OLDER) jest(['e2e', 'cli', 'runner', 'testbed', 'faults'], kubernetes);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed === 0 && passed + skipped > 0 ? 0 : 1);

/** @param kubernetes the version of the test beds; by default, the newest. */
function jest(projects: string[], kubernetes?: string): void {
  const work = mkdtempSync(join(tmpdir(), 'rollback-daemonset-test-'));
  const report = join(work, 'report.json');
  if (kubernetes) console.log(`\nOn Kubernetes ${kubernetes}:`);
  const status = node(
    [
      'node_modules/jest/bin/jest.js',
      '--selectProjects',
      ...projects,
      '--json',
      `--outputFile=${report}`,
      '--testLocationInResults=false',
      ...arguments_,
    ],
    kubernetes ? { TESTBED_KUBERNETES: kubernetes } : {},
  );
  try {
    const {
      numPassedTests = 0,
      numFailedTests = 0,
      numPendingTests = 0,
      numRuntimeErrorTestSuites = 0,
    } = JSON.parse(readFileSync(report, 'utf8')) as Record<string, number>;
    passed += numPassedTests;
    skipped += numPendingTests;
    failed += Math.max(numFailedTests + numRuntimeErrorTestSuites, status === 0 ? 0 : 1);
  } catch {
    failed += 1;
  }
  rmSync(work, { recursive: true, force: true });
}
