/** Reads that only explain a rollout run beside the wait: whatever becomes of them, they end it neither early nor late. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { FaultyProxy } from '../helpers/proxy.ts';
import { eventually, expectStep, Fleet } from '../helpers/support.ts';

let testbed: Testbed;
let fleet: Fleet;
let proxy: FaultyProxy;
beforeAll(async () => {
  testbed = await startTestbed({ nodes: 3 });
}, 120_000);
afterAll(() => testbed.stop());
beforeEach(async () => {
  fleet = await Fleet.create({ testbed });
  await fleet.rollOut('v1');
  proxy = await FaultyProxy.inFrontOf(fleet);
});
afterEach(async () => {
  proxy.stop();
  await fleet.remove();
});

const seconds = (since: number): number => (Date.now() - since) / 1_000;

test('nodes and events that are never answered do not delay a rollout that is complete', async () => {
  proxy.fault = (kind) => (kind === 'nodes' || kind === 'events' ? 'swallow-request' : 'pass');
  await testbed.pause('kwok');
  await fleet.deploy('v2');
  const gate = fleet.start({ command: 'status', kubeconfig: proxy.kubeconfig, 'failure-grace': '1s' });
  await eventually(
    'nodes and events to be read',
    () => proxy.seen,
    (seen) => seen.includes('nodes') && seen.includes('events'),
  );
  await testbed.resume('kwok');
  await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
  const complete = Date.now();
  expectStep(await gate.done, { code: 0, outputs: { outcome: 'complete' } });
  expect(seconds(complete)).toBeLessThan(5);
});

test('nodes that are never answered do not prevent a verdict', async () => {
  proxy.fault = (kind) => (kind === 'nodes' ? 'swallow-request' : 'pass');
  await fleet.deploy('v2-missing');
  const began = Date.now();
  const gate = await fleet.rollback({ command: 'status', kubeconfig: proxy.kubeconfig, 'failure-grace': '5s' });
  expectStep(gate, { code: 1, outputs: { outcome: 'failed', reason: 'image-pull' } });
  expect(seconds(began)).toBeLessThan(40);
});

test('a read of nodes that failed once is made again', async () => {
  proxy.fault = (kind, count) =>
    kind === 'nodes' && count === 1 ? { status: 400, body: { reason: 'BadRequest', message: 'not now' } } : 'pass';
  await fleet.deploy('v2-missing');
  const gate = fleet.start({
    command: 'status',
    kubeconfig: proxy.kubeconfig,
    'fail-fast': 'false',
    'failure-grace': '1s',
    'progress-deadline': '20s',
  });
  expectStep(await gate.done, { code: 1, outputs: { outcome: 'stalled' } });
  expect(proxy.seen.filter((kind) => kind === 'nodes').length).toBeGreaterThan(1);
});
