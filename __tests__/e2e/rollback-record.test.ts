/** The record of a rollback: what a re-run makes of it, what another run does, and when it no longer stands. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { FaultyProxy } from '../helpers/proxy.ts';
import { type Any, eventually, expectStep, type Fleet, type ManifestOptions, run, withFleet } from '../helpers/support.ts';
import { keepTemplate, stampTemplates } from '../helpers/webhook.ts';

const RECORD = 'rollback-daemonset/last-rollback';
const fast: ManifestOptions = { maxUnavailable: '100%' };
const gate = { command: 'status', 'failure-grace': '2s' };
const reverting = { ...gate, 'rollback-on-failure': 'true' };

const image = (tag: string): string => `registry.example/agent:${tag}`;
const rolledBackTo = (tag: string): object => ({ code: 0, outputs: { outcome: 'rolled-back', reason: 'complete', images: image(tag) } });
const RESUMED = { code: 0, outputs: { outcome: 'rolled-back', reason: 'resumed', changed: 'true', images: image('v1') } };
const refused = (reason: string): object => ({ code: 1, outputs: { outcome: 'refused', reason, changed: 'false' } });

async function rollOut(fleet: Fleet, ...tags: string[]): Promise<void> {
  for (const tag of tags) await fleet.rollOut(tag, fast);
}

/** v1, the bad v2, and a rollback to v1, which is revision 3 now. */
async function rollBack(fleet: Fleet, inputs: Record<string, string> = {}): Promise<void> {
  await rollOut(fleet, 'v1', 'v2');
  expectStep(await fleet.rollback(inputs), rolledBackTo('v1'));
}

/** The same, by a gate. */
async function rollBackByGate(fleet: Fleet): Promise<void> {
  await rollOut(fleet, 'v1');
  await fleet.deploy('v2-missing', fast);
  expectStep(await fleet.rollback(reverting), { code: 1, outputs: { outcome: 'failed', changed: 'true', images: image('v1') } });
}

async function restart(fleet: Fleet): Promise<void> {
  // kubectl refuses a second restart within the same second, because its stamp would be the same.
  await eventually(
    'a restart',
    () => fleet.kubectl(['rollout', 'restart', `daemonset/${fleet.name}`]).catch((error: Error) => error.message),
    (said) => said.includes('restarted'),
  );
  await fleet.kubectl(['rollout', 'status', `daemonset/${fleet.name}`, '--timeout=120s']);
}

const nameOf = async (fleet: Fleet, number: number): Promise<string> => (await fleet.revision(number)).metadata.name;
const annotations = async (fleet: Fleet): Promise<Record<string, string>> => (await fleet.daemonSet()).metadata.annotations;

/** What runs, and how often the action wrote. */
async function expectState(fleet: Fleet, tag: string, writes: number): Promise<void> {
  expect([await fleet.image(), fleet.writes()]).toEqual([tag, writes]);
}

test.concurrent('a record names who wrote it, both versions, and the object as it was before', () =>
  withFleet(async (fleet) => {
    await rollOut(fleet, 'v1', 'v2');
    const { uid } = (await fleet.daemonSet()).metadata;
    const [restored, left] = await Promise.all([nameOf(fleet, 1), nameOf(fleet, 2)]);
    expectStep(await fleet.rollback({}, run(7)), rolledBackTo('v1'));
    expect(JSON.parse((await annotations(fleet))[RECORD] ?? '')).toMatchObject({
      by: 'rollback',
      restored: { revision: 1, name: restored },
      left: { revision: 2, name: left },
      uid,
      templateGeneration: 2,
      highestRevision: 2,
      repository: 'octo/fleet',
      run: '7',
    });
  }));

describe('a re-run resumes', () => {
  test.concurrent.each<[string, (fleet: Fleet) => Promise<string>]>([
    ['number', async () => '1'],
    ['name', (fleet) => nameOf(fleet, 1)],
    ['hash', async (fleet) => (await fleet.revision(1)).metadata.labels['controller-revision-hash']],
  ])('a rollback to a revision by its %s, which another run restores freely', (_what, asked) =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      const inputs = { 'to-revision': await asked(fleet) };
      expectStep(await fleet.rollback(inputs), rolledBackTo('v1'));
      expectStep(await fleet.rollback(inputs), RESUMED);
      await expectState(fleet, 'v1', 1);
      expectStep(await fleet.rollback({ 'to-revision': await nameOf(fleet, 2) }, run(2)), rolledBackTo('v2'));
    }),
  );

  test.concurrent('after restarts, and the good mark stays', () =>
    withFleet(async (fleet) => {
      await rollBack(fleet);
      const good = await nameOf(fleet, 3);
      await restart(fleet);
      await restart(fleet);
      expectStep(await fleet.rollback(), RESUMED);
      await expectState(fleet, 'v1', 1);
      const { metadata } = await fleet.json('get', `controllerrevision/${good}`);
      expect(metadata.annotations['rollback-daemonset/good']).toContain(good);
      expectStep(await fleet.rollback({}, run(2)), refused('already-rolled-back'));
    }));

  test.concurrent('although a webhook stamps each template; after a restart, it writes nothing', () =>
    withFleet(async (fleet) => {
      let stamps = 0;
      await rollOut(fleet, 'v1');
      await stampTemplates(fleet, () => String(++stamps));
      await rollOut(fleet, 'v2');
      expectStep(await fleet.rollback(), rolledBackTo('v1'));
      expectStep(await fleet.rollback(), RESUMED);
      expectStep(await fleet.rollback({}, run(2)), refused('already-rolled-back'));
      await restart(fleet);
      expectStep(await fleet.rollback(), refused('unexpected-revision'));
      await expectState(fleet, 'v1', 1);
    }));

  test.concurrent('with revisionHistoryLimit: 0; after a restart, it writes nothing', () =>
    withFleet(async (fleet) => {
      const options = { spec: { revisionHistoryLimit: 0 } };
      await fleet.rollOut('v1', { ...fast, ...options });
      await fleet.getStuck('v2-crash', options);
      expectStep(await fleet.rollback(), rolledBackTo('v1'));
      expectStep(await fleet.rollback(), RESUMED);
      await restart(fleet);
      await eventually(
        'the other revisions to be pruned',
        () => fleet.history(),
        (history) => Object.keys(history).length === 1,
      );
      expectStep(await fleet.rollback(), refused('already-rolled-back'));
      await expectState(fleet, 'v1', 1);
    }));

  test.concurrent('with revisionHistoryLimit: 1, also after a restart', () =>
    withFleet(async (fleet) => {
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { ...fast, spec: { revisionHistoryLimit: 1 } });
      expectStep(await fleet.rollback(), rolledBackTo('v1'));
      await restart(fleet);
      await eventually(
        'the bad version to be pruned',
        () => fleet.history(),
        (history) => history[2] === undefined,
      );
      expectStep(await fleet.rollback(), RESUMED);
      await expectState(fleet, 'v1', 1);
    }));
});

describe('after another version and the restored one again', () => {
  async function deployOtherAndAgain(fleet: Fleet): Promise<void> {
    await rollBack(fleet);
    await rollOut(fleet, 'v3', 'v1');
  }

  test.concurrent('"previous" is the other version', () =>
    withFleet(async (fleet) => {
      await deployOtherAndAgain(fleet);
      expectStep(await fleet.rollback({}, run(2)), rolledBackTo('v3'));
    }));

  test.concurrent('a re-run of the rollback writes nothing', () =>
    withFleet(async (fleet) => {
      await deployOtherAndAgain(fleet);
      expectStep(await fleet.rollback(), refused('unexpected-revision'));
      await expectState(fleet, 'v1', 1);
    }));

  test.concurrent('a gate that fails rolls back to the other version', () =>
    withFleet(async (fleet) => {
      await fleet.deploy('v1-missing', fast);
      await fleet.observed();
      await rollOut(fleet, 'v2');
      expectStep(await fleet.rollback({ 'to-revision': '1', wait: 'false' }), { code: 0, outputs: { outcome: 'pending' } });
      await rollOut(fleet, 'v3');
      await fleet.deploy('v1-missing', fast);
      const step = await fleet.rollback(reverting, run(2));
      expectStep(step, { code: 1, outputs: { outcome: 'failed', changed: 'true', images: image('v3') } });
      await expectState(fleet, 'v3', 2);
    }));
});

describe('a re-run after a newer deploy', () => {
  test.concurrent.each<[string, (fleet: Fleet) => Promise<string>]>([
    ['"previous"', async () => 'previous'],
    ['a number', async () => '1'],
    ['a name', (fleet) => nameOf(fleet, 1)],
  ])('writes nothing, to-revision is %s', (_what, asked) =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      const inputs = { 'to-revision': await asked(fleet) };
      expectStep(await fleet.rollback(inputs), rolledBackTo('v1'));
      await rollOut(fleet, 'v3');
      expectStep(await fleet.rollback(inputs), refused('unexpected-revision'));
      await expectState(fleet, 'v3', 1);
    }),
  );

  test.concurrent('rolls back if expected-revision names what was deployed', () =>
    withFleet(async (fleet) => {
      await rollBack(fleet);
      await rollOut(fleet, 'v3');
      expectStep(await fleet.rollback({ 'expected-revision': await nameOf(fleet, 4) }), rolledBackTo('v1'));
    }));

  test.concurrent('writes nothing as a gate, although the newer version is broken too', () =>
    withFleet(async (fleet) => {
      await rollBackByGate(fleet);
      await fleet.deploy('v3-missing', fast);
      const step = await fleet.rollback(reverting);
      expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'image-pull', changed: 'false' } });
      expect(step.log).toMatch(/It could not be rolled back \(refused, unexpected-revision\)/);
      await expectState(fleet, 'v3-missing', 1);
    }));

  test.concurrent('rolls back again if it deploys the bad version again', () =>
    withFleet(async (fleet) => {
      await rollBack(fleet);
      await rollOut(fleet, 'v2');
      expectStep(await fleet.rollback(), rolledBackTo('v1'));
      await expectState(fleet, 'v1', 2);
    }));

  test.concurrent('rolls back again as a gate if it deploys the bad version again', () =>
    withFleet(async (fleet) => {
      await rollBackByGate(fleet);
      await fleet.deploy('v2-missing', fast);
      const step = await fleet.rollback(reverting);
      expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'image-pull', changed: 'true', images: image('v1') } });
      await expectState(fleet, 'v1', 2);
    }));
});

describe('if the controller sees the rollback only together with what follows', () => {
  let testbed: Testbed;
  beforeAll(async () => {
    testbed = await startTestbed({ nodes: 3 });
  });
  afterAll(() => testbed.stop());

  /** The controller never gives the restored version a new number: it starts again after both changes. A paused one would see one after the other. */
  async function rollBackUnseen(fleet: Fleet, follows: () => Promise<unknown>): Promise<void> {
    await rollOut(fleet, 'v1', 'v2');
    await testbed.kill('kube-controller-manager');
    try {
      expectStep(await fleet.rollback({ wait: 'false' }), { code: 0, outputs: { outcome: 'pending' } });
      await follows();
    } finally {
      await testbed.start('kube-controller-manager');
    }
    await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=120s']);
  }

  test('a deploy: a re-run writes nothing, and "previous" passes over the version that was left', () =>
    withFleet(async (fleet) => {
      await rollBackUnseen(fleet, () => fleet.deploy('v3', fast));
      expect(await fleet.history()).toEqual({ 1: 'v1', 2: 'v2', 3: 'v3' });
      expectStep(await fleet.rollback(), refused('unexpected-revision'));
      await expectState(fleet, 'v3', 1);
      const step = await fleet.rollback({}, run(2));
      expectStep(step, rolledBackTo('v1'));
      expect(JSON.parse(step.outputs['results'] ?? '')[0].notes).toEqual([expect.stringMatching(/^Passed over.*revision 2\b/)]);
    }, testbed));

  test('a restart: no one restores the version that was left unless it is named', () =>
    withFleet(async (fleet) => {
      await rollBackUnseen(fleet, () => fleet.kubectl(['rollout', 'restart', 'daemonset/agent']));
      expect(await fleet.history()).toEqual({ 1: 'v1', 2: 'v2', 3: 'v1' });
      for (const id of [1, 2]) expectStep(await fleet.rollback({}, run(id)), refused('already-rolled-back'));
      await expectState(fleet, 'v1', 1);
      expectStep(await fleet.rollback({ 'to-revision': '2' }, run(3)), rolledBackTo('v2'));
    }, testbed));
});

test.concurrent('a record that was copied to another object does not stand', () =>
  withFleet(async (fleet) => {
    await rollBack(fleet);
    const exported = await fleet.kubectl(['get', 'daemonset/agent', '-o', 'yaml']);
    await fleet.kubectl(['replace', '--force', '-f', '-'], exported);
    await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=120s']);
    expect(await annotations(fleet)).toHaveProperty([RECORD]);
    await eventually(
      'a history of its own',
      () => fleet.history(),
      (history) => Object.keys(history).length === 1 && history[1] === 'v1',
    );
    expectStep(await fleet.rollback({}, run(2)), refused('no-previous-revision'));
    await rollOut(fleet, 'v3');
    expectStep(await fleet.rollback({}, run(2)), rolledBackTo('v1'));
  }));

test.concurrent('a webhook that undoes the write is an error, and no record is left behind', () =>
  withFleet(async (fleet) => {
    await rollOut(fleet, 'v1', 'v2');
    await keepTemplate(fleet);
    const before = await annotations(fleet);
    const step = await fleet.rollback();
    expectStep(step, { code: 1, outputs: { outcome: 'error', reason: 'admission-denied', changed: 'false' } });
    expect(await fleet.image()).toBe('v2');
    expect(await annotations(fleet)).toEqual(before);
  }));

test.concurrent('the dry run sends what is written', () =>
  withFleet(async (fleet) => {
    await rollOut(fleet, 'v1', 'v2');
    const proxy = await FaultyProxy.inFrontOf(fleet);
    try {
      expectStep(await fleet.rollback({ kubeconfig: proxy.kubeconfig }), rolledBackTo('v1'));
      const [dryRun, patch] = proxy.patches;
      expect([dryRun?.kind, patch?.kind]).toEqual(['dry-run', 'patch']);
      expect(patch?.body).toContain('last-rollback');
      expect(dryRun?.body).toBe(patch?.body);
    } finally {
      proxy.stop();
    }
  }));

test.concurrent('of several DaemonSets, one that was rolled back already does not hold up the others', () =>
  withFleet(async (fleet) => {
    const exporter = fleet.beside('exporter');
    await rollBack(fleet);
    await rollOut(exporter, 'v1', 'v2');
    const both = { daemonset: 'agent, exporter', namespace: fleet.namespace };
    const results = ({ outputs }: Step): string[] =>
      (JSON.parse(outputs['results'] ?? '') as Any[]).map(({ name, outcome, reason }) => `${name}: ${outcome} ${reason}`).sort();
    const step = await fleet.rollback(both, run(2));
    expectStep(step, { code: 0, outputs: { changed: 'true' } });
    expect(results(step)).toEqual(['agent: unchanged complete', 'exporter: rolled-back complete']);
    expect([await fleet.image(), await exporter.image(), fleet.writes()]).toEqual(['v1', 'v1', 2]);

    const all = await fleet.rollback(both, run(3));
    expectStep(all, refused('already-rolled-back'));
    expect(results(all)).toEqual(['agent: refused already-rolled-back', 'exporter: refused already-rolled-back']);
    expect(fleet.writes()).toBe(2);
  }));

describe('a gate', () => {
  test.concurrent('that rolled back stays red when its run is repeated, unless expected-revision names what was restored', () =>
    withFleet(async (fleet) => {
      await rollBackByGate(fleet);
      for (const inputs of [reverting, gate])
        expectStep(await fleet.rollback(inputs), {
          code: 1,
          outputs: { outcome: 'refused', reason: 'already-rolled-back', changed: 'true' },
        });
      const complete = { code: 0, outputs: { outcome: 'complete', images: image('v1') } };
      expectStep(await fleet.rollback({ ...reverting, 'expected-revision': await nameOf(fleet, 3) }), complete);
      expectStep(await fleet.rollback(reverting, run(2)), complete);
      await expectState(fleet, 'v1', 1);
      expect(JSON.parse((await annotations(fleet))[RECORD] ?? '')).toMatchObject({ by: 'gate', run: '1' });
    }));

  test.concurrent('is green after the rollback of a step of the same run', () =>
    withFleet(async (fleet) => {
      await rollBack(fleet);
      expectStep(await fleet.rollback(gate), { code: 0, outputs: { outcome: 'complete', images: image('v1') } });
    }));
});

describe('the target', () => {
  const annotated = (values: Record<string, string>): ManifestOptions => ({ ...fast, templateMetadata: { annotations: values } });

  test.concurrent.each(['previous', 'last-good'])(
    '"%s" is refused if only checksum annotations differ, and both choices are named',
    (asked) =>
      withFleet(async (fleet) => {
        for (const [tag, checksum] of [
          ['v1', 'a'],
          ['v2', 'a'],
          ['v2', 'b'],
        ] as const) {
          await fleet.rollOut(tag, annotated({ 'checksum/config': checksum }));
          expectStep(await fleet.rollback(gate), { code: 0, outputs: { outcome: 'complete' } });
        }
        const [older, same] = [await nameOf(fleet, 1), await nameOf(fleet, 2)];
        const step = await fleet.rollback({ 'to-revision': asked });
        expectStep(step, refused('only-checksum'));
        for (const name of [older, same]) expect(step.log).toMatch(new RegExp(`^::error .*${name}`, 'm'));
        expectStep(await fleet.rollback({ 'to-revision': same }), { code: 0, outputs: { outcome: 'rolled-back', 'target-revision': '2' } });
      }),
  );

  test.concurrent('"previous" is a version with another value of any other annotation', () =>
    withFleet(async (fleet) => {
      for (const config of ['a', 'b']) await fleet.rollOut('v1', annotated({ 'example.com/config': config, 'checksum/config': config }));
      expectStep(await fleet.rollback(), { code: 0, outputs: { outcome: 'rolled-back', 'target-revision': '1' } });
    }));

  test.concurrent('can be a hash of digits only, unless that is also the number of another revision', () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      for (const [hash, tag] of [
        ['7657656669', 'v0'],
        ['2', 'other'],
      ] as const) {
        await fleet.storeRevision(`agent-${hash}`, await fleet.revision(1), (copy) => {
          copy.metadata.labels['controller-revision-hash'] = hash;
          copy.data.spec.template.spec.containers[0].image = image(tag);
        });
      }
      const step = await fleet.rollback({ 'to-revision': '2' });
      expectStep(step, refused('ambiguous-revision'));
      expect(step.log).toMatch(new RegExp(`^::error .*${await nameOf(fleet, 2)}`, 'm'));
      expect(step.log).toMatch(/^::error .*agent-2\b/m);
      expectStep(await fleet.rollback({ 'to-revision': '7657656669' }), rolledBackTo('v0'));
    }));

  test.concurrent('"previous" goes to older code after a bad restart, and says so', () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      await restart(fleet);
      const step = await fleet.rollback();
      expectStep(step, rolledBackTo('v1'));
      expect(step.log).toMatch(/^::warning::.*restart/m);
      expect(step.summary).toMatch(/\[!WARNING\][\s\S]*restart/);
    }));
});

test.concurrent('revisionHistoryLimit: 0 is warned of by what may roll back', () =>
  withFleet(async (fleet) => {
    const options = { spec: { revisionHistoryLimit: 0 } };
    await fleet.rollOut('v1', { ...fast, ...options });
    const warning = /^::warning::.*revisionHistoryLimit/m;
    expect((await fleet.rollback({ command: 'guard' }, { RUNNER_TEMP: fleet.testbed.directory })).log).toMatch(warning);
    expect((await fleet.rollback(reverting)).log).toMatch(warning);
    expect((await fleet.rollback(gate)).log).not.toMatch(warning);
    await fleet.getStuck('v2-crash', options);
    const step = await fleet.rollback();
    expectStep(step, rolledBackTo('v1'));
    expect(step.log).toMatch(warning);
  }));
