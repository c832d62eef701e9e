/**
 * The same scenario with kubectl and with the action, each in its own namespace on the same cluster. The state of the cluster
 * afterwards is the same, or differs as docs/kubectl.md describes.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { type Any, eventually, execute, expectStep, Fleet, type ManifestOptions } from '../helpers/support.ts';
import { stampTemplates } from '../helpers/webhook.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };

interface Scenario {
  /** Creates the same initial state in both namespaces. */
  prepare(fleet: Fleet): Promise<void>;
  /** The arguments of `kubectl`. Default: `rollout undo` to the revision in `inputs`. */
  kubectl?: string[];
  inputs?: Record<string, string>;
  /** The exit code of both. Default 0. */
  code?: number;
}

/** The output and the exit code of kubectl. */
interface Typed {
  code: number;
  said: string;
}

async function type(fleet: Fleet, parameters: string[]): Promise<Typed> {
  const { testbed, namespace } = fleet;
  const { code, stdout, stderr } = await execute(testbed.kubectl, [
    '--kubeconfig',
    testbed.kubeconfig,
    '--namespace',
    namespace,
    ...parameters,
  ]);
  return { code, said: `${stdout}${stderr}` };
}

const undo = (inputs: Record<string, string> = {}): string[] => {
  const to = inputs['to-revision'];
  return ['rollout', 'undo', 'daemonset/agent', ...(to === undefined ? [] : [`--to-revision=${to}`])];
};

/** All that a rollback can change: the spec, the history, and what the pods run. Times and namespaces are left out. */
async function inCluster(fleet: Fleet): Promise<object> {
  const { spec, metadata } = await fleet.daemonSet();
  const { items: revisions } = await fleet.json('get', 'controllerrevisions');
  const { items: pods } = await fleet.json('get', 'pods');
  const text = (value: object): string => JSON.stringify(value).replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME');
  return {
    spec: JSON.parse(text(spec)),
    generation: metadata.generation,
    templateGeneration: metadata.annotations['deprecated.daemonset.template.generation'],
    revisions: revisions
      .map(({ metadata: { name, annotations }, revision, data }: Any) => ({
        revision,
        // The hash in the name covers the bytes, which contain a time after a restart.
        name: text(data).includes('TIME') ? 'restarted' : name,
        cause: annotations?.['kubernetes.io/change-cause'],
        data: JSON.parse(text(data)),
      }))
      .sort((a: Any, b: Any) => a.revision - b.revision || a.name.localeCompare(b.name)),
    pods: pods
      .filter(({ metadata: { deletionTimestamp } }: Any) => !deletionTimestamp)
      .map(({ spec: { containers } }: Any) => containers.map(({ image }: Any) => image).join())
      .sort(),
  };
}

/** Waits for the state that kubectl's `rollout status` waits for, without old pods. */
async function settled(fleet: Fleet): Promise<void> {
  await eventually(
    'a rollout that has ended',
    async () => ({ daemonSet: await fleet.daemonSet(), pods: (await fleet.json('get', 'pods')).items as Any[] }),
    ({ daemonSet: { metadata, spec, status }, pods }) =>
      status.observedGeneration === metadata.generation &&
      (spec.updateStrategy.type === 'OnDelete' || (status.updatedNumberScheduled ?? 0) === status.desiredNumberScheduled) &&
      pods.length === status.desiredNumberScheduled &&
      (status.numberAvailable ?? 0) === status.desiredNumberScheduled,
  );
}

async function inBoth(testbed: Testbed | undefined, work: (fleets: { theirs: Fleet; ours: Fleet }) => Promise<void>): Promise<void> {
  const [theirs, ours] = await Promise.all([Fleet.create(testbed && { testbed }), Fleet.create(testbed && { testbed })]);
  try {
    await work({ theirs, ours });
  } finally {
    await Promise.all([theirs.remove(), ours.remove()]);
  }
}

const versions =
  (...tags: string[]) =>
  async (fleet: Fleet): Promise<void> => {
    for (const tag of tags) await fleet.rollOut(tag, fast);
  };

/** A realistic template. */
const rich = (port: number): ManifestOptions => ({
  ...fast,
  spec: { minReadySeconds: 1 },
  templateMetadata: { labels: { app: 'agent', tier: `t${port}` }, annotations: { 'example.com/port': String(port) } },
  podSpec: {
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [{ operator: 'Exists' }],
    initContainers: [{ name: 'setup', image: `registry.example/setup:v${port}`, command: ['sh', '-c', 'true'] }],
    containers: [
      {
        name: 'agent',
        image: `registry.example/agent:v${port}`,
        ports: [{ name: 'metrics', containerPort: port }],
        env: [{ name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
        resources: { limits: { memory: '64Mi' } },
        readinessProbe: { httpGet: { path: '/ready', port: 'metrics' } },
        volumeMounts: [{ name: 'logs', mountPath: '/var/log', readOnly: true }],
      },
      { name: 'sidecar', image: 'registry.example/sidecar:v1' },
    ],
    volumes: [{ name: 'logs', hostPath: { path: '/var/log' } }],
  },
});

const same: Record<string, Scenario> = {
  'to the previous version, from a healthy rollout': { prepare: versions('v1', 'v2') },
  'to the previous version, of five': { prepare: versions('v1', 'v2', 'v3', 'v4', 'v5') },
  'to the previous version, from pods that crash': {
    prepare: async (fleet) => {
      await versions('v1', 'v2')(fleet);
      await fleet.getStuck('v3-crash');
    },
  },
  'to the previous version, from an image that is missing': {
    prepare: async (fleet) => {
      await fleet.rollOut('v1', { maxUnavailable: '30%' });
      await fleet.getStuck('v2-missing', { maxUnavailable: '30%' });
    },
  },
  'to the first of three revisions': { prepare: versions('v1', 'v2', 'v3'), inputs: { 'to-revision': '1' } },
  'to the second of three revisions': { prepare: versions('v1', 'v2', 'v3'), inputs: { 'to-revision': '2' } },
  'to the current revision': { prepare: versions('v1', 'v2'), inputs: { 'to-revision': '2' } },
  'to a revision that does not exist': { prepare: versions('v1', 'v2'), inputs: { 'to-revision': '9' }, code: 1 },
  'to the previous version, if there is none': { prepare: versions('v1'), code: 1 },
  'to an older revision, after an earlier rollback': {
    prepare: async (fleet) => {
      await versions('v1', 'v2', 'v3')(fleet);
      await fleet.kubectl(['rollout', 'undo', 'daemonset/agent', '--to-revision=1']);
      await settled(fleet);
    },
    inputs: { 'to-revision': '2' },
  },
  'a template with many fields': {
    prepare: async (fleet) => {
      await fleet.rollOut('v8080', rich(8080));
      await fleet.rollOut('v9090', rich(9090));
    },
  },
  'containers, variables and volumes that were added and removed': {
    prepare: async (fleet) => {
      await fleet.rollOut('v1', { ...fast, podSpec: { volumes: [{ name: 'tmp', emptyDir: {} }] } });
      await fleet.rollOut('v2', { ...rich(8080), spec: {} });
    },
  },
  'a version deployed by kubectl set image': {
    prepare: async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.kubectl(['set', 'image', 'daemonset/agent', 'agent=registry.example/agent:v2']);
      await settled(fleet);
    },
  },
  'a version deployed by kubectl edit, without a change-cause': {
    prepare: async (fleet) => {
      await fleet.rollOut('v1', { ...fast, cause: '' });
      await fleet.kubectl(['patch', 'daemonset/agent', '--type=merge', '-p', '{"spec":{"template":{"spec":{"hostNetwork":true}}}}']);
      await settled(fleet);
    },
  },
  'server-side apply': {
    prepare: async (fleet) => {
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { ...fast, serverSide: 'deployer' });
    },
  },
  'a selector with expressions': {
    prepare: async (fleet) => {
      const spec = {
        selector: {
          matchExpressions: [
            { key: 'app', operator: 'In', values: ['agent', 'other'] },
            { key: 'app', operator: 'Exists' },
            { key: 'tier', operator: 'DoesNotExist' },
            { key: 'app', operator: 'NotIn', values: ['web'] },
          ],
        },
      };
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { ...fast, spec });
    },
  },
  'a pruned history, to the newest remaining revision': {
    prepare: async (fleet) => {
      for (const tag of ['v1', 'v2', 'v3', 'v4']) await fleet.rollOut(tag, { ...fast, spec: { revisionHistoryLimit: 1 } });
      await eventually(
        'the pruning',
        () => fleet.history(),
        (history) => Object.keys(history).length === 2,
      );
    },
  },
  'a pruned history, to a removed revision': {
    prepare: async (fleet) => {
      for (const tag of ['v1', 'v2', 'v3']) await fleet.rollOut(tag, { ...fast, spec: { revisionHistoryLimit: 1 } });
      await eventually(
        'the pruning',
        () => fleet.history(),
        (history) => Object.keys(history).length === 2,
      );
    },
    inputs: { 'to-revision': '1' },
    code: 1,
  },
  'ControllerRevisions of another owner under the same labels, with higher numbers': {
    prepare: async (fleet) => {
      await versions('v1', 'v2')(fleet);
      const labels = { app: 'agent' };
      for (const tag of ['v7', 'v8', 'v9']) {
        await fleet.beside('other').rollOut(tag, {
          spec: { selector: { matchLabels: labels } },
          templateMetadata: { labels },
          podSpec: { nodeSelector: { disk: 'none' } },
        });
      }
    },
  },
  'an orphan under the same labels, which the controller adopts': {
    prepare: async (fleet) => {
      await versions('v1', 'v2')(fleet);
      await fleet.storeRevision('orphan', await fleet.revision(1), (copy) => {
        delete copy.metadata.ownerReferences;
        copy.revision = 0;
        copy.data.spec.template.spec.containers[0].image = 'registry.example/agent:v0';
      });
      await eventually(
        'the adoption',
        () => fleet.json('get', 'controllerrevision/orphan'),
        ({ metadata }) => metadata.ownerReferences?.length === 1,
      );
      await fleet.kubectl(['delete', 'controllerrevision', (await fleet.revision(1)).metadata.name]);
    },
  },
  'a version in the bytes of an older Kubernetes: the controller makes a new ControllerRevision': {
    prepare: async (fleet) => {
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { ...fast, cause: '' });
      const first = await fleet.revision(1);
      await fleet.kubectl(['delete', 'controllerrevision', first.metadata.name]);
      await fleet.storeRevision('agent-old', first, inOldBytes);
    },
  },
  'a hash collision': {
    prepare: async (fleet) => {
      // The name of the ControllerRevision of v2 depends only on its bytes.
      const probe = await Fleet.create({ testbed: fleet.testbed });
      await probe.deploy('v2', fast);
      const { metadata }: Any = await eventually('its ControllerRevision', () => probe.revision(1).catch(() => undefined), Boolean);
      await probe.remove();
      await fleet.rollOut('v1', fast);
      await fleet.storeRevision(metadata.name, await fleet.revision(1), (copy) => {
        delete copy.metadata.ownerReferences;
        copy.metadata.labels = {};
      });
      await fleet.rollOut('v2', fast);
      expect((await fleet.daemonSet()).status.collisionCount).toBe(1);
      await fleet.rollOut('v3', fast);
    },
  },
  'a mutating webhook: the controller makes a new ControllerRevision': {
    prepare: async (fleet) => {
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { ...fast, cause: '' });
      await stampTemplates(fleet);
    },
  },
  'to a revision number after a restart': {
    prepare: async (fleet) => {
      await versions('v1', 'v2')(fleet);
      await fleet.kubectl(['rollout', 'restart', 'daemonset/agent']);
      await settled(fleet);
    },
    inputs: { 'to-revision': '1' },
  },
  'a surge instead of unavailable pods': {
    prepare: async (fleet) => {
      const spec = { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '50%', maxUnavailable: 0 } } };
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { spec });
    },
  },
  'the strategy OnDelete: the template only': {
    prepare: async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2', { strategy: 'OnDelete' });
      await fleet.kubectl(['delete', 'pods', '--all', '--force']);
      await settled(fleet);
    },
  },
  'no matching node': {
    prepare: async (fleet) => {
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { podSpec: { nodeSelector: { disk: 'none' } } });
    },
  },
  'a dry run': {
    prepare: versions('v1', 'v2'),
    kubectl: ['rollout', 'undo', 'daemonset/agent', '--dry-run=server'],
    inputs: { 'dry-run': 'true' },
  },
  'the status of a rollout that is done': {
    prepare: versions('v1', 'v2'),
    kubectl: ['rollout', 'status', 'daemonset/agent'],
    inputs: { command: 'status' },
  },
  'the status of a rollout that is stuck': {
    prepare: async (fleet) => {
      await fleet.rollOut('v1');
      await fleet.getStuck('v2-crash');
      await eventually(
        'the crashes',
        () => fleet.daemonSet(),
        ({ status }) => status.updatedNumberScheduled === 5 && status.numberUnavailable === 5,
      );
    },
    kubectl: ['rollout', 'status', 'daemonset/agent', '--timeout=2s'],
    inputs: { command: 'status', timeout: '2s' },
    code: 1,
  },
  'the history': {
    prepare: versions('v1', 'v2', 'v3'),
    kubectl: ['rollout', 'history', 'daemonset/agent'],
    inputs: { command: 'history' },
  },
};

describe('the same as kubectl', () => {
  test.each(Object.keys(same))('%s', async (name) => {
    const { prepare, inputs = {}, kubectl = undo(inputs), code = 0 } = same[name] as Scenario;
    await inBoth(undefined, async ({ theirs, ours }) => {
      await Promise.all([prepare(theirs), prepare(ours)]);
      expect(await inCluster(ours)).toEqual(await inCluster(theirs));
      const [typed, step] = await Promise.all([type(theirs, kubectl), ours.rollback(inputs)]);
      expectStep(step, { code });
      expect([typed.said, typed.code]).toEqual([typed.said, code]);
      if (code === 0) await Promise.all([settled(theirs), settled(ours)]);
      expect(await inCluster(ours)).toEqual(await inCluster(theirs));
    });
  });
});

/** What kubectl and the action do in the same situation, each in its own namespace. */
interface Case {
  prepare(fleet: Fleet): Promise<void>;
  kubectl?: string[];
  inputs?: Record<string, string>;
  kubectlDid(typed: Typed, fleet: Fleet): Promise<void>;
  actionDid(step: Step, fleet: Fleet): Promise<void>;
  /** Runs on its own test bed. */
  alone?: boolean;
}

/** The same version in the bytes that Kubernetes before 1.34 stored. */
const inOldBytes = (copy: Any): void => {
  copy.data.spec.template.metadata.creationTimestamp = null;
};

const checksum = async (fleet: Fleet): Promise<string> => (await fleet.daemonSet()).spec.template.metadata.annotations['checksum/config'];

const different: Record<string, Case> = {
  'a restart is not a version': {
    prepare: async (fleet) => {
      await versions('v1', 'v2')(fleet);
      await fleet.kubectl(['rollout', 'restart', 'daemonset/agent']);
      await settled(fleet);
    },
    kubectlDid: async (_typed, fleet) => expect(await fleet.image()).toBe('v2'),
    actionDid: async (step, fleet) => {
      expectStep(step, { code: 0, outputs: { 'old-revision': '3', 'target-revision': '1', 'new-revision': '4' } });
      expect(step.summary.match(/Passed over revision 2, .*older code/g)).toHaveLength(1);
      expect(await fleet.image()).toBe('v1');
    },
  },
  'only a checksum differs': {
    prepare: async (fleet) => {
      for (const checksum of ['a', 'b'])
        await fleet.rollOut('v1', { ...fast, templateMetadata: { annotations: { 'checksum/config': checksum } } });
    },
    kubectlDid: async (_typed, fleet) => expect(await checksum(fleet)).toBe('a'),
    actionDid: async (step, fleet) => {
      expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'only-checksum' } });
      expect(await checksum(fleet)).toBe('b');
    },
  },
  'the same version in the bytes of an older Kubernetes': {
    prepare: async (fleet) => {
      await versions('v1', 'v0', 'v2')(fleet);
      await fleet.kubectl(['delete', 'controllerrevision', (await fleet.revision(2)).metadata.name]);
      await fleet.storeRevision('agent-twin', await fleet.revision(3), (copy) => {
        inOldBytes(copy);
        copy.revision = 2;
      });
    },
    kubectlDid: async (_typed, fleet) => expect(await fleet.image()).toBe('v2'),
    actionDid: async (step, fleet) => {
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
      expect(await fleet.image()).toBe('v1');
    },
  },
  'typed twice, or run twice': {
    prepare: async (fleet) => {
      await versions('v1', 'v2')(fleet);
      await fleet.rollback({}, { GITHUB_RUN_ID: '7' });
      expect(await fleet.image()).toBe('v1');
    },
    kubectlDid: async (_typed, fleet) => expect(await fleet.image()).toBe('v2'),
    actionDid: async (step, fleet) => {
      expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'already-rolled-back' } });
      expect(await fleet.image()).toBe('v1');
    },
  },
  'the change-cause': {
    prepare: versions('v1', 'v2'),
    kubectlDid: async (_typed, fleet) =>
      expect((await fleet.daemonSet()).metadata.annotations['kubernetes.io/change-cause']).toBe('deploy v2'),
    actionDid: async (_step, fleet) =>
      expect((await fleet.daemonSet()).metadata.annotations['kubernetes.io/change-cause']).toBe('deploy v1'),
  },
  'the next server-side apply': {
    prepare: async (fleet) => {
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { ...fast, serverSide: 'deployer' });
    },
    kubectlDid: async (_typed, fleet) => {
      await expect(fleet.deploy('v3', { ...fast, serverSide: 'deployer' })).rejects.toThrow(/conflict/);
    },
    actionDid: async (_step, fleet) => {
      await fleet.deploy('v3', { ...fast, serverSide: 'deployer' });
      expect(await fleet.image()).toBe('v3');
    },
  },
  'a number that two revisions have': {
    prepare: async (fleet) => {
      await versions('v1', 'v2')(fleet);
      await fleet.storeRevision('agent-other', await fleet.revision(1), (copy) => {
        copy.data.spec.template.spec.containers[0].image = 'registry.example/agent:v0';
      });
    },
    inputs: { 'to-revision': '1' },
    kubectlDid: async ({ code }, fleet) => {
      expect(code).toBe(0);
      expect(await fleet.image()).not.toBe('v2');
    },
    actionDid: async (step, fleet) => {
      expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'ambiguous-revision' } });
      expect(await fleet.image()).toBe('v2');
    },
  },
  'revision 0': {
    prepare: versions('v1', 'v2'),
    inputs: { 'to-revision': '0' },
    kubectlDid: async (_typed, fleet) => expect(await fleet.image()).toBe('v1'),
    actionDid: async (step, fleet) => {
      expectStep(step, { code: 1, outputs: { outcome: 'error', reason: 'invalid-input' } });
      expect(await fleet.image()).toBe('v2');
    },
  },
  'right after a deploy': {
    alone: true,
    prepare: async (fleet) => {
      await versions('v1', 'v2')(fleet);
      await fleet.testbed.pause('kube-controller-manager');
      await fleet.deploy('v3', fast);
    },
    // Both end before the controller continues; the action with an outcome that explains why.
    kubectlDid: async ({ code }, fleet) => {
      expect(code).toBe(0);
      expect(await fleet.image()).toBe('v1');
    },
    actionDid: async (step, fleet) => {
      expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'not-observed' } });
      expect(await fleet.image()).toBe('v3');
    },
  },
  'a selector that matches nothing': {
    prepare: versions('v1', 'v2'),
    kubectl: ['rollout', 'undo', 'daemonset', '--selector=app=agnet'],
    inputs: { daemonset: '', selector: 'app=agnet' },
    kubectlDid: async ({ code }) => expect(code).toBe(0),
    actionDid: async (step) => expectStep(step, { code: 1, outputs: { outcome: 'error', reason: 'not-found' } }),
  },
  'several, of which one cannot be rolled back': {
    prepare: async (fleet) => {
      await versions('v1', 'v2')(fleet);
      await fleet.beside('b').rollOut('v1', { ...fast, labels: { set: 'node' } });
      await fleet.kubectl(['label', 'daemonset/agent', 'set=node']);
    },
    kubectl: ['rollout', 'undo', 'daemonset', '--selector=set=node'],
    inputs: { daemonset: '', selector: 'set=node' },
    kubectlDid: async ({ code }, fleet) => {
      expect(code).toBe(1);
      expect(await fleet.image()).toBe('v1');
    },
    actionDid: async (step, fleet) => {
      expectStep(step, { code: 1, outputs: { outcome: 'refused', changed: 'false' } });
      expect(JSON.parse(step.outputs['results'] ?? '').map(({ name, reason }: Any) => [name, reason])).toEqual([
        ['agent', 'another-refused'],
        ['b', 'no-previous-revision'],
      ]);
      expect(await fleet.image()).toBe('v2');
    },
  },
  'the status with OnDelete': {
    prepare: async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2', { strategy: 'OnDelete' });
    },
    kubectl: ['rollout', 'status', 'daemonset/agent', '--timeout=5s'],
    inputs: { command: 'status' },
    kubectlDid: async ({ code, said }) => expect([code, said]).toEqual([1, expect.stringContaining('only available for RollingUpdate')]),
    actionDid: async (step, { namespace }) => {
      expectStep(step, { code: 1, outputs: { outcome: 'pending', reason: 'on-delete', updated: '0' } });
      expect(JSON.parse(step.outputs['results'] ?? '')[0].toReplace).toHaveLength(10);
      expect(step.log).toMatch(new RegExp(`kubectl delete pod --namespace ${namespace}( agent-\\w+){10}`));
      expect(step.summary).toContain('Pods to replace: 10');
    },
  },
  'the status where no node matches': {
    prepare: async (fleet) => {
      await fleet.rollOut('v1', { podSpec: { nodeSelector: { disk: 'none' } } });
    },
    kubectl: ['rollout', 'status', 'daemonset/agent'],
    inputs: { command: 'status' },
    kubectlDid: async ({ code, said }) => expect([code, said]).toEqual([0, expect.stringContaining('successfully rolled out')]),
    actionDid: async (step) => {
      expectStep(step, { code: 0, outputs: { outcome: 'complete', desired: '0' } });
      expect(step.log).toMatch(/^::warning::No node matches .*nodeSelector is disk=none/m);
    },
  },
  'one revision in full': {
    prepare: async (fleet) => {
      await fleet.rollOut('v8080', rich(8080));
      await fleet.rollOut('v2', { ...fast, env: 'hunter2' });
    },
    kubectl: ['rollout', 'history', 'daemonset/agent', '--revision=2'],
    inputs: { command: 'history', revision: '2' },
    kubectlDid: async ({ said }) => expect(said).toContain('hunter2'),
    actionDid: async (step) => {
      expectStep(step, { code: 0, outputs: { outcome: 'listed' } });
      expect(step.summary).toContain('value: <hidden>');
      expect(JSON.stringify(step)).not.toContain('hunter2');
    },
  },
  'a dry run says what would change': {
    prepare: versions('v1', 'v2'),
    kubectl: ['rollout', 'undo', 'daemonset/agent', '--dry-run=client'],
    inputs: { 'dry-run': 'true' },
    kubectlDid: async ({ said }) => {
      expect(said).toContain('agent:v1');
      expect(said).not.toContain('agent:v2');
    },
    actionDid: async (step) => expect(step.summary).toContain('- registry.example/agent:v2\n+ registry.example/agent:v1'),
  },
};

describe('intentionally different from kubectl', () => {
  let alone: Testbed;
  beforeAll(async () => {
    alone = await startTestbed({ nodes: 3 });
  });
  afterAll(() => alone.stop());

  test.each(Object.keys(different))('%s', async (name) => {
    const one = different[name] as Case;
    const { inputs = {}, kubectl = undo(inputs) } = one;
    await inBoth(one.alone ? alone : undefined, async ({ theirs, ours }) => {
      const namespaced = inputs['daemonset'] === '' ? { namespace: ours.namespace } : {};
      if (one.alone) {
        // One stops a process that the other needs.
        for (const [fleet, run] of [
          [theirs, async () => one.kubectlDid(await type(theirs, kubectl), theirs)],
          [ours, async () => one.actionDid(await ours.rollback(inputs), ours)],
        ] as const) {
          await one.prepare(fleet);
          await run();
          await alone.resume('kube-controller-manager');
        }
        return;
      }
      await Promise.all([one.prepare(theirs), one.prepare(ours)]);
      await one.kubectlDid(await type(theirs, kubectl), theirs);
      await one.actionDid(await ours.rollback({ ...inputs, ...namespaced }), ours);
    });
  });

  test('docs/kubectl.md describes exactly these differences', () => {
    const text = readFileSync('docs/kubectl.md', 'utf8');
    const described = [...text.matchAll(/^### (.*)$/gm)].map(([, name]) => name);
    expect(described.sort()).toEqual(Object.keys(different).sort());
  });
});
