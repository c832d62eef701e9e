/**
 * After a rollback, ownership goes back to the deployer: what managedFields and last-applied-configuration say, so that the next deploy removes what its
 * manifest does not have. deployers.test.ts has the table of deployers and fields.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { addPolicy } from '../helpers/policy.ts';
import { FaultyProxy } from '../helpers/proxy.ts';
import { type Any, expectStep, Fleet, type ManifestOptions, PLAIN_ROLLBACK, run } from '../helpers/support.ts';

const fast: ManifestOptions = { maxUnavailable: '100%', cause: '' };
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const RECORD = 'rollback-daemonset/last-rollback';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
});
afterEach(() => fleet.remove());

/** A template with a variable beside VERSION, an annotation, and more. */
function legacy(value = 'x', more: ManifestOptions = {}): ManifestOptions {
  return {
    ...fast,
    ...more,
    templateMetadata: { labels: { app: fleet.name }, annotations: { 'example.com/legacy': value } },
    podSpec: { hostNetwork: true, priority: undefined, ...more.podSpec },
  };
}

const template = async (): Promise<Any> => (await fleet.daemonSet()).spec.template;

/** Applies part of the DaemonSet by server-side apply. */
async function apply(manager: string, metadata: object, container?: object, flags: string[] = []): Promise<string> {
  const containers = container ? { spec: { containers: [{ name: fleet.name, ...container }] } } : {};
  const part = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: fleet.name },
    spec: { template: { metadata, ...containers } },
  };
  return fleet.kubectl(['apply', '--server-side', '--field-manager', manager, ...flags, '-f', '-'], JSON.stringify(part));
}

/** Sets an annotation of the template, as a controller does. */
async function annotateTemplate(manager: string, key: string, value: string): Promise<void> {
  const patch = { spec: { template: { metadata: { annotations: { [key]: value } } } } };
  await fleet.kubectl([
    'patch',
    `daemonset/${fleet.name}`,
    '--type=merge',
    `--field-manager=${manager}`,
    `--patch=${JSON.stringify(patch)}`,
  ]);
}

async function rolledOut(): Promise<void> {
  await fleet.kubectl(['rollout', 'status', `daemonset/${fleet.name}`, '--timeout=60s']);
}

async function managers(): Promise<string[]> {
  return (await fleet.daemonSet()).metadata.managedFields.filter(({ subresource }: Any) => !subresource).map(({ manager }: Any) => manager);
}

const rollBack = async (inputs: Record<string, string> = {}, environment: Record<string, string> = {}): Promise<string> => {
  const step = await fleet.rollback(inputs, environment);
  expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
  return step.log;
};

describe('server-side apply:', () => {
  const by = (manager: string, options: ManifestOptions): ManifestOptions & { serverSide: string } => ({ ...options, serverSide: manager });

  test('one metadata-only request returns the fields to the deployer, and the generation moves once', async () => {
    await fleet.rollOut('v1', by('deployer', legacy()));
    await fleet.rollOut('v2', by('deployer', fast));
    const { generation } = (await fleet.daemonSet()).metadata;
    await rollBack({ 'stable-for': '0' });
    expect((await fleet.daemonSet()).metadata.generation).toBe(generation + 1);
    expect(await managers()).toEqual(['deployer']);
    const plain = PLAIN_ROLLBACK.flatMap((request) => (request === 'patch daemonsets' ? [request, request] : [request]));
    expect(await fleet.requestsOnce(plain.length)).toEqual([...plain, 'patch controllerrevisions']);
    await fleet.rollOut('v3', by('deployer', fast));
    expect((await template()).metadata.annotations).toBeUndefined();
    expect((await template()).spec.hostNetwork).toBeUndefined();
  });

  test('fields that another applier or a controller had return to them, and the next apply does not remove them', async () => {
    await fleet.rollOut('v1', by('deployer', legacy()));
    await apply('team-b', { labels: { team: 'b1' } }, { env: [{ name: 'TEAM', value: '1' }] });
    await annotateTemplate('operator', 'example.com/tuned', '1');
    await rolledOut();
    await fleet.rollOut('v2', by('deployer', fast));
    await apply('team-b', { labels: { team: 'b2' } }, { env: [{ name: 'TEAM', value: '2' }] });
    await annotateTemplate('operator', 'example.com/tuned', '2');
    await rolledOut();
    await rollBack({ 'to-revision': '3' });
    expect((await template()).metadata).toMatchObject({ labels: { team: 'b1' }, annotations: { 'example.com/tuned': '1' } });
    expect((await managers()).sort()).toEqual(['deployer', 'operator', 'team-b']);
    await fleet.rollOut('v3', by('deployer', fast));
    const { metadata, spec } = await template();
    expect(metadata.labels).toEqual({ app: 'agent', team: 'b1' });
    expect(metadata.annotations).toMatchObject({ 'example.com/tuned': '1' });
    expect(spec.containers[0].env).toContainEqual({ name: 'TEAM', value: '1' });
    // They still own their fields: team-b can remove its own.
    await apply('team-b', {});
    expect((await template()).metadata.labels).toEqual({ app: 'agent' });
  });

  test('what several appliers could have left is named, and their next apply has no conflict', async () => {
    await fleet.rollOut('v1', by('deployer', legacy()));
    await apply('team-b', { labels: { team: 'b' } });
    await rolledOut();
    await fleet.rollOut('v2', by('deployer', fast));
    const log = await rollBack();
    expect(log).toMatch(
      /^::warning::Several field managers apply this template \(deployer, team-b\).* will leave annotation example\.com\/legacy, hostNetwork\./m,
    );
    expect((await managers()).sort()).toEqual(['deployer', 'team-b']);
    await fleet.rollOut('v3', by('deployer', fast));
    expect((await template()).spec.hostNetwork).toBe(true);
    expect(await fleet.image()).toBe('v3');
  });

  test('without an applier of the template, no manager gets the fields, and a later apply by another manager has no conflict about them', async () => {
    await fleet.kubectl(['create', '-f', '-'], fleet.manifest('v1', legacy()));
    await fleet.kubectl(
      ['apply', '--server-side', '--field-manager=labels', '-f', '-'],
      JSON.stringify({ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'agent', labels: { team: 'a' } } }),
    );
    await rolledOut();
    await fleet.kubectl(['replace', '-f', '-'], fleet.manifest('v2', { ...fast, labels: { team: 'a' } }));
    await rolledOut();
    const log = await rollBack();
    expect(log).toMatch(/^::warning::No field manager applies this template by server-side apply.*hostNetwork/m);
    expect(await managers()).not.toContain('rollback-daemonset');
    await apply('late', { annotations: { 'example.com/legacy': 'y' } });
    expect((await template()).metadata.annotations).toEqual({ 'example.com/legacy': 'y' });
  });

  test('the image of a hotfix by kubectl set image goes back to the deployer, without a conflict', async () => {
    await fleet.rollOut('v1', by('deployer', fast));
    await fleet.kubectl(['set', 'image', 'daemonset/agent', 'agent=registry.example/agent:v2']);
    await rolledOut();
    await rollBack();
    expect(await managers()).toEqual(['deployer']);
    await fleet.rollOut('v3', by('deployer', fast));
    expect(await fleet.image()).toBe('v3');
  });

  test('change-cause and the fields of the spec that a guard restores', async () => {
    const job = { ...fast, cause: 'deploy v1', spec: { minReadySeconds: 1, revisionHistoryLimit: 7 } };
    await fleet.rollOut('v1', by('deployer', job));
    const guarded = await fleet.rollback({ command: 'guard' });
    await fleet.deploy('v2-missing', by('deployer', fast));
    const post = await fleet.post(guarded.state, { 'deploy-outcome': 'success' }).done;
    expect(post.log).toMatch(/rolled-back/);
    expect((await fleet.daemonSet()).spec).toMatchObject({ minReadySeconds: 1, revisionHistoryLimit: 7 });
    expect(await managers()).toEqual(['deployer']);
    await fleet.rollOut('v3', by('deployer', fast));
    const { metadata, spec } = await fleet.daemonSet();
    expect(metadata.annotations['kubernetes.io/change-cause']).toBeUndefined();
    expect(spec.minReadySeconds).toBeUndefined();
    expect(spec.revisionHistoryLimit).toBe(10);
  });

  describe('the request for it', () => {
    let proxy: FaultyProxy;
    beforeEach(async () => {
      proxy = await FaultyProxy.inFrontOf(fleet);
      await fleet.rollOut('v1', by('deployer', legacy()));
      await fleet.rollOut('v2', by('deployer', fast));
    });
    afterEach(() => proxy.stop());

    test.each<[string, 409 | 'drop-answer' | 'drop-request']>([
      ['is repeated after a conflict', 409],
      ['is repeated if its answer is lost', 'drop-answer'],
      ['is repeated if it is lost', 'drop-request'],
    ])('%s', async (_name, fault) => {
      proxy.fault = (kind, count) =>
        kind === 'patch' && count === 2 ? (fault === 409 ? { status: 409, body: { reason: 'Conflict' } } : fault) : 'pass';
      expect(await rollBack({ kubeconfig: proxy.kubeconfig })).not.toContain('::warning');
      expect(await managers()).toEqual(['deployer']);
      await fleet.rollOut('v3', by('deployer', fast));
      expect((await template()).spec.hostNetwork).toBeUndefined();
    });

    test('fits what another manager has applied in the meantime', async () => {
      proxy.before = async (kind, count) => {
        if (kind === 'patch' && count === 2)
          await apply('late', { labels: { late: 'yes' }, annotations: { 'example.com/legacy': 'late' } }, undefined, ['--force-conflicts']);
      };
      const step = await fleet.rollback({ kubeconfig: proxy.kubeconfig });
      expect(step.outputs['outcome']).toBe('superseded');
      expect((await managers()).sort()).toEqual(['deployer', 'late']);
      await fleet.rollOut('v3', by('deployer', fast));
      const { metadata, spec } = await template();
      expect(metadata.annotations).toEqual({ 'example.com/legacy': 'late' });
      expect(spec.hostNetwork).toBeUndefined();
    });

    test('that is rejected for good is a warning, the rollback counts, and a re-run sends it again', async () => {
      proxy.fault = (kind, count) => (kind === 'patch' && count >= 2 ? { status: 409, body: { reason: 'Conflict' } } : 'pass');
      const step = await fleet.rollback({ kubeconfig: proxy.kubeconfig });
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
      expect(step.log).toMatch(/^::warning::Could not return the ownership.*--force-conflicts/m);
      proxy.fault = () => 'pass';
      expectStep(await fleet.rollback({ kubeconfig: proxy.kubeconfig }), { code: 0, outputs: { reason: 'resumed' } });
      expect(await managers()).toEqual(['deployer']);
      await fleet.rollOut('v3', by('deployer', fast));
      expect((await template()).spec.hostNetwork).toBeUndefined();
    });
  });
});

describe('client-side apply:', () => {
  test('a variable of kubectl set env that a later manifest had, too, is removed by the next apply', async () => {
    await fleet.rollOut('v1', fast);
    await fleet.kubectl(['set', 'env', 'daemonset/agent', 'FOO=1']);
    await rolledOut();
    // The same template, from a manifest: the copy in revision 2 has no FOO.
    const manifest = JSON.parse(fleet.manifest('v1', fast));
    manifest.spec.template.spec.containers[0].env.push({ name: 'FOO', value: '1' });
    await fleet.kubectl(['apply', '-f', '-'], JSON.stringify(manifest));
    await fleet.rollOut('v2', fast);
    await rollBack({ 'to-revision': '2' });
    expect((await template()).spec.containers[0].env).toContainEqual({ name: 'FOO', value: '1' });
    await fleet.rollOut('v3', fast);
    expect((await template()).spec.containers[0].env.map(({ name }: Any) => name)).not.toContain('FOO');
    expect(fleet.writes()).toBe(1);
  });

  test('a variable that kubectl set env left in every version is removed by the next apply', async () => {
    await fleet.rollOut('v1', fast);
    await fleet.kubectl(['set', 'env', 'daemonset/agent', 'FOO=1']);
    await rolledOut();
    await fleet.rollOut('v2', fast);
    await rollBack();
    await fleet.rollOut('v3', fast);
    expect((await template()).spec.containers[0].env.map(({ name }: Any) => name)).not.toContain('FOO');
  });

  test('a revision without a copy of a manifest, and one that was renewed', async () => {
    await fleet.kubectl(['create', '-f', '-'], fleet.manifest('v1', legacy()));
    await rolledOut();
    await fleet.rollOut('v2', fast);
    await rollBack();
    expect((await template()).spec.hostNetwork).toBe(true);
    await fleet.rollOut('v3', fast);
    expect((await template()).spec.hostNetwork).toBeUndefined();
    await rollBack({ 'to-revision': '3' }, run(2));
    expect((await template()).spec.hostNetwork).toBe(true);
    await fleet.rollOut('v4', fast);
    expect((await template()).spec.hostNetwork).toBeUndefined();
    expect((await template()).metadata.annotations).toBeUndefined();
  });

  test('the field of a controller stays, and a one-time change by kubectl is forgotten', async () => {
    // Without annotations in the manifest, kubectl apply would remove all that it knows and all others with them.
    const annotated = { ...fast, templateMetadata: { labels: { app: 'agent' }, annotations: { 'example.com/own': 'x' } } };
    await fleet.rollOut('v1', annotated);
    await annotateTemplate('operator', 'example.com/tuned', '1');
    await annotateTemplate('kubectl-patch', 'example.com/typed', '1');
    await rolledOut();
    await fleet.rollOut('v2', annotated);
    await annotateTemplate('operator', 'example.com/tuned', '2');
    await rolledOut();
    await rollBack({ 'to-revision': '3' });
    await fleet.rollOut('v3', annotated);
    expect((await template()).metadata.annotations).toEqual({ 'example.com/own': 'x', 'example.com/tuned': '1' });
  });

  test('the stamp of a restart stays out, so that the same manifest changes nothing', async () => {
    await fleet.rollOut('v1', legacy());
    await fleet.kubectl(['rollout', 'restart', 'daemonset/agent']);
    await rolledOut();
    await fleet.rollOut('v2', fast);
    await rollBack();
    const { generation } = (await fleet.daemonSet()).metadata;
    await fleet.rollOut('v1', legacy());
    expect((await fleet.daemonSet()).metadata.generation).toBe(generation);
  });

  test('the fields of the spec and the change-cause that a guard restores', async () => {
    await fleet.deploy('v1', { ...fast, cause: 'deploy v1', spec: { minReadySeconds: 1, updateStrategy: { type: 'OnDelete' } } });
    await fleet.observed();
    const guarded = await fleet.rollback({ command: 'guard' });
    await fleet.deploy('v2-missing', { ...fast, spec: { updateStrategy: undefined } });
    const post = await fleet.post(guarded.state, { 'deploy-outcome': 'success' }).done;
    expect(post.log).toContain('Restored with the template');
    expect((await fleet.daemonSet()).spec).toMatchObject({ minReadySeconds: 1, updateStrategy: { type: 'OnDelete' } });
    await fleet.rollOut('v3', { ...fast, spec: { updateStrategy: undefined } });
    const { metadata, spec } = await fleet.daemonSet();
    expect(metadata.annotations['kubernetes.io/change-cause']).toBeUndefined();
    expect(spec.minReadySeconds).toBeUndefined();
    expect(spec.updateStrategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } });
  });

  test('integers, nulls and other text of the manifest survive to the letter', async () => {
    const odd = (options: ManifestOptions, tag: string): string =>
      fleet
        .manifest(tag, { ...options, annotations: { 'example.com/odd': '<&> \u2028 "quoted"' } })
        .replace('"terminationGracePeriodSeconds":0', '"terminationGracePeriodSeconds":9007199254740993')
        .replace('"metadata":{"labels"', '"metadata":{"creationTimestamp":null,"labels"');
    await fleet.kubectl(['apply', '-f', '-'], odd(legacy(), 'v1'));
    await rolledOut();
    const record = async (): Promise<string> => (await fleet.daemonSet()).metadata.annotations[LAST_APPLIED];
    const first = await record();
    expect(first).toMatch(/"creationTimestamp":null.*"terminationGracePeriodSeconds":9007199254740993/);
    await fleet.kubectl(['apply', '-f', '-'], odd(fast, 'v2'));
    await rolledOut();
    await rollBack();
    expect(await record()).toBe(first);
    expect(await fleet.kubectl(['get', 'daemonset/agent', '-o', 'json'])).toContain('"terminationGracePeriodSeconds": 9007199254740993');
  });

  test('an annotation that is not a manifest stays, and what the next apply leaves is named', async () => {
    await fleet.rollOut('v1', legacy());
    await fleet.rollOut('v2', fast);
    await fleet.kubectl(['annotate', 'daemonset/agent', '--overwrite', `${LAST_APPLIED}=[]`]);
    expect(await rollBack()).toMatch(/^::warning::The next kubectl apply will leave .*: annotation example\.com\/legacy, hostNetwork\./m);
    expect((await fleet.daemonSet()).metadata.annotations[LAST_APPLIED]).toBe('[]');
  });
});

describe('annotations that do not fit:', () => {
  /** Fills the annotations of the DaemonSet up to so many bytes below the limit. */
  async function fill(bytesLeft: number): Promise<void> {
    const { annotations } = (await fleet.daemonSet()).metadata;
    const used = Object.entries(annotations as Record<string, string>).reduce(
      (sum, [key, value]) => sum + key.length + Buffer.byteLength(value),
      0,
    );
    const size = 256 * 1024 - used - 'filler'.length - bytesLeft;
    const patch = [{ op: 'add', path: '/metadata/annotations/filler', value: 'x'.repeat(size) }];
    const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-annotations-'));
    writeFileSync(join(folder, 'patch.json'), JSON.stringify(patch));
    await fleet.kubectl(['patch', 'daemonset/agent', '--type=json', `--patch-file=${join(folder, 'patch.json')}`]);
    rmSync(folder, { recursive: true });
  }

  test.each<[string, number, string[], string[]]>([
    ['the manifest', 700, [LAST_APPLIED], [RECORD]],
    ['the manifest and the record', 5, [LAST_APPLIED, RECORD], []],
  ])('%s is left out if all annotations are near 256 KiB, and the dry run says so first', async (_name, bytesLeft, missing, written) => {
    await fleet.rollOut('v1', legacy('long'.repeat(200)));
    await fleet.rollOut('v2', fast);
    await fill(bytesLeft);
    const before = (await fleet.daemonSet()).metadata.annotations;
    const dry = await fleet.rollback({ 'dry-run': 'true' });
    expectStep(dry, { code: 0, outputs: { outcome: 'dry-run', reason: 'validated' } });
    const said = new RegExp(`^::warning::The rollback does not change the annotations? ${missing.join(', ')}, because .*256 KiB`, 'm');
    expect(dry.log).toMatch(said);
    const step = await fleet.rollback();
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(step.log).toMatch(said);
    expect(step.summary).toContain('256 KiB');
    expect(step.log).toMatch(/^::warning::The next kubectl apply will leave .*: annotation example\.com\/legacy, hostNetwork\./m);
    const { annotations } = (await fleet.daemonSet()).metadata;
    expect(annotations[LAST_APPLIED]).toBe(before[LAST_APPLIED]);
    expect(RECORD in annotations).toBe(written.includes(RECORD));
    expect((await template()).spec.hostNetwork).toBe(true);
  });

  describe('a policy that allows only known keys', () => {
    const known = `['deprecated.daemonset.template.generation', '${LAST_APPLIED}']`;
    const policy = { expression: `object.metadata.annotations.all(key, key in ${known})`, message: 'unknown annotation' };
    beforeEach(async () => {
      await fleet.rollOut('v1', legacy());
      await fleet.rollOut('v2', fast);
      await addPolicy(fleet, policy, ['annotate', 'daemonset/agent', 'example.com/other=x']);
    });

    test('the record is left out, the manifest is not, and the dry run says so first', async () => {
      const said = new RegExp(
        `^::warning::The rollback does not change the annotation ${RECORD}, because .*unknown annotation.*do not run it again`,
        'm',
      );
      const dry = await fleet.rollback({ 'dry-run': 'true' });
      expectStep(dry, { code: 0, outputs: { outcome: 'dry-run', reason: 'validated' } });
      expect(dry.log).toMatch(said);
      expect(fleet.writes()).toBe(0);
      expect(await rollBack()).toMatch(said);
      expect(fleet.writes()).toBe(1);
      await fleet.rollOut('v3', fast);
      expect((await template()).spec.hostNetwork).toBeUndefined();
    });

    test('a change-cause that it does not know is left out, too', async () => {
      const step = await fleet.rollback({ 'change-cause': 'back to v1' });
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
      expect(step.log).toMatch(new RegExp(`does not change the annotations ${RECORD}, kubernetes.io/change-cause, because`));
      await fleet.rollOut('v3', fast);
      expect((await template()).spec.hostNetwork).toBeUndefined();
    });

    test('a lost answer is found out by the template', async () => {
      const proxy = await FaultyProxy.inFrontOf(fleet);
      proxy.fault = (kind, count) => (kind === 'patch' && count === 1 ? 'drop-answer' : 'pass');
      const { generation } = (await fleet.daemonSet()).metadata;
      await rollBack({ kubeconfig: proxy.kubeconfig });
      expect((await fleet.daemonSet()).metadata.generation).toBe(generation + 1);
      proxy.stop();
    });

    test('a deploy right after a lost answer is never undone', async () => {
      const proxy = await FaultyProxy.inFrontOf(fleet);
      proxy.fault = (kind, count) => (kind === 'patch' && count === 1 ? 'drop-answer' : 'pass');
      proxy.before = async (kind, count) => {
        if (kind === 'get' && count === 2) await fleet.deploy('v3', fast);
      };
      expectStep(await fleet.rollback({ kubeconfig: proxy.kubeconfig }), { code: 1, outputs: { outcome: 'error', reason: 'unreachable' } });
      expect(await fleet.image()).toBe('v3');
      proxy.stop();
    });
  });
});
