/** The gate. Its parity with `kubectl rollout status` is tested in parity.test.ts. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually, expectStep, Fleet } from '../helpers/support.ts';

const fast = { maxUnavailable: '100%' };
const gate = { command: 'status' };

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
  await fleet.rollOut('v1', fast);
});
afterEach(() => fleet.remove());

test('waits until every node runs what is deployed, in the words of kubectl, and writes only the good mark', async () => {
  await fleet.deploy('v2-slow');
  const running = fleet.start(gate);
  const step = await running.done;
  const { name } = (await fleet.revision(2)).metadata;
  expectStep(step, {
    code: 0,
    outputs: {
      outcome: 'complete',
      reason: 'complete',
      changed: 'false',
      'old-revision': '2',
      'target-revision': '2',
      'new-revision': '2',
      'controller-revision': name,
      'change-cause': 'deploy v2-slow',
      images: 'registry.example/agent:v2-slow',
      desired: '10',
      updated: '10',
      available: '10',
    },
  });
  expect(step.log).toMatch(/^Waiting for daemon set "agent" rollout to finish: \d+ out of 10 new pods have been updated\.\.\.$/m);
  expect(step.log).toMatch(/^daemon set "agent" successfully rolled out$/m);
  expect(step.summary).toMatch(/^## ✅ Rolled out: DaemonSet /);
  expect(fleet.requests().filter((request) => !/^(get|list|watch) /.test(request))).toEqual(['patch controllerrevisions']);
});

test('accepts only the expected revision, and ends when that is no longer current', async () => {
  await fleet.rollOut('v2', fast);
  const { name, labels } = (await fleet.revision(2)).metadata;
  for (const expected of ['2', name, labels['controller-revision-hash']])
    expectStep(await fleet.rollback({ ...gate, 'expected-revision': expected }), { code: 0, outputs: { outcome: 'complete' } });
  const refused = await fleet.rollback({ ...gate, 'expected-revision': '1' });
  expectStep(refused, { code: 1, outputs: { outcome: 'refused', reason: 'unexpected-revision', 'old-revision': '2' } });
  await fleet.deploy('v3-hang');
  const waiting = fleet.start({ ...gate, 'expected-revision': '3' });
  await eventually('the wait', waiting.log, (log) => log.includes('new pods have been updated'));
  await fleet.deploy('v4');
  expectStep(await waiting.done, { code: 1, outputs: { outcome: 'superseded', reason: 'template-changed', changed: 'false' } });
});

test('reports the current state without a wait', async () => {
  const now = { ...gate, wait: 'false' };
  expectStep(await fleet.rollback({ ...now, 'stable-for': '0' }), { code: 0, outputs: { outcome: 'complete' } });
  const young = await fleet.rollback({ ...now, 'stable-for': '1h' });
  expectStep(young, { code: 1, outputs: { outcome: 'pending', reason: 'not-waited', available: '10' } });
  expect(young.log).toContain('10 pods run, but not yet for long enough');
  await fleet.getStuck('v2-missing');
  const step = await fleet.rollback(now);
  expectStep(step, { code: 1, outputs: { outcome: 'pending', reason: 'not-waited' } });
  expect(step.summary).toMatch(/^## ❌ Not rolled out yet/);
});

test('ends at the timeout, when the DaemonSet is deleted, and when the job is cancelled', async () => {
  await fleet.getStuck('v2-crash');
  const late = await fleet.rollback({ ...gate, timeout: '2s' });
  expectStep(late, { code: 1, outputs: { outcome: 'timed-out', reason: 'timeout', changed: 'false' } });
  const cancelled = fleet.start(gate);
  await eventually('the wait', cancelled.log, (log) => log.includes('Waiting for daemon set'));
  cancelled.process.kill('SIGINT');
  expectStep(await cancelled.done, { code: 1, outputs: { outcome: 'cancelled', changed: 'false' } });
  const deleted = fleet.start(gate);
  await eventually('the wait', deleted.log, (log) => log.includes('Waiting for daemon set'));
  await fleet.kubectl(['delete', 'daemonset/agent']);
  const gone = Date.now();
  expectStep(await deleted.done, { code: 1, outputs: { outcome: 'deleted', changed: 'false' } });
  // Nothing is left open that would delay the end of the job.
  expect(Date.now() - gone).toBeLessThan(2_000);
});

test('waits with an account that is not allowed to list ControllerRevisions, and warns about the missing rule', async () => {
  const kubeconfig = await fleet.kubeconfigOf([['apps', 'daemonsets', ['get', 'watch']]]);
  const step = await fleet.rollback({ ...gate, kubeconfig, 'stable-for': 'auto' });
  expectStep(step, { code: 0, outputs: { outcome: 'complete', 'old-revision': '', available: '10' } });
  expect(step.log).toMatch(
    /^::warning::Could not determine which revision this is\. .*resources: \["controllerrevisions"\], verbs: \["list"\]/m,
  );
  const guarded = await fleet.rollback({ ...gate, kubeconfig, 'expected-revision': '1' });
  expectStep(guarded, { code: 1, outputs: { outcome: 'error', reason: 'forbidden' } });
});

test('lists the remaining pods with OnDelete until they are deleted', async () => {
  await fleet.deploy('v2', { strategy: 'OnDelete' });
  const pods = (await fleet.json('get', 'pods')).items as { metadata: { name: string } }[];
  await fleet.kubectl(['delete', 'pod', '--force', ...pods.slice(0, 7).map(({ metadata }) => metadata.name)]);
  await eventually(
    'seven new pods',
    () => fleet.daemonSet(),
    ({ status }) => status.updatedNumberScheduled === 7 && status.numberAvailable === 10,
  );
  const step = await fleet.rollback(gate);
  expectStep(step, { code: 1, outputs: { outcome: 'pending', reason: 'on-delete', updated: '7' } });
  const left = pods
    .slice(7)
    .map(({ metadata }) => metadata.name)
    .sort();
  const [, names = ''] = new RegExp(`kubectl delete pod --namespace ${fleet.namespace} ([\\w -]+)`).exec(step.log) ?? [];
  expect(names.trim().split(' ').sort()).toEqual(left);

  // The suggested command deletes them.
  await fleet.kubectl(['delete', 'pod', ...names.trim().split(' ')]);
  await eventually(
    'ten new pods',
    () => fleet.daemonSet(),
    ({ status }) => status.updatedNumberScheduled === 10 && status.numberAvailable === 10,
  );
  expectStep(await fleet.rollback(gate), { code: 0, outputs: { outcome: 'complete', updated: '10' } });
});
