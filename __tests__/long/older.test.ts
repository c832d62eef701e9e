/** The main stories on older control planes, each with the kubectl of its version. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions, tell } from '../e2e/support.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };

describe.each(['1.34', '1.35'] as const)('Kubernetes %s', (kubernetes) => {
  let testbed: Testbed;
  let fleet: Fleet;
  beforeAll(async () => {
    testbed = await startTestbed({ nodes: 10, kubernetes, log: tell });
  }, 3_600_000);
  afterAll(() => testbed.stop());
  beforeEach(async () => {
    fleet = await Fleet.create({ testbed });
  });
  afterEach(() => fleet.remove());

  test('is what runs', async () => {
    const { clientVersion, serverVersion } = await fleet.json('version');
    for (const { gitVersion } of [clientVersion, serverVersion]) expect(gitVersion).toMatch(new RegExp(`^v${kubernetes}\\.\\d+$`));
  });

  test.each([
    ['the previous version', {}, []],
    ['a number', { 'to-revision': '1' }, ['--to-revision=1']],
  ])('a rollback to %s: in the cluster is what kubectl rollout undo leaves, in six requests', async (_what, inputs, undo) => {
    const beside = await Fleet.create({ testbed });
    try {
      for (const one of [fleet, beside]) {
        for (const tag of ['v1', 'v2']) await one.rollOut(tag);
        await one.getStuck('v3-crash');
      }
      await beside.kubectl(['rollout', 'undo', 'daemonset/agent', ...undo]);
      await beside.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
      const step = await fleet.rollback(inputs);
      const outputs = { outcome: 'rolled-back', 'old-revision': '3', 'new-revision': '4', updated: '10', available: '10' };
      expectStep(step, { code: 0, outputs });
      expect(await fleet.history()).toEqual(await beside.history());
      expect((await fleet.daemonSet()).spec).toEqual((await beside.daemonSet()).spec);
      const requests = ['get daemonsets', 'list controllerrevisions', 'patch daemonsets dryRun', 'patch daemonsets', 'watch daemonsets'];
      const all = [...requests, 'patch controllerrevisions'];
      expect(
        await eventually(
          'the audit log',
          () => fleet.requests(),
          (seen) => seen.length >= all.length,
        ),
      ).toEqual(all);
    } finally {
      await beside.remove();
    }
  });

  test('a dry run, a rollback, and another run: nothing written, once, and refused', async () => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, fast);
    expectStep(await fleet.rollback({ 'dry-run': 'true' }), { code: 0, outputs: { outcome: 'dry-run', reason: 'validated' } });
    expect(fleet.writes()).toBe(0);
    expectStep(await fleet.rollback(), { code: 0, outputs: { outcome: 'rolled-back' } });
    expectStep(await fleet.rollback({}, { GITHUB_RUN_ID: '2' }), { code: 1, outputs: { outcome: 'refused' } });
    expect([fleet.writes(), await fleet.image()]).toEqual([1, 'v1']);
  });

  test('twins: the same version in the bytes of an older Kubernetes is passed over as the previous one, and restored where it is named', async () => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, fast);
    await fleet.storeRevision('agent-twin', await fleet.revision(2), (copy) => {
      copy.revision = 1;
      copy.data.spec.template.metadata.creationTimestamp = null;
    });
    const step = await fleet.rollback();
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v1', available: '10' } });
    const back = await fleet.rollback({ 'to-revision': 'agent-twin' });
    expectStep(back, { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v2', available: '10' } });
  });

  test('a gate: complete, and marked as good; then one that crashes, which is rolled back to that', async () => {
    await fleet.rollOut('v1', fast);
    expectStep(await fleet.rollback({ command: 'status' }), { code: 0, outputs: { outcome: 'complete', available: '10' } });
    await fleet.rollOut('v2', fast);
    await fleet.deploy('v3-crash');
    const gate = { command: 'status', 'rollback-on-failure': 'true', 'failure-grace': '4s', 'log-lines': '5' };
    const step = await fleet.rollback(gate);
    expectStep(step, {
      code: 1,
      outputs: { outcome: 'failed', reason: 'crash-loop', changed: 'true', 'target-revision': '1', available: '10' },
    });
    expect(await fleet.image()).toBe('v1');
  });

  test('history', async () => {
    for (const tag of ['v1', 'v2', 'v3']) await fleet.rollOut(tag, fast);
    const step = await fleet.rollback({ command: 'history' });
    expectStep(step, { code: 0, outputs: { outcome: 'listed', 'old-revision': '3' } });
    const listed = (JSON.parse(step.outputs['history'] ?? '') as Any[]).map(({ revision, images }) => [revision, images]);
    expect(listed).toEqual([3, 2, 1].map((number) => [number, [`registry.example/agent:v${number}`]]));
  });

  test('a guard puts back what it has recorded', async () => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, fast);
    const { state } = await fleet.rollback({ command: 'guard' });
    await fleet.getStuck('v3-missing', fast);
    const step = await fleet.post(state).done;
    expect(step.log).toContain('daemon set "agent" successfully rolled out');
    expect([fleet.writes(), await fleet.image()]).toEqual([1, 'v2']);
  });
});
