import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { FaultyProxy } from './proxy.ts';
import { eventually, expectStep, Fleet } from './support.ts';

describe('through a faulty network', () => {
  let fleet: Fleet;
  let proxy: FaultyProxy;

  beforeEach(async () => {
    fleet = await Fleet.create();
    proxy = await FaultyProxy.inFrontOf(fleet);
    await fleet.rollOut('v1');
    await fleet.getStuck('v2-missing', { maxUnavailable: 1 });
  });
  afterEach(async () => {
    proxy.stop();
    await fleet.remove();
  });

  const rollback = (): Promise<Step> => fleet.rollback({ kubeconfig: proxy.kubeconfig });
  const expectRolledBack = (step: Step): void => {
    expectStep(step, {
      code: 0,
      outputs: { outcome: 'rolled-back', changed: 'true', 'old-revision': '2', 'new-revision': '3', available: '10' },
    });
  };

  test('finds the result in the object when the answer to the patch is lost, and writes once', async () => {
    proxy.fault = (kind) => (kind === 'patch' ? 'drop-answer' : 'pass');
    expectRolledBack(await rollback());
    expect(fleet.writes()).toBe(1);
  });

  test('is superseded when the answer is lost and a deploy follows at once; the deploy is not mistaken for its own write', async () => {
    let deployed: Promise<unknown> = Promise.resolve();
    proxy.fault = (kind, count) => {
      // The read that looks for the result comes after the other deploy.
      if (kind === 'get' && count === 2) {
        deployed = fleet.kubectl(['set', 'image', 'daemonset/agent', 'agent=registry.example/agent:v3']);
        return { status: 503, headers: { 'Retry-After': '3' } };
      }
      return kind === 'patch' ? 'drop-answer' : 'pass';
    };
    const running = fleet.start({ kubeconfig: proxy.kubeconfig });
    await eventually(
      'the read that looks for the result',
      () => proxy.seen.filter((kind) => kind === 'get').length,
      (gets) => gets >= 2,
    );
    await deployed;
    const step = await running.done;
    expectStep(step, { code: 1, outputs: { outcome: 'superseded', changed: 'true' } });
    expect(fleet.writes()).toBe(1);
    expect(await fleet.image()).toBe('v3');
  });

  test('sends the patch again when it is lost before the server, and writes once', async () => {
    proxy.fault = (kind, count) => (kind === 'patch' && count === 1 ? 'drop-request' : 'pass');
    expectRolledBack(await rollback());
    expect(fleet.writes()).toBe(1);
  });

  test('retries when every first answer is 503, and 429 for the patch', async () => {
    proxy.fault = (kind, count) =>
      count > 1 ? 'pass' : kind === 'patch' ? { status: 429, headers: { 'Retry-After': '1' } } : { status: 503 };
    expectRolledBack(await rollback());
    expect(fleet.writes()).toBe(1);
  });

  test('opens the watch again each time it is closed', async () => {
    proxy.fault = (kind, count) => (kind === 'watch' && count < 4 ? { cutAfter: 100 } : 'pass');
    expectRolledBack(await rollback());
  });

  test('reads the DaemonSet again after 410 as a status and as an event', async () => {
    const gone = { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message: 'too old resource version' };
    proxy.fault = (kind, count) => {
      if (kind !== 'watch' || count > 2) return 'pass';
      return count === 1 ? { status: 410, body: gone } : { status: 200, body: { type: 'ERROR', object: gone } };
    };
    expectRolledBack(await rollback());
    expect(proxy.seen.filter((kind) => kind === 'get').length).toBeGreaterThan(1);
  });

  test('tolerates a watch that sends nothing for 35 seconds', async () => {
    proxy.fault = (kind) => (kind === 'watch' ? { holdFor: 35_000 } : 'pass');
    expectRolledBack(await rollback());
    // One watch of the DaemonSet and, since there is no visible progress, one of its pods.
    expect(proxy.seen.filter((kind) => kind === 'watch')).toHaveLength(2);
  });
});

describe('on a test bed of its own', () => {
  let testbed: Testbed;
  let fleet: Fleet;

  beforeAll(async () => {
    testbed = await startTestbed({ nodes: 300 });
  });
  afterAll(() => testbed.stop());
  beforeEach(async () => {
    fleet = await Fleet.create({ testbed });
  });
  afterEach(() => fleet.remove());

  test('rolls back v3 that is stuck halfway through 300 nodes, while the status keeps changing', async () => {
    await fleet.rollOut('v1', { maxUnavailable: '50%' });
    await fleet.rollOut('v2', { maxUnavailable: '50%' });
    await fleet.deploy('v3-crash', { maxUnavailable: '50%' });
    await eventually(
      'half of the fleet',
      () => fleet.daemonSet(),
      ({ status }) => status.updatedNumberScheduled >= 100,
    );
    const step = await fleet.rollback();
    expectStep(step, {
      code: 0,
      outputs: {
        outcome: 'rolled-back',
        'old-revision': '3',
        'target-revision': '2',
        'new-revision': '4',
        desired: '300',
        available: '300',
      },
    });
    expect(fleet.writes()).toBe(1);
    expect(await fleet.history()).toEqual({ 1: 'v1', 3: 'v3-crash', 4: 'v2' });
  });

  test('is refused after 30 s without a write when the controller does not observe the last change', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    await testbed.pause('kube-controller-manager');
    try {
      await fleet.deploy('v3-crash');
      const step = await fleet.rollback();
      expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'not-observed', changed: 'false' } });
      expect(fleet.writes()).toBe(0);
      // Observed in time, "previous" is the version before the change.
      const running = fleet.start();
      await eventually('the wait', running.log, (log) => log.includes('Waiting for daemon set spec update to be observed'));
      await testbed.resume('kube-controller-manager');
      expectStep(await running.done, { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v2' } });
    } finally {
      await testbed.resume('kube-controller-manager');
    }
  });

  test('continues when the API server is killed and restarted during the rollout', async () => {
    await fleet.rollOut('v1');
    await fleet.deploy('v2-hang');
    await fleet.deploy('v3');
    const running = fleet.start({ 'to-revision': '1' });
    await eventually('the wait', running.log, (log) => log.includes('rolled back: revision'));
    await testbed.kill('kube-apiserver');
    await testbed.start('kube-apiserver');
    expectStep(await running.done, { code: 0, outputs: { outcome: 'rolled-back', available: '300' } });
  });
});
