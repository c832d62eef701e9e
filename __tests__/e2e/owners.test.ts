/** Further messages: who will undo the rollback, warnings of the API server, and the requested change-cause. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Any, expectStep, Fleet } from '../helpers/support.ts';

const fast = { maxUnavailable: '100%' };
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
});
afterEach(() => fleet.remove());

describe('warns of another owner of the DaemonSet:', () => {
  test.each<[string, { labels?: Record<string, string>; annotations?: Record<string, string> }, RegExp]>([
    [
      'Helm',
      { annotations: { 'meta.helm.sh/release-name': 'agent', 'meta.helm.sh/release-namespace': 'logging' } },
      /helm rollback agent --namespace logging$/,
    ],
    [
      'Argo CD',
      { annotations: { 'argocd.argoproj.io/tracking-id': 'agents:apps/DaemonSet:logging/agent' } },
      /argocd app set agents --sync-policy none$/,
    ],
    [
      'Flux',
      { labels: { 'kustomize.toolkit.fluxcd.io/name': 'agents', 'kustomize.toolkit.fluxcd.io/namespace': 'flux' } },
      /flux suspend kustomization agents --namespace flux$/,
    ],
    ['the add-on manager', { labels: { 'addonmanager.kubernetes.io/mode': 'Reconcile' } }, /addonmanager\.kubernetes\.io\/mode/],
    ['an add-on manager that only creates it', { labels: { 'addonmanager.kubernetes.io/mode': 'EnsureExists' } }, /^$/],
    ['none', {}, /^$/],
  ])('%s', async (_name, marks, expected) => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { ...fast, ...marks, serverSide: 'deployer' });
    const step = await fleet.rollback();
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
    expect((/^::warning::(.*)$/m.exec(step.log) ?? [])[1] ?? '').toMatch(expected);
    expect(step.summary.includes('[!WARNING]')).toBe(expected.source !== '^$');
  });

  test('a controller, by its ownerReference, and not an owner that controls nothing', async () => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { ...fast, serverSide: 'deployer' });
    await fleet.kubectl(['create', 'configmap', 'operator']);
    const { uid } = (await fleet.json('get', 'configmap/operator')).metadata;
    const own = async (controller: boolean): Promise<void> => {
      const metadata = { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'operator', uid, controller }] };
      await fleet.kubectl(['patch', 'daemonset/agent', '--type=merge', `--patch=${JSON.stringify({ metadata })}`]);
    };
    await own(false);
    expect((await fleet.rollback({ 'dry-run': 'true' })).log).not.toContain('::warning::');
    await own(true);
    const step = await fleet.rollback();
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(step.log).toMatch(/^::warning::.*ConfigMap.*operator/m);
    expect(step.summary).toContain('[!WARNING]');
  });

  test('kubectl apply, whose record of the applied manifest follows the rollback', async () => {
    const record = async (): Promise<string> => (await fleet.daemonSet()).metadata.annotations[LAST_APPLIED];
    await fleet.rollOut('v1', fast);
    const first = await record();
    await fleet.rollOut('v2', fast);
    const step = await fleet.rollback();
    expect(step.log).toMatch(/^::warning::The DaemonSet is deployed by kubectl apply\. Revert the manifest before the next apply/m);
    expect(await record()).toBe(first);
  });
});

test('a warning of the API server is shown once, with its DaemonSet', async () => {
  const env = [
    { name: 'VERSION', value: 'one' },
    { name: 'VERSION', value: 'two' },
  ];
  const podSpec = { containers: [{ name: 'agent', image: 'registry.example/agent:v1', env }] };
  await fleet.kubectl(['create', '-f', '-'], fleet.manifest('v1', { ...fast, podSpec }));
  await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
  await fleet.kubectl(['set', 'image', 'daemonset/agent', 'agent=registry.example/agent:v2']);
  await fleet.kubectl(['set', 'env', 'daemonset/agent', 'VERSION-']);
  await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
  const warning = `Warning from the API server about DaemonSet ${fleet.namespace}/agent: spec.template.spec.containers[0].env[1]: hides previous definition of "VERSION"`;
  for (const [inputs, outcome] of [
    [{ 'dry-run': 'true' }, 'dry-run'],
    [{}, 'rolled-back'],
  ] as const) {
    const step = await fleet.rollback({ 'to-revision': '1', ...inputs });
    expectStep(step, { code: 0, outputs: { outcome } });
    expect(step.log.split(warning)).toHaveLength(2);
    expect(step.summary).toContain('hides previous definition');
  }
});

test('change-cause is written to the DaemonSet, and the stored revision keeps its own', async () => {
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, fast);
  const before = (await fleet.revision(1)).metadata;
  const step = await fleet.rollback({ 'change-cause': 'Back to v1: it\'s the 3rd incident, "again"' });
  expectStep(step, { code: 0, outputs: { 'change-cause': 'Back to v1: it\'s the 3rd incident, "again"' } });
  const { annotations } = (await fleet.daemonSet()).metadata;
  expect(annotations['kubernetes.io/change-cause']).toBe('Back to v1: it\'s the 3rd incident, "again"');
  const { items } = await fleet.json('get', 'controllerrevisions');
  const after = items.find(({ metadata }: Any) => metadata.name === before.name);
  const { 'rollback-daemonset/good': _mark, ...kept } = after.metadata.annotations;
  expect([after.revision, kept]).toEqual([3, before.annotations]);
});
