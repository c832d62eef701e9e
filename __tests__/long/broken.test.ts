/**
 * No missed alarms: each broken version is rolled back by a gate, whatever is broken, and however the rollout is paced. A seed chooses
 * the rollouts; `TEST_SEED` repeats those of an earlier run.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Behavior, behaviorOf, initBehaviorOf, podOf } from '../../testbed/manifest.ts';
import { pace } from '../helpers/pace.ts';
import { expectStep, Fleet, type ManifestOptions, printLine } from '../helpers/support.ts';

/** What a gate finds, by the behavior that the tag sets (testbed/README.md). */
const REASONS = {
  ...{ crash: 'crash-loop', panic: 'crash-loop', oom: 'oom-killed', 'slow-crash': 'crash-loop', 'run-error': 'start-error' },
  ...{ missing: 'image-pull', private: 'image-pull', denied: 'image-pull', toomany: 'image-pull', broken: 'image-pull' },
  ...{ 'invalid-name': 'invalid-image', 'config-error': 'config-error', unmounted: 'volume-mount' },
  ...{ unhealthy: 'probe-failed', hang: 'not-ready', silent: 'not-ready', full: 'storage-limit' },
} as const;

type Kind = keyof typeof REASONS;

/** What may be cured from outside is waited for: at least a minute and a half. */
const CURABLE: readonly Kind[] = ['toomany', 'broken', 'unmounted'];

/** Ready at times, at least without a readiness probe. */
const UNSTEADY: readonly Kind[] = ['crash', 'panic', 'oom', 'slow-crash', 'full'];
/** Init containers with these tags run forever; or the kubelet ends the whole pod. */
const ENDLESS: readonly Kind[] = ['unhealthy', 'hang', 'silent'];

interface Broken {
  kind: Kind;
  where: 'agent' | 'init' | 'helper';
  /** Without a readiness probe, the pods are ready as soon as they run. */
  isProbed: boolean;
  rollingUpdate: object;
  minReadySeconds: number;
  /** The version before has the good mark. */
  isMarked: boolean;
}

const broken: fc.Arbitrary<Broken> = fc
  .record({
    kind: fc.constantFrom(...(Object.keys(REASONS) as Kind[])),
    where: fc.constantFrom('agent', 'agent', 'init', 'helper'),
    isProbed: fc.boolean(),
    pace,
    isMarked: fc.boolean(),
  })
  .map(
    ({ pace, kind, isProbed, where, ...others }): Broken => ({
      ...{ ...others, ...pace, kind },
      isProbed: isProbed || !UNSTEADY.includes(kind),
      where: kind === 'full' || kind === 'unmounted' ? 'agent' : where,
    }),
  );

const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const rollouts = fc.sample(broken, { seed, numRuns: 50 }).map((one, index) => ({ ...one, number: index + 1 }));

const inWords = ({ number, kind, where, isProbed, rollingUpdate, minReadySeconds, isMarked }: Broken & { number: number }): string => {
  const parts = [`${kind} in ${where}`, isProbed ? 'probed' : 'not probed', JSON.stringify(rollingUpdate).replaceAll('"', '')];
  return `rollout ${number}: ${[...parts, `minReadySeconds ${minReadySeconds}`, isMarked ? 'marked' : 'not marked'].join(', ')}`;
};

function podSpecOf({ kind, where, isProbed }: Broken): object {
  const bad = `v2-${kind}`;
  const agent = behaviorOf(where === 'agent' ? bad : 'v2');
  const helpers: Behavior[] = where === 'helper' ? [behaviorOf(bad, { name: 'helper', port: 8081 })] : [];
  const behaviors = [agent, ...helpers];
  for (const { container } of isProbed ? [] : behaviors) delete container.readinessProbe;
  return podOf(behaviors, where === 'init' ? [initBehaviorOf(bad)] : []);
}

async function play(one: Broken, fleet: Fleet): Promise<void> {
  const { kind, where, rollingUpdate, minReadySeconds, isMarked } = one;
  const spec = { minReadySeconds, updateStrategy: { type: 'RollingUpdate', rollingUpdate } };
  const options: ManifestOptions = { spec, podSpec: podSpecOf(one) };
  await fleet.rollOut('v1', { spec });
  if (isMarked) expectStep(await fleet.rollback({ command: 'status' }), { code: 0 });
  await fleet.deploy('v2', options);

  const progressDeadlineMs = CURABLE.includes(kind) ? '3m' : '15s';
  const limits = { timeout: '9m', 'progress-deadline': progressDeadlineMs, 'failure-grace': '5s', 'stable-for': 'auto' };
  const step = await fleet.rollback({ command: 'status', 'rollback-on-failure': 'true', ...limits });
  const isEndless = where === 'init' && ENDLESS.includes(kind);
  const reason = isEndless ? 'starting' : REASONS[kind];
  const outcome = reason === 'starting' || reason === 'not-ready' ? 'stalled' : 'failed';
  expectStep(step, { code: 1, outputs: { outcome, reason, changed: 'true', 'target-revision': '1', available: '10' } });
  expect(step.log).toMatch(/^::error title=[^:]*(?<!not )rolled back/m);
  expect(await fleet.image()).toBe('v1');
  await fleet.kubectl(['rollout', 'status', `daemonset/${fleet.name}`, '--timeout=60s']);
}

printLine(`The seed is ${seed}.`);
test.concurrent.each(rollouts.map((one): [string, typeof one] => [inWords(one), one]))(
  '%s',
  async (_name, one) => {
    const fleet = await Fleet.create();
    try {
      await play(one, fleet);
    } catch (error) {
      const again = `Again: TEST_SEED=${seed} npm run test:long -- broken -t 'rollout ${one.number}:'`;
      throw new Error(`${(error as Error).message}\n\n${again}`);
    } finally {
      await fleet.remove();
    }
  },
  3_600_000,
);
