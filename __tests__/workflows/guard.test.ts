/** Jobs with a guard on a real runner: what the post step does when the job ends. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { expectResults, runWorkflow, startWorkflow, stepOf, type WorkflowRun } from '../helpers/act.ts';
import { eventually, Fleet } from '../helpers/support.ts';

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

test('the post step of a failed job restores what was recorded, with log, annotation and summary', async () => {
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

test('the post step of a successful job does not run, however the rollout ended', async () => {
  const run = await runWorkflow(job(action('Guard', 'guard'), deploy('v3-crash')));
  expectResults(run, { deploy: ['success', { Guard: 'success', 'Deploy v3-crash': 'success' }] });
  expect(await fleet.image()).toBe('v3-crash');
  expect(fleet.writes()).toBe(0);
});

describe('a job that is cancelled', () => {
  /** Cancels the job during a step. */
  async function cancelled(inputs: string): Promise<WorkflowRun> {
    // The script must not contain the text that it prints.
    const hangs = script('Smoke test', 'echo "it $((40 + 2)) hangs" && sleep 600');
    const running = await startWorkflow(job(action('Guard', 'guard', inputs), deploy('v3-crash'), hangs));
    await eventually('the smoke test', running.log, (log) => log.includes('it 42 hangs'));
    running.act.kill('SIGINT');
    return running.done;
  }

  test('leaves its change, since a newer run may already be deploying', async () => {
    const run = await cancelled('');
    expect(postOf(run)?.annotations).toEqual([expect.stringMatching(/cancelled \(cancelled\): .*rollback-on-cancel is not set/)]);
    expect(await fleet.image()).toBe('v3-crash');
    expect(fleet.writes()).toBe(0);
  });

  test('rolls back with rollback-on-cancel', async () => {
    const run = await cancelled('rollback-on-cancel: true');
    expect(postOf(run)).toMatchObject({ result: 'success', summary: expect.stringMatching(/^## ✅ Rolled back/) });
    expect(postOf(run)?.lines[0]).toMatch(/the job was cancelled, which leaves at most .*: restore what was recorded/);
    expect(await fleet.image()).toBe('v2');
    expect(fleet.writes()).toBe(1);
  });
});

describe('a job that changes the DaemonSet twice', () => {
  const twice = (inputs: string): Promise<WorkflowRun> =>
    runWorkflow(job(action('Guard', 'guard', inputs), deploy('v3'), deploy('v4-crash'), action('What is deployed', 'history'), smokeTest));

  test('writes nothing and fails, since one change may be from someone else', async () => {
    const run = await twice('');
    expect(postOf(run)).toMatchObject({
      result: 'failure',
      annotations: [expect.stringMatching(/^error .*superseded \(ambiguous-change\): .*changed 2 times/)],
    });
    expect(fleet.writes()).toBe(0);
  });

  test('rolls back if expected-revision, read again at the end of the job from a later step, matches', async () => {
    const run = await twice(`expected-revision: \${{ steps.history.outputs.controller-revision }}`);
    expect(stepOf(run, 'deploy', 'Guard')?.result).toBe('success');
    expect(stepOf(run, 'deploy', 'What is deployed')?.outputs['controller-revision']).toMatch(/^agent-/);
    expect(postOf(run)).toMatchObject({ result: 'success', summary: expect.stringMatching(/^## ✅ Rolled back/) });
    expect(await fleet.history()).toEqual({ 1: 'v1', 3: 'v3', 4: 'v4-crash', 5: 'v2' });
    expect(fleet.writes()).toBe(1);
  });
});

test('a re-run of a failed job with the same run id is guarded like the first attempt', async () => {
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

test('the post step of a step without a guard does nothing and prints nothing', async () => {
  const run = await runWorkflow(job(action('Roll back', 'rollback'), smokeTest));
  expectResults(run, { deploy: ['failure', { 'Roll back': 'success', 'Smoke test': 'failure', 'Post Roll back': 'success' }] });
  expect(stepOf(run, 'deploy', 'Post Roll back')).toMatchObject({ lines: [], annotations: [], outputs: {}, summary: '' });
  expect(await fleet.history()).toEqual({ 2: 'v2', 3: 'v1' });
  expect(fleet.writes()).toBe(1);
});

test('the guard restores nothing after a gate that rolled back: there is one write in total', async () => {
  const gate = action('Gate', 'status', 'rollback-on-failure: true\n          failure-grace: 1s\n          stable-for: 1s');
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
