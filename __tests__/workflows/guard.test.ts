/** Jobs with a guard, run by a real runner: what its post step does when they end. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, Fleet } from '../e2e/support.ts';
import { expectResults, runWorkflow, startWorkflow, stepOf, type WorkflowRun } from './act.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
});
afterEach(() => fleet.remove());

/** A step of the action. */
const action = (name: string, command: string, inputs = ''): string => `
      - name: ${name}
        id: ${command}
        uses: OWNER/rollback-daemonset@v1
        with:
          command: ${command}
          daemonset: ${fleet.namespace}/agent
          ${inputs}`;

const script = (name: string, run: string): string => `
      - name: ${name}
        run: ${run}`;

const deploy = (tag: string): string =>
  script(`Deploy ${tag}`, `kubectl --namespace ${fleet.namespace} set image daemonset/agent agent=registry.example/agent:${tag}`);

const smokeTest = script('Smoke test', 'exit 1');

const job = (...steps: string[]): string => `
name: Guarded
on: workflow_dispatch
permissions: {}
jobs:
  deploy:
    runs-on: ubuntu-latest
    env:
      KUBECONFIG: ${fleet.testbed.kubeconfig}
    steps:${steps.join('')}
`;

const postOf = (run: WorkflowRun): ReturnType<typeof stepOf> => stepOf(run, 'deploy', 'Post Guard');

test('a job that fails: its post step puts back what was recorded; log, annotation and summary are there', async () => {
  const run = await runWorkflow(job(action('Guard', 'guard'), deploy('v3-crash'), smokeTest));
  expectResults(run, {
    deploy: ['failure', { Guard: 'success', 'Deploy v3-crash': 'success', 'Smoke test': 'failure', 'Post Guard': 'success' }],
  });
  const post = postOf(run);
  expect(post?.lines[0]).toMatch(/DaemonSet agent: the job failed: restore what was recorded, if this job changed it$/);
  expect(post?.lines).toContainEqual(expect.stringMatching(/rollout to finish: \d+ .*\.\.\.$/));
  expect(post?.annotations).toContainEqual(
    `notice Rolled back: DaemonSet ${fleet.namespace}/agent: rolled-back (complete): Revision 3 → 4, which restores revision 2.`,
  );
  expect(post?.summary).toMatch(/^## ✅ Rolled back: DaemonSet /);
  expect(await fleet.history()).toEqual({ 1: 'v1', 3: 'v3-crash', 4: 'v2' });
  expect(fleet.writes()).toBe(1);
});

test('a job that succeeds: the post step does not run, whatever became of the rollout', async () => {
  const run = await runWorkflow(job(action('Guard', 'guard'), deploy('v3-crash')));
  expectResults(run, { deploy: ['success', { Guard: 'success', 'Deploy v3-crash': 'success' }] });
  expect(await fleet.image()).toBe('v3-crash');
  expect(fleet.writes()).toBe(0);
});

describe('a job that is cancelled', () => {
  /** Cancels it in the midst of a step. */
  async function cancelled(inputs: string): Promise<WorkflowRun> {
    // What is written in the workflow is not what it prints.
    const hangs = script('Smoke test', 'echo "it $((40 + 2)) hangs" && sleep 600');
    const running = await startWorkflow(job(action('Guard', 'guard', inputs), deploy('v3-crash'), hangs));
    await eventually('the smoke test', running.log, (log) => log.includes('it 42 hangs'));
    running.act.kill('SIGINT');
    return running.done;
  }

  test('is left as it is, since a newer run may be deploying already', async () => {
    const run = await cancelled('');
    expect(postOf(run)?.annotations).toEqual([expect.stringMatching(/cancelled \(cancelled\): .*rollback-on-cancel is not set/)]);
    expect(await fleet.image()).toBe('v3-crash');
    expect(fleet.writes()).toBe(0);
  });

  test('and is rolled back with rollback-on-cancel', async () => {
    const run = await cancelled('rollback-on-cancel: true');
    expect(postOf(run)).toMatchObject({ result: 'success', summary: expect.stringMatching(/^## ✅ Rolled back/) });
    expect(postOf(run)?.lines[0]).toMatch(/the job was cancelled, which leaves at most .*: restore what was recorded/);
    expect(await fleet.image()).toBe('v2');
    expect(fleet.writes()).toBe(1);
  });
});

describe('a job that changes it twice', () => {
  const twice = (inputs: string): Promise<WorkflowRun> =>
    runWorkflow(job(action('Guard', 'guard', inputs), deploy('v3'), deploy('v4-crash'), action('What is deployed', 'history'), smokeTest));

  test('may not be the one that did: nothing is written, and that is an error', async () => {
    const run = await twice('');
    expect(postOf(run)).toMatchObject({
      result: 'failure',
      annotations: [expect.stringMatching(/^error .*superseded \(ambiguous-change\): .*changed 2 times/)],
    });
    expect(fleet.writes()).toBe(0);
  });

  test('says so by an output of a later step, which is read again when the job has ended', async () => {
    const run = await twice(`expected-revision: \${{ steps.history.outputs.controller-revision }}`);
    expect(stepOf(run, 'deploy', 'Guard')?.result).toBe('success');
    expect(stepOf(run, 'deploy', 'What is deployed')?.outputs['controller-revision']).toMatch(/^agent-/);
    expect(postOf(run)).toMatchObject({ result: 'success', summary: expect.stringMatching(/^## ✅ Rolled back/) });
    expect(await fleet.history()).toEqual({ 1: 'v1', 3: 'v3', 4: 'v4-crash', 5: 'v2' });
    expect(fleet.writes()).toBe(1);
  });
});

test('a job that fails and is run again is guarded as the first time, by the same run id', async () => {
  for (const attempt of [1, 2]) {
    const run = await runWorkflow(job(action('Guard', 'guard'), deploy('v3-crash'), smokeTest), { runId: 11 });
    expect(postOf(run)).toMatchObject({ result: 'success', summary: expect.stringMatching(/^## ✅ Rolled back/) });
    expect(await fleet.image()).toBe('v2');
    expect(fleet.writes()).toBe(attempt);
  }
  const run = await runWorkflow(job(action('Guard', 'guard'), smokeTest), { runId: 11 });
  expect(postOf(run)?.annotations).toEqual([expect.stringMatching(/unchanged \(not-changed\)/)]);
  expect(fleet.writes()).toBe(2);
});

test('a step that is no guard has a post step that does and prints nothing', async () => {
  const run = await runWorkflow(job(action('Roll back', 'rollback'), smokeTest));
  expectResults(run, { deploy: ['failure', { 'Roll back': 'success', 'Smoke test': 'failure', 'Post Roll back': 'success' }] });
  expect(stepOf(run, 'deploy', 'Post Roll back')).toMatchObject({ lines: [], annotations: [], outputs: {}, summary: '' });
  expect(await fleet.history()).toEqual({ 2: 'v2', 3: 'v1' });
  expect(fleet.writes()).toBe(1);
});

test('a gate that has rolled back itself leaves nothing to put back: one write in all', async () => {
  const gate = action('Gate', 'status', 'rollback-on-failure: true\n          failure-grace: 1s');
  const run = await runWorkflow(job(action('Guard', 'guard'), deploy('v3-crash'), gate));
  expectResults(run, {
    deploy: [
      'failure',
      { Guard: 'success', 'Deploy v3-crash': 'success', Gate: 'failure', 'Post Gate': 'success', 'Post Guard': 'success' },
    ],
  });
  expect(stepOf(run, 'deploy', 'Gate')?.outputs).toMatchObject({ outcome: 'failed', changed: 'true', 'new-revision': '4' });
  expect(postOf(run)?.annotations).toEqual([expect.stringMatching(/unchanged \(not-changed\): Nothing was written/)]);
  expect(await fleet.history()).toEqual({ 1: 'v1', 3: 'v3-crash', 4: 'v2' });
  expect(fleet.writes()).toBe(1);
});
