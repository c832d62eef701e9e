/** A gate that rolls back automatically reports what failed and what runs now, and the step still fails. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FaultyProxy } from './proxy.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions } from './support.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };
const gate = { command: 'status', 'rollback-on-failure': 'true', 'failure-grace': '2s' };

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
});
afterEach(() => fleet.remove());

test('rolls back from pods that cannot start to the known-good version, waits for it, fails, and reports both', async () => {
  await fleet.rollOut('v1', fast);
  expectStep(await fleet.rollback({ command: 'status' }), { code: 0 });
  await fleet.rollOut('v2', fast);
  await fleet.deploy('v3-missing');
  const step = await fleet.rollback(gate);
  expectStep(step, {
    code: 1,
    outputs: {
      outcome: 'failed',
      reason: 'image-pull',
      changed: 'true',
      'old-revision': '3',
      'target-revision': '1',
      'new-revision': '4',
      images: 'registry.example/agent:v1',
      updated: '10',
      available: '10',
    },
  });
  const broke = '5 pods cannot pull the image registry\\.example/agent:v3-missing: not found';
  const now = 'It was rolled back\\. Revision 3 → 4, which restores revision 1\\. Every node runs that version now\\.';
  expect(step.log).toMatch(new RegExp(`^::error title=Pods cannot start%2C rolled back.*${broke}.*${now}$`, 'm'));
  expect(step.summary).toMatch(/^## ❌ Pods cannot start, rolled back: DaemonSet /);
  expect(step.summary).toContain('### What failed');
  const [result] = JSON.parse(step.outputs['results'] ?? '') as Any[];
  expect(result).toMatchObject({
    rollback: { outcome: 'rolled-back', reason: 'complete' },
    causes: [{ cause: 'image-pull', count: 5 }, {}],
  });
  expect(await fleet.image()).toBe('v1');
  expect(fleet.writes()).toBe(1);
});

test('rolls back a stalled rollout without a good mark to the version with the most Ready pods', async () => {
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, fast);
  await fleet.deploy('v3-hang');
  const step = await fleet.rollback({ ...gate, 'progress-deadline': '6s' });
  expectStep(step, {
    code: 1,
    outputs: { outcome: 'stalled', reason: 'not-ready', changed: 'true', 'target-revision': '2', available: '10' },
  });
  expect(await fleet.image()).toBe('v2');
});

test('rolls back to the revision in to-revision', async () => {
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, fast);
  await fleet.deploy('v3-missing');
  const step = await fleet.rollback({ ...gate, 'to-revision': '1' });
  expectStep(step, { code: 1, outputs: { outcome: 'failed', 'target-revision': '1', changed: 'true' } });
});

test('does not roll back because of one node of many', async () => {
  const { name } = fleet;
  const [node] = (await fleet.json('get', 'nodes')).items;
  await fleet.rollOut('v1', fast);
  const container = { name: 'agent', image: 'registry.example/other:v1', ports: [{ containerPort: 9_999, hostPort: 9_999 }] };
  const other = { metadata: { name: 'other' }, spec: { nodeName: node.metadata.name, containers: [container] } };
  await fleet.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Pod', ...other }));
  await fleet.deploy('v2', { ...fast, podSpec: { containers: [{ ...container, name, image: 'registry.example/agent:v2' }] } });
  const step = await fleet.rollback(gate);
  expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'unschedulable', changed: 'false' } });
  expect(step.log).toMatch(/::error .*It was not rolled back: only 1 of the 10 nodes that have the version is affected/);
  expect(step.summary).toMatch(/^## ❌ Pods cannot start: DaemonSet /);
  expect(fleet.writes()).toBe(0);
});

test('does not roll back when the version is not the cause', async () => {
  await fleet.rollOut('v1', fast);
  await fleet.kubectl(['patch', 'pods', '--type=merge', '--patch={"metadata":{"finalizers":["example.com/hold"]}}', ...(await podNames())]);
  await fleet.deploy('v2');
  const step = await fleet.rollback({ ...gate, 'progress-deadline': '6s' });
  expectStep(step, { code: 1, outputs: { outcome: 'stalled', reason: 'terminating', changed: 'false' } });
  expect(step.log).toMatch(/::error .*It was not rolled back: the rollout is blocked by something other than this version/);
  await fleet.kubectl(['patch', 'pods', '--type=merge', '--patch={"metadata":{"finalizers":null}}', ...(await podNames())]);
  expect(fleet.writes()).toBe(0);
});

async function podNames(): Promise<string[]> {
  return (await fleet.json('get', 'pods')).items.map(({ metadata }: Any) => metadata.name);
}

test('rolls back after a timeout only with rollback-on-timeout, and the rollback has its own timeout', async () => {
  await fleet.rollOut('v1-slow', fast);
  await fleet.deploy('v2-hang', fast);
  const first = await fleet.rollback({ ...gate, timeout: '3s' });
  expectStep(first, { code: 1, outputs: { outcome: 'timed-out', changed: 'false' } });
  expect(first.log).toMatch(/::error .*It was not rolled back: the rollout did not complete in time/);
  // v1-slow needs five seconds to become ready, and more than the gate has left.
  const step = await fleet.rollback({ ...gate, timeout: '9s', 'rollback-on-timeout': 'true', 'to-revision': '1' });
  expectStep(step, { code: 1, outputs: { outcome: 'timed-out', changed: 'true', 'target-revision': '1', available: '10' } });
  expect(step.log).toMatch(/::error title=Timed out%2C rolled back/);
});

test('writes nothing without a known-good version, and reports why', async () => {
  await fleet.deploy('v1-missing', fast);
  const step = await fleet.rollback(gate);
  expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'image-pull', changed: 'false' } });
  expect(step.log).toMatch(/::error title=Pods cannot start%2C not rolled back.*It could not be rolled back \(refused, no-known-good\)/);
  expect(fleet.writes()).toBe(0);
});

test('reports a rollback that fails, with its cause', async () => {
  await fleet.rollOut('v1', fast);
  await fleet.deploy('v2-missing', fast);
  await fleet.observed();
  await fleet.deploy('v3-crash', fast);
  await eventually(
    'three revisions',
    () => fleet.history(),
    (history) => history[3] !== undefined,
  );
  const step = await fleet.rollback({ ...gate, 'to-revision': '2' });
  expectStep(step, { code: 1, outputs: { outcome: 'failed', changed: 'true', 'target-revision': '2' } });
  expect(step.log).toMatch(
    /::error title=Pods cannot start%2C rollback incomplete.*is not complete \(failed, image-pull\)\. Revision 3 → 4, .*v2-missing/,
  );
});

test('gives precedence to a deploy between the failure and the rollback', async () => {
  await fleet.rollOut('v1', fast);
  await fleet.deploy('v2-missing');
  const proxy = await FaultyProxy.inFrontOf(fleet);
  try {
    const running = fleet.start({ ...gate, kubeconfig: proxy.kubeconfig });
    let deployed = false;
    proxy.before = async (kind) => {
      if (deployed || kind !== 'get' || !running.log().includes('Rolling back, because')) return;
      deployed = true;
      await fleet.deploy('v3', fast);
    };
    const step = await running.done;
    expect(deployed).toBe(true);
    expectStep(step, { code: 1, outputs: { outcome: 'failed', changed: 'false' } });
    expect(step.log).toMatch(/It could not be rolled back \(refused, unexpected-revision\)/);
    expect(await fleet.image()).toBe('v3');
    expect(fleet.writes()).toBe(0);
  } finally {
    proxy.stop();
  }
});

test('rolls back only the failed one of several DaemonSets', async () => {
  const other = await Fleet.create();
  try {
    for (const one of [fleet, other]) await one.rollOut('v1', fast);
    await fleet.deploy('v2-missing');
    await other.deploy('v2');
    const step = await fleet.rollback({ ...gate, daemonset: `${fleet.namespace}/agent,${other.namespace}/agent` });
    expectStep(step, { code: 1, outputs: { outcome: 'failed', changed: 'true' } });
    expect([await fleet.image(), await other.image()]).toEqual(['v1', 'v2']);
    expect([fleet.writes(), other.writes()]).toEqual([1, 0]);
  } finally {
    await other.remove();
  }
});

test('warns of a timeout that is too short at the start of the gate only', async () => {
  const slow: ManifestOptions = { maxUnavailable: 1, spec: { minReadySeconds: 3 } };
  await fleet.rollOut('v1', { ...slow, maxUnavailable: '100%' });
  await fleet.deploy('v2-missing', slow);
  // Nine of ten nodes still have the version that is restored, so there is time enough.
  const step = await fleet.rollback({ ...gate, timeout: '25s' });
  expectStep(step, { code: 1, outputs: { outcome: 'failed', changed: 'true', available: '10' } });
  const [ofGate, ofRollback = ''] = step.log.split('Rolling back, because');
  expect(ofGate).toMatch(/::warning::With the present minReadySeconds and maxUnavailable, the rest takes about (27|30)/);
  expect(ofRollback).not.toMatch(/the rest takes about/);
});
