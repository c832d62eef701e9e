/** When a rollout counts as complete: every node runs the version, and it stays up. Real pods are in node/complete.test.ts. */
import { describe, expect, test } from '@jest/globals';
import { behaviorOf, podOf } from '../../testbed/manifest.ts';
import type { Step } from '../../testbed/step.ts';
import { startTestbed } from '../../testbed/testbed.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions, withFleet } from '../helpers/support.ts';
import { changePods } from '../helpers/webhook.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };
const gate = { command: 'status' };
const soon = { ...gate, 'progress-deadline': '6s' };
/** kubectl rollout status succeeds at once. */
const kubectlSucceeds = async (of: Fleet): Promise<void> => {
  expect(await of.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=10s'])).toContain('successfully rolled out');
};
const pods = async (of: Fleet): Promise<Any[]> => (await of.json('get', 'pods')).items;
const namesOf = (all: Any[]): string[] => all.map(({ metadata }) => metadata.name).sort();
/** The version without a readiness probe, so that its pods are ready as soon as they run. */
const unprobed = (tag: string): ManifestOptions => {
  const behavior = behaviorOf(tag);
  delete behavior.container.readinessProbe;
  return { ...fast, podSpec: podOf([behavior]) };
};

describe('containers', () => {
  test.concurrent.each(['v2-crash', 'v2-oom', 'v2-panic'])('that are ready at every start and then exit (%s) are never a success', (tag) =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy(tag, unprobed(tag));
      const step = await fleet.rollback({ ...gate, 'stable-for': 'auto', 'failure-grace': '3s' });
      expectStep(step, { code: 1, outputs: { outcome: 'failed', reason: tag === 'v2-oom' ? 'oom-killed' : 'crash-loop' } });
      expect(fleet.marks()).toBe(0);
    }),
  );

  test.concurrent('that exit once and then run are a success, after twice as long as they ran', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2-flaky', unprobed('v2-flaky'));
      expectStep(await fleet.rollback({ ...gate, 'stable-for': '3s' }), { code: 0, outputs: { outcome: 'complete', available: '10' } });
      expect(fleet.marks()).toBe(1);
    }));

  test.concurrent('have to run for stable-for: only the youngest are waited for, and not for long', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      const started = (await pods(fleet)).map(({ status }) => Date.parse(status.containerStatuses[0].state.running.startedAt));
      const youngest = Math.max(...started);
      const step = await fleet.rollback({ ...gate, 'stable-for': '12s' });
      const ended = Date.now();
      expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
      // The start is cut to whole seconds.
      expect(ended - youngest).toBeGreaterThanOrEqual(12_000);
      expect(ended - youngest).toBeLessThan(16_000);
      expect(step.log).toMatch(
        /^The counters are complete\. Waiting until every container has run for 12\.0 s without a crash \(about .* left\)$/m,
      );
      const again = await fleet.rollback({ ...gate, 'stable-for': '12s' });
      expect(Number(again.outputs['duration-seconds'])).toBeLessThan(2);
      expect(fleet.requests().filter((request) => request === 'watch pods')).toHaveLength(1);
    }));
});

describe('pods of another version that the controller counts as updated', () => {
  /** Ends as stalled, with the command that deletes them; after that, every node runs the version. */
  const expectMisreported = async (fleet: Fleet, step: Any, names: string[]): Promise<void> => {
    expectStep(step, { code: 1, outputs: { outcome: 'stalled', reason: 'not-replaced' } });
    const [, command = ''] = /(delete pod --namespace \S+(?: agent-\w+)+)/.exec(step.log) ?? [];
    const [, , , , ...listed] = command.split(' ');
    expect(listed.sort()).toEqual(names);
    expect(fleet.marks()).toBe(0);
    await fleet.kubectl(['delete', 'pod', ...listed]);
    expectStep(await fleet.rollback(gate), { code: 0, outputs: { outcome: 'complete', updated: '10', available: '10' } });
  };

  test.concurrent('were left by a DaemonSet that was deleted with --cascade=orphan', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      const names = namesOf(await pods(fleet));
      await fleet.kubectl(['delete', 'daemonset/agent', '--cascade=orphan']);
      await fleet.deploy('v2', fast);
      await kubectlSucceeds(fleet);
      await expectMisreported(fleet, await fleet.rollback(soon), names);
    }));

  test.concurrent('were left by one, and have the template generation of a rollback', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.rollOut('v2', fast);
      await fleet.kubectl(['delete', 'daemonset/agent', '--cascade=orphan']);
      await fleet.deploy('v3-missing');
      await eventually(
        'a rollout that is stuck',
        () => fleet.daemonSet(),
        ({ status }) => status.updatedNumberScheduled === 5 && status.numberAvailable === 5,
      );
      const names = namesOf((await pods(fleet)).filter(({ spec }) => spec.containers[0].image.endsWith(':v2')));
      expect(names).toHaveLength(5);
      const step = await fleet.rollback({ 'to-revision': '1', 'progress-deadline': '6s' });
      expect(step.outputs).toMatchObject({ changed: 'true', 'target-revision': '1' });
      await kubectlSucceeds(fleet);
      await expectMisreported(fleet, step, names);
    }));

  test.concurrent('were relabeled (kubernetes#111280), also if nothing has to be rolled back', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2', { strategy: 'OnDelete' });
      await eventually(
        'its ControllerRevision',
        () => fleet.history(),
        (history) => history[2] === 'v2',
      );
      const names = namesOf(await pods(fleet));
      await fleet.relabelPods();
      const { name } = (await fleet.revision(3).catch(() => fleet.revision(2))).metadata;
      await expectMisreported(fleet, await fleet.rollback({ 'to-revision': name, 'progress-deadline': '6s' }), names);
    }));

  test.concurrent('got another image in place', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      const [first] = await pods(fleet);
      await fleet.kubectl(['set', 'image', `pod/${first.metadata.name}`, 'agent=registry.example/agent:v9']);
      await kubectlSucceeds(fleet);
      await expectMisreported(fleet, await fleet.rollback(soon), [first.metadata.name]);
    }));
});

describe('what admission does to pods', () => {
  const add = (path: string, value: object): object[] => [{ op: 'add', path: `/spec/containers/${path}`, value }];
  const mirrored = (image: string): string => image.replace('registry.example/', 'mirror.example/cache/');
  const operations: [string, (pod: Any) => object[]][] = [
    ['a variable', () => add('0/env/-', { name: 'AWS_ROLE_ARN', value: 'x' })],
    ['a sidecar', () => add('-', { name: 'mesh', image: 'registry.example/mesh:v1' })],
    ['another registry', ({ spec }) => [{ op: 'replace', path: '/spec/containers/0/image', value: mirrored(spec.containers[0].image) }]],
  ];

  test.concurrent.each(operations)('is not another version: %s, in pods that a rollback leaves where they are', (_name, patch) =>
    withFleet(async (fleet) => {
      await changePods(fleet, patch);
      await fleet.rollOut('v1', fast);
      // Half of the nodes keep their pods, which then have the template generation of v1.
      await fleet.getStuck('v2-missing');
      const step = await fleet.rollback();
      expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', updated: '10', available: '10' } });
      expectStep(await fleet.rollback(soon), { code: 0, outputs: { outcome: 'complete', updated: '10', available: '10' } });
      expect(fleet.marks()).toBe(1);
    }),
  );
});

describe('nodes', () => {
  /** Sets the clock of the step, and not that of the cluster. */
  const withClock = (hours: number): Record<string, string> => ({
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(
      `const by=${hours * 3_600_000};const real=Date.now;Date.now=()=>real()+by;globalThis.Date=new Proxy(Date,{construct:(D,a,n)=>Reflect.construct(D,a.length?a:[real()+by],n)});Object.defineProperty(performance,'timeOrigin',{value:performance.timeOrigin+by})`,
    )}`,
  });

  test.concurrent.each([-1, 1])('the clock of the runner is %i h off: nodes that do not run the version do not count', (hours) =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2-missing', fast);
      const inputs = { ...soon, 'failure-grace': '2s', 'fail-fast': 'false', 'tolerate-unavailable': '1' };
      const step = await fleet.rollback(inputs, withClock(hours));
      expectStep(step, { code: 1, outputs: { outcome: 'stalled', reason: 'image-pull', available: '0' } });
    }),
  );

  test.concurrent.each([-1, 1])('the clock of the runner is %i h off: stable-for is as long as ever', (hours) =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      const step = await fleet.rollback({ ...gate, 'stable-for': '8s' }, withClock(hours));
      const youngest = Math.max(
        ...(await pods(fleet)).map(({ status }) => Date.parse(status.containerStatuses[0].state.running.startedAt)),
      );
      expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
      expect(Date.now() - youngest).toBeGreaterThanOrEqual(8_000);
      expectStep({ ...step, isInTime: Number(step.outputs['duration-seconds']) < 10 } as Step, { isInTime: true });
    }),
  );

  test.concurrent('that have all joined during the wait do not count before they run the version', async () => {
    const testbed = await startTestbed({ nodes: 0 });
    const alone = await Fleet.create({ testbed });
    try {
      await alone.deploy('v1-hang', { ...fast, podSpec: { nodeSelector: { 'kubernetes.io/os': 'linux' } } });
      await eventually(
        'the controller',
        () => alone.daemonSet(),
        ({ metadata, status }) => status.observedGeneration === metadata.generation,
      );
      await testbed.addNodes(1);
      await eventually(
        'a pod on the first node',
        () => alone.daemonSet(),
        ({ status }) => status.desiredNumberScheduled === 1,
      );
      const running = alone.start({ ...soon, 'failure-grace': '1s', 'tolerate-unavailable': '0' });
      await eventually('the wait', running.log, (log) => log.includes('Waiting for daemon set'));
      const { items } = await alone.json('get', 'nodes');
      await testbed.addNodes(2);
      for (const { metadata } of items) await alone.kubectl(['delete', 'node', metadata.name]);
      expectStep(await running.done, { code: 1, outputs: { outcome: 'stalled', available: '0' } });
    } finally {
      await testbed.stop();
    }
  });

  test.concurrent('that still run the bad version are not excused by a tolerance', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.rollOut('v2', fast);
      const [held] = await pods(fleet);
      await fleet.kubectl(['patch', `pod/${held.metadata.name}`, '--type=merge', '-p', '{"metadata":{"finalizers":["example.com/hold"]}}']);
      try {
        const step = await fleet.rollback({ 'tolerate-unavailable': '1', 'failure-grace': '2s', 'progress-deadline': '6s' });
        expectStep(step, { code: 1, outputs: { outcome: 'stalled', reason: 'terminating', updated: '9', available: '9' } });
      } finally {
        await fleet.kubectl(['patch', `pod/${held.metadata.name}`, '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
      }
    }));
});

describe('the bytes that run', () => {
  /** Makes the kubelets of some pods report another digest. */
  const moveTag = async (fleet: Fleet, moved: Any[]): Promise<void> => {
    const imageID = `registry.example/agent@sha256:${'f'.repeat(64)}`;
    for (const { metadata, status } of moved) {
      const containerStatuses = status.containerStatuses.map((one: Any) => ({ ...one, imageID }));
      const patch = JSON.stringify({ status: { containerStatuses } });
      await fleet.kubectl(['patch', `pod/${metadata.name}`, '--subresource=status', '--type=merge', '-p', patch]);
    }
  };

  test.concurrent('differ between nodes: the step says so, and sets no good mark', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      const [first] = await pods(fleet);
      await moveTag(fleet, [first]);
      const step = await fleet.rollback(gate);
      expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
      expect(step.log).toMatch(
        new RegExp(
          `^::warning::The nodes run different images of the same name registry\\.example/agent:v1: .*\\(${first.spec.nodeName}\\)`,
          'm',
        ),
      );
      expect(step.summary).toContain('different images of the same name');
      expect(fleet.marks()).toBe(0);
    }));

  test.concurrent('are not those of the good mark: the tag was moved', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      expectStep(await fleet.rollback(gate), { code: 0, outputs: { outcome: 'complete' } });
      await moveTag(fleet, await pods(fleet));
      const step = await fleet.rollback(gate);
      expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
      expect(step.log).toMatch(
        /^::warning::The image registry\.example\/agent:v1 is not the one that was known to be good: its tag was moved from sha256:/m,
      );
      expect(fleet.marks()).toBe(1);
    }));
});

describe('a gate', () => {
  test.concurrent('continues if the pods are restarted meanwhile', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      await fleet.deploy('v2-slow', fast);
      const running = fleet.start(gate);
      await eventually('the wait', running.log, (log) => log.includes('Waiting for daemon set'));
      await fleet.kubectl(['rollout', 'restart', 'daemonset/agent']);
      const step = await running.done;
      expectStep(step, { code: 0, outputs: { outcome: 'complete', updated: '10', available: '10' } });
      expect(step.log).toContain('The pods are being restarted, and the version stays the same. The wait continues.');
      const current = await fleet.revision(3);
      expect(current.metadata.annotations).toHaveProperty(['rollback-daemonset/good']);
    }));

  test.concurrent('has the patience that a startup probe announces', () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      const { container } = behaviorOf('v2-slow');
      const startupProbe = { httpGet: { path: '/readyz', port: 8080 }, periodSeconds: 10, failureThreshold: 90 };
      await fleet.deploy('v2-slow', { ...fast, podSpec: { containers: [{ ...container, startupProbe }] } });
      const step = await fleet.rollback({ ...gate, 'progress-deadline': '1s' });
      expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
      expect(step.log).toMatch(
        /^The rollout counts as stalled after 15m 02s without progress: progress-deadline, and 15m 01s that the templates announce/m,
      );
    }));

  test.concurrent('has the patience that the grace period of old pods announces', () =>
    withFleet(async (fleet) => {
      const slow = { ...fast, podSpec: { terminationGracePeriodSeconds: 300 } };
      await fleet.rollOut('v1', slow);
      const names = namesOf(await pods(fleet));
      await fleet.kubectl(['patch', ...['pod', ...names], '--type=merge', '-p', '{"metadata":{"finalizers":["example.com/hold"]}}']);
      await fleet.deploy('v2', { ...fast, podSpec: { terminationGracePeriodSeconds: 0 } });
      const running = fleet.start({ ...gate, 'progress-deadline': '1s' });
      await eventually('the announced time', running.log, (log) => log.includes('stalled after 5m 01s without progress'));
      await fleet.kubectl(['patch', ...['pod', ...names], '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
      expectStep(await running.done, { code: 0, outputs: { outcome: 'complete' } });
    }));
});
