/** What protects the changes of others from a rollback: expected-revision, the lock on what was read, and the checks during the wait. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FaultyProxy, type Kind } from './proxy.ts';
import { eventually, expectStep, Fleet } from './support.ts';

const fast = { maxUnavailable: '100%' };

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
  await fleet.rollOut('v1', fast);
  await fleet.rollOut('v2', fast);
});
afterEach(() => fleet.remove());

const merge = (patch: object): Promise<string> => fleet.kubectl(['patch', 'daemonset/agent', '--type=merge', '-p', JSON.stringify(patch)]);
const setImage = (tag: string): Promise<string> =>
  fleet.kubectl(['set', 'image', 'daemonset/agent', `agent=registry.example/agent:${tag}`]);

describe('expected-revision', () => {
  test('is refused if another revision is current, without even a dry run on the server', async () => {
    const { name, labels } = (await fleet.revision(1)).metadata;
    for (const expected of ['1', name, labels['controller-revision-hash'], '7', 'no-such-revision']) {
      const step = await fleet.rollback({ 'expected-revision': expected });
      expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'unexpected-revision', changed: 'false', 'old-revision': '2' } });
      expect(step.log).toMatch(/::error .*The DaemonSet is at revision 2 \(agent-\w+\), not at /);
    }
    expect(fleet.requests().filter((request) => request.startsWith('patch'))).toEqual([]);
  });

  test.each(['number', 'name', 'hash'])('is accepted by %s if it is current, and a re-run of the same run resumes', async (by) => {
    const { name, labels } = (await fleet.revision(2)).metadata;
    const expected = { number: '2', name, hash: labels['controller-revision-hash'] }[by] ?? '';
    const outputs = { outcome: 'rolled-back', 'old-revision': '2', 'new-revision': '3' };
    expectStep(await fleet.rollback({ 'expected-revision': expected }), { code: 0, outputs: { ...outputs, reason: 'complete' } });
    const again = await fleet.rollback({ 'expected-revision': expected }, { GITHUB_RUN_ATTEMPT: '2' });
    expectStep(again, { code: 0, outputs: { ...outputs, reason: 'resumed' } });
    expect(fleet.writes()).toBe(1);
  });
});

describe('the lock', () => {
  let proxy: FaultyProxy;
  beforeEach(async () => {
    proxy = await FaultyProxy.inFrontOf(fleet);
  });
  afterEach(() => proxy.stop());

  /** Makes a change after the step has read, and before its first request of a kind arrives. */
  const meanwhile = (kind: Kind, change: () => Promise<unknown>): void => {
    proxy.before = async (seen, count) => {
      if (seen === kind && count === 1) await change();
    };
  };
  const kinds = (kind: Kind): number => proxy.seen.filter((seen) => seen === kind).length;

  test.each(['dry-run', 'patch'] as const)('fails after a deploy before the %s: the step checks again and is refused', async (kind) => {
    meanwhile(kind, () => setImage('v3'));
    const step = await fleet.rollback({ kubeconfig: proxy.kubeconfig, 'expected-revision': '2' });
    expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'unexpected-revision', changed: 'false', 'old-revision': '3' } });
    expect(await fleet.image()).toBe('v3');
    expect((await fleet.daemonSet()).metadata.annotations).not.toHaveProperty(['rollback-daemonset/last-rollback']);
  });

  test('fails after a deploy: without expected-revision, the step plans again from the current state', async () => {
    meanwhile('patch', () => setImage('v3'));
    const step = await fleet.rollback({ kubeconfig: proxy.kubeconfig });
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', 'old-revision': '3', 'target-revision': '2', 'new-revision': '4' } });
    expect(step.log).toContain('The DaemonSet changed in the meantime. Reading it and deciding again.');
    expect(await fleet.image()).toBe('v2');
  });

  test('fails after another rollback, which is not undone', async () => {
    meanwhile('patch', () => fleet.rollback({}, { GITHUB_RUN_ID: '99' }));
    const step = await fleet.rollback({ kubeconfig: proxy.kubeconfig });
    expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'already-rolled-back', changed: 'false' } });
    expect(await fleet.image()).toBe('v1');
  });

  test('fails after a change of another field: expected-revision still matches, and the step writes once', async () => {
    meanwhile('patch', () => merge({ spec: { minReadySeconds: 1 } }));
    expectStep(await fleet.rollback({ kubeconfig: proxy.kubeconfig, 'expected-revision': '2' }), {
      code: 0,
      outputs: { outcome: 'rolled-back' },
    });
    const { spec, metadata } = await fleet.daemonSet();
    expect([spec.minReadySeconds, metadata.generation]).toEqual([1, 4]);
    expect(kinds('patch')).toBe(2);
  });

  test('holds after a change of a label, an annotation or the status', async () => {
    meanwhile('patch', async () => {
      await fleet.kubectl(['label', 'daemonset/agent', 'team=observability']);
      await fleet.kubectl(['annotate', 'daemonset/agent', 'note=hello']);
      await fleet.kubectl(['delete', 'pods', '--all', '--force']);
    });
    expectStep(await fleet.rollback({ kubeconfig: proxy.kubeconfig }), { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(kinds('patch')).toBe(1);
    const { labels, annotations } = (await fleet.daemonSet()).metadata;
    expect([labels['team'], annotations['note']]).toEqual(['observability', 'hello']);
  });

  test('fails if the DaemonSet was deleted and created again: the new one has its own history', async () => {
    meanwhile('patch', async () => {
      await fleet.kubectl(['delete', 'daemonset/agent']);
      await fleet.rollOut('v9', fast);
    });
    const step = await fleet.rollback({ kubeconfig: proxy.kubeconfig });
    expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'no-previous-revision', changed: 'false' } });
    expect(await fleet.image()).toBe('v9');
  });
});

describe('while waiting', () => {
  test('a change of other fields does not end the wait; a change of the template does, and the step names its writer', async () => {
    await fleet.deploy('v3-hang');
    await fleet.observed();
    await fleet.deploy('v4');
    const running = fleet.start({ 'to-revision': '3' });
    await eventually('the wait', running.log, (log) => log.includes('new pods have been updated'));
    await merge({ spec: { updateStrategy: { rollingUpdate: { maxUnavailable: 6 } } } });
    await eventually('the log line about it', running.log, (log) => log.includes('The spec changed in the meantime, but not the template'));
    await fleet.kubectl(['label', 'daemonset/agent', 'team=observability']);
    expect(running.process.exitCode).toBeNull();
    await setImage('v5');
    const step = await running.done;
    expectStep(step, { code: 1, outputs: { outcome: 'superseded', reason: 'template-changed', changed: 'true' } });
    expect(step.log).toMatch(/::error .*Someone changed the template during the rollout \(kubectl-set at \d{4}-\d\d-\d\dT[\d:]+Z\)/);
  });

  test('a new deploy of the same template does not end the wait', async () => {
    await fleet.deploy('v3-hang');
    await fleet.observed();
    await fleet.deploy('v4');
    const running = fleet.start({ 'to-revision': '3', timeout: '15s' });
    await eventually('the wait', running.log, (log) => log.includes('new pods have been updated'));
    await fleet.deploy('v3-hang', { maxUnavailable: 6 });
    expectStep(await running.done, { code: 1, outputs: { outcome: 'timed-out' } });
  });
});
