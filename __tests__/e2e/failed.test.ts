/**
 * A gate is red because the version is broken, and takes back only a broken version: what it must see, how soon it sees that, and what it
 * must not mistake for it.
 */
import { afterAll, describe, expect, test } from '@jest/globals';
import { Api } from '../../testbed/api.ts';
import { behaviorOf, podOf } from '../../testbed/manifest.ts';
import type { RunningStep, Step } from '../../testbed/step.ts';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { PodRecorder } from './pod-recorder.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions, withFleet } from './support.ts';
import { changePods } from './webhook.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };
const gate = { command: 'status', 'stable-for': '3s' };
const soon = { 'failure-grace': '2s' };
const reverting = { ...gate, 'rollback-on-failure': 'true' };

/** The version without a readiness probe, so that its pods are ready as soon as they run. */
const unprobed = (tag: string, options: ManifestOptions = fast): ManifestOptions => {
  const behavior = behaviorOf(tag);
  delete behavior.container.readinessProbe;
  delete behavior.container.livenessProbe;
  return { ...options, podSpec: podOf([behavior]) };
};
const pods = async (of: Fleet): Promise<Any[]> => (await of.json('get', 'pods')).items;
const isOf =
  (tag: string) =>
  ({ spec }: Any): boolean =>
    spec.containers[0].image.endsWith(`:${tag}`);
const isReady = ({ status }: Any): boolean => status.conditions?.some(({ type, status: is }: Any) => type === 'Ready' && is === 'True');

/** The node for which the controller creates a pod. */
const nodeOf = ({ spec }: Any): string => /node-\d+/.exec(JSON.stringify(spec.affinity ?? {}))?.[0] ?? '';
/** On these nodes, the pods of each version behave differently. */
const breakNodes = (fleet: Fleet, ending: (tag: string) => string, ...nodes: string[]): Promise<void> =>
  changePods(fleet, (pod) => {
    const { image } = pod.spec.containers[0];
    const more = ending(image.replace(/.*:/, ''));
    if (!nodes.includes(nodeOf(pod)) || more === '') return [];
    return [{ op: 'replace', path: '/spec/containers/0/image', value: `${image}-${more}` }];
  });
const available = (of: Fleet, count: number): Promise<Any> =>
  eventually(
    `${count} available pods`,
    () => of.daemonSet(),
    ({ metadata, status }) => status.observedGeneration === metadata.generation && status.numberAvailable === count,
  );

/** A test bed in which a crashing container waits for its restart as long as on a real node. */
const started: Record<string, Promise<Testbed>> = {};
const testbedOf = (nodes: number): Promise<Testbed> => {
  started[nodes] ??= startTestbed({ nodes });
  return started[nodes];
};
afterAll(async () => {
  for (const testbed of Object.values(started)) await (await testbed).stop();
});

describe('a broken version is rolled back:', () => {
  test.concurrent.each([
    ['v2-crash', 'crash-loop'],
    ['v2-oom', 'oom-killed'],
  ])('%s, after the third crash, although failure-grace is longer', (tag, reason) =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      const recorder = PodRecorder.start(fleet, tag);
      try {
        await fleet.deploy(tag, unprobed(tag));
        let decided = Number.POSITIVE_INFINITY;
        const running = fleet.start({ ...reverting, 'to-revision': '1' }, {}, (line) => {
          if (line.includes('Rolling back, because')) decided = Date.now();
        });
        expectStep(await running.done, { code: 1, outputs: { outcome: 'failed', reason, changed: 'true', available: '10' } });
        expect(decided).toBeGreaterThanOrEqual(recorder.crashed(3, 2));
        expect(decided - recorder.crashed(3, 3)).toBeLessThan(5_000);
        expect(await fleet.image()).toBe('v1');
      } finally {
        recorder.stop();
      }
    }),
  );

  test.concurrent('before the third crash, if failure-grace is shorter than the delay of the kubelet', async () =>
    withFleet(
      async (fleet) => {
        await fleet.rollOut('v1', fast);
        const recorder = PodRecorder.start(fleet, 'v2-crash');
        try {
          await fleet.deploy('v2-crash', unprobed('v2-crash'));
          let third = Number.NaN;
          const running = fleet.start({ ...reverting, 'failure-grace': '4s', 'to-revision': '1' }, {}, (line) => {
            if (line.includes('Rolling back, because')) third = recorder.crashed(3, 2);
          });
          expectStep(await running.done, {
            code: 1,
            outputs: { outcome: 'failed', reason: 'crash-loop', changed: 'true', available: '10' },
          });
          expect(third).toBe(Number.POSITIVE_INFINITY);
        } finally {
          recorder.stop();
        }
      },
      await testbedOf(10),
    ));

  test.concurrent.each(['100%', '50%', 1])(
    'pods that exceed their own limit of storage again and again, maxUnavailable %s',
    (maxUnavailable) =>
      withFleet(async (fleet) => {
        await fleet.rollOut('v1', fast);
        await fleet.deploy('v2-full', { maxUnavailable });
        const step = await fleet.rollback({ ...reverting, ...soon, 'stable-for': 'auto', 'to-revision': '1' });
        expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'storage-limit', changed: 'true', available: '10' } });
        expect(await fleet.image()).toBe('v1');
      }),
  );

  test.concurrent('pods that exceed their own limit of storage, and are Ready in between, end a plain gate', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2-full', fast);
      const step = await fleet.rollback({ ...gate, ...soon, 'stable-for': 'auto' });
      expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'storage-limit' } });
    }));

  test.concurrent.each<[string, object]>([
    ['any node', { nodeSelector: { place: 'nowhere' } }],
    [
      'two nodes',
      {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'NotIn', values: ['node-3', 'node-4'] }] },
              ],
            },
          },
        },
      },
    ],
  ])('one that no longer matches %s', (_title, podSpec) =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2', { ...fast, podSpec });
      const step = await fleet.rollback({ ...reverting, 'to-revision': '1' });
      expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'no-nodes', changed: 'true', desired: '10', available: '10' } });
      expect(await fleet.image()).toBe('v1');
    }),
  );

  test.concurrent('on nodes that were unavailable before for another reason', () =>
    withFleet(async (fleet) => {
      await breakNodes(fleet, (tag) => (tag === 'v1' ? 'hang' : 'missing'), 'node-1', 'node-2');
      await fleet.deploy('v1', fast);
      await available(fleet, 8);
      await fleet.deploy('v2', fast);
      const step = await fleet.rollback({ ...reverting, ...soon, 'progress-deadline': '15s', 'to-revision': '1' });
      expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'image-pull', changed: 'true' } });
      expect(await fleet.image()).toBe('v1');
    }));
});

describe('without a good mark, and with all pods of other versions replaced, last-good restores', () => {
  const says = /no version .* good mark/i;

  test.concurrent('the only other version', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2-missing', fast);
      await eventually(
        'no other pod',
        () => pods(fleet),
        (all) => all.length === 10 && all.every(isOf('v2-missing')),
      );
      const step = await fleet.rollback({ ...reverting, ...soon });
      expectStep(step, { code: 1, outputs: { outcome: 'failed', changed: 'true', 'target-revision': '1', available: '10' } });
      expect(step.log).toMatch(says);
      expect(step.log.split('\n').find((line) => says.test(line))).toMatch(/revision 1\b/i);
      expect(await fleet.image()).toBe('v1');
    }));

  test.concurrent('the version that ran before, also by hand', () =>
    withFleet(async (fleet) => {
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, fast);
      await fleet.deploy('v3-missing', fast);
      await eventually(
        'no other pod',
        () => pods(fleet),
        (all) => all.length === 10 && all.every(isOf('v3-missing')),
      );
      const step = await fleet.rollback({ 'to-revision': 'last-good' });
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', 'target-revision': '2', available: '10' } });
      expect(step.log).toMatch(says);
      expect(step.log.split('\n').find((line) => says.test(line))).toMatch(/revision 2\b/i);
    }));
});

describe('the report', () => {
  test.concurrent('never says "not rolled back" when the template was written back', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2-missing', fast);
      await fleet.observed();
      await fleet.deploy('v3-invalid-name', fast);
      await eventually(
        'three revisions',
        () => fleet.history(),
        (history) => history[3] !== undefined,
      );
      const step = await fleet.rollback({ ...reverting, ...soon, 'to-revision': '2' });
      expectStep(step, { code: 1, outputs: { outcome: 'failed', changed: 'true', 'target-revision': '2' } });
      expect(await fleet.image()).toBe('v2-missing');
      expect(step.log).toMatch(/^::error title=[^:]*rollback incomplete/im);
      expect(step.summary).toMatch(/^## [^\n]*rollback incomplete/i);
      for (const text of [step.log, step.summary]) expect(text).not.toMatch(/not rolled back/i);
    }));

  test.concurrent('never says that every node runs the version when nodes were tolerated', () =>
    withFleet(async (fleet) => {
      await breakNodes(fleet, (tag) => (tag === 'v1' ? 'missing' : ''), 'node-1');
      await fleet.deploy('v1', fast);
      await available(fleet, 9);
      await fleet.deploy('v2-invalid-name', fast);
      const step = await fleet.rollback({ ...reverting, ...soon, 'tolerate-unavailable': '1', 'to-revision': '1' });
      expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'invalid-image', changed: 'true', available: '9' } });
      expect(step.log).toMatch(/^::error title=[^:]*(?<!not )rolled back/m);
      for (const text of [step.log, step.summary]) expect(text).not.toContain('Every node runs');
    }));
});

test.concurrent('a rollback with a broken node waits for the others that are on their way before it ends as failed', () =>
  withFleet(async (fleet) => {
    await breakNodes(fleet, (tag) => (tag === 'v1-slow' ? 'missing' : ''), 'node-1');
    await fleet.deploy('v1-slow', fast);
    await available(fleet, 9);
    await fleet.rollOut('v2', fast);
    // The broken node is one of the two that may be unavailable.
    await fleet.kubectl([
      'patch',
      'daemonset/agent',
      '--type=merge',
      '-p',
      '{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":2}}}}',
    ]);
    const step = await fleet.rollback({ 'failure-grace': '1s', 'to-revision': '1' });
    expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'image-pull', changed: 'true', updated: '10', available: '9' } });
  }));

interface FalseAlarm {
  /** The version before it, and how it is deployed. By default v1, which every node runs. */
  before?(fleet: Fleet): Promise<unknown>;
  deploy: string;
  options?: ManifestOptions;
  inputs: Record<string, string>;
  /** What happens while the gate waits. */
  meanwhile?(fleet: Fleet, running: RunningStep): Promise<unknown>;
  /** Without it, the gate fails one way or another, and only the rollback is wrong. */
  outcome?: 'complete';
  /** With the delays of a real kubelet. */
  isReal?: true;
}

/** Whether the step has ended. A test that changes something while it runs stops then. */
const followed = (running: RunningStep): (() => boolean) => {
  let ended = false;
  void running.done.then(() => {
    ended = true;
  });
  return () => ended;
};

/** Lets the kubelets of these pods report that their containers have ended so often, and run again. */
async function restart(fleet: Fleet, all: Any[], restartCount: number, at = Date.now()): Promise<void> {
  const time = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+/, '');
  const [{ status }] = all;
  const [was] = status.containerStatuses;
  const terminated = { exitCode: 1, reason: 'Error', startedAt: time(at - 3_000), finishedAt: time(at - 1_000) };
  const again = { ...was, ready: true, restartCount, state: { running: { startedAt: time(at) } }, lastState: { terminated } };
  await fleet.kubectl([
    ...['patch', 'pod', ...all.map(({ metadata }) => metadata.name), '--subresource=status', '--type=strategic'],
    ...['-p', JSON.stringify({ status: { containerStatuses: [again] } })],
  ]);
}

/** The kubelet of the first node that has the version evicts each pod of it. */
async function runOutOfDisk(fleet: Fleet, running: RunningStep, tag: string): Promise<void> {
  const ended = followed(running);
  const api = new Api(fleet.testbed.directory);
  void running.done.then(() => api.close());
  const evicted = new Set<string>();
  const message = 'The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 912Mi. ';
  const patch = (what: string[], status: object): Promise<string> =>
    fleet.kubectl(['patch', ...what, '--subresource=status', '--type=strategic', '-p', JSON.stringify({ status })]);
  const isPressed = (status: string): object => ({ conditions: [{ type: 'DiskPressure', status, reason: 'by the test' }] });
  let node: string | undefined;
  try {
    for await (const { object } of api.watch<Any>(`/api/v1/namespaces/${fleet.namespace}/pods?watch=true&timeoutSeconds=60`)) {
      const { metadata, spec, status } = object;
      if (!isOf(tag)(object) || !status.containerStatuses || evicted.has(metadata.name)) continue;
      if (node === undefined) await patch(['node', spec.nodeName], isPressed('True'));
      node ??= spec.nodeName;
      if (spec.nodeName !== node) continue;
      evicted.add(metadata.name);
      await patch(['pod', metadata.name], { phase: 'Failed', reason: 'Evicted', message }).catch(() => {});
    }
  } catch (error) {
    if (!ended()) throw error;
  } finally {
    if (node !== undefined) await patch(['node', node], isPressed('False'));
  }
}

const falseAlarms: Record<string, FalseAlarm> = {
  // The longest first.
  'pods that restarted five times in the past, and crash once': {
    before: async (fleet) => {
      for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, fast);
      const old = await pods(fleet);
      // Younger pods could be those of this deploy.
      const age = (): number => Date.now() - Math.max(...old.map(({ metadata }) => Date.parse(metadata.creationTimestamp)));
      await eventually('older pods', age, (ms) => ms > 40_000);
      await eventually('older pods', age, (ms) => ms > 65_000);
      await restart(fleet, old, 5);
    },
    deploy: '',
    inputs: { ...soon, 'stable-for': '12s' },
    meanwhile: async (fleet, running) => {
      await eventually('the wait', running.log, (log) => log.includes('Waiting until every container has run'));
      await restart(fleet, await pods(fleet), 6);
    },
    outcome: 'complete',
  },
  'old pods that need their 60 seconds to end': {
    before: (fleet) => fleet.rollOut('v1-deaf', { ...fast, podSpec: { terminationGracePeriodSeconds: 60 } }),
    deploy: 'v2',
    options: { ...fast, podSpec: { terminationGracePeriodSeconds: 60 } },
    inputs: { ...soon, 'progress-deadline': '3s' },
    outcome: 'complete',
  },
  'a registry that is away for twelve seconds': {
    deploy: 'v2-outage',
    inputs: soon,
    outcome: 'complete',
  },
  'a volume that was mounted late, before a slow pull': {
    deploy: 'v2-slow-pull',
    inputs: soon,
    outcome: 'complete',
  },
  'ten pods that crash twice, because DNS is away for two seconds': {
    deploy: 'v2-twice',
    inputs: {},
    outcome: 'complete',
    isReal: true,
  },
  'the same without a readiness probe': {
    deploy: 'v2-twice',
    options: unprobed('v2-twice'),
    inputs: {},
    outcome: 'complete',
    isReal: true,
  },
  'a registry that is away for less than 90 seconds': { deploy: 'v2-broken', inputs: { ...soon, timeout: '20s' } },
  'a volume that is missing for less than 90 seconds': { deploy: 'v2-unmounted', inputs: { ...soon, timeout: '20s' } },
  'pods that do not fit for less than 90 seconds': {
    deploy: 'v2',
    options: { ...fast, podSpec: { containers: [{ ...behaviorOf('v2').container, resources: { requests: { cpu: '1000' } } }] } },
    inputs: { ...soon, timeout: '20s' },
  },
  'pods of both versions that crash at the same time': {
    deploy: 'v2-crash',
    options: { maxUnavailable: '50%' },
    inputs: { ...soon, timeout: '25s' },
    meanwhile: async (fleet, running) => {
      const ended = followed(running);
      for (let crashes = 1; crashes <= 5 && !ended(); crashes++) {
        const all = await pods(fleet);
        const others = all.filter(isOf('v1')).filter(isReady);
        if (others.length > 0) await restart(fleet, others, crashes).catch(() => {});
        await eventually(
          'another crash of the version, or the end',
          () => pods(fleet),
          (now) => ended() || now.filter(isOf('v2-crash')).some(({ status }) => status.containerStatuses?.[0].restartCount > crashes),
        );
      }
    },
  },
  'two nodes that could not pull images before either': {
    before: async (fleet) => {
      await breakNodes(fleet, () => 'missing', 'node-1', 'node-2');
      await fleet.deploy('v1', fast);
      await available(fleet, 8);
    },
    deploy: 'v2',
    inputs: { ...soon, timeout: '30s' },
  },
  'two nodes whose pods crashed before too, and which the controller updates first': {
    before: async (fleet) => {
      await breakNodes(fleet, () => 'crash', 'node-1', 'node-2');
      await fleet.deploy('v1', fast);
      await available(fleet, 8);
      await eventually(
        'pods that crash',
        () => pods(fleet),
        (all) => all.filter(isOf('v1-crash')).every(({ status }) => status.containerStatuses?.[0].restartCount > 2),
      );
    },
    deploy: 'v2',
    options: { maxUnavailable: 2 },
    inputs: { ...soon, timeout: '30s' },
  },
  'two nodes that are tolerated': {
    before: async (fleet) => {
      await breakNodes(fleet, (tag) => (tag === 'v2' ? 'missing' : ''), 'node-1', 'node-2');
      await fleet.rollOut('v1', fast);
    },
    deploy: 'v2',
    inputs: { ...soon, 'tolerate-unavailable': '2' },
    outcome: 'complete',
  },
  'a node out of disk while a pod on another one is starting': {
    deploy: 'v2-slow-pull',
    options: { maxUnavailable: 2 },
    inputs: { ...soon, 'progress-deadline': '5s' },
    meanwhile: (fleet, running) => runOutOfDisk(fleet, running, 'v2-slow-pull'),
    isReal: true,
  },
  'pods for which others are preempted': {
    before: async (fleet) => {
      await fleet.rollOut('v1', fast);
      const [{ container }] = [behaviorOf('v1-deaf')];
      const filler = { containers: [{ ...container, resources: { requests: { cpu: '60' } } }], terminationGracePeriodSeconds: 12 };
      await fleet.beside('filler').rollOut('v1-deaf', { ...fast, podSpec: filler });
      const priority = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: fleet.namespace }, value: 1_000 };
      await fleet.kubectl(['create', '-f', '-'], JSON.stringify(priority));
      fleet.onRemove(async () => void (await fleet.kubectl(['delete', 'priorityclass', fleet.namespace])));
      const important = { ...behaviorOf('v2').container, resources: { requests: { cpu: '10' } } };
      await fleet.deploy('v2', { ...fast, podSpec: { priorityClassName: fleet.namespace, containers: [important] } });
    },
    deploy: '',
    inputs: { ...soon, 'progress-deadline': '30s' },
    outcome: 'complete',
    isReal: true,
  },
};

describe('a version that is not broken is not rolled back:', () => {
  test.concurrent.each(Object.entries(falseAlarms))('%s', async (_title, row) => {
    const { before, deploy, options = fast, inputs, meanwhile, outcome, isReal } = row;
    await withFleet(
      async (fleet) => {
        await (before ? before(fleet) : fleet.rollOut('v1', fast));
        if (deploy !== '') await fleet.deploy(deploy, options);
        const version = await fleet.image();
        // A version that could be restored.
        const running = fleet.start({ ...reverting, 'to-revision': '1', ...inputs });
        const [step] = await Promise.all([running.done, meanwhile?.(fleet, running)]);
        expectStep(step, outcome ? { code: 0, outputs: { outcome, changed: 'false' } } : { code: 1, outputs: { changed: 'false' } });
        expect(await fleet.image()).toBe(version);
        expect(fleet.writes()).toBe(0);
      },
      isReal && (await testbedOf(10)),
    );
  });

  test.concurrent('nodes for which no pod exists for a while, after pods were rejected long ago', async () => {
    // The controller is paused for a while, so it has its own cluster.
    const testbed = await startTestbed({ nodes: 4 });
    try {
      const fleet = await Fleet.create({ testbed });
      const level = (to: string): Promise<string> =>
        fleet.kubectl(['label', 'namespace', fleet.namespace, '--overwrite', `pod-security.kubernetes.io/enforce=${to}`]);
      await level('baseline');
      await fleet.deploy('v1', { ...fast, podSpec: { hostNetwork: true } });
      await eventually(
        'rejected pods',
        async () => (await fleet.json('get', 'events')).items as Any[],
        (events) => events.some(({ reason }) => reason === 'FailedCreate'),
      );
      await level('privileged');
      await fleet.rollOut('v1', { ...fast, podSpec: { hostNetwork: true } });
      await fleet.deploy('v2-slow', fast);
      const created = await eventually(
        'the pods of the version',
        () => pods(fleet),
        (all) => all.length === 4 && all.every(isOf('v2-slow')) && all.every(({ status }) => status.containerStatuses),
      );
      await testbed.pause('kube-controller-manager');
      await fleet.kubectl(['delete', 'pod', ...created.slice(0, 2).map(({ metadata }) => metadata.name)]);
      const running = fleet.start({ ...reverting, ...soon, 'to-revision': '1' });
      const ended = followed(running);
      const began = Date.now();
      await eventually(
        'a gap of some time, or the end',
        () => Date.now() - began,
        (ms) => ms > 16_000 || ended(),
      );
      await testbed.resume('kube-controller-manager');
      expectStep(await running.done, { code: 0, outputs: { outcome: 'complete', changed: 'false' } });
      expect(fleet.writes()).toBe(0);
    } finally {
      await testbed.stop();
    }
  });
});

test.concurrent('a node that is not ready does not count, with and without the right to list nodes', async () => {
  const testbed = await startTestbed({ nodes: 4 });
  try {
    const fleet = await Fleet.create({ testbed });
    await fleet.rollOut('v1', fast);
    await fleet.kubectl(['annotate', 'node', 'node-3', 'testbed/not-ready=true']);
    await eventually(
      'a node less',
      () => fleet.daemonSet(),
      ({ status }) => status.desiredNumberScheduled === 3 && status.numberAvailable === 3,
    );
    const withoutNodes = await fleet.kubeconfigOf([
      ['apps', 'daemonsets', ['get', 'watch']],
      ['apps', 'controllerrevisions', ['list']],
      ['', 'pods', ['list', 'watch']],
    ]);
    for (const kubeconfig of [fleet.testbed.kubeconfig, withoutNodes]) {
      const step = await fleet.rollback({ ...gate, kubeconfig, 'progress-deadline': '20s' });
      expectStep(step, { code: 0, outputs: { outcome: 'complete', desired: '3', updated: '3', available: '3' } });
    }
    // It uses up no tolerance either.
    await breakNodes(fleet, () => 'missing', 'node-1');
    const [first] = (await pods(fleet)).filter(({ spec }) => spec.nodeName === 'node-1');
    await fleet.kubectl(['delete', 'pod', first.metadata.name]);
    await available(fleet, 2);
    const step = await fleet.rollback({ ...gate, ...soon, 'tolerate-unavailable': '1', 'progress-deadline': '20s' });
    expectStep(step, { code: 0, outputs: { outcome: 'complete', desired: '3', updated: '3', available: '2' } });
    await fleet.remove();
  } finally {
    await testbed.stop();
  }
});

/** Last: nothing else of this file runs at that time. */
describe('100 nodes whose pods are Ready for a second and then crash', () => {
  /** For the pods, the API server, and the end of the process. */
  const SLACK = 500;

  test.each<[string, object]>([
    ['maxUnavailable 1', { maxUnavailable: 1 }],
    ['maxUnavailable 10%', { maxUnavailable: '10%' }],
    ['maxUnavailable 100%', { maxUnavailable: '100%' }],
    ['maxSurge 10%', { maxSurge: '10%', maxUnavailable: 0 }],
  ])('are a failure within a second of the second crash on the third node: %s', async (_title, rollingUpdate) => {
    const fleet = await Fleet.create({ testbed: await testbedOf(100) });
    const recorder = PodRecorder.start(fleet, 'v2-crash');
    try {
      await fleet.rollOut('v1', fast);
      const spec = { updateStrategy: { type: 'RollingUpdate', rollingUpdate } };
      await fleet.deploy('v2-crash', unprobed('v2-crash', { spec }));
      const at: { began?: number; ended?: number } = {};
      const running = fleet.start({ ...gate, 'stable-for': 'auto' }, {}, (line) => {
        at.began ??= Date.now();
        if (line.startsWith('::error ')) at.ended ??= Date.now();
      });
      const step = await running.done;
      const { began = Infinity, ended = Infinity } = at;
      const seconds = (ms: number): number => (ms - began) / 1_000;
      const evidence = seconds(recorder.crashed(2, 3));
      const times = `In seconds since the first line: the evidence ${evidence}, the verdict ${seconds(ended)}. Nodes: ${recorder.nodes}`;
      // Not before two crashes of one pod, and within a second of what could be known when the step began.
      const isEarly = ended < recorder.crashed(2, 1);
      const isLate = seconds(ended) - Math.max(evidence, 0) > (1_000 + SLACK) / 1_000;
      const timed: Step & Any = { ...step, log: `${step.log}\n${times}`, isEarly, isLate };
      expectStep(timed, { code: 1, outputs: { outcome: 'failed', reason: 'crash-loop' }, isEarly: false, isLate: false });
    } finally {
      recorder.stop();
      await fleet.remove();
    }
  });
});
