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
  const always = { 'actions/checkout@v7': 'success', 'Log in to the cluster': 'success', 'Remember what runs now': 'success' };

  /** Runs it in a repository with this manifest. */
  const deploy = (manifest: string, text = workflow('Deploy the log agent')): Promise<WorkflowRun> =>
    runWorkflow(text, { event: 'push', files: { 'log-agent.yaml': manifest } });
  /** The same, but not waiting as long as a user would for a deploy that breaks. */
  const impatient = workflow('Deploy the log agent').replace('--timeout 5m', '--timeout 3s');

  beforeEach(async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
  });

  test('works: nothing is rolled back', async () => {
    expectResults(await deploy(fleet.manifest('v3')), { deploy: ['success', { ...always, Deploy: 'success' }] });
    expect(await fleet.image()).toBe('v3');
    expect(fleet.writes()).toBe(0);
  });

  test('breaks: what ran before comes back, and the job fails all the same', async () => {
    const run = await deploy(fleet.manifest('v3-crash'), impatient);
    expectResults(run, { deploy: ['failure', { ...always, Deploy: 'failure', 'Roll back': 'success' }] });
    expect(stepOf(run, 'deploy', 'Roll back')?.outputs).toMatchObject({
      outcome: 'rolled-back',
      'old-revision': '3',
      'target-revision': '2',
      'new-revision': '4',
    });
    expect(await fleet.image()).toBe('v2');
  });

  test('fails before it reached the DaemonSet: nothing is written, where "previous" would have brought v1', async () => {
    const run = await deploy('not a manifest');
    expectResults(run, { deploy: ['failure', { ...always, Deploy: 'failure', 'Roll back': 'success' }] });
    expect(stepOf(run, 'deploy', 'Roll back')?.outputs).toMatchObject({ outcome: 'unchanged', changed: 'false' });
    expect(await fleet.image()).toBe('v2');
    expect(fleet.writes()).toBe(0);
  });

  test('breaks, and so does the rollback: somebody is called', async () => {
    const gone = impatient.replace(/\$\{\{ steps\.before.* \}\}/, 'log-agent-gone');
    const run = await deploy(fleet.manifest('v3-crash'), gone);
    expectResults(run, { deploy: ['failure', { ...always, Deploy: 'failure', 'Roll back': 'failure', 'Call somebody': 'success' }] });
    expect(stepOf(run, 'deploy', 'Call somebody')?.annotations).toEqual(['error : The rollback ended as refused (revision-not-found)']);
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
