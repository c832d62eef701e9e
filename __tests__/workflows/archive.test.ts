/** What a job downloads with `uses:` is an archive of the repository: it is small, has everything that the action needs, and nothing else. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { expectResults, runWorkflow, stepOf } from '../helpers/act.ts';
import { Fleet } from '../helpers/support.ts';

/** The largest download, in bytes. The smallest of eleven well-known actions has 477 kB. */
const LARGEST = 200_000;

const git = (...parameters: string[]): Buffer => execFileSync('git', parameters, { maxBuffer: 2 ** 28 });

let folder: string;
let archive: Buffer;
beforeAll(() => {
  // The working tree, if there are changes in it.
  const commit = git('stash', 'create').toString().trim() || 'HEAD';
  archive = git('archive', '--worktree-attributes', commit);
  folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-archive-'));
  execFileSync('tar', ['--extract', '--directory', folder], { input: archive });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('has at most 200 kB, with what the action runs and the documents of the top level only', () => {
  const names = ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md', 'action.yml', 'dist', 'rbac'];
  expect(readdirSync(folder).sort()).toEqual(names);
  expect(gzipSync(archive).length).toBeLessThanOrEqual(LARGEST);
});

test('runs as an action: it rolls back, with outputs and a summary', async () => {
  const fleet = await Fleet.create();
  try {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
    const workflow = `
name: Archive
on: workflow_dispatch
permissions: {}
jobs:
  rollback:
    runs-on: ubuntu-latest
    steps:
      - name: Roll back
        uses: OWNER/rollback-daemonset@v1
        with:
          kubeconfig: \${{ secrets.KUBECONFIG }}
          daemonset: ${fleet.namespace}/agent
`;
    const run = await runWorkflow(workflow, { action: folder });
    expectResults(run, { rollback: ['success', { 'Roll back': 'success' }] });
    const step = stepOf(run, 'rollback', 'Roll back');
    expect(step?.outputs).toMatchObject({ outcome: 'rolled-back', 'old-revision': '2', 'target-revision': '1', 'new-revision': '3' });
    expect(step?.summary).toMatch(/^## ✅ Rolled back: /);
  } finally {
    await fleet.remove();
  }
});
