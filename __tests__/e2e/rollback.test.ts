import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, expectStep, Fleet, PLAIN_ROLLBACK } from '../helpers/support.ts';
import { stampTemplates } from '../helpers/webhook.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
});
afterEach(() => fleet.remove());

describe('rolls back', () => {
  test('a stuck rollout to the previous revision with one write and seven requests, including the good mark', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2', { annotations: { team: 'observability' } });
    await fleet.getStuck('v3-crash', { annotations: { team: 'observability' } });
    const before = await fleet.daemonSet();

    const step = await fleet.rollback({ 'stable-for': '0' });

    expectStep(step, {
      code: 0,
      outputs: {
        outcome: 'rolled-back',
        reason: 'complete',
        changed: 'true',
        'old-revision': '3',
        'target-revision': '2',
        'new-revision': '4',
        'change-cause': 'deploy v2',
        images: 'registry.example/agent:v2',
        desired: '10',
        updated: '10',
        available: '10',
      },
    });
    expect(await fleet.history()).toEqual({ 1: 'v1', 3: 'v3-crash', 4: 'v2' });
    const after = await fleet.daemonSet();
    const stored = (await fleet.json('get', `controllerrevision/${step.outputs['controller-revision']}`)) as {
      revision: number;
      data: { spec: { template: object } };
    };
    expect(stored.revision).toBe(4);
    expect({ $patch: 'replace', ...after.spec.template }).toEqual(stored.data.spec.template);
    const applied = 'kubectl.kubernetes.io/last-applied-configuration';
    const ours = ['kubernetes.io/change-cause', 'rollback-daemonset/last-rollback', 'deprecated.daemonset.template.generation', applied];
    const others = (annotations: Record<string, string>): object =>
      Object.fromEntries(Object.entries(annotations).filter(([key]) => !ours.includes(key)));
    expect(others(after.metadata.annotations)).toEqual(others(before.metadata.annotations));
    expect(after.metadata.annotations['kubernetes.io/change-cause']).toBe('deploy v2');
    expect(JSON.parse(after.metadata.annotations[applied])).toEqual(
      JSON.parse(fleet.manifest('v2', { annotations: { team: 'observability' } })),
    );
    expect((await fleet.kubectl(['rollout', 'history', 'daemonset/agent', '--revision=4'])).trim()).toContain('registry.example/agent:v2');
    const pods = (await fleet.json('get', 'pods')).items as { spec: { containers: { image: string }[] } }[];
    expect(new Set(pods.map(({ spec }) => spec.containers[0]?.image))).toEqual(new Set(['registry.example/agent:v2']));
    expect(await fleet.requestsOnce(8)).toEqual([...PLAIN_ROLLBACK, 'patch controllerrevisions']);
    expect(step.summary).toContain('Revision 3 → 4, which restores revision 2');
    expect(step.summary).toContain('<td>2</td><td><strong>4</strong> (current)</td>');
    expect(step.summary).not.toContain('>v3-crash<');
    expect(step.log).toMatch(
      /^Server https:\/\/127\.0\.0\.1:\d+, context testbed, namespace t-.*, DaemonSet agent: from the current revision to the previous version\n/,
    );
    expect(step.log).toContain('daemon set "agent" successfully rolled out');
    const lines = step.log.replaceAll('::endgroup::\n', '').trim().split('\n');
    expect(new Set(lines).size).toBe(lines.length);
  });

  test('to a given revision, which gets a new number each time', async () => {
    for (const tag of ['v1', 'v2', 'v3']) await fleet.rollOut(tag);
    expectStep(await fleet.rollback({ 'to-revision': '1' }), {
      code: 0,
      outputs: { 'old-revision': '3', 'target-revision': '1', 'new-revision': '4' },
    });
    expectStep(await fleet.rollback({ 'to-revision': '2' }), {
      code: 0,
      outputs: { 'old-revision': '4', 'target-revision': '2', 'new-revision': '5' },
    });
    expect(await fleet.history()).toEqual({ 3: 'v3', 4: 'v1', 5: 'v2' });
    const { metadata } = (
      (await fleet.json('get', 'controllerrevisions')).items as { revision: number; metadata: { name: string } }[]
    ).find(({ revision }) => revision === 3) as { metadata: { name: string } };
    expectStep(await fleet.rollback({ 'to-revision': metadata.name }), {
      code: 0,
      outputs: { outcome: 'rolled-back', 'target-revision': '3', 'new-revision': '6' },
    });
  });

  test.each([
    ['previous', [], {}],
    ['a number', ['--to-revision=1'], { 'to-revision': '1' }],
  ])('with the same result as kubectl rollout undo to %s', async (_name, undo, inputs) => {
    const beside = await Fleet.create();
    try {
      for (const one of [fleet, beside]) {
        await one.rollOut('v1');
        await one.rollOut('v2');
        await one.getStuck('v3-missing');
      }
      await beside.kubectl(['rollout', 'undo', 'daemonset/agent', ...undo]);
      await beside.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
      expect((await fleet.rollback(inputs as Record<string, string>)).code).toBe(0);
      expect(await fleet.history()).toEqual(await beside.history());
      expect((await fleet.daemonSet()).spec).toEqual((await beside.daemonSet()).spec);
    } finally {
      await beside.remove();
    }
  });

  test('without a write if the revision is current already', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    const before = await fleet.daemonSet();
    expectStep(await fleet.rollback({ 'to-revision': '2' }), {
      code: 0,
      outputs: { outcome: 'unchanged', changed: 'false', 'old-revision': '2', 'new-revision': '2', available: '10' },
    });
    expect((await fleet.daemonSet()).metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    expect(fleet.writes()).toBe(0);
  });

  test('and removes a change-cause that the target does not have', async () => {
    await fleet.rollOut('v1', { cause: '' });
    await fleet.rollOut('v2', { cause: 'the bad one' });
    expectStep(await fleet.rollback(), { code: 0, outputs: { 'change-cause': '' } });
    expect((await fleet.daemonSet()).metadata.annotations).not.toHaveProperty(['kubernetes.io/change-cause']);
  });

  test('in a dry run that the server checks, without a write', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    const before = await fleet.daemonSet();
    const step = await fleet.rollback({ 'dry-run': 'true' });
    expectStep(step, {
      code: 0,
      outputs: { outcome: 'dry-run', reason: 'validated', changed: 'false', 'target-revision': '1', 'new-revision': '' },
    });
    expect(step.summary).toContain('<details open>\n<summary>Template: 2 differences</summary>');
    expect((await fleet.daemonSet()).metadata.resourceVersion).toBe(before.metadata.resourceVersion);
  });

  test('and shows literal values only with show-values', async () => {
    await fleet.rollOut('v1', { env: 'hunter2-old' });
    await fleet.rollOut('v2', { env: 'hunter2-new' });
    const hidden = await fleet.rollback({ 'dry-run': 'true' });
    expect(JSON.stringify(hidden)).not.toContain('hunter2');
    const shown = await fleet.rollback({ 'dry-run': 'true', 'show-values': 'true' });
    expect(shown.summary).toContain('hunter2-old');
  });
});

describe('a second rollback does not undo the first', () => {
  test('the same run resumes, another run is refused, and a new deploy of the bad version is rolled back again', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    await fleet.getStuck('v3-crash');
    const first = await fleet.rollback();
    const again = await fleet.rollback({}, { GITHUB_RUN_ATTEMPT: '2' });
    for (const name of ['outcome', 'changed', 'old-revision', 'target-revision', 'new-revision', 'controller-revision', 'images'])
      expect([name, again.outputs[name]]).toEqual([name, first.outputs[name]]);
    expectStep(again, { code: 0, outputs: { reason: 'resumed' } });
    expect(fleet.writes()).toBe(1);

    const other = await fleet.rollback({}, { GITHUB_RUN_ID: '2' });
    expectStep(other, { code: 1, outputs: { outcome: 'refused', reason: 'already-rolled-back', changed: 'false' } });
    expect(other.log).toMatch(/"previous" version is revision 3 .*set to-revision to a name: agent-\w+ is revision 1/);
    expect(fleet.writes()).toBe(1);

    await fleet.getStuck('v3-crash');
    expectStep(await fleet.rollback({}, { GITHUB_RUN_ID: '3' }), {
      code: 0,
      outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v2' },
    });
    expect(fleet.writes()).toBe(2);
    expect(await fleet.image()).toBe('v2');
  });
});

describe('server-side apply', () => {
  test('by the deployer works without a conflict afterwards', async () => {
    await fleet.rollOut('v1', { serverSide: 'deployer' });
    await fleet.rollOut('v2', { serverSide: 'deployer' });
    await fleet.getStuck('v3-crash', { serverSide: 'deployer' });
    expectStep(await fleet.rollback(), { code: 0, outputs: { outcome: 'rolled-back' } });
    const { managedFields } = (await fleet.daemonSet()).metadata as { managedFields: { manager: string }[] };
    expect(managedFields.map(({ manager }) => manager)).not.toContain('rollback-daemonset');
    await fleet.rollOut('v4', { serverSide: 'deployer' });
    expect(await fleet.image()).toBe('v4');
  });
});

test('a version that an older Kubernetes stored is restored by meaning, and its new ControllerRevision is named', async () => {
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
  const first = await fleet.revision(1);
  await fleet.kubectl(['delete', 'controllerrevision', first.metadata.name]);
  await fleet.storeRevision('agent-old', first, (copy) => {
    copy.data.spec.template.metadata.creationTimestamp = null;
  });
  const step = await fleet.rollback();
  expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', 'target-revision': '1', 'new-revision': '3' } });
  expect(step.outputs['controller-revision']).toBe((await fleet.revision(3)).metadata.name);
  expect(step.outputs['controller-revision']).not.toBe('agent-old');
  expect(JSON.parse(step.outputs['results'] ?? '')).toMatchObject([
    { renewed: false, notes: [expect.stringContaining('serializes it differently')] },
  ]);
  expect(step.summary).toMatch(/Revision 3 .*is a new ControllerRevision.*not the one that was revision 1/);
});

describe('the wait', () => {
  test('ends at the timeout, while the rollout continues', async () => {
    await fleet.rollOut('v1');
    await fleet.deploy('v2-hang');
    await fleet.observed();
    await fleet.deploy('v3');
    const step = await fleet.rollback({ 'to-revision': '2', timeout: '3s' });
    expectStep(step, { code: 1, outputs: { outcome: 'timed-out', reason: 'timeout', changed: 'true', 'new-revision': '4' } });
    expect(step.log).toMatch(
      /::error title=Timed out%3A DaemonSet [^:]+::timed-out \(timeout\): The rollout did not complete in time: \d+ of 10 nodes/,
    );
    expect(step.summary).toContain('❌ Timed out');
  });

  test('logs the state once a minute when nothing changes, without further requests to the server', async () => {
    await fleet.rollOut('v1');
    await fleet.deploy('v2-hang', { maxUnavailable: '100%' });
    await fleet.rollOut('v3', { maxUnavailable: '100%' });
    const step = await fleet.rollback({ 'to-revision': '2', timeout: '85s' });
    expectStep(step, { code: 1, outputs: { outcome: 'timed-out' } });
    expect(step.log.match(/0 of 10 updated pods are available\.\.\./g)).toHaveLength(2);
    expect(fleet.requests().filter((request) => request === 'watch daemonsets')).toHaveLength(1);
  });

  test('is skipped with wait: false', async () => {
    await fleet.rollOut('v1');
    await fleet.getStuck('v2-missing');
    expectStep(await fleet.rollback({ wait: 'false' }), {
      code: 0,
      outputs: { outcome: 'pending', reason: 'not-waited', 'new-revision': '3' },
    });
    await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
    expect(await fleet.image()).toBe('v1');
  });

  test('ends as pending with OnDelete, since pods are replaced manually', async () => {
    await fleet.rollOut('v1');
    await fleet.deploy('v2', { strategy: 'OnDelete' });
    expectStep(await fleet.rollback({ 'to-revision': '1' }), { code: 0, outputs: { outcome: 'rolled-back' } });
    await fleet.deploy('v3', { strategy: 'OnDelete' });
    await fleet.kubectl(['delete', 'pods', '--all']);
    await eventually(
      'new pods',
      () => fleet.daemonSet(),
      ({ status }) => status.updatedNumberScheduled === 10 && status.numberAvailable === 10,
    );
    const step = await fleet.rollback({ 'to-revision': '2' }, { GITHUB_RUN_ID: '2' });
    expectStep(step, { code: 0, outputs: { outcome: 'pending', reason: 'on-delete', updated: '0' } });
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('is cancelled by %s, with outputs and summary within 2 s', async (signal) => {
    await fleet.rollOut('v1');
    await fleet.deploy('v2-hang');
    await fleet.observed();
    await fleet.deploy('v3');
    const running = fleet.start({ 'to-revision': '2' });
    await eventually(
      'the wait',
      running.log,
      (log) => log.includes('updated pods are available') || log.includes('new pods have been updated'),
    );
    const sent = Date.now();
    running.process.kill(signal);
    const step = await running.done;
    expect(Date.now() - sent).toBeLessThan(2_000);
    expectStep(step, { code: 1, outputs: { outcome: 'cancelled', changed: 'true', 'old-revision': '3', 'new-revision': '4' } });
    expect(step.summary).toContain('❌ Cancelled');
  });

  test('ends when someone deploys another template, or deletes the DaemonSet', async () => {
    await fleet.rollOut('v1');
    await fleet.deploy('v2-hang');
    await fleet.observed();
    await fleet.deploy('v3');
    const superseded = fleet.start({ 'to-revision': '2' });
    await eventually('the wait', superseded.log, (log) => log.includes('new pods have been updated'));
    // A change of other fields of the spec does not end the wait.
    await fleet.kubectl([
      'patch',
      'daemonset/agent',
      '--type=merge',
      '-p',
      '{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":6}}}}',
    ]);
    await fleet.deploy('v4');
    expectStep(await superseded.done, {
      code: 1,
      outputs: { outcome: 'superseded', reason: 'template-changed', changed: 'true' },
    });

    const deleted = fleet.start({ 'to-revision': '4' }, { GITHUB_RUN_ID: '2' });
    await eventually('the wait', deleted.log, (log) => log.includes('new pods have been updated'));
    await fleet.kubectl(['delete', 'daemonset/agent']);
    expectStep(await deleted.done, { code: 1, outputs: { outcome: 'deleted', changed: 'true' } });
  });
});

test('copies of the current version are skipped as "previous", and pods are checked if the counters could be wrong', async () => {
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
  // The same template in the bytes of Kubernetes before 1.34.
  const current = (
    (await fleet.json('get', 'controllerrevisions')).items as {
      revision: number;
      metadata: { ownerReferences: object[]; labels: object };
      data: { spec: { template: { metadata: object } } };
    }[]
  ).find(({ revision }) => revision === 2);
  if (!current) throw new Error('there is no revision 2');
  const twin = structuredClone(current);
  Object.assign(twin.data.spec.template.metadata, { creationTimestamp: null });
  const { ownerReferences } = current.metadata;
  await fleet.kubectl(
    ['create', '-f', '-'],
    JSON.stringify({
      ...twin,
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      revision: 1,
      metadata: { name: 'agent-twin', ownerReferences, labels: { app: 'agent', 'controller-revision-hash': 'twin' } },
    }),
  );
  const step = await fleet.rollback({ 'to-revision': 'previous' });
  expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v1' } });

  const back = await fleet.rollback({ 'to-revision': 'agent-twin' });
  expectStep(back, { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v2' } });
  expect(fleet.requests()).toContain('list pods');
  const renewed = ((await fleet.json('get', 'controllerrevisions')).items as { revision: number; metadata: { name: string } }[]).find(
    ({ metadata }) => metadata.name === back.outputs['controller-revision'],
  );
  expect(String(renewed?.revision)).toBe(back.outputs['new-revision']);
});

test('the wait follows the template that an admission webhook changed, and the new ControllerRevision is named', async () => {
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
  await stampTemplates(fleet);
  const step = await fleet.rollback();
  expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', 'target-revision': '1', 'new-revision': '3' } });
  const made = await fleet.json('get', `controllerrevision/${step.outputs['controller-revision']}`);
  expect(made).toMatchObject({ revision: 3, data: { spec: { template: { metadata: { annotations: { stamped: 'yes' } } } } } });
  expect(step.summary).toMatch(/Revision 3 .*is a new ControllerRevision.* an admission webhook changes it/);
  expectStep(await fleet.rollback({}, { GITHUB_RUN_ID: '2' }), { code: 1, outputs: { reason: 'already-rolled-back' } });
});
