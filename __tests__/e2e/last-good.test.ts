/** The good mark of a version that ran everywhere: what sets it, what withdraws it, and `to-revision: last-good`, which uses it. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FaultyProxy } from '../helpers/proxy.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions, PLAIN_ROLLBACK, run } from '../helpers/support.ts';

const GOOD = 'rollback-daemonset/good';
const fast = { maxUnavailable: '100%' };
const gate = { command: 'status' };
const lastGood = { 'to-revision': 'last-good' };
const quickly = { 'failure-grace': '2s', 'progress-deadline': '5s' };

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
});
afterEach(() => fleet.remove());

async function rollOut(...tags: string[]): Promise<void> {
  for (const tag of tags) await fleet.rollOut(tag, fast);
}

/** Rolls out versions, each followed by a gate that marks it as good. */
async function rollOutGood(...tags: string[]): Promise<void> {
  for (const tag of tags) {
    await rollOut(tag);
    expectStep(await fleet.rollback(gate), { code: 0, outputs: { outcome: 'complete' } });
  }
}

const marks = async (of = fleet): Promise<Record<string, Any>> =>
  Object.fromEntries(
    ((await of.json('get', 'controllerrevisions')).items as Any[])
      .filter(({ metadata }) => metadata.annotations?.[GOOD])
      .map(({ metadata }) => [metadata.name, JSON.parse(metadata.annotations[GOOD])]),
  );
/** The numbers of the marked revisions. */
const marked = async (): Promise<number[]> => {
  const names = Object.keys(await marks());
  const { items } = await fleet.json('get', 'controllerrevisions');
  return items.flatMap(({ metadata, revision }: Any) => (names.includes(metadata.name) ? [revision] : [])).sort();
};
describe('the good mark', () => {
  test('is set once by a gate, and shown in the history', async () => {
    await rollOutGood('v1', 'v2');
    const { name } = (await fleet.revision(2)).metadata;
    const all = await marks();
    expect(Object.keys(all)).toHaveLength(2);
    expect(all[name]).toEqual({
      name,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      run: 'https://github.com/octo/fleet/actions/runs/1',
      images: { 'registry.example/agent:v2': expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
    });
    expect(Math.abs(Date.now() - Date.parse(all[name].time))).toBeLessThan(120_000);

    // The mark of a known-good version keeps its time.
    expectStep(await fleet.rollback(gate, run(2)), { code: 0, outputs: { outcome: 'complete' } });
    expect(await marks()).toEqual(all);
    expect([fleet.marks(), fleet.writes()]).toEqual([2, 0]);

    const { time, run: address } = all[name];
    const history = JSON.parse((await fleet.rollback({ command: 'history' })).outputs['history'] ?? '') as Any[];
    expect(history[0]).toMatchObject({ revision: 2, good: { time, run: address } });
  });

  test('is renewed if it is more than a day old', async () => {
    await rollOutGood('v1');
    const [[name, mark]] = Object.entries(await marks()) as [[string, Any]];
    const old = { ...mark, time: new Date(Date.now() - 25 * 3_600_000).toISOString() };
    await fleet.kubectl(['annotate', '--overwrite', `controllerrevision/${name}`, `${GOOD}=${JSON.stringify(old)}`]);
    expectStep(await fleet.rollback(gate, run(2)), { code: 0, outputs: { outcome: 'complete' } });
    const { time, ...renewed } = (await marks())[name];
    expect(renewed).toEqual({ name, run: 'https://github.com/octo/fleet/actions/runs/2', images: mark.images });
    expect(Date.parse(time)).toBeGreaterThan(Date.parse(old.time) + 24 * 3_600_000);
  });

  test('is set by a rollback, also if nothing had to be written, and by a re-run', async () => {
    await rollOut('v1', 'v2');
    expectStep(await fleet.rollback({ 'to-revision': '1' }), { code: 0, outputs: { outcome: 'rolled-back', 'new-revision': '3' } });
    expect(await marked()).toEqual([3]);

    await rollOut('v3');
    expectStep(await fleet.rollback({ 'to-revision': '4' }), { code: 0, outputs: { outcome: 'unchanged' } });
    expect(await marked()).toEqual([3, 4]);

    expectStep(await fleet.rollback({ 'to-revision': '2', wait: 'false' }, run(2)), { code: 0, outputs: { outcome: 'pending' } });
    await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
    expect(await marked()).toEqual([3]);
    expectStep(await fleet.rollback({}, { ...run(2), GITHUB_RUN_ATTEMPT: '2' }), { code: 0, outputs: { reason: 'resumed' } });
    expect(await marked()).toEqual([3, 5]);
  });

  test('is not set without a wait, in a dry run, without matching nodes, and after a failure', async () => {
    await rollOut('v1', 'v2');
    for (const inputs of [{ ...gate, wait: 'false', 'stable-for': '0' }, { 'to-revision': '2', wait: 'false' }, { 'dry-run': 'true' }])
      expect((await fleet.rollback(inputs as Record<string, string>)).code).toBe(0);

    await fleet.deploy('v3', { podSpec: { nodeSelector: { no: 'node' } } });
    expectStep(await fleet.rollback({ ...gate, 'tolerate-unavailable': '100%' }), {
      code: 0,
      outputs: { outcome: 'complete', desired: '0' },
    });

    await fleet.getStuck('v4-crash', { maxUnavailable: 1 });
    const tolerating = await fleet.rollback({ ...gate, ...quickly, 'tolerate-unavailable': '100%' });
    expectStep(tolerating, { code: 1, outputs: { outcome: 'stalled', available: '0' } });
    expectStep(await fleet.rollback({ ...gate, ...quickly }), { code: 1, outputs: { changed: 'false' } });
    expect(fleet.marks()).toBe(0);
  });

  test('is withdrawn from the version that is rolled back before the wait, however the wait ends', async () => {
    await fleet.deploy('v1-hang', fast);
    await rollOutGood('v2');
    const running = fleet.start({ 'to-revision': '1' });
    await eventually('the mark to go', marks, (all) => Object.keys(all).length === 0);
    expect(running.process.exitCode).toBeNull();
    running.process.kill('SIGINT');
    const step = await running.done;
    expectStep(step, { code: 1, outputs: { outcome: 'cancelled', changed: 'true' } });
    expect(step.log).toMatch(/Removed the good mark from ControllerRevision agent-\w+, which was left/);
    expect([fleet.marks(), fleet.writes()]).toEqual([2, 1]);
  });

  test('is withdrawn from all revisions of the version, including copies and restarts; other versions keep theirs', async () => {
    await rollOutGood('v1', 'v2');
    await fleet.storeRevision('agent-twin', await fleet.revision(2), (copy) => {
      copy.revision = 1;
      copy.data.spec.template.metadata.creationTimestamp = null;
      copy.metadata.annotations = { [GOOD]: JSON.stringify({ name: 'agent-twin', time: '2026-01-01T00:00:00Z' }) };
    });
    await fleet.kubectl(['rollout', 'restart', 'daemonset/agent']);
    await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
    expectStep(await fleet.rollback(gate), { code: 0, outputs: { outcome: 'complete' } });
    expect(Object.keys(await marks())).toHaveLength(4);

    const before = fleet.marks();
    expectStep(await fleet.rollback(), { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v1' } });
    expect(Object.keys(await marks())).toEqual([(await fleet.revision(4)).metadata.name]);
    // The restored version was marked already.
    expect(fleet.marks() - before).toBe(3);

    // A rollback from a restarted version to itself withdraws no mark.
    await fleet.kubectl(['rollout', 'restart', 'daemonset/agent']);
    const back = await fleet.rollback({ 'to-revision': '4' });
    expectStep(back, { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v1' } });
    expect(Object.keys(await marks())).toHaveLength(1);
  });

  test('needs a right that the step can do without', async () => {
    const kubeconfig = await fleet.kubeconfigOf([
      ['apps', 'daemonsets', ['get', 'patch', 'watch']],
      ['apps', 'controllerrevisions', ['list']],
    ]);
    await rollOutGood('v1', 'v2');
    const left = await fleet.rollback({ kubeconfig, 'to-revision': '1', 'stable-for': 'auto' });
    expectStep(left, { code: 0, outputs: { outcome: 'rolled-back' } });
    const rule = `Add this rule to a Role in namespace ${fleet.namespace}, to mark .*resources: \\["controllerrevisions"\\], verbs: \\["patch"\\]`;
    expect(left.log).toMatch(
      new RegExp(`^::warning::Could not remove the good mark from ControllerRevision agent-\\w+, which was left: .*${rule}`, 'm'),
    );

    await rollOut('v3');
    const listing = await fleet.kubeconfigOf([
      ['apps', 'daemonsets', ['get', 'watch']],
      ['apps', 'controllerrevisions', ['list']],
      ['', 'pods', ['list', 'watch']],
    ]);
    const step = await fleet.rollback({ ...gate, kubeconfig: listing });
    expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
    expect(step.log).toMatch(new RegExp(`^Could not set the good mark on ControllerRevision agent-\\w+, .*last-good.* ${rule}`, 'm'));
    expect(step.log).not.toContain('::warning::');
    expect(Object.keys(await marks())).toHaveLength(2);
  });

  test('is not set if the account is not allowed to list pods, and the step says what was not checked', async () => {
    await rollOut('v1');
    await fleet.storeRevision('agent-twin', await fleet.revision(1), (copy) => {
      copy.revision = 2;
      copy.data.spec.template.metadata.creationTimestamp = null;
    });
    const limited = await fleet.kubeconfigOf([
      ['apps', 'daemonsets', ['get', 'watch']],
      ['apps', 'controllerrevisions', ['list', 'patch']],
    ]);
    for (const [kubeconfig, all] of [
      [limited, []],
      [fleet.testbed.kubeconfig, [2]],
    ] as const) {
      const step = await fleet.rollback({ ...gate, kubeconfig, 'stable-for': 'auto' });
      expectStep(step, { code: 0, outputs: { outcome: 'complete', available: '10' } });
      expect(await marked()).toEqual(all);
      expect(step.summary.includes('Only the counters of the DaemonSet controller were checked')).toBe(all.length === 0);
    }
  });

  test('that the server rejects neither fails nor delays the step', async () => {
    const proxy = await FaultyProxy.inFrontOf(fleet);
    try {
      await rollOut('v1');
      for (const fault of ['drop-answer', 'drop-request', { status: 500 }, { holdFor: 30_000 }] as const) {
        proxy.fault = (kind) => (kind === 'mark' ? fault : 'pass');
        await rollOut(`v-${fleet.marks()}-${proxy.seen.length}`);
        const step = await fleet.rollback({ ...gate, kubeconfig: proxy.kubeconfig });
        expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
        expect(step.log).toMatch(/^Could not set the good mark on ControllerRevision agent-\w+/m);
        expect(Number(step.outputs['duration-seconds'])).toBeLessThan(10);
      }
    } finally {
      proxy.stop();
    }
  });

  test('keeps other changes to the ControllerRevision, and is never set on a new one with the same name', async () => {
    const proxy = await FaultyProxy.inFrontOf(fleet);
    try {
      await rollOut('v1', 'v2');
      const { name, uid } = (await fleet.revision(1)).metadata;
      proxy.before = async (kind, count) => {
        if (kind !== 'mark') return;
        if (count === 1) await fleet.kubectl(['annotate', 'controllerrevision', name, 'note=hello']);
        else await fleet.kubectl(['delete', 'controllerrevision', (await fleet.revision(4)).metadata.name]);
        // The controller creates the current one again.
        if (count === 2)
          await eventually(
            'another ControllerRevision',
            async () => (await fleet.json('get', 'controllerrevisions')).items as Any[],
            (all) => all.some(({ revision }) => revision === 4),
          );
      };
      const step = await fleet.rollback({ kubeconfig: proxy.kubeconfig });
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', 'controller-revision': name } });
      const renewed = await fleet.revision(3);
      expect(renewed.metadata).toMatchObject({ name, uid, annotations: { note: 'hello', [GOOD]: expect.stringContaining(name) } });

      await rollOut('v3');
      const other = await fleet.rollback({ ...gate, kubeconfig: proxy.kubeconfig });
      expectStep(other, { code: 0, outputs: { outcome: 'complete' } });
      expect(other.log).toContain('The ControllerRevision no longer exists.');
      expect(await marked()).toEqual([3]);
    } finally {
      proxy.stop();
    }
  });
});

describe('last-good', () => {
  test('is the newest marked version, is explained, and goes further back for each failed deploy', async () => {
    await rollOutGood('v1', 'v2');
    await rollOut('v3');
    await fleet.getStuck('v4-crash', fast);
    const before = fleet.requests().length;
    const step = await fleet.rollback({ ...lastGood, 'stable-for': '0' }, run(2));
    expectStep(step, {
      code: 0,
      outputs: { outcome: 'rolled-back', 'old-revision': '4', 'target-revision': '2', 'new-revision': '5', 'change-cause': 'deploy v2' },
    });
    expect(step.log.split('\n')[0]).toMatch(/DaemonSet agent: from the current revision to the last known-good version$/);
    const why = /Revision \d+ has the good mark: it was seen running on every node at \S+Z by https:\S+octo\/fleet\/actions\/runs\/1\./;
    expect(step.log).toMatch(why);
    expect(JSON.parse(step.outputs['results'] ?? '')[0].notes).toEqual([expect.stringMatching(why)]);
    expect(step.summary).toMatch(/> \[!NOTE\]\n> <p><a>Revision 2 has the good mark/);
    // The restored version is marked already, and the version that was rolled back is not.
    expect(fleet.requests().slice(before)).toEqual(PLAIN_ROLLBACK);

    // The same run resumes, another one is refused, and a new deploy makes the record void.
    expectStep(await fleet.rollback(lastGood, run(2)), { code: 0, outputs: { outcome: 'rolled-back', reason: 'resumed' } });
    const other = await fleet.rollback(lastGood, run(3));
    expectStep(other, { code: 1, outputs: { outcome: 'refused', reason: 'already-rolled-back', changed: 'false' } });
    expect(other.log).not.toContain('"previous"');
    await fleet.getStuck('v4-crash', fast);
    expectStep(await fleet.rollback(lastGood, run(4)), {
      code: 0,
      outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v2' },
    });

    // v2 turns out to be bad after all.
    expectStep(await fleet.rollback({ 'to-revision': '3' }, run(5)), { code: 0, outputs: { outcome: 'rolled-back' } });
    await fleet.getStuck('v4-crash', fast);
    expectStep(await fleet.rollback(lastGood, run(6)), { code: 0, outputs: { images: 'registry.example/agent:v3' } });
    await rollOut('v5');
    expectStep(await fleet.rollback({ 'to-revision': '1' }, run(7)), { code: 0, outputs: { outcome: 'rolled-back' } });
  });

  test('is reported by a dry run, which writes nothing', async () => {
    await rollOutGood('v1');
    await rollOut('v2', 'v3');
    const before = fleet.marks();
    const step = await fleet.rollback({ ...lastGood, 'dry-run': 'true' });
    expectStep(step, { code: 0, outputs: { outcome: 'dry-run', 'target-revision': '1' } });
    expect(step.summary).toContain('Revision 1 has the good mark');
    expect([fleet.writes(), fleet.marks() - before]).toEqual([0, 0]);
  });

  test('uses a mark for copies of its ControllerRevision; a mark copied from the DaemonSet does not count', async () => {
    await rollOutGood('v1');
    const first = await fleet.revision(1);
    await fleet.kubectl(['annotate', 'daemonset/agent', `${GOOD}=${first.metadata.annotations[GOOD]}`]);
    await rollOut('v2', 'v3');
    expect((await fleet.revision(2)).metadata.annotations[GOOD]).toContain(first.metadata.name);
    await fleet.storeRevision('agent-twin', first, (copy) => {
      copy.revision = 2;
      copy.data.spec.template.metadata.creationTimestamp = null;
    });
    const step = await fleet.rollback(lastGood);
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', images: 'registry.example/agent:v1' } });
    expect(await fleet.image()).toBe('v1');
  });

  describe('if no version is marked', () => {
    const byHand: ManifestOptions = { strategy: 'OnDelete' };
    /** The current version, v3, runs nowhere; v2 on some nodes, v1 on the others. */
    async function spread(onSecond: number): Promise<void> {
      await rollOut('v1');
      await fleet.deploy('v2', byHand);
      const pods = (await fleet.json('get', 'pods')).items as Any[];
      await fleet.kubectl(['delete', 'pod', '--force', ...pods.slice(0, onSecond).map(({ metadata }) => metadata.name)]);
      await eventually(
        'the new pods',
        () => fleet.daemonSet(),
        ({ status }) => (status.updatedNumberScheduled ?? 0) === onSecond && status.numberAvailable === 10,
      );
      await fleet.deploy('v3', byHand);
      await fleet.observed();
    }

    test.each([
      [3, '1', /revision \d+ has the most Ready pods: 7\./],
      [5, '2', /revision \d+ has the most Ready pods: 5\./],
    ])('is the version with the most Ready pods, the newest of equals: %i of 10 run v2', async (onSecond, target, why) => {
      await spread(onSecond);
      const step = await fleet.rollback({ ...lastGood, 'dry-run': 'true', 'stable-for': 'auto' });
      expectStep(step, { code: 0, outputs: { outcome: 'dry-run', 'target-revision': target } });
      expect(step.log).toMatch(why);
      const looks = ['get daemonsets', 'list controllerrevisions', 'list pods', 'patch daemonsets dryRun', 'create pods dryRun'];
      expect(fleet.requests()).toEqual(looks);
    });

    test.each([
      [['v1', 'v2'], '1', /revision 1 is the only other version\. It was not seen running on every node\./],
      [['v1', 'v2', 'v3'], '2', /revision 2 is the version that was current before\. It was not seen running on every node\./],
    ])('is the version before if all pods were replaced: %j', async (tags, target, why) => {
      await rollOut(...tags);
      const step = await fleet.rollback(lastGood);
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', 'target-revision': target } });
      expect(step.log).toMatch(why);
      expect(step.summary).toMatch(why);
    });

    test('is refused with the list to choose from if none has a Ready pod, or the account is not allowed to list pods', async () => {
      await fleet.deploy('v1-hang', byHand);
      await eventually(
        'pods that are not ready',
        () => fleet.daemonSet(),
        ({ status }) => status.currentNumberScheduled === 10,
      );
      await fleet.deploy('v2', byHand);
      const kubeconfig = await fleet.kubeconfigOf([
        ['apps', 'daemonsets', ['get', 'patch', 'watch']],
        ['apps', 'controllerrevisions', ['list', 'patch']],
      ]);
      for (const inputs of [lastGood, { ...lastGood, kubeconfig }]) {
        const step = await fleet.rollback(inputs);
        expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'no-known-good', changed: 'false', 'target-revision': '' } });
        expect(step.log).toMatch(/^::error .*Existing revisions: 2 \(agent-\w+: deploy v2\), 1 \(agent-\w+: deploy v1-hang\)\.$/m);
        expect(step.summary).toMatch(/<details open>\n<summary>History: 2 revisions/);
        const hint = /^::warning::Could not determine how many pods run each revision\. .*resources: \["pods"\], verbs: \["list"\]/m;
        if ('kubeconfig' in inputs) expect(step.log).toMatch(hint);
        else expect(step.log).not.toMatch(hint);
      }
      expect([fleet.writes(), fleet.marks()]).toEqual([0, 0]);
      // An explicit revision is accepted.
      expectStep(await fleet.rollback({ 'to-revision': '1', wait: 'false' }), {
        code: 0,
        outputs: { outcome: 'pending', 'target-revision': '1' },
      });
    });
  });

  test('is chosen again from the current state after a deploy in between', async () => {
    await rollOutGood('v1', 'v2');
    await fleet.getStuck('v3-crash', fast);
    const proxy = await FaultyProxy.inFrontOf(fleet);
    try {
      proxy.before = async (kind, count) => {
        if (kind === 'patch' && count === 1)
          await fleet.kubectl(['set', 'image', 'daemonset/agent', 'agent=registry.example/agent:v4-crash']);
      };
      const step = await fleet.rollback({ ...lastGood, kubeconfig: proxy.kubeconfig });
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', 'old-revision': '4', 'target-revision': '2', 'new-revision': '5' } });

      // Someone deploys exactly that version: the rollback does not go further back.
      await fleet.getStuck('v3-crash', fast);
      proxy.before = async (kind) => {
        if (kind !== 'patch' || (await fleet.image()) !== 'v3-crash') return;
        await fleet.deploy('v2', fast);
      };
      const again = await fleet.rollback({ ...lastGood, kubeconfig: proxy.kubeconfig }, run(2));
      expectStep(again, { code: 0, outputs: { outcome: 'unchanged', reason: 'complete', changed: 'false' } });
      expect(await fleet.image()).toBe('v2');
    } finally {
      proxy.stop();
    }
  });

  test('is chosen for each of several DaemonSets, and one without any refuses all', async () => {
    const exporter = fleet.beside('exporter');
    await rollOutGood('v1');
    await exporter.rollOut('v2', fast);
    await rollOut('v2', 'v3');
    const both = { ...lastGood, daemonset: 'agent, exporter', namespace: fleet.namespace };
    const refused = await fleet.rollback(both);
    expectStep(refused, { code: 1, outputs: { outcome: 'refused', changed: 'false' } });
    expect(refused.outputs['results']).toContain('"no-known-good"');
    expect(fleet.writes()).toBe(0);

    expectStep(await fleet.rollback({ ...gate, daemonset: `${fleet.namespace}/exporter` }), { code: 0, outputs: { outcome: 'complete' } });
    await exporter.rollOut('v3', fast);
    expectStep(await fleet.rollback(both, run(2)), { code: 0, outputs: { outcome: 'rolled-back' } });
    expect([await fleet.image(), await exporter.image()]).toEqual(['v1', 'v2']);
  });
});

test('text in a good mark is treated as hostile', async () => {
  await rollOut('v1', 'v2');
  const { name } = (await fleet.revision(1)).metadata;
  const text = JSON.stringify({ name, time: '2026-01-01T00:00:00Z', run: 'https://x/::error::owned##[group]<script>' });
  await fleet.kubectl(['annotate', 'controllerrevision', name, `${GOOD}=${text}`]);
  const step = await fleet.rollback({ ...lastGood, 'dry-run': 'true' });
  expectStep(step, { code: 0, outputs: { outcome: 'dry-run' } });
  expect(step.log).not.toContain('##[');
  expect(step.summary).not.toContain('<script');
});
