/** A hold: what it denies with policy/hold.yaml and without it, who can take it over, and how it ends. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { addPolicy } from '../helpers/policy.ts';
import { FaultyProxy } from '../helpers/proxy.ts';
import { type Any, eventually, expectStep, type Fleet, type ManifestOptions, PLAIN_ROLLBACK, run, withFleet } from '../helpers/support.ts';
import { dropAnnotation, keepTemplate } from '../helpers/webhook.ts';

const HOLD = 'rollback-daemonset/hold';
const fast: ManifestOptions = { maxUnavailable: '100%' };
const hold = { hold: 'true' };
const release = { command: 'release' };

const image = (tag: string): string => `registry.example/agent:${tag}`;
const rolledBackTo = (tag: string): object => ({ code: 0, outputs: { outcome: 'rolled-back', images: image(tag) } });
const HELD = { code: 1, outputs: { outcome: 'refused', reason: 'held', changed: 'false' } };
const RELEASED = { code: 0, outputs: { outcome: 'released', reason: 'released', changed: 'true' } };
const NOT_HELD = { code: 0, outputs: { outcome: 'unchanged', reason: 'not-held', changed: 'false' } };

const address = (id: number): string => `https://github.com/octo/fleet/actions/runs/${id}`;
const holdOf = async (fleet: Fleet): Promise<string | undefined> => (await fleet.daemonSet()).metadata.annotations[HOLD];
const resultsOf = ({ outputs }: { outputs: Record<string, string> }): Any[] => JSON.parse(outputs['results'] ?? '[]') as Any[];

async function rollOut(fleet: Fleet, ...tags: string[]): Promise<void> {
  for (const tag of tags) await fleet.rollOut(tag, fast);
}

/** v1, the bad v2, and a rollback by run 7 that holds v1. */
async function holdOne(fleet: Fleet, inputs: Record<string, string> = {}): Promise<void> {
  await rollOut(fleet, 'v1', 'v2');
  expectStep(await fleet.rollback({ ...hold, ...inputs }, run(7)), rolledBackTo('v1'));
}

/** What a kubectl command that fails says; empty if it succeeds. */
const denial = (fleet: Fleet, parameters: string[], input?: string): Promise<string> =>
  fleet.kubectl(parameters, input).then(
    () => '',
    (error: Error) => error.message,
  );

const setImage = (tag: string): string[] => ['set', 'image', 'daemonset/agent', `agent=${image(tag)}`];

describe('with policy/hold.yaml', () => {
  let testbed: Testbed;
  beforeAll(async () => {
    testbed = await startTestbed({ nodes: 3 });
    await withFleet(async (fleet) => {
      await fleet.kubectl(['apply', '-f', 'policy/hold.yaml']);
      await fleet.deploy('v1', { annotations: { [HOLD]: 'yes' } });
      await eventually(
        'the policy',
        () => denial(fleet, [...setImage('v2'), '--dry-run=server']),
        (said) => said.includes(HOLD),
      );
    }, testbed);
  });
  afterAll(() => testbed?.stop());

  test('the policy is valid: the API server reports no warnings of its expressions', async () =>
    withFleet(async (fleet) => {
      const policy = await eventually(
        'the type check',
        () => fleet.json('get', 'validatingadmissionpolicy/rollback-daemonset-hold'),
        ({ metadata, status }) => status?.observedGeneration === metadata.generation,
      );
      expect(policy.status.typeChecking ?? {}).toEqual({});
    }, testbed));

  const deploys: [name: string, work: (fleet: Fleet, tag: string) => Promise<string>][] = [
    ['kubectl apply', (fleet, tag) => denial(fleet, ['apply', '-f', '-'], fleet.manifest(tag, fast))],
    [
      'kubectl apply --server-side',
      (fleet, tag) => denial(fleet, ['apply', '--server-side', '--force-conflicts', '-f', '-'], fleet.manifest(tag, fast)),
    ],
    ['kubectl apply --force', (fleet, tag) => denial(fleet, ['apply', '--force', '-f', '-'], fleet.manifest(tag, fast))],
    // It removes the annotation, too.
    ['kubectl replace', (fleet, tag) => denial(fleet, ['replace', '-f', '-'], fleet.manifest(tag, fast))],
    ['kubectl set image', (fleet, tag) => denial(fleet, setImage(tag))],
    ['kubectl rollout restart', (fleet) => denial(fleet, ['rollout', 'restart', 'daemonset/agent'])],
    ['kubectl rollout undo', (fleet) => denial(fleet, ['rollout', 'undo', 'daemonset/agent', '--to-revision=2'])],
  ];

  test.each(deploys)('%s is denied while held, and let through after the release', async (_name, deploy) =>
    withFleet(async (fleet) => {
      await holdOne(fleet);
      const { uid, generation } = (await fleet.daemonSet()).metadata;
      const said = await deploy(fleet, 'v3');
      expect(said).toContain(`DaemonSet agent is held by ${address(7)} (annotation ${HOLD})`);
      expect(said).toContain('command: release');
      expect(said).toContain(`kubectl annotate daemonset/agent --namespace ${fleet.namespace} ${HOLD}-`);
      expect((await fleet.daemonSet()).metadata).toMatchObject({ uid, generation });
      expectStep(await fleet.rollback(release), RELEASED);
      expect(await deploy(fleet, 'v3')).toBe('');
      expect((await fleet.daemonSet()).metadata.generation).toBeGreaterThan(generation);
    }, testbed),
  );

  test('a rollback holds with one write, and says so; what is not the template can change', async () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      const before = fleet.requests().length;
      const step = await fleet.rollback({ ...hold, 'change-cause': 'Incident 4711', 'stable-for': '0' }, run(7));
      expectStep(step, rolledBackTo('v1'));
      expect(JSON.parse((await holdOf(fleet)) ?? '')).toEqual({ run: address(7), time: expect.any(String), reason: 'Incident 4711' });
      const said = new RegExp(
        `The DaemonSet is held \\(since \\S+ by ${address(7)}, reason "Incident 4711"\\)\\. The API server enforces that`,
      );
      expect(step.log).toMatch(said);
      expect(step.summary).toMatch(said);
      expect(resultsOf(step)[0].hold).toMatchObject({ run: address(7), reason: 'Incident 4711', enforcement: 'enforced' });
      expect(fleet.writes()).toBe(1);
      const expected = [...PLAIN_ROLLBACK, 'patch daemonsets dryRun', 'patch controllerrevisions'].sort();
      expect((await fleet.requestsOnce(before + expected.length)).slice(before).sort()).toEqual(expected);

      await fleet.kubectl(['label', 'daemonset/agent', 'team=a']);
      await fleet.kubectl(['annotate', 'daemonset/agent', 'note=b']);
      await fleet.kubectl(['patch', 'daemonset/agent', '--type=merge', '-p', '{"spec":{"minReadySeconds":1}}']);
      expect(await holdOf(fleet)).toBeDefined();
    }, testbed));

  test('another run takes over only with hold, whatever it restores; the same run resumes', async () =>
    withFleet(async (fleet) => {
      await holdOne(fleet);
      const first = await holdOf(fleet);
      expectStep(await fleet.rollback(hold, run(7)), { code: 0, outputs: { outcome: 'rolled-back', reason: 'resumed' } });
      expect(await holdOf(fleet)).toBe(first);

      const other = { 'to-revision': '2' };
      for (const inputs of [{}, other, { ...other, 'dry-run': 'true' }]) {
        const step = await fleet.rollback(inputs, run(8));
        expectStep(step, HELD);
        expect(step.log).toMatch(new RegExp(`^::error .*held \\(since \\S+ by ${address(7)}\\).*command: release.*hold: true`, 'm'));
      }
      expect([fleet.writes(), await fleet.image()]).toEqual([1, 'v1']);

      const dryRun = await fleet.rollback({ ...other, ...hold, 'dry-run': 'true' }, run(8));
      expectStep(dryRun, { code: 0, outputs: { outcome: 'dry-run', reason: 'validated' } });
      expect(dryRun.log).toContain('It would also hold the DaemonSet.');
      expect(await holdOf(fleet)).toBe(first);
      expectStep(await fleet.rollback({ ...other, ...hold }, run(8)), rolledBackTo('v2'));
      expect(await holdOf(fleet)).toContain(address(8));
      expect(await denial(fleet, setImage('v3'))).toContain(`is held by ${address(8)} `);
    }, testbed));

  test.each([
    ['a word', 'yes'],
    ['empty', ''],
    ['half of a JSON', '{"run":"x'],
    ['long', `{"run":"${'x'.repeat(100_000)}"}`],
  ])('a hold by hand whose value is %s is one by an unknown run', async (_name, value) =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      await fleet.kubectl(['annotate', 'daemonset/agent', `${HOLD}=${value}`]);
      expect(await denial(fleet, setImage('v3'))).toContain('is held by an unknown run');
      const step = await fleet.rollback();
      expectStep(step, HELD);
      expect(step.log).toMatch(/^::error .*it is unknown by whom/m);
      expectStep(await fleet.rollback(hold), rolledBackTo('v1'));
      expectStep(await fleet.rollback(release), RELEASED);
    }, testbed),
  );

  test('status, history and guard show who holds it, and that it is enforced', async () =>
    withFleet(async (fleet) => {
      await holdOne(fleet);
      for (const command of ['status', 'history', 'guard']) {
        const step = await fleet.rollback({ command }, run(9));
        expectStep(step, { code: 0 });
        const said = new RegExp(`The DaemonSet is held \\(since \\S+ by ${address(7)}\\)\\. The API server enforces that`);
        expect(step.log).toMatch(said);
        expect(step.summary).toMatch(said);
        expect(resultsOf(step)[0].hold).toMatchObject({ run: address(7), reason: null, enforcement: 'enforced' });
      }
      expect(fleet.writes()).toBe(1);
    }, testbed));

  test('an account that is not allowed to patch does not know whether it is enforced, and needs no more permissions', async () =>
    withFleet(async (fleet) => {
      await holdOne(fleet);
      const kubeconfig = await fleet.kubeconfigOf([
        ['apps', 'daemonsets', ['get', 'list', 'watch']],
        ['apps', 'controllerrevisions', ['list']],
        ['', 'pods', ['list', 'watch']],
      ]);
      const step = await fleet.rollback({ kubeconfig, command: 'history' });
      expectStep(step, { code: 0, outputs: { outcome: 'listed' } });
      expect(step.log).toContain('Could not determine whether the API server enforces that.');
      expect(step.log).not.toMatch(/^::warning/m);
    }, testbed));

  test('server-side apply: no manager owns the hold, and the next apply after the release has no conflict', async () =>
    withFleet(async (fleet) => {
      const by = { ...fast, serverSide: 'deployer' };
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, by);
      expectStep(await fleet.rollback(hold, run(7)), rolledBackTo('v1'));
      const { managedFields } = (await fleet.daemonSet()).metadata;
      expect(JSON.stringify(managedFields)).not.toContain(HOLD);
      // The same manifest as what is restored: nothing changes, and the hold stays.
      await fleet.deploy('v1', by);
      expect(await holdOf(fleet)).toBeDefined();
      expectStep(await fleet.rollback(release), RELEASED);
      await fleet.rollOut('v3', by);
      expect(await holdOf(fleet)).toBeUndefined();
    }, testbed));

  test('a gate and a guard hold what they restore, and are refused if it is held', async () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1');
      await fleet.deploy('v2-missing', fast);
      const gate = { command: 'status', 'failure-grace': '2s', 'rollback-on-failure': 'true' };
      const step = await fleet.rollback({ ...gate, ...hold }, run(7));
      expectStep(step, { code: 1, outputs: { outcome: 'failed', changed: 'true', images: image('v1') } });
      expect(await holdOf(fleet)).toContain(address(7));
      expectStep(await fleet.rollback(release), RELEASED);

      const guard = await fleet.rollback({ command: 'guard' }, run(8));
      await fleet.deploy('v3-missing', fast);
      await fleet.kubectl(['annotate', 'daemonset/agent', `${HOLD}=yes`]);
      const refused = await fleet.rollback(gate, run(9));
      expectStep(refused, { code: 1, outputs: { outcome: 'failed', changed: 'false' } });
      expect(refused.log).toMatch(/It could not be rolled back \(refused, held\)/);
      const post = await fleet.post(guard.state, {}, run(8)).done;
      expect(post.log).toMatch(/^::error .*refused \(held\)/m);
      expect(await fleet.image()).toBe('v3-missing');
    }, testbed));

  test('the post step of a guard holds what it restores', async () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1');
      const guard = await fleet.rollback({ command: 'guard', ...hold }, run(8));
      await fleet.deploy('v2-missing', fast);
      await fleet.post(guard.state, hold, run(8)).done;
      expect([await fleet.image(), await holdOf(fleet)]).toEqual(['v1', expect.stringContaining(address(8))]);
    }, testbed));
});

describe('without the policy', () => {
  test.concurrent('a hold is advisory: a deploy goes through, and only the action heeds it', () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      const step = await fleet.rollback(hold, run(7));
      expectStep(step, rolledBackTo('v1'));
      expect(step.log).toMatch(/^::warning::The DaemonSet is held .*That is advisory: .*policy\/hold\.yaml/m);
      expect(step.summary).toContain('That is advisory');
      await rollOut(fleet, 'v3');
      expectStep(await fleet.rollback({}, run(8)), HELD);
      for (const command of ['status', 'history']) {
        const shown = await fleet.rollback({ command });
        expect(shown.summary).toContain('That is advisory');
        expect(resultsOf(shown)[0].hold).toMatchObject({ enforcement: 'advisory' });
      }
      // The controller copied the annotation into the new ControllerRevision, where it means nothing.
      expect((await fleet.revision(4)).metadata.annotations).toHaveProperty([HOLD]);
      expectStep(await fleet.rollback(release), RELEASED);
      expect(resultsOf(await fleet.rollback({ command: 'history' }))[0].hold).toBeNull();
      expectStep(await fleet.rollback({ 'to-revision': '2' }, run(8)), rolledBackTo('v2'));
      expectStep(await fleet.rollback({ 'to-revision': '4' }, run(9)), rolledBackTo('v3'));
      expect(await holdOf(fleet)).toBeUndefined();
    }));

  test.concurrent('a rollback that writes nothing holds nothing, and says so', () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      const step = await fleet.rollback({ ...hold, 'to-revision': '2' });
      expectStep(step, { code: 0, outputs: { outcome: 'unchanged', changed: 'false' } });
      expect(step.log).toMatch(/^::warning::The DaemonSet is not held/m);
      expect(await holdOf(fleet)).toBeUndefined();
    }));

  test.concurrent('one held DaemonSet of several refuses all', () =>
    withFleet(async (fleet) => {
      const exporter = fleet.beside('exporter');
      await rollOut(fleet, 'v1', 'v2');
      await rollOut(exporter, 'v1', 'v2');
      await fleet.kubectl(['annotate', 'daemonset/exporter', `${HOLD}=yes`]);
      const step = await fleet.rollback({ daemonset: 'agent,exporter', namespace: fleet.namespace });
      expectStep(step, { code: 1, outputs: { outcome: 'refused', changed: 'false' } });
      expect(
        resultsOf(step)
          .map(({ name, reason }) => `${name} ${reason}`)
          .sort(),
      ).toEqual(['agent another-refused', 'exporter held']);
      expect(fleet.writes()).toBe(0);
    }));

  test.concurrent('a webhook that undoes the write leaves no hold behind', () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      await keepTemplate(fleet);
      expectStep(await fleet.rollback(hold), { code: 1, outputs: { outcome: 'error', reason: 'admission-denied', changed: 'false' } });
      expect(await holdOf(fleet)).toBeUndefined();
    }));

  test.concurrent('a webhook that removes the annotation is found before anything is written', () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      await dropAnnotation(fleet, HOLD);
      const step = await fleet.rollback(hold);
      expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'hold-rejected', changed: 'false' } });
      expect(step.log).toMatch(/^::error .*cannot be held, because an admission webhook removes it/m);
      expect(fleet.writes()).toBe(0);
    }));

  test.concurrent('if nothing answers whether it is enforced, the rollback ends as without the question', () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      const proxy = await FaultyProxy.inFrontOf(fleet);
      try {
        proxy.fault = (kind, count) => (kind === 'dry-run' && count > 1 ? 'swallow-request' : 'pass');
        const step = await fleet.rollback({ ...hold, kubeconfig: proxy.kubeconfig });
        expectStep(step, rolledBackTo('v1'));
        expect(resultsOf(step)[0].hold).toMatchObject({ enforcement: 'unknown' });
        expect(step.summary).toContain('Could not determine whether the API server enforces that.');
      } finally {
        proxy.stop();
      }
    }));

  test.concurrent('a policy that denies the annotation is found before anything is written', () =>
    withFleet(async (fleet) => {
      await rollOut(fleet, 'v1', 'v2');
      const expression = `!(has(object.metadata.annotations) && '${HOLD}' in object.metadata.annotations)`;
      await addPolicy(fleet, { expression, message: 'no holds here' }, ['annotate', 'daemonset/agent', `${HOLD}=yes`]);
      for (const inputs of [hold, { ...hold, 'dry-run': 'true' }]) {
        const step = await fleet.rollback(inputs);
        expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'hold-rejected', changed: 'false' } });
        expect(step.log).toMatch(/^::error .*cannot be held, because .*no holds here/m);
      }
      expect(fleet.writes()).toBe(0);
      expectStep(await fleet.rollback(), rolledBackTo('v1'));
    }));
});

describe('release', () => {
  const by = (fleet: Fleet, value = 'yes'): Promise<string> =>
    fleet.kubectl(['annotate', 'daemonset/agent', `${HOLD}=${value}`, '--overwrite']);

  test.concurrent('removes only the annotation, with two requests, and says what was held; the second time it changes nothing', () =>
    withFleet(async (fleet) => {
      await holdOne(fleet, { 'change-cause': 'Incident 4711' });
      const { metadata: before, spec } = await fleet.daemonSet();
      const requests = fleet.requests().length;
      const dryRun = await fleet.rollback({ ...release, 'dry-run': 'true' });
      expectStep(dryRun, { code: 0, outputs: { outcome: 'dry-run', reason: 'validated', changed: 'false' } });
      expect(await holdOf(fleet)).toBeDefined();

      const step = await fleet.rollback(release);
      expectStep(step, RELEASED);
      const said = new RegExp(`The DaemonSet was held: since \\S+ by ${address(7)}, reason "Incident 4711"`);
      expect(step.log).toMatch(said);
      expect(step.summary).toMatch(said);
      expect(step.summary).toMatch(/^## ✅ Released: DaemonSet /);
      const after = await fleet.daemonSet();
      const { [HOLD]: _, ...annotations } = before.annotations;
      expect([after.metadata.annotations, after.metadata.generation, after.spec]).toEqual([annotations, before.generation, spec]);

      const again = await fleet.rollback(release);
      expectStep(again, NOT_HELD);
      expect(again.summary).toMatch(/^## ✅ Nothing to release: /);
      const expected = ['get daemonsets', 'patch daemonsets dryRun', 'get daemonsets', 'patch daemonsets', 'get daemonsets'];
      expect((await fleet.requestsOnce(requests + expected.length)).slice(requests)).toEqual(expected);
    }));

  test.concurrent('works for several, by selector', () =>
    withFleet(async (fleet) => {
      const exporter = fleet.beside('exporter');
      for (const one of [fleet, exporter]) await one.deploy('v1', { labels: { tier: 'node' } });
      await by(fleet);
      const step = await fleet.rollback({ ...release, daemonset: '', selector: 'tier=node', namespace: fleet.namespace });
      expectStep(step, { code: 0, outputs: { outcome: 'released', changed: 'true' } });
      expect(
        resultsOf(step)
          .map(({ name, outcome }) => `${name} ${outcome}`)
          .sort(),
      ).toEqual(['agent released', 'exporter unchanged']);
    }));

  test.concurrent('reads again if the hold changes in between, and if the answer is lost', () =>
    withFleet(async (fleet) => {
      await fleet.deploy('v1');
      const proxy = await FaultyProxy.inFrontOf(fleet);
      try {
        await by(fleet);
        proxy.before = async (kind, count) => {
          if (kind === 'patch' && count === 1) await by(fleet, 'again');
        };
        expectStep(await fleet.rollback({ ...release, kubeconfig: proxy.kubeconfig }), RELEASED);
        expect(proxy.seen).toEqual(['get', 'patch', 'get', 'patch']);

        await by(fleet);
        proxy.fault = (kind) => (kind === 'patch' ? 'drop-answer' : 'pass');
        expectStep(await fleet.rollback({ ...release, kubeconfig: proxy.kubeconfig }), RELEASED);
        expect(await holdOf(fleet)).toBeUndefined();
      } finally {
        proxy.stop();
      }
    }));

  test.concurrent('says so if it is not known whether it was written', () =>
    withFleet(async (fleet) => {
      await fleet.deploy('v1');
      await by(fleet);
      const proxy = await FaultyProxy.inFrontOf(fleet);
      try {
        proxy.fault = (kind, count) => (kind === 'patch' ? 'drop-answer' : kind === 'get' && count > 1 ? 'swallow-request' : 'pass');
        const step = await fleet.rollback({ ...release, kubeconfig: proxy.kubeconfig, timeout: '3s' });
        expectStep(step, { code: 1, outputs: { outcome: 'timed-out', reason: 'timeout' } });
        expect(step.log).toMatch(/^::error .*It is not known whether the hold was released/m);
      } finally {
        proxy.stop();
      }
    }));
});
