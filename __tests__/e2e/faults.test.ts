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

  test('the answer to the patch is lost: it is found in the object, and written once', async () => {
    proxy.fault = (kind) => (kind === 'patch' ? 'drop-answer' : 'pass');
    expectRolledBack(await rollback());
    expect(fleet.writes()).toBe(1);
  });

  test('the answer is lost, and someone deploys right away: superseded, and not mistaken for our write', async () => {
    let deployed: Promise<unknown> = Promise.resolve();
    proxy.fault = (kind, count) => {
      // The read that checks for the lost write comes after the other deploy.
      if (kind === 'get' && count === 2) {
        deployed = fleet.kubectl(['set', 'image', 'daemonset/agent', 'agent=registry.example/agent:v3']);
        return { status: 503, headers: { 'Retry-After': '3' } };
      }
      return kind === 'patch' ? 'drop-answer' : 'pass';
    };
    const running = fleet.start({ kubeconfig: proxy.kubeconfig });
    await eventually(
      'the read after the lost answer',
      () => proxy.seen.filter((kind) => kind === 'get').length,
      (gets) => gets >= 2,
    );
    await deployed;
    const step = await running.done;
    expectStep(step, { code: 1, outputs: { outcome: 'superseded', changed: 'true' } });
    expect(fleet.writes()).toBe(1);
    expect(await fleet.image()).toBe('v3');
  });

  test('the patch is lost: it is sent again, and written once', async () => {
    proxy.fault = (kind, count) => (kind === 'patch' && count === 1 ? 'drop-request' : 'pass');
    expectRolledBack(await rollback());
    expect(fleet.writes()).toBe(1);
  });

  test('every first answer is 503, and 429 for the patch', async () => {
    proxy.fault = (kind, count) =>
      count > 1 ? 'pass' : kind === 'patch' ? { status: 429, headers: { 'Retry-After': '1' } } : { status: 503 };
    expectRolledBack(await rollback());
    expect(fleet.writes()).toBe(1);
  });

  test('watches are closed repeatedly', async () => {
    proxy.fault = (kind, count) => (kind === 'watch' && count < 4 ? { cutAfter: 100 } : 'pass');
    expectRolledBack(await rollback());
  });

  test('410 as a status and as an event: the DaemonSet is read again', async () => {
    const gone = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 410, reason: 'Expired', message: 'too old resource version' };
    proxy.fault = (kind, count) => {
      if (kind !== 'watch' || count > 2) return 'pass';
      return count === 1 ? { status: 410, body: gone } : { status: 200, body: { type: 'ERROR', object: gone } };
    };
    expectRolledBack(await rollback());
    expect(proxy.seen.filter((kind) => kind === 'get').length).toBeGreaterThan(1);
  });

  test('a proxy that buffers watches: the DaemonSet is read while its watch is silent', async () => {
    proxy.fault = (kind) => (kind === 'watch' ? { holdFor: 300_000 } : 'pass');
    expectRolledBack(await fleet.rollback({ kubeconfig: proxy.kubeconfig, timeout: '40s' }));
    expect(proxy.seen.filter((kind) => kind === 'get').length).toBeLessThanOrEqual(3);
    // One watch of the DaemonSet, and one of its pods, because nothing seems to change.
    expect(proxy.seen.filter((kind) => kind === 'watch')).toHaveLength(2);
  });

  test('an answer of 404 that is not from the API server does not mean that the DaemonSet is deleted', async () => {
    const page = { status: 404, body: '404 page not found' };
    proxy.fault = (kind, count) => ((kind === 'watch' && count < 4) || (kind === 'get' && count > 1 && count < 4) ? page : 'pass');
    expectRolledBack(await rollback());
  });

  test('a webhook that fails for a moment is called again', async () => {
    const message = 'Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: EOF';
    proxy.fault = (kind, count) => (kind === 'patch' && count < 3 ? { status: 500, body: { reason: 'InternalError', message } } : 'pass');
    expectRolledBack(await rollback());
    expect(fleet.writes()).toBe(1);
  });

  test('a ControllerRevision that is nested too deep is left out, with a warning', async () => {
    const [first] = (await fleet.json('get', 'controllerrevisions')).items;
    await fleet.storeRevision('too-deep', first, (copy) => {
      copy.revision = 9;
      copy.data = JSON.parse(`${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)}`);
    });
    const step = await rollback();
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v1' } });
    expect(step.log).toMatch(/^::warning::ControllerRevision too-deep is ignored, because its data is nested more than 100 levels deep/m);
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

  test('while v3 is stuck half-way over 300 nodes, and the status changes all the time', async () => {
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

  test('the controller does not see the last change: refused after 30 s, nothing written', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    await testbed.pause('kube-controller-manager');
    try {
      await fleet.deploy('v3-crash');
      const step = await fleet.rollback();
      expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'not-observed', changed: 'false' } });
      expect(fleet.writes()).toBe(0);
      // Seen in time, "previous" is the one before the change.
      const running = fleet.start();
      await eventually('the wait', running.log, (log) => log.includes('Waiting for daemon set spec update to be observed'));
      await testbed.resume('kube-controller-manager');
      expectStep(await running.done, { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v2' } });
    } finally {
      await testbed.resume('kube-controller-manager');
    }
  });

  test('the API server is killed and started again in the middle of the rollout', async () => {
    await fleet.rollOut('v1');
    await fleet.deploy('v2-hang');
    await fleet.observed();
    await fleet.deploy('v3');
    const running = fleet.start({ 'to-revision': '1' });
    await eventually('the wait', running.log, (log) => log.includes('rolled back: revision'));
    await testbed.kill('kube-apiserver');
    await testbed.start('kube-apiserver');
    expectStep(await running.done, { code: 0, outputs: { outcome: 'rolled-back', available: '300' } });
  });
});
