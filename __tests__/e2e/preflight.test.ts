/** Before a rollback is written: whether pods of the version could start. Each missing reference, each denial, and what must not be refused. */
import { describe, expect, test } from '@jest/globals';
import { dump } from 'js-yaml';
import { addPolicy } from '../helpers/policy.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions } from '../helpers/support.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };
const POD = 'create pods dryRun';

/** A fleet of its own, which is removed at the end. */
async function withFleet(work: (fleet: Fleet) => Promise<void>): Promise<void> {
  const fleet = await Fleet.create();
  try {
    await work(fleet);
  } finally {
    await fleet.remove();
  }
}

const container = (raw: object): object => ({
  initContainers: [{ name: 'setup', image: 'registry.example/setup:v1', ...raw }],
});
/** A volume that an init container mounts. */
const volume = (raw: object): object => ({
  initContainers: [{ name: 'setup', image: 'registry.example/setup:v1', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
  volumes: [{ name: 'v', ...raw }],
});

const create = (fleet: Fleet, ...objects: object[]): Promise<string[]> =>
  Promise.all(objects.map((object) => fleet.kubectl(['create', '-f', '-'], dump({ apiVersion: 'v1', ...object }))));
const configMap = (name: string, data: Record<string, string> = { key: 'value' }): object => ({
  kind: 'ConfigMap',
  metadata: { name },
  data,
});
const secret = (name: string): object => ({ kind: 'Secret', metadata: { name }, stringData: { key: 'c0ffee-c0ffee' } });
/** Bound to a volume that exists as long as the test. */
const claim = (name: string): object => ({
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } }, storageClassName: '' },
});

async function addVolume(fleet: Fleet): Promise<void> {
  const { namespace } = fleet;
  const spec = {
    capacity: { storage: '1Gi' },
    accessModes: ['ReadWriteMany'],
    hostPath: { path: '/none' },
    claimRef: { namespace, name: 'a' },
    persistentVolumeReclaimPolicy: 'Retain',
  };
  await create(fleet, { kind: 'PersistentVolume', metadata: { name: namespace }, spec });
  fleet.onRemove(async () => {
    await fleet.kubectl(['delete', 'persistentvolume', namespace, '--wait=false']);
  });
}

/** Rolls out v1 with part of a pod's spec, then v2 without it. */
async function deployTwo(fleet: Fleet, podSpec: object, more: ManifestOptions = {}): Promise<void> {
  await fleet.rollOut('v1', { ...fast, ...more, podSpec: { ...more.podSpec, ...podSpec } });
  await fleet.rollOut('v2', { ...fast, ...more });
}

/** The requests of a rollback that was refused: nothing was written. */
const isRead = (request: string): boolean => request.startsWith('get ') || request.startsWith('list ') || request.endsWith(' dryRun');

async function expectRefused(fleet: Fleet, said: RegExp, inputs: Record<string, string> = {}): Promise<void> {
  const before = fleet.requests().length;
  const step = await fleet.rollback(inputs);
  expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'would-not-start', changed: 'false' } });
  expect(step.log).toMatch(said);
  expect(step.summary).toMatch(/^## ❌ /);
  expect(
    fleet
      .requests()
      .slice(before)
      .filter((request) => !isRead(request)),
  ).toEqual([]);
  expect(await fleet.image()).toBe('v2');
  expect(JSON.stringify(step)).not.toContain('c0ffee');
}

describe('a missing reference is refused, and restored once it is there again', () => {
  test.concurrent.each<[string, object, object, RegExp]>([
    ['variables of a ConfigMap', container({ envFrom: [{ configMapRef: { name: 'a' } }] }), configMap('a'), /ConfigMap a does not exist/],
    ['variables of a Secret', container({ envFrom: [{ secretRef: { name: 'a' } }] }), secret('a'), /Secret a does not exist/],
    [
      'a variable of a ConfigMap',
      container({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'a', key: 'key' } } }] }),
      configMap('a'),
      /ConfigMap a does not exist/,
    ],
    [
      'a variable of a Secret',
      container({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'a', key: 'key' } } }] }),
      secret('a'),
      /Secret a does not exist/,
    ],
    [
      'a ConfigMap with the hash of kustomize',
      volume({ configMap: { name: 'app-7h2k9m4c' } }),
      configMap('app-7h2k9m4c'),
      /ConfigMap app-7h2k9m4c does not/,
    ],
    ['a volume of a Secret', volume({ secret: { secretName: 'a' } }), secret('a'), /Secret a does not exist/],
    [
      'a projected volume',
      volume({ projected: { sources: [{ configMap: { name: 'a' } }] } }),
      configMap('a'),
      /ConfigMap a does not exist/,
    ],
  ])('%s', (_name, podSpec, object, said) =>
    withFleet(async (fleet) => {
      await create(fleet, object);
      await deployTwo(fleet, podSpec);
      const { kind, metadata } = object as Any;
      await fleet.kubectl(['delete', kind, metadata.name]);
      await expectRefused(fleet, said);
      await create(fleet, object);
      expectStep(await fleet.rollback(), { code: 0, outputs: { outcome: 'rolled-back' } });
    }),
  );

  test.concurrent('a volume claim', () =>
    withFleet(async (fleet) => {
      await addVolume(fleet);
      await create(fleet, claim('a'));
      await deployTwo(fleet, volume({ persistentVolumeClaim: { claimName: 'a' } }));
      await fleet.kubectl(['delete', 'persistentvolumeclaim', 'a']);
      await expectRefused(fleet, /PersistentVolumeClaim a does not exist/);
    }));

  test.concurrent('a key of a ConfigMap', () =>
    withFleet(async (fleet) => {
      await create(fleet, configMap('a', { key: 'x', other: 'y' }));
      await deployTwo(fleet, volume({ configMap: { name: 'a', items: [{ key: 'other', path: 'file' }] } }));
      await fleet.kubectl(['patch', 'configmap', 'a', '--type=json', '--patch=[{"op":"remove","path":"/data/other"}]']);
      await expectRefused(fleet, /ConfigMap a has no key other/);
    }));
});

describe('what is optional or already there', () => {
  test.concurrent.each<[string, object]>([
    ['a volume that no container mounts', { volumes: [{ name: 'v', configMap: { name: 'a' } }] }],
    ['an optional ConfigMap', volume({ configMap: { name: 'a', optional: true } })],
    ['an optional variable', container({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'a', key: 'k', optional: true } } }] })],
    ['an optional source', volume({ projected: { sources: [{ secret: { name: 'a', optional: true } }] } })],
  ])('is not looked up: %s', (_name, podSpec) =>
    withFleet(async (fleet) => {
      await deployTwo(fleet, podSpec);
      expectStep(await fleet.rollback(), { code: 0, outputs: { outcome: 'rolled-back' } });
      expect(fleet.requests().filter((request) => /configmaps|secrets/.test(request))).toEqual([]);
    }),
  );

  test.concurrent('costs no request if a Ready pod of the current version has it, too', () =>
    withFleet(async (fleet) => {
      await create(fleet, configMap('a'), configMap('b'));
      const from = (...names: string[]): object => container({ envFrom: names.map((name) => ({ configMapRef: { name } })) });
      await fleet.rollOut('v1', { ...fast, podSpec: from('a', 'b') });
      await fleet.rollOut('v2', { ...fast, podSpec: from('a') });
      expectStep(await fleet.rollback(), { code: 0, outputs: { outcome: 'rolled-back' } });
      expect(fleet.requests().filter((request) => request.endsWith('configmaps'))).toEqual(['get configmaps']);
    }));

  test.concurrent('an image pull secret that is missing is a warning', () =>
    withFleet(async (fleet) => {
      await deployTwo(fleet, { imagePullSecrets: [{ name: 'registry' }] });
      const step = await fleet.rollback();
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
      expect(step.log).toMatch(/^::warning::.*the image pull secret registry does not exist/m);
    }));
});

describe('admission', () => {
  test.concurrent.each<[string, object, (fleet: Fleet) => Promise<unknown>, RegExp]>([
    [
      'a ServiceAccount that is gone',
      { serviceAccountName: 'agent' },
      (fleet) => fleet.kubectl(['delete', 'serviceaccount', 'agent']),
      /serviceaccount "agent" not found/,
    ],
    [
      'Pod Security',
      { hostNetwork: true },
      (fleet) => fleet.kubectl(['label', 'namespace', fleet.namespace, 'pod-security.kubernetes.io/enforce=baseline']),
      /violates PodSecurity "baseline:latest"/,
    ],
    [
      'a LimitRange',
      container({ resources: { limits: { cpu: '2' } } }),
      (fleet) =>
        create(fleet, { kind: 'LimitRange', metadata: { name: 'l' }, spec: { limits: [{ type: 'Container', max: { cpu: '1' } }] } }),
      /maximum cpu usage per Container is 1, but limit is 2/,
    ],
    [
      'a quota that asks for limits',
      {},
      (fleet) => create(fleet, { kind: 'ResourceQuota', metadata: { name: 'q' }, spec: { hard: { 'limits.cpu': '100' } } }),
      /failed quota: q: must specify limits\.cpu/,
    ],
  ])('is certain of %s', (_name, podSpec, change, said) =>
    withFleet(async (fleet) => {
      await fleet.kubectl(['create', 'serviceaccount', 'agent']);
      await deployTwo(fleet, podSpec);
      await change(fleet);
      await expectRefused(fleet, said);
      const forced = await fleet.rollback({ preflight: 'warn', wait: 'false' });
      expectStep(forced, { code: 0, outputs: { outcome: 'pending' } });
      expect(forced.log).toMatch(/^::warning::The pods of this version cannot start: /m);
    }),
  );

  test.concurrent('is certain of a PriorityClass and a RuntimeClass that are gone', () =>
    withFleet(async (fleet) => {
      const name = fleet.namespace;
      const classes = [
        { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value: 1 },
        { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name }, handler: 'runc' },
      ];
      await create(fleet, ...classes);
      await fleet.rollOut('v1', { ...fast, podSpec: { priorityClassName: name } });
      await fleet.rollOut('v1', { ...fast, cause: 'runtime', podSpec: { runtimeClassName: name } });
      await fleet.rollOut('v2', fast);
      await fleet.kubectl(['delete', 'priorityclass,runtimeclass', name]);
      await expectRefused(fleet, /RuntimeClass "\S+" not found/);
      await expectRefused(fleet, /no PriorityClass with name \S+ was found/, { 'to-revision': '1' });
    }));

  test.concurrent('passes a DaemonSet that fills its own quota', () =>
    withFleet(async (fleet) => {
      // The pods have requests that the template does not have.
      const limits = [{ type: 'Container', defaultRequest: { cpu: '10m' } }];
      await create(fleet, { kind: 'LimitRange', metadata: { name: 'l' }, spec: { limits } });
      await deployTwo(fleet, {});
      const hard = { pods: '10', 'requests.cpu': '100m' };
      await create(fleet, { kind: 'ResourceQuota', metadata: { name: 'q' }, spec: { hard } });
      await eventually(
        'the quota to be full',
        () => fleet.json('get', 'resourcequota', 'q'),
        ({ status }) => status?.used?.pods === '10',
      );
      const step = await fleet.rollback();
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
      expect(step.log).not.toMatch(/quota/);
    }));

  test.concurrent('is certain of a policy only if the version that runs is admitted', () =>
    withFleet(async (fleet) => {
      await deployTwo(fleet, { hostPID: true });
      const rules = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] };
      await addPolicy(
        fleet,
        { expression: '!has(object.spec.hostPID) || !object.spec.hostPID', message: 'no host processes' },
        ['run', 'probe', '--image=x', '--overrides={"spec":{"hostPID":true}}'],
        rules,
      );
      await expectRefused(fleet, /no host processes/);
    }));

  test.concurrent('has only a doubt if the policy denies every pod of this account', () =>
    withFleet(async (fleet) => {
      await deployTwo(fleet, {});
      const rules = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] };
      const expression = "request.userInfo.username.startsWith('system:')";
      await addPolicy(fleet, { expression, message: 'only controllers create pods' }, ['run', 'probe', '--image=x'], rules);
      const step = await fleet.rollback();
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
      expect(step.log).toMatch(/^::warning::The pods of this version might not start: .*only controllers create pods/m);
    }));
});

describe('the choice of another version', () => {
  test.concurrent('a refusal names the newest other version that would start', () =>
    withFleet(async (fleet) => {
      await create(fleet, configMap('a'));
      await fleet.rollOut('v1', fast);
      await fleet.rollOut('v1', { ...fast, cause: 'second', podSpec: volume({ configMap: { name: 'a' } }) });
      await fleet.rollOut('v2', fast);
      await fleet.kubectl(['delete', 'configmap', 'a']);
      await expectRefused(fleet, /set to-revision to agent-\S+, which is revision 1\./);
    }));

  test.concurrent('last-good takes it, and says so', () =>
    withFleet(async (fleet) => {
      await create(fleet, configMap('a'));
      const gate = (): Promise<unknown> => fleet.rollback({ command: 'status', 'stable-for': '0' });
      await fleet.rollOut('v1', fast);
      await gate();
      await fleet.rollOut('v1', { ...fast, env: 'second', cause: 'second', podSpec: volume({ configMap: { name: 'a' } }) });
      await gate();
      await fleet.rollOut('v2', fast);
      await fleet.kubectl(['delete', 'configmap', 'a']);
      const step = await fleet.rollback({ 'to-revision': 'last-good' });
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', 'target-revision': '1' } });
      expect(step.log).toMatch(
        /^::warning::Passed over revision 2 \(agent-\S+\), because its pods cannot start: ConfigMap a does not exist\./m,
      );
    }));
});

describe('every rollback and look', () => {
  async function broken(fleet: Fleet): Promise<void> {
    await create(fleet, configMap('a'));
    await deployTwo(fleet, volume({ configMap: { name: 'a' } }));
    await fleet.kubectl(['delete', 'configmap', 'a']);
  }

  test.concurrent('a dry run is refused, too; with off, nothing is asked', () =>
    withFleet(async (fleet) => {
      await broken(fleet);
      await expectRefused(fleet, /ConfigMap a does not exist/, { 'dry-run': 'true' });
      const before = fleet.requests().length;
      expectStep(await fleet.rollback({ preflight: 'off', wait: 'false' }), { code: 0, outputs: { outcome: 'pending' } });
      expect(fleet.requests().slice(before)).not.toContain(POD);
      expect(fleet.requests().slice(before)).not.toContain('get configmaps');
    }));

  test.concurrent('history shows it of a revision', () =>
    withFleet(async (fleet) => {
      await broken(fleet);
      const step = await fleet.rollback({ command: 'history', revision: '1' });
      expectStep(step, { code: 0, outputs: { outcome: 'listed' } });
      expect(step.log).toMatch(/^The pods of revision 1 \(agent-\S+\) cannot start: ConfigMap a does not exist\.$/m);
      expect(step.summary).toMatch(/cannot start: <code>?.*ConfigMap a does not exist|ConfigMap a does not exist/);
    }));

  test.concurrent('a gate that rolls back, and a guard', () =>
    withFleet(async (fleet) => {
      await create(fleet, configMap('a'));
      await fleet.rollOut('v1', { ...fast, podSpec: volume({ configMap: { name: 'a' } }) });
      const guarded = await fleet.rollback({ command: 'guard' });
      await fleet.kubectl(['delete', 'configmap', 'a']);
      await fleet.deploy('v2-crash', fast);
      const gate = await fleet.rollback({
        command: 'status',
        'rollback-on-failure': 'true',
        'to-revision': 'previous',
        'failure-grace': '1s',
      });
      expectStep(gate, { code: 1, outputs: { changed: 'false' } });
      expect(gate.log).toMatch(/ConfigMap a does not exist/);
      const post = await fleet.post(guarded.state).done;
      expect(post.log).toMatch(/refused \(would-not-start\): .*ConfigMap a does not exist/);
      expect(await fleet.image()).toBe('v2-crash');
    }));

  test.concurrent('an account that is not allowed to check gets one line with the rule, and rolls back', () =>
    withFleet(async (fleet) => {
      await broken(fleet);
      const kubeconfig = await fleet.kubeconfigOf([
        ['apps', 'daemonsets', ['get', 'patch', 'watch']],
        ['apps', 'controllerrevisions', ['list']],
      ]);
      const step = await fleet.rollback({ kubeconfig, wait: 'false' });
      expectStep(step, { code: 0, outputs: { outcome: 'pending' } });
      expect(
        step.log.match(/Not everything could be checked before the rollback\..*resources: \["configmaps"\], verbs: \["get"\]/g),
      ).toHaveLength(1);
      expect(
        step.log.match(/Not everything could be checked before the rollback\..*resources: \["pods"\], verbs: \["create"\]/g),
      ).toHaveLength(1);
    }));
});
