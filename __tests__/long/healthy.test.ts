/**
 * No false alarms: healthy rollouts of all kinds, with settings that leave each pod hardly more time than it needs, and with gates that
 * would roll back. A seed chooses them; `TEST_SEED` repeats those of an earlier run.
 */
import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Behavior, behaviorOf, initBehaviorOf, podOf } from '../../testbed/manifest.ts';
import type { RunningStep } from '../../testbed/step.ts';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { pace } from '../helpers/pace.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions, printLine } from '../helpers/support.ts';
import { changePods } from '../helpers/webhook.ts';

/** The maximum in seconds until a container is ready, by the behavior that its tag sets (testbed/README.md). */
const SECONDS = {
  ...{ fine: 1, jitter: 8, slow: 5, flaky: 1, twice: 5 },
  ...{ 'flaky-pull': 4, 'cache-sync': 4, 'slow-pull': 12, outage: 24 },
} as const;
/** How often a container crashes before it is fine. */
const CRASHES: Partial<Record<string, number>> = { flaky: 1, twice: 2 };
/** Seconds for everything except the pods: the controller, the API server, and other load on the machine. */
const SLACK = 5;

type Course = keyof typeof SECONDS;
const tagOf = (version: string, course: Course): string => (course === 'fine' ? version : `${version}-${course}`);

/** A healthy rollout, although not every pod is ready at once. */
interface Rollout {
  command: 'status' | 'rollback';
  course: Course;
  init: Course | 'none';
  beside: 'none' | 'fine' | 'the same';
  rollingUpdate: object;
  minReadySeconds: number;
  /** The behavior of the version that it replaces. */
  instead: 'fine' | 'missing' | 'crash' | 'hang' | 'unmounted';
  /** Whether two of the ten pods crash once. */
  unlucky: boolean;
  /** What happens to a node meanwhile. */
  nodes: 'stay' | 'join' | 'leave' | 'are not ready';
  /** There are warnings from before. */
  warnings: boolean;
}

const course = fc.constantFrom(...(Object.keys(SECONDS) as Course[]));
const rollout: fc.Arbitrary<Rollout> = fc
  .record({
    command: fc.constantFrom('status', 'status', 'rollback'),
    course,
    init: fc.oneof(fc.constant('none' as const), course),
    beside: fc.constantFrom('none', 'none', 'fine', 'the same'),
    pace,
    instead: fc.constantFrom('fine', 'fine', 'missing', 'crash', 'hang', 'unmounted'),
    unlucky: fc.constantFrom(false, false, true),
    nodes: fc.constantFrom('stay', 'stay', 'stay', 'join', 'leave', 'are not ready'),
    warnings: fc.boolean(),
  })
  // A pod has one kind of failure at a time.
  .map(({ pace, course, ...others }): Rollout => ({ ...others, ...pace, course: others.unlucky ? 'fine' : course }))
  // A version that crashes more often is broken, and without rollback-on-failure two crashes are enough.
  .filter((one) => crashesOf(one) <= (one.command === 'status' ? 2 : 1));

/** How often each pod crashes. */
function crashesOf({ course, init, beside, unlucky }: Rollout): number {
  const courses = [init, course, ...(beside === 'the same' ? [course] : [])];
  return courses.reduce((sum, one) => sum + (CRASHES[one] ?? 0), unlucky ? 1 : 0);
}

const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const rollouts = fc.sample(rollout, { seed, numRuns: 100 }).map((one, index) => ({ ...one, number: index + 1 }));

const inWords = ({
  number,
  command,
  course,
  init,
  beside,
  rollingUpdate,
  minReadySeconds,
  instead,
  unlucky,
  nodes,
  warnings,
}: Rollout & { number: number }): string => {
  const parts = [`${command} of ${course}`, `init ${init}`, `beside ${beside}`, JSON.stringify(rollingUpdate).replaceAll('"', '')];
  const around = [...(unlucky ? ['two pods crash once'] : []), `nodes ${nodes}`, ...(warnings ? ['warnings from before'] : [])];
  return `rollout ${number}: ${[...parts, `minReadySeconds ${minReadySeconds}`, `instead of ${instead}`, ...around].join(', ')}`;
};

function behaviorsOf({ course, beside }: Rollout, version: string): Behavior[] {
  const agent = behaviorOf(tagOf(version, course));
  if (beside === 'none') return [agent];
  return [agent, behaviorOf(tagOf(version, beside === 'fine' ? 'fine' : course), { name: 'helper', port: 8081 })];
}

/** Tight limits. Nothing that resolves within them is allowed to end the wait. */
function tightInputs(one: Rollout): Record<string, string> {
  const { command, course, init, nodes } = one;
  const courses = init === 'none' ? [course] : [init, course];
  // The controller does not count a node that is not ready, and its pod is replaced later.
  const more = nodes === 'stay' ? 0 : 2 * SLACK + (nodes === 'leave' ? COLLECTED : NOT_READY) / 1_000;
  const seconds = courses.reduce((sum, each) => sum + SECONDS[each], SLACK + more);
  // Only these can be mistaken for a permanent failure; the others need no grace period.
  const doubtful = courses.filter((each) => each === 'flaky-pull' || each === 'slow-pull' || crashesOf(one) > 1);
  const grace = doubtful.reduce((sum, each) => sum + SECONDS[each], doubtful.length > 0 ? SLACK : 0);
  const gate = command === 'status' ? { 'rollback-on-failure': 'true' } : {};
  return { command, ...gate, timeout: '9m', 'progress-deadline': `${seconds}s`, 'failure-grace': `${grace}s` };
}

/** Nodes come and go, so each rollout has its own, in one test bed. */
let started: Promise<Testbed> | undefined;
const ownTestbed = (): Promise<Testbed> => {
  started ??= startTestbed({ nodes: 0, maxContainerRestartPeriod: '1s' });
  return started;
};
afterAll(async () => (await started)?.stop());
/** For how long a node is not ready, in milliseconds. */
const NOT_READY = 3_000;
/** A pod of a deleted node uses up maxSurge until it is deleted too, after at most this long (kube-controller-manager: PodGC). Milliseconds. */
const COLLECTED = 80_000;

/** Nodes are added one after the other, because each gets the next number. */
let adding: Promise<unknown> = Promise.resolve();
/** Adds nodes for the rollout, and returns their names. */
function join(fleet: Fleet, count: number): Promise<string[]> {
  const names = async (): Promise<string[]> => ((await fleet.json('get', 'nodes')).items as Any[]).map(({ metadata }) => metadata.name);
  const added = adding.then(async () => {
    const before = new Set(await names());
    await fleet.testbed.addNodes(count);
    const mine = (await names()).filter((name) => !before.has(name));
    await fleet.kubectl(['label', 'node', ...mine, `fleet=${fleet.namespace}`]);
    return mine;
  });
  adding = added.catch(() => {});
  return added;
}

/** What happens to a node while the step waits. Returns the nodes that are left. */
async function disturb({ nodes }: Rollout, fleet: Fleet, mine: string[], running: RunningStep): Promise<string[]> {
  const [first = ''] = mine;
  await eventually('the wait', running.log, (log) => log.includes('rollout to finish') || log.includes('Took '));
  if (nodes === 'join') return [...mine, ...(await join(fleet, 1))];
  if (nodes === 'leave') {
    await fleet.kubectl(['delete', 'node', first]);
    return mine.slice(1);
  }
  if (nodes === 'are not ready') {
    await fleet.kubectl(['annotate', 'node', first, 'testbed/not-ready=true']);
    const began = Date.now();
    await eventually(
      'a node that is not ready for a while',
      () => Date.now() - began,
      (ms) => ms >= NOT_READY,
    );
    await fleet.kubectl(['annotate', 'node', first, 'testbed/not-ready-']);
  }
  return mine;
}

/** Warnings about the DaemonSet that are ten minutes old. */
async function warn(fleet: Fleet): Promise<void> {
  const { uid } = (await fleet.daemonSet()).metadata;
  const time = new Date(Date.now() - 600_000).toISOString().replace(/\.\d+/, '');
  for (const reason of ['FailedCreate', 'FailedDelete', 'FailedPlacement']) {
    const event = {
      ...{ apiVersion: 'v1', kind: 'Event', type: 'Warning', reason, message: `Error: ${reason}`, count: 7 },
      metadata: { name: `${fleet.name}.${reason.toLowerCase()}`, namespace: fleet.namespace },
      ...{ firstTimestamp: time, lastTimestamp: time, source: { component: 'daemonset-controller' } },
      involvedObject: { apiVersion: 'apps/v1', kind: 'DaemonSet', name: fleet.name, namespace: fleet.namespace, uid },
    };
    await fleet.kubectl(['create', '-f', '-'], JSON.stringify(event));
  }
}

/** Two pods of the version crash once. */
const beUnlucky = (fleet: Fleet, nodes: string[], version: string): Promise<void> =>
  changePods(fleet, ({ spec }) => {
    const [{ image }] = spec.containers;
    const node = nodes.find((name) => JSON.stringify(spec.affinity ?? {}).includes(`"${name}"`));
    if (!node || !new RegExp(`:${version}\\b`).test(image)) return [];
    return [{ op: 'add', path: '/spec/containers/-', value: { name: 'unlucky', image: 'registry.example/unlucky:v1-flaky' } }];
  });

async function play(one: Rollout, fleet: Fleet): Promise<void> {
  const { command, rollingUpdate, minReadySeconds, instead } = one;
  const spec = { minReadySeconds, updateStrategy: { type: 'RollingUpdate', rollingUpdate } };
  const wanted = command === 'status' ? 'v3' : 'v1';
  const behaviors = behaviorsOf(one, wanted);
  const init = one.init === 'none' ? [] : [initBehaviorOf(tagOf(wanted, one.init))];
  const nodeSelector = { fleet: fleet.namespace };
  const options: ManifestOptions = { spec, podSpec: { ...podOf(behaviors, init), nodeSelector } };
  const plain: ManifestOptions = { spec, podSpec: { nodeSelector } };
  const mine = await join(fleet, 10);

  await fleet.rollOut('v1', command === 'rollback' ? options : plain);
  if (instead === 'fine') await fleet.rollOut('v2', plain);
  else await breakRollout(fleet, `v2-${instead}`, plain);
  if (one.warnings) await warn(fleet);
  if (one.unlucky) await beUnlucky(fleet, mine.slice(-2), wanted);
  if (command === 'status') await fleet.deploy('v3', options);

  const running = fleet.start(tightInputs(one));
  const [step, left] = await Promise.all([running.done, disturb(one, fleet, mine, running)]);
  const outcome = command === 'status' ? 'complete' : 'rolled-back';
  expectStep(step, { code: 0, log: expect.not.stringContaining('::error'), outputs: { outcome } });
  // A node that joins or leaves may do so at the end of the wait.
  const count = `${mine.length}`;
  if (one.nodes === 'stay') expectStep(step, { outputs: { desired: count, updated: count, available: count } });
  expect(fleet.writes()).toBe(command === 'status' ? 0 : 1);
  await fleet.kubectl(['rollout', 'status', `daemonset/${fleet.name}`, '--timeout=60s']);
  const readyOn = async (): Promise<string[]> =>
    ((await fleet.json('get', 'pods')).items as Any[])
      .filter(({ status }) => status.conditions?.some(({ type, status: is }: Any) => type === 'Ready' && is === 'True'))
      .filter(({ spec: { nodeName } }) => left.includes(nodeName))
      .map(({ spec: { nodeName, containers } }) => {
        const images = containers.filter(({ name }: Any) => name !== 'unlucky').map(({ image }: Any) => image);
        return `${nodeName}: ${images}`;
      });
  const images = behaviors.map(({ container }) => container.image);
  // A node that was not ready reports its pods a moment later.
  const there = await eventually('a pod on each node', readyOn, (all) => all.length === left.length);
  expect(there.sort()).toEqual(left.map((node) => `${node}: ${images}`).sort());
}

/** Deploys a version whose pods never become ready, and waits for its first pod. */
async function breakRollout(fleet: Fleet, tag: string, { spec, podSpec }: ManifestOptions): Promise<void> {
  const { container, volumes } = behaviorOf(tag);
  await fleet.deploy(tag, { spec: spec ?? {}, podSpec: { ...podSpec, containers: [container], ...(volumes.length > 0 && { volumes }) } });
  await eventually(
    'a pod that cannot start',
    async () => (await fleet.json('get', 'pods')).items as Any[],
    (pods) => pods.some(({ spec: { containers }, status }) => containers[0].image.endsWith(tag) && status.containerStatuses !== undefined),
  );
}

printLine(`The seed is ${seed}.`);
test.concurrent.each(rollouts.map((one): [string, typeof one] => [inWords(one), one]))(
  '%s',
  async (_name, one) => {
    const fleet = await Fleet.create({ testbed: await ownTestbed() });
    try {
      await play(one, fleet);
    } catch (error) {
      const again = `Again: TEST_SEED=${seed} npm run test:long -- -t 'rollout ${one.number}:'`;
      throw new Error(`${(error as Error).message}\n\n${again}`);
    } finally {
      await fleet.remove();
      await fleet.kubectl(['delete', 'node', '--selector', `fleet=${fleet.namespace}`, '--ignore-not-found', '--wait=false']);
    }
  },
  3_600_000,
);
