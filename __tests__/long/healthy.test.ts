/**
 * No false alarms: healthy rollouts of all kinds, with settings that leave each pod hardly more time than it needs. A seed chooses
 * them; `TEST_SEED` repeats those of an earlier run.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Behavior, behaviorOf, initBehaviorOf, podOf } from '../../testbed/manifest.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions, printLine } from '../e2e/support.ts';

/** The maximum in seconds until a container is ready, by the behavior that its tag sets (testbed/README.md). */
const SECONDS = { fine: 1, jitter: 8, slow: 5, flaky: 1, 'flaky-pull': 4, 'cache-sync': 4 } as const;
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
}

const course = fc.constantFrom(...(Object.keys(SECONDS) as Course[]));
const pace = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      rollingUpdate: fc.constantFrom<object[]>(
        { maxUnavailable: 1 },
        { maxUnavailable: 3 },
        { maxUnavailable: '20%' },
        { maxUnavailable: '45%' },
        { maxUnavailable: '100%' },
      ),
      minReadySeconds: fc.constantFrom(0, 3, 6),
    }),
  },
  // With both maxSurge and minReadySeconds, the controller does not sync again when a new pod becomes available (v1.37: updatePod,
  // updateDaemonSetStatus), so the rollout is not progressing until something else happens. That is not a false alarm.
  {
    weight: 1,
    arbitrary: fc.record({
      rollingUpdate: fc.constantFrom<object[]>({ maxUnavailable: 0, maxSurge: 2 }, { maxUnavailable: 0, maxSurge: '50%' }),
      minReadySeconds: fc.constant(0),
    }),
  },
);
const rollout: fc.Arbitrary<Rollout> = fc
  .record({
    command: fc.constantFrom('status', 'status', 'rollback'),
    course,
    init: fc.oneof(fc.constant('none' as const), course),
    beside: fc.constantFrom('none', 'none', 'fine', 'the same'),
    pace,
    instead: fc.constantFrom('fine', 'fine', 'missing', 'crash', 'hang', 'unmounted'),
  })
  .map(({ pace, ...others }) => ({ ...others, ...pace }));

const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const rollouts = fc.sample(rollout, { seed, numRuns: 50 }).map((one, index) => ({ ...one, number: index + 1 }));

const inWords = ({
  number,
  command,
  course,
  init,
  beside,
  rollingUpdate,
  minReadySeconds,
  instead,
}: Rollout & { number: number }): string => {
  const parts = [`${command} of ${course}`, `init ${init}`, `beside ${beside}`, JSON.stringify(rollingUpdate).replaceAll('"', '')];
  return `rollout ${number}: ${[...parts, `minReadySeconds ${minReadySeconds}`, `instead of ${instead}`].join(', ')}`;
};

function behaviorsOf({ course, beside }: Rollout, version: string): Behavior[] {
  const agent = behaviorOf(tagOf(version, course));
  if (beside === 'none') return [agent];
  return [agent, behaviorOf(tagOf(version, beside === 'fine' ? 'fine' : course), { name: 'helper', port: 8081 })];
}

/** Tight limits. Nothing that resolves within them is allowed to end the wait. */
function tightInputs({ command, course, init }: Rollout): Record<string, string> {
  const courses = init === 'none' ? [course] : [init, course];
  const seconds = courses.reduce((sum, one) => sum + SECONDS[one], SLACK);
  // Only a failed pull counts as a failure that may be permanent; the others need no grace period.
  const grace = courses.includes('flaky-pull') ? SECONDS['flaky-pull'] + SLACK : 0;
  return { command, timeout: '9m', 'progress-deadline': `${seconds}s`, 'failure-grace': `${grace}s` };
}

async function play(one: Rollout, fleet: Fleet): Promise<void> {
  const { command, rollingUpdate, minReadySeconds, instead } = one;
  const spec = { minReadySeconds, updateStrategy: { type: 'RollingUpdate', rollingUpdate } };
  const wanted = command === 'status' ? 'v3' : 'v1';
  const behaviors = behaviorsOf(one, wanted);
  const init = one.init === 'none' ? [] : [initBehaviorOf(tagOf(wanted, one.init))];
  const options: ManifestOptions = { spec, podSpec: podOf(behaviors, init) };

  await fleet.rollOut('v1', command === 'rollback' ? options : { spec });
  if (instead === 'fine') await fleet.rollOut('v2', { spec });
  else await breakRollout(fleet, `v2-${instead}`, spec);
  if (command === 'status') await fleet.deploy('v3', options);

  const step = await fleet.rollback(tightInputs(one));
  expectStep(step, {
    code: 0,
    log: expect.not.stringContaining('::error'),
    outputs: { outcome: command === 'status' ? 'complete' : 'rolled-back', desired: '10', updated: '10', available: '10' },
  });
  expect(await fleet.kubectl(['rollout', 'status', `daemonset/${fleet.name}`, '--watch=false'])).toContain('successfully rolled out');
  const running = ((await fleet.json('get', 'pods')).items as Any[])
    .filter(({ status }) => status.conditions.some(({ type, status: is }: Any) => type === 'Ready' && is === 'True'))
    .map(({ spec: { nodeName, containers } }) => `${nodeName}: ${containers.map(({ image }: Any) => image)}`);
  const images = behaviors.map(({ container }) => container.image);
  expect(running.sort()).toEqual(Array.from({ length: 10 }, (_, index) => `node-${index + 1}: ${images}`).sort());
}

/** Deploys a version whose pods never become ready, and waits for its first pod. */
async function breakRollout(fleet: Fleet, tag: string, spec: object): Promise<void> {
  await fleet.deploy(tag, { spec });
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
    const fleet = await Fleet.create();
    try {
      await play(one, fleet);
    } catch (error) {
      const again = `Again: TEST_SEED=${seed} npm run test:long -- -t 'rollout ${one.number}:'`;
      throw new Error(`${(error as Error).message}\n\n${again}`);
    } finally {
      await fleet.remove();
    }
  },
  3_600_000,
);
