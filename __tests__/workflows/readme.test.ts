/** The workflows of the README, taken out of it and run. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Fleet } from '../e2e/support.ts';
import { expectResults, runWorkflow, stepOf, type WorkflowRun } from './act.ts';
import { readmeWorkflows } from './readme.ts';

const workflows = readmeWorkflows();
const workflow = (name: string): string => workflows[name] ?? '';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create({ namespace: 'logging', name: 'log-agent' });
});
afterEach(() => fleet.remove());

test('by hand: first dry, then in earnest', async () => {
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
  const inputs = { daemonset: 'logging/log-agent', 'to-revision': 'previous' };
  const dry = await runWorkflow(workflow('Roll back a DaemonSet'), { inputs: { ...inputs, 'dry-run': 'true' } });
  expectResults(dry, { rollback: ['success', { 'OWNER/rollback-daemonset@v1': 'success' }] });
  expect(stepOf(dry, 'rollback', 'OWNER/rollback-daemonset@v1')?.outputs['outcome']).toBe('dry-run');
  expect(await fleet.image()).toBe('v2');
  const run = await runWorkflow(workflow('Roll back a DaemonSet'), { inputs: { ...inputs, 'dry-run': 'false' } });
  expect(stepOf(run, 'rollback', 'OWNER/rollback-daemonset@v1')?.outputs['outcome']).toBe('rolled-back');
  expect(await fleet.image()).toBe('v1');
});

describe('the deploy', () => {
  const before = { 'actions/checkout@v7': 'success', 'Log in to the cluster': 'success', Guard: 'success' };
  /** The gate leaves nothing to do. */
  const after = { 'Post Wait until every node runs it': 'success', 'Post Guard': 'success' };
  /** It does not wait as long as a user would for a deploy that breaks. */
  const impatient = workflow('Deploy the log agent').replace('command: status', 'command: status\n          failure-grace: 1s');

  /** Runs it in a repository with this manifest. */
  const deploy = (manifest: string): Promise<WorkflowRun> =>
    runWorkflow(impatient, { event: 'push', files: { 'log-agent.yaml': manifest } });

  test('works: nothing is rolled back', async () => {
    await fleet.rollOut('v1');
    const run = await deploy(fleet.manifest('v2'));
    expectResults(run, { deploy: ['success', { ...before, Deploy: 'success', 'Wait until every node runs it': 'success' }] });
    expect(await fleet.history()).toEqual({ 1: 'v1', 2: 'v2' });
    expect(fleet.writes()).toBe(0);
  });

  test('breaks: what ran before comes back, and the job fails all the same', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    const run = await deploy(fleet.manifest('v3-crash'));
    expectResults(run, {
      deploy: ['failure', { ...before, Deploy: 'success', 'Wait until every node runs it': 'failure', ...after }],
    });
    expect(stepOf(run, 'deploy', 'Wait until every node runs it')?.outputs).toMatchObject({ outcome: 'failed', changed: 'false' });
    expect(stepOf(run, 'deploy', 'Post Guard')?.annotations).toContainEqual(
      expect.stringMatching(/^notice Rolled back.*Revision 3 → 4, which restores revision 2\.$/),
    );
    expect(await fleet.history()).toEqual({ 1: 'v1', 3: 'v3-crash', 4: 'v2' });
    expect(fleet.writes()).toBe(1);
  });

  test('fails before it reached the DaemonSet: nothing is written, where "previous" would have brought v1', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    const run = await deploy('not a manifest');
    expectResults(run, { deploy: ['failure', { ...before, Deploy: 'failure', 'Post Guard': 'success' }] });
    expect(stepOf(run, 'deploy', 'Post Guard')?.annotations).toEqual([
      expect.stringMatching(/unchanged \(not-changed\): Nothing was written/),
    ]);
    expect(await fleet.image()).toBe('v2');
    expect(fleet.writes()).toBe(0);
  });

  test('creates it, and breaks: it is reported, and not deleted', async () => {
    const run = await deploy(fleet.manifest('v1-crash'));
    expectResults(run, {
      deploy: ['failure', { ...before, Deploy: 'success', 'Wait until every node runs it': 'failure', ...after }],
    });
    expect(stepOf(run, 'deploy', 'Post Guard')?.annotations).toContainEqual(
      expect.stringMatching(/^warning Nothing to go back to: .*: absent \(created\): The DaemonSet did not exist before this job/),
    );
    expect(await fleet.history()).toEqual({ 1: 'v1-crash' });
    expect(fleet.writes()).toBe(0);
  });
});

test('two DaemonSets in a matrix, and the job that needs both', async () => {
  const other = await Fleet.create({ namespace: 'monitoring', name: 'node-exporter' });
  try {
    for (const one of [fleet, other]) {
      await one.rollOut('v1');
      await one.getStuck('v2-missing');
    }
    const run = await runWorkflow(workflow('Roll back the node agents'));
    const rolledBack: [string, Record<string, string>] = ['success', { 'OWNER/rollback-daemonset@v1': 'success' }];
    expectResults(run, {
      'rollback-1': rolledBack,
      'rollback-2': rolledBack,
      reopen: ['success', { 'echo "Every node runs the earlier versions again."': 'success' }],
    });
    expect([await fleet.image(), await other.image()]).toEqual(['v1', 'v1']);

    // One of them has nothing to go back to now: the other is rolled back all the same, and the gate stays shut.
    await fleet.rollOut('v3');
    const half = await runWorkflow(workflow('Roll back the node agents'), { runId: 2 });
    const outcomes = ['rollback-1', 'rollback-2'].map((job) => stepOf(half, job, 'OWNER/rollback-daemonset@v1')?.outputs['outcome']);
    expect(outcomes).toEqual(['rolled-back', 'refused']);
    expect(stepOf(half, 'reopen', 'echo "Every node runs the earlier versions again."')).toBeUndefined();
  } finally {
    await other.remove();
  }
});
