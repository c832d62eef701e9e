/** The report cannot fail the report: verdict, outputs and summary are written each by itself, and the exit status is right whatever happens to them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import { expectStep, Fleet } from '../helpers/support.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-report-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
});
afterEach(() => fleet.remove());

/** Paths that cannot be written to, also by root. */
const broken = (): [name: string, path: string, warning: RegExp][] => [
  ['is in a folder that does not exist', join(directory, 'none', 'file'), /exist|Missing file/],
  ['is on a full disk', '/dev/full', /no space left on the device \(ENOSPC\)/],
  ['is a directory', directory, /it is a directory \(EISDIR\)/],
];

function expectNoTrace({ log }: Step): void {
  expect(log).not.toMatch(/^\s+at |node:internal|This is a bug/m);
}

describe.each(['is in a folder that does not exist', 'is on a full disk', 'is a directory'])('a file of the runner that %s', (name) => {
  const path = (): string => broken().find(([one]) => one === name)?.[1] ?? '';
  const warning = (): RegExp => broken().find(([one]) => one === name)?.[2] ?? /^$/;

  test('GITHUB_OUTPUT: the verdict, the summary and the exit status of a success', async () => {
    const step = await fleet.rollback({}, { GITHUB_OUTPUT: path() });
    expectStep(step, { code: 0, outputs: {} });
    expect(step.log).toMatch(/^::notice title=Rolled back/m);
    expect(step.log).toMatch(/^::warning::Could not write the outputs of this step: /m);
    expect(step.log).toMatch(warning());
    expect(step.summary).toMatch(/^## ✅ Rolled back: /);
    expectNoTrace(step);
    expect(await fleet.image()).toBe('v1');
  });

  test('GITHUB_STEP_SUMMARY: the verdict, the outputs and the exit status of a failure', async () => {
    const step = await fleet.rollback({ 'to-revision': '9' }, { GITHUB_STEP_SUMMARY: path() });
    expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'revision-not-found' } });
    expect(step.log).toMatch(/^::error title=Refused/m);
    expect(step.log).toMatch(/^::warning::Could not write the summary of this step: /m);
    expectNoTrace(step);
  });

  test('GITHUB_STATE: a guard that cannot keep its record fails', async () => {
    const step = await fleet.rollback({ command: 'guard' }, { GITHUB_STATE: path() });
    expectStep(step, { code: 1, outputs: { outcome: 'error', reason: 'record-lost', changed: 'false' } });
    expect(step.log).toMatch(/^::error .*Could not save what the guard recorded/m);
    expectNoTrace(step);
  });
});

test('a log that is closed does not change the exit status, and outputs and summary are written', async () => {
  const running = fleet.start();
  running.process.stdout?.destroy();
  running.process.stderr?.destroy();
  const step = await running.done;
  expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
  expect(step.summary).toMatch(/^## ✅ Rolled back: /);
});
