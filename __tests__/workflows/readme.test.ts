/** Runs the workflows of the README and of docs/ as written. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { expectResults, runWorkflow, stepOf, type WorkflowRun } from '../helpers/act.ts';
import { documentedWorkflows } from '../helpers/readme.ts';
import { Fleet } from '../helpers/support.ts';

const workflows = documentedWorkflows();
/** The workflows that the tests below run. */
const tested = ['Deploy the log agent', 'Roll back a DaemonSet', 'Roll back the node agents'];
const workflow = (name: string): string => workflows[name] ?? '';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create({ namespace: 'logging', name: 'log-agent' });
});
afterEach(() => fleet.remove());

test('every complete workflow in README and docs is run here', () => {
  expect(Object.keys(workflows).sort()).toEqual(tested);
});

test('a rollback by hand does a dry run first, then rolls back', async () => {
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

describe('the deploy with a guard and a gate', () => {
  const before = { 'actions/checkout@v7': 'success', 'Log in to the cluster': 'success', Guard: 'success' };
  /** The post step of the gate does nothing. */
  const after = { 'Post Wait until every node runs it': 'success', 'Post Guard': 'success' };
  /** With a shorter grace than a user would set, so that a broken deploy fails sooner. */
  const impatient = workflow('Deploy the log agent').replace(
    'command: status',
    'command: status\n          failure-grace: 1s\n          stable-for: 1s',
  );

  /** Runs it in a repository with this manifest. */
  const deploy = (manifest: string): Promise<WorkflowRun> =>
    runWorkflow(impatient, { event: 'push', files: { 'log-agent.yaml': manifest } });

  test('rolls nothing back if the version works', async () => {
    await fleet.rollOut('v1');
    const run = await deploy(fleet.manifest('v2'));
    expectResults(run, { deploy: ['success', { ...before, Deploy: 'success', 'Wait until every node runs it': 'success' }] });
    expect(await fleet.history()).toEqual({ 1: 'v1', 2: 'v2' });
    expect(fleet.writes()).toBe(0);
  });

  test('restores the version before if the new one is broken, and the job still fails', async () => {
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

  test('writes nothing if the job fails before it changes the DaemonSet, where "previous" would restore v1', async () => {
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

  test('reports a broken DaemonSet that the job created, and does not delete it', async () => {
    const run = await deploy(fleet.manifest('v1-crash'));
    expectResults(run, {
      deploy: ['failure', { ...before, Deploy: 'success', 'Wait until every node runs it': 'failure', ...after }],
    });
    expect(stepOf(run, 'deploy', 'Post Guard')?.annotations).toContainEqual(
      expect.stringMatching(/^warning No version to restore: .*: absent \(created\): The DaemonSet did not exist before this job/),
    );
    expect(await fleet.history()).toEqual({ 1: 'v1-crash' });
    expect(fleet.writes()).toBe(0);
  });
});

test('a matrix rolls back two DaemonSets, and the job that needs both starts only after both', async () => {
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

    // One of them has nothing to restore now: the other is still rolled back, and the job that needs both does not start.
    await fleet.rollOut('v3');
    const half = await runWorkflow(workflow('Roll back the node agents'), { runId: 2 });
    const outcomes = ['rollback-1', 'rollback-2'].map((job) => stepOf(half, job, 'OWNER/rollback-daemonset@v1')?.outputs['outcome']);
    expect(outcomes).toEqual(['rolled-back', 'refused']);
    expect(stepOf(half, 'reopen', 'echo "Every node runs the earlier versions again."')).toBeUndefined();
  } finally {
    await other.remove();
  }
});
