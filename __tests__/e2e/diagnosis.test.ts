/**
 * How a rollout ends, row by row: a deploy, what happens meanwhile, and what the step reports. Every unrecoverable row ends
 * within a minute at the default settings, and no row that recovers ends as a failure.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { behaviorOf, initBehaviorOf, podOf } from '../../testbed/manifest.ts';
import type { RunningStep, Step } from '../../testbed/step.ts';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions, sharedTestbed } from './support.ts';

interface Row {
  /** The healthy version before it. Default v1. */
  before?: ManifestOptions;
  /** The version to wait for. */
  deploy: string;
  options?: ManifestOptions;
  inputs?: Record<string, string>;
  /** What happens while the step waits. */
  meanwhile?(fleet: Fleet, running: RunningStep): Promise<void>;
  outcome: string;
  reason: string;
  /** In the error, or in the log if the step succeeds. */
  says: RegExp;
  /** The maximum in seconds from the start of the step to the verdict. */
  within?: number;
  /** `prepare` runs before the deploy, `prepareStep` between the deploy and the step. */
  prepare?(fleet: Fleet): Promise<unknown>;
  prepareStep?(fleet: Fleet): Promise<unknown>;
}

const init = (tag: string): ManifestOptions => ({
  podSpec: { initContainers: [initBehaviorOf(tag).container] },
});
const strategy = (rollingUpdate: object): ManifestOptions => ({ spec: { updateStrategy: { type: 'RollingUpdate', rollingUpdate } } });
const isWaiting = (running: RunningStep): Promise<string> =>
  eventually('the wait', running.log, (log) => log.includes('rollout to finish'));
/** For rows without an unrecoverable failure, which only the deadline ends. */
const soon = { 'progress-deadline': '8s' };
const hopeless = 60;

const rows: Record<string, Row> = {
  'an image that is missing': {
    deploy: 'v2-missing',
    outcome: 'failed',
    reason: 'image-pull',
    says: /5 pods cannot pull the image registry\.example\/agent:v2-missing: not found \(node-\d+, /,
    within: hopeless,
  },
  'an image whose name is not valid': {
    deploy: 'v2-invalid-name',
    outcome: 'failed',
    reason: 'invalid-image',
    says: /5 pods have an invalid image name/,
    within: hopeless,
  },
  'a container that crashes': {
    deploy: 'v2-crash',
    inputs: { 'log-lines': '20' },
    outcome: 'failed',
    reason: 'crash-loop',
    says: /5 pods crash: container "agent" exits after every start \(exit code 1, [1-9]\d* restarts?\)/,
    within: hopeless,
  },
  'a container that runs out of memory': {
    deploy: 'v2-oom',
    outcome: 'failed',
    reason: 'oom-killed',
    says: /exceeds its memory limit \(OOMKilled, exit code 137, [1-9]\d* restarts?\)/,
    within: hopeless,
  },
  'a liveness probe that fails': {
    deploy: 'v2-unhealthy',
    outcome: 'failed',
    reason: 'probe-failed',
    says: /restarted repeatedly: the probe of container "agent" fails .*Liveness probe failed/,
    within: hopeless,
  },
  'a ConfigMap that does not exist': {
    deploy: 'v2-config-error',
    outcome: 'failed',
    reason: 'config-error',
    says: /5 pods cannot configure container "agent": configmap "agent-config" not found/,
    within: hopeless,
  },
  'a command that is not in the image': {
    deploy: 'v2-run-error',
    outcome: 'failed',
    reason: 'start-error',
    says: /cannot start container "agent" .*no such file or directory/,
    within: hopeless,
  },
  'a volume that cannot be mounted': {
    deploy: 'v2-unmounted',
    outcome: 'failed',
    reason: 'volume-mount',
    says: /5 pods wait for a volume: MountVolume\.SetUp failed for volume "config"/,
    within: hopeless,
  },
  'pods that do not fit on the nodes': {
    deploy: 'v2',
    options: {
      podSpec: { containers: [{ ...behaviorOf('v2').container, resources: { requests: { cpu: '1000' } } }] },
    },
    outcome: 'failed',
    reason: 'unschedulable',
    says: /5 pods cannot be scheduled to their nodes: .*Insufficient cpu/,
    within: hopeless,
  },
  'pods that admission rejects': {
    deploy: 'v2',
    options: { podSpec: { hostNetwork: true } },
    prepare: (fleet) => fleet.kubectl(['label', 'namespace', fleet.namespace, 'pod-security.kubernetes.io/enforce=baseline']),
    outcome: 'failed',
    reason: 'pod-rejected',
    says: /\d+ pods cannot be created: .*violates PodSecurity "baseline:latest": host namespaces/,
    within: hopeless + 10,
  },
  'an init container that crashes': {
    deploy: 'v2',
    options: init('v2-crash'),
    outcome: 'failed',
    reason: 'crash-loop',
    says: /5 pods crash: init container "setup" exits after every start \(exit code 1, [1-9]\d* restarts?\)/,
    within: hopeless,
  },
  'an init container whose image is missing': {
    deploy: 'v2',
    options: init('v2-missing'),
    outcome: 'failed',
    reason: 'image-pull',
    says: /5 pods cannot pull the image registry\.example\/setup:v2-missing: not found/,
    within: hopeless,
  },
  'a container that crashes beside one that runs': {
    deploy: 'v2',
    options: {
      maxUnavailable: '100%',
      podSpec: podOf([behaviorOf('v2-crash'), behaviorOf('v1', { name: 'sidecar', port: 8081 })]),
    },
    outcome: 'failed',
    reason: 'crash-loop',
    says: /10 pods crash: container "agent"/,
    within: hopeless,
  },
  'maxUnavailable 1: one broken pod is enough': {
    deploy: 'v2-missing',
    options: strategy({ maxUnavailable: 1 }),
    outcome: 'failed',
    reason: 'image-pull',
    says: /1 pod cannot pull the image .* \(node-\d+\)\. 1 of 10 nodes have the deployed version, and it is available on 0/,
    within: hopeless,
  },
  'maxUnavailable in percent': {
    deploy: 'v2-missing',
    options: strategy({ maxUnavailable: '30%' }),
    outcome: 'failed',
    reason: 'image-pull',
    says: /3 pods cannot pull the image/,
    within: hopeless,
  },
  'maxSurge: the old pods stay available': {
    before: strategy({ maxUnavailable: 0, maxSurge: 2 }),
    deploy: 'v2-missing',
    options: strategy({ maxUnavailable: 0, maxSurge: 2 }),
    outcome: 'failed',
    reason: 'image-pull',
    says: /2 pods cannot pull the image/,
    within: hopeless,
  },
  'an image that can be pulled the second time': {
    deploy: 'v2-flaky-pull',
    outcome: 'complete',
    reason: 'complete',
    says: /successfully rolled out/,
  },
  'a ConfigMap that the kubelet has not cached yet': {
    deploy: 'v2-cache-sync',
    outcome: 'complete',
    reason: 'complete',
    says: /successfully rolled out/,
  },
  'a container that crashes once': { deploy: 'v2-flaky', outcome: 'complete', reason: 'complete', says: /successfully rolled out/ },
  'a container that is ready after a while': {
    deploy: 'v2-slow',
    outcome: 'complete',
    reason: 'complete',
    says: /successfully rolled out/,
  },
  'pods that are evicted': {
    deploy: 'v2-slow',
    meanwhile: async (fleet, running) => {
      await isWaiting(running);
      const isSlow = ({ spec }: Any): boolean => spec.containers[0].image.endsWith('slow');
      const { items } = await eventually(
        'a pod of the version',
        () => fleet.json('get', 'pods'),
        (all) => all.items.some(isSlow),
      );
      const pod = items.find(isSlow);
      const status = { status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' } };
      await fleet.kubectl(['patch', 'pod', pod.metadata.name, '--subresource=status', '--type=merge', '-p', JSON.stringify(status)]);
    },
    outcome: 'complete',
    reason: 'complete',
    says: /successfully rolled out/,
  },
  'minReadySeconds: ready is not yet available': {
    deploy: 'v2',
    options: { maxUnavailable: '100%', spec: { minReadySeconds: 8 } },
    inputs: { 'progress-deadline': '6s' },
    outcome: 'complete',
    reason: 'complete',
    says: /successfully rolled out/,
  },
  'a container that never becomes ready: only the deadline ends it': {
    deploy: 'v2-hang',
    inputs: { ...soon, 'failure-grace': '2s' },
    outcome: 'stalled',
    reason: 'not-ready',
    says: /5 pods run but are not ready: Readiness probe failed: HTTP probe failed with statuscode: 503/,
    within: 15,
  },
  'an init container that never ends': {
    deploy: 'v2',
    options: init('v2-hang'),
    inputs: { ...soon, 'failure-grace': '2s' },
    outcome: 'stalled',
    reason: 'starting',
    says: /5 pods are still starting: init container "setup" has not completed/,
    within: 15,
  },
  'fail-fast: false waits for the deadline, and names the cause all the same': {
    deploy: 'v2-missing',
    inputs: { ...soon, 'fail-fast': 'false' },
    outcome: 'stalled',
    reason: 'image-pull',
    says: /5 pods cannot pull the image/,
    within: 15,
  },
  'progress-deadline: 0 waits for the timeout, and names the cause all the same': {
    deploy: 'v2-hang',
    inputs: { 'progress-deadline': '0', timeout: '9s' },
    outcome: 'timed-out',
    reason: 'timeout',
    says: /5 pods run but are not ready/,
    within: 15,
  },
  'a timeout before the first diagnosis': {
    deploy: 'v2-missing',
    inputs: { timeout: '3s' },
    outcome: 'timed-out',
    reason: 'timeout',
    says: /5 pods cannot pull the image/,
    within: 8,
  },
  'pods of another version that were relabeled when a duplicate ControllerRevision was removed': {
    deploy: 'v2',
    options: { strategy: 'OnDelete' },
    inputs: soon,
    prepareStep: async (fleet) => {
      await eventually(
        'its ControllerRevision',
        () => fleet.history(),
        (history) => history[2] === 'v2',
      );
      await fleet.relabelPods();
    },
    outcome: 'stalled',
    reason: 'not-replaced',
    says: /10 pods run another template and the controller counts them as updated\. .*kubectl delete pod --namespace \S+ agent-/,
    within: 20,
  },
  OnDelete: {
    deploy: 'v2',
    options: { strategy: 'OnDelete' },
    outcome: 'pending',
    reason: 'on-delete',
    says: /kubectl delete pod/,
    within: 10,
  },
  'a DaemonSet that never had a matching node': {
    before: { podSpec: { nodeSelector: { disk: 'none' } } },
    deploy: 'v2',
    options: { podSpec: { nodeSelector: { disk: 'none' } } },
    outcome: 'complete',
    reason: 'complete',
    says: /No node matches the DaemonSet/,
    within: 20,
  },
  'a version that no longer matches any node': {
    deploy: 'v2',
    options: { podSpec: { nodeSelector: { disk: 'none' } } },
    outcome: 'failed',
    reason: 'no-nodes',
    says: /no longer matches 10 nodes that revision 1 matched \(node-1, .*\); no node is left\. Its nodeSelector is disk=none\./,
    within: 20,
  },
  'a version that no longer matches one node': {
    deploy: 'v2',
    options: {
      podSpec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'NotIn', values: ['node-7'] }] }],
            },
          },
        },
      },
    },
    outcome: 'failed',
    reason: 'no-nodes',
    says: /no longer matches 1 node that revision 1 matched \(node-7\); \d+ nodes are left\. It has a nodeAffinity\./,
    within: 20,
  },
  'a DaemonSet that is deleted meanwhile': {
    deploy: 'v2-missing',
    meanwhile: async (fleet, running) => {
      await isWaiting(running);
      await fleet.kubectl(['delete', 'daemonset/agent']);
    },
    outcome: 'deleted',
    reason: 'deleted',
    says: /was deleted during the rollout/,
    within: 20,
  },
  'a template that is changed meanwhile': {
    deploy: 'v2-missing',
    meanwhile: async (fleet, running) => {
      await isWaiting(running);
      await fleet.deploy('v3');
    },
    outcome: 'superseded',
    reason: 'template-changed',
    says: /Someone changed the template/,
    within: 20,
  },
};

async function play(
  { before = {}, prepare, prepareStep, deploy, options = {}, inputs = {}, meanwhile }: Row,
  fleet: Fleet,
): Promise<{ step: Step; seconds: number }> {
  await fleet.rollOut('v1', { maxUnavailable: '100%', ...before });
  await prepare?.(fleet);
  await fleet.deploy(deploy, options);
  await prepareStep?.(fleet);
  const began = Date.now();
  const running = fleet.start({ command: 'status', ...inputs });
  await meanwhile?.(fleet, running);
  const step = await running.done;
  return { step, seconds: (Date.now() - began) / 1_000 };
}

function expectRow({ outcome, reason, says, within }: Row, { step, seconds }: { step: Step; seconds: number }): void {
  expectStep(step, { outputs: { outcome, reason, changed: 'false' } });
  const error = step.log.match(/^::error .*$/gm)?.join('\n');
  expect(error ?? step.log).toMatch(says);
  if (within !== undefined) expect(seconds).toBeLessThan(within);
}

// The rows mostly wait, each in its own namespace, so many run at the same time.
describe('a rollout of', () => {
  const played = new Map<string, Promise<{ step: Step; seconds: number }>>();
  const fleets: Fleet[] = [];

  beforeAll(() => {
    let previous: Promise<unknown> = Promise.resolve();
    const names = Object.keys(rows);
    // Six lanes, so that the rows measure the step and not the load of the machine.
    const lanes = Array.from({ length: 6 }, () => Promise.resolve() as Promise<unknown>);
    names.forEach((name, index) => {
      const lane = index % lanes.length;
      previous = lanes[lane] as Promise<unknown>;
      const run = previous.then(async () => {
        const fleet = await Fleet.create();
        fleets.push(fleet);
        const result = await play(rows[name] as Row, fleet);
        await fleet.remove();
        return result;
      });
      run.catch(() => {});
      played.set(name, run);
      lanes[lane] = run.catch(() => {});
    });
  });
  afterAll(async () => {
    await Promise.allSettled(fleets.map((fleet) => fleet.remove()));
  });

  test.each(Object.keys(rows))(
    '%s',
    async (name) => {
      expectRow(rows[name] as Row, await (played.get(name) as Promise<{ step: Step; seconds: number }>));
    },
    600_000,
  );

  test('a crashing container is shown with its log, its events and the next command, in the summary and in the log', async () => {
    const { step } = await (played.get('a container that crashes') as Promise<{ step: Step }>);
    for (const text of [step.log, step.summary]) {
      expect(text).toContain('cannot open the log directory');
      expect(text).toMatch(/Back-off restarting failed container agent/);
      expect(text.replace(/&#\d+;/g, (entity) => String.fromCodePoint(Number(entity.slice(2, -1))))).toMatch(
        /kubectl logs --namespace \S+ agent-\w+ --container agent/,
      );
    }
    const [{ causes }] = JSON.parse(step.outputs['results'] ?? '') as Any[];
    expect(causes[0]).toMatchObject({ cause: 'crash-loop', stuck: true, count: 5, container: 'agent', exitCode: 1, initContainer: false });
    expect(causes[0].nodes).toHaveLength(5);
  });
});

describe('a gate', () => {
  let testbed: Testbed;
  let fleet: Fleet;
  beforeAll(async () => {
    testbed = await startTestbed({ nodes: 5 });
  });
  afterAll(() => testbed.stop());
  beforeEach(async () => {
    fleet = await Fleet.create({ testbed });
  });
  afterEach(async () => {
    await fleet.remove();
    await fleet.kubectl(['annotate', 'nodes', '--all', 'testbed/not-ready-']);
  });

  /** A DaemonSet that also runs on nodes that are not ready, as network plugins do. */
  const everywhere: ManifestOptions = {
    maxUnavailable: 1,
    podSpec: { terminationGracePeriodSeconds: 1, tolerations: [{ operator: 'Exists' }] },
  };
  const breakNode = async (name: string): Promise<void> => {
    await fleet.kubectl(['annotate', 'node', name, 'testbed/not-ready=true']);
    await eventually(
      'its pod to be unavailable',
      () => fleet.daemonSet(),
      ({ status }) => status.numberUnavailable === 1,
    );
  };

  test('extends the deadline once when all nodes are healthy and only the counters of the controller are behind', async () => {
    await fleet.rollOut('v1', { maxUnavailable: '100%' });
    await fleet.deploy('v2', { maxUnavailable: '100%', spec: { minReadySeconds: 5 } });
    const isReady = ({ spec, status }: Any): boolean =>
      spec.containers[0].image.endsWith(':v2') && status.conditions?.some((one: Any) => one.type === 'Ready' && one.status === 'True');
    await eventually(
      'pods that are ready',
      () => fleet.json('get', 'pods'),
      ({ items }) => items.length === 5 && items.every(isReady),
    );
    await testbed.pause('kube-controller-manager');
    try {
      const step = await fleet.rollback({ command: 'status', 'progress-deadline': '4s' });
      expectStep(step, { code: 1, outputs: { outcome: 'stalled', available: '5' } });
      expect(step.log).toContain('the counters of the DaemonSet controller do not show it');
      expect(Number(step.outputs['duration-seconds'])).toBeGreaterThanOrEqual(13);
    } finally {
      await testbed.resume('kube-controller-manager');
    }
  });

  test('names a node that is not ready as the cause, not as a failure of the version', async () => {
    await fleet.rollOut('v1', everywhere);
    await breakNode('node-3');
    await fleet.deploy('v2', everywhere);
    const step = await fleet.rollback({ command: 'status', 'failure-grace': '2s', 'progress-deadline': '10s' });
    expectStep(step, { code: 1, outputs: { outcome: 'stalled', reason: 'node-not-ready' } });
    expect(step.log).toMatch(/::error .*1 node is not ready.* \(node-3\)/);
  });

  test('tolerates a node that is not ready with tolerate-unavailable, and names it', async () => {
    await fleet.rollOut('v1', { ...everywhere, maxUnavailable: 2 });
    await breakNode('node-3');
    await fleet.deploy('v2', { ...everywhere, maxUnavailable: 2 });
    const step = await fleet.rollback({ command: 'status', 'failure-grace': '3s', 'tolerate-unavailable': '20%' });
    expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
    expect(step.summary).toContain('Tolerated, by tolerate-unavailable');
    expect(fleet.marks()).toBe(0);
    expect(step.log).toMatch(/^1 node is not ready.* \(node-3\)\. Next: kubectl describe node node-3$/m);
    expect(step.outputs['results']).toContain('node-3');
  });

  test('distinguishes a bad version from a node that is not ready, and lists the bad version first', async () => {
    await fleet.rollOut('v1', { ...everywhere, maxUnavailable: '100%' });
    await breakNode('node-2');
    await fleet.deploy('v2-missing', { ...everywhere, maxUnavailable: '100%' });
    const step = await fleet.rollback({ command: 'status', 'failure-grace': '3s' });
    expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'image-pull' } });
    const [{ causes }] = JSON.parse(step.outputs['results'] ?? '') as Any[];
    expect(causes.map(({ cause, stuck, count, nodes }: Any) => [cause, stuck, count, nodes.includes('node-2')])).toEqual([
      ['image-pull', true, 4, false],
      ['node-not-ready', false, 1, true],
    ]);
  });

  test('fails for a version that is broken on more nodes than are tolerated', async () => {
    await fleet.rollOut('v1', { maxUnavailable: 2 });
    await fleet.deploy('v2-missing', { maxUnavailable: 2 });
    const step = await fleet.rollback({ command: 'status', 'failure-grace': '3s', 'tolerate-unavailable': '1' });
    expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'image-pull' } });
  });

  test('waits for a node that joins, and does not fail because of it', async () => {
    await fleet.rollOut('v1', { maxUnavailable: '100%' });
    await fleet.deploy('v2-slow', { maxUnavailable: 1 });
    const running = fleet.start({ command: 'status', 'failure-grace': '3s' });
    await isWaiting(running);
    await testbed.addNodes(1);
    expectStep(await running.done, { code: 0, outputs: { outcome: 'complete' } });
  });

  test('does not wait for a node that leaves', async () => {
    await testbed.addNodes(1);
    const { items } = await fleet.json('get', 'nodes');
    const last =
      items
        .map(({ metadata }: Any) => metadata.name as string)
        .sort((a: string, b: string) => a.length - b.length || a.localeCompare(b))
        .at(-1) ?? '';
    await fleet.rollOut('v1', { maxUnavailable: '100%' });
    await fleet.deploy('v2-slow', { maxUnavailable: 1 });
    const running = fleet.start({ command: 'status', 'failure-grace': '3s' });
    await isWaiting(running);
    await fleet.kubectl(['delete', 'node', last]);
    expectStep(await running.done, { code: 0, outputs: { outcome: 'complete' } });
  });
});

describe('without the right to read', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.create({ testbed: sharedTestbed() });
    await fleet.rollOut('v1');
    await fleet.deploy('v2-crash');
  });
  afterEach(() => fleet.remove());

  const bare: [string, string, string[]][] = [
    ['apps', 'daemonsets', ['get', 'watch']],
    ['apps', 'controllerrevisions', ['list']],
  ];
  const inputs = { command: 'status', 'failure-grace': '4s', 'progress-deadline': '12s', 'log-lines': '5' };

  test('pods, it ends as stalled without a cause, and names the missing rule', async () => {
    const step = await fleet.rollback({ ...inputs, 'stable-for': 'auto', kubeconfig: await fleet.kubeconfigOf(bare) });
    expectStep(step, { code: 1, outputs: { outcome: 'stalled', reason: 'no-progress' } });
    expect(step.log).toMatch(
      /^::warning::Could not determine which pods are blocking the rollout, nor whether they crash\. .*resources: \["pods"\], verbs: \["list"\]/m,
    );
  });

  test('anything but pods, it ends as failed with the cause, and names each missing rule', async () => {
    const kubeconfig = await fleet.kubeconfigOf([...bare, ['', 'pods', ['list']]]);
    const step = await fleet.rollback({ ...inputs, kubeconfig, 'progress-deadline': '60s' });
    expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'crash-loop' } });
    for (const rule of [
      '"pods"], verbs: ["watch"]',
      '"nodes"], verbs: ["list"]',
      '"events"], verbs: ["list"]',
      '"pods/log"], verbs: ["get"]',
    ])
      expect(step.log.split('\n').filter((line) => line.startsWith('::warning::') && line.includes(rule))).toHaveLength(1);
  });
});

describe('a rollback', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.create();
  });
  afterEach(() => fleet.remove());

  test('does not fail because of the crashing pods that it removes', async () => {
    await fleet.rollOut('v1');
    await fleet.getStuck('v2-crash', { maxUnavailable: '100%' });
    const step = await fleet.rollback({ 'failure-grace': '0' });
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
  });

  test('ends as failed if the restored version cannot start either', async () => {
    await fleet.rollOut('v1');
    await fleet.deploy('v2-missing');
    await fleet.observed();
    await fleet.deploy('v3');
    const step = await fleet.rollback({ 'to-revision': '2', 'failure-grace': '4s' });
    expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: 'image-pull', changed: 'true', 'new-revision': '4' } });
    expect(step.summary).toMatch(/^## ❌ Pods cannot start: DaemonSet /);
  });

  test('warns at the start if the timeout is too short', async () => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { maxUnavailable: '100%' });
    const patch = { spec: { minReadySeconds: 60, updateStrategy: { rollingUpdate: { maxUnavailable: 1 } } } };
    await fleet.kubectl(['patch', 'daemonset/agent', '--type=merge', '-p', JSON.stringify(patch)]);
    const step = await fleet.rollback({ timeout: '4s' });
    expectStep(step, { code: 1, outputs: { outcome: 'timed-out', changed: 'true' } });
    expect(step.log).toMatch(
      /^::warning::With the present minReadySeconds and maxUnavailable, the rest takes about 10m 00s, but the timeout leaves \d/m,
    );
  });
});
