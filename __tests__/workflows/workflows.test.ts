/** Workflows like those of users, on a real runner with the test bed. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { expectResults, runWorkflow, startWorkflow, stepOf, type WorkflowOptions } from '../helpers/act.ts';
import { eventually, Fleet } from '../helpers/support.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
});
afterEach(() => fleet.remove());

/** A job with the action, and one step for each branch that a user may need after it. */
const branches = (inputs: string): string => `
name: Branches
on: workflow_dispatch
permissions: {}
jobs:
  rollback:
    runs-on: ubuntu-latest
    steps:
      - name: Roll back
        id: rollback
        uses: OWNER/rollback-daemonset@v1
        with:
          kubeconfig: \${{ secrets.KUBECONFIG }}
          daemonset: ${fleet.namespace}/agent
          ${inputs}
      - name: It worked
        if: steps.rollback.outputs.outcome == 'rolled-back'
        env:
          OLD: \${{ steps.rollback.outputs.old-revision }}
          TARGET: \${{ steps.rollback.outputs.target-revision }}
          NEW: \${{ steps.rollback.outputs.new-revision }}
          IMAGE: \${{ fromJSON(steps.rollback.outputs.results)[0].images[0] }}
        run: echo "$OLD, $TARGET, $NEW, $IMAGE"
      - name: Nothing to do
        if: steps.rollback.outputs.outcome == 'unchanged'
        run: echo unchanged
      - name: It failed
        if: failure() && steps.rollback.outputs.outcome == 'refused'
        env:
          REASON: \${{ steps.rollback.outputs.reason }}
        run: echo "$REASON"
      - name: Cancelled
        if: always() && steps.rollback.outputs.outcome == 'cancelled'
        env:
          CHANGED: \${{ steps.rollback.outputs.changed }}
        run: echo "changed $CHANGED"
      - name: The job continues
        run: echo on
`;

describe('steps after the action', () => {
  test('use its outputs; the log, the annotation and the summary report the result without secrets', async () => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
    await fleet.getStuck('v3-crash');
    const running = await startWorkflow(branches('to-revision: previous'));
    const run = await running.done;
    expectResults(run, { rollback: ['success', { 'Roll back': 'success', 'It worked': 'success', 'The job continues': 'success' }] });
    expect(stepOf(run, 'rollback', 'It worked')?.lines).toEqual(['3, 2, 4, registry.example/agent:v2']);
    const step = stepOf(run, 'rollback', 'Roll back');
    expect(step?.annotations).toEqual([
      expect.stringMatching(/^warning : The DaemonSet is deployed by kubectl apply\. Revert the manifest .*$/),
      `notice Rolled back: DaemonSet ${fleet.namespace}/agent: rolled-back (complete): Revision 3 → 4, which restores revision 2.`,
    ]);
    expect(step?.summary).toMatch(/^## ✅ Rolled back/);
    expect(step?.lines[0]).toMatch(/^Server https:.*, DaemonSet agent: from the current revision to the previous version$/);
    expect(running.log()).not.toMatch(/PRIVATE KEY|client-key-data/);
    expect(await fleet.image()).toBe('v2');
  });

  test('branch on the outcome when there is nothing to do', async () => {
    await fleet.rollOut('v1');
    expectResults(await runWorkflow(branches('to-revision: 1')), {
      rollback: ['success', { 'Roll back': 'success', 'Nothing to do': 'success', 'The job continues': 'success' }],
    });
  });

  test('branch on a failure and its reason, and the job fails', async () => {
    await fleet.rollOut('v1');
    const run = await runWorkflow(branches('to-revision: 9'));
    expectResults(run, { rollback: ['failure', { 'Roll back': 'failure', 'It failed': 'success', 'Post Roll back': 'success' }] });
    expect(run.code).not.toBe(0);
    expect(stepOf(run, 'rollback', 'It failed')?.lines).toEqual(['revision-not-found']);
    expect(stepOf(run, 'rollback', 'Roll back')?.annotations).toEqual([
      expect.stringMatching(/^error Refused, nothing was written: .*no revision 9/),
    ]);
    expect(stepOf(run, 'rollback', 'Roll back')?.summary).toMatch(/^## ❌ Refused/);
  });
});

/** Starts a rollback with a long wait, and returns during the wait. */
async function startSlowRollback(options: WorkflowOptions): ReturnType<typeof startWorkflow> {
  await fleet.rollOut('v1-slow');
  await fleet.rollOut('v2');
  const running = await startWorkflow(branches('to-revision: 1'), options);
  await eventually('the wait', running.log, (log) => log.includes('new pods have been updated'));
  return running;
}

describe('a job that is cancelled', () => {
  test('by the signal of a runner has outputs and a summary, and the rollout continues', async () => {
    const running = await startSlowRollback({});
    process.kill(running.action() ?? Number.NaN, 'SIGINT');
    const run = await running.done;
    expectResults(run, { rollback: ['failure', { 'Roll back': 'failure', Cancelled: 'success', 'Post Roll back': 'success' }] });
    expect(stepOf(run, 'rollback', 'Cancelled')?.lines).toEqual(['changed true']);
    expect(stepOf(run, 'rollback', 'Roll back')?.summary).toMatch(/^## ❌ Cancelled/);
    await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
    expect(await fleet.image()).toBe('v1-slow');
  });

  test('and killed at once can be re-run in the same run, which resumes the wait and does not write again', async () => {
    const killed = await startSlowRollback({ runId: 7 });
    killed.act.kill('SIGINT');
    const first = await killed.done;
    expect(first.code).not.toBe(0);
    expect(stepOf(first, 'rollback', 'The job continues')).toBeUndefined();
    expect(killed.action()).toBeUndefined();
    expect(fleet.writes()).toBe(1);
    // The reason for the rollback record: "previous" here would be the version that was rolled back.
    const run = await runWorkflow(branches('to-revision: previous'), { runId: 7 });
    expectResults(run, { rollback: ['success', { 'Roll back': 'success', 'It worked': 'success', 'The job continues': 'success' }] });
    expect(stepOf(run, 'rollback', 'Roll back')?.outputs).toMatchObject({ reason: 'resumed', changed: 'true' });
    expect(stepOf(run, 'rollback', 'It worked')?.lines).toEqual(['2, 1, 3, registry.example/agent:v1-slow']);
    expect(fleet.writes()).toBe(1);
  });
});
