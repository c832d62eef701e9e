/**
 * Versions that a real kubelet runs, restarts and kills, with its own delays: which of them a gate lets pass with its defaults. Their pods have
 * no readiness probe, as those of most DaemonSets, so that they are ready as soon as they run.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { JsonObject } from '../../src/daemonset/types.ts';
import type { Step } from '../../testbed/step.ts';
import { kinds, manifestOf } from '../helpers/kinds.ts';
import { describeOnRealNode } from '../helpers/real-node.ts';
import { type Any, eventually, execute, expectStep, Fleet } from '../helpers/support.ts';

interface Case {
  podSpec: JsonObject;
  outcome: 'complete' | 'failed';
  reason: string;
  /** In the error, or in the log. */
  says?: RegExp;
  /** The gate begins after so many restarts. */
  after?: number;
  /** `kubectl rollout status` certainly succeeds. */
  passes?: true;
  /** The least and the longest time of the step, in seconds. */
  takes?: [least: number, most: number];
}

const running = (container: JsonObject): JsonObject => ({
  containers: [{ name: 'agent', image: 'registry.example/agent:v2', ...container }],
});
const liveness = { httpGet: { path: '/healthz', port: 9 } };
const podSpecOf = (kind: string): JsonObject => (kinds[kind] as (typeof kinds)[string]).podSpec;

const cases: Record<string, Case> = {
  'runs, and is waited for until it has run for 10 s': {
    podSpec: running({}),
    outcome: 'complete',
    reason: 'complete',
    passes: true,
    takes: [7, 16],
  },
  'crashes at once': { podSpec: podSpecOf('crash'), outcome: 'failed', reason: 'crash-loop' },
  'crashes after 5 s': { podSpec: running({ args: ['crash', '1', '5'] }), outcome: 'failed', reason: 'crash-loop', passes: true },
  'crashes every 15 s': {
    podSpec: running({ args: ['crash', '1', '15'] }),
    outcome: 'failed',
    reason: 'crash-loop',
    after: 1,
    passes: true,
  },
  'exits with 0': { podSpec: podSpecOf('exit-0'), outcome: 'failed', reason: 'crash-loop' },
  'runs out of memory': { podSpec: podSpecOf('oom'), outcome: 'failed', reason: 'oom-killed' },
  'has a liveness probe with a wrong port, which kills it after 30 s': {
    podSpec: running({ livenessProbe: liveness }),
    outcome: 'failed',
    reason: 'probe-failed',
    says: /the probe of container "agent" fails \(\d+ restarts?\): Liveness probe failed/,
    passes: true,
  },
  'crashes once, and then runs': { podSpec: podSpecOf('flaky'), outcome: 'complete', reason: 'complete', takes: [7, 30] },
};

interface Played {
  step: Step;
  kubectl: number;
  marks: number;
}

async function play({ podSpec, after }: Case): Promise<Played> {
  const fleet = await Fleet.create();
  try {
    await fleet.serviceAccount();
    await fleet.kubectl(['create', '-f', '-'], JSON.stringify(manifestOf(podSpec, fleet.namespace)));
    const { kubectl, kubeconfig } = fleet.testbed;
    const status = execute(kubectl, [
      ...['--kubeconfig', kubeconfig, '--namespace', fleet.namespace],
      ...['rollout', 'status', 'daemonset/agent', '--timeout=60s'],
    ]);
    if (after !== undefined)
      await eventually(
        `${after} restarts`,
        () => fleet.json('get', 'pods'),
        ({ items }) => items.some((pod: Any) => (pod.status.containerStatuses?.[0]?.restartCount ?? 0) >= after),
      );
    const step = await fleet.rollback({ command: 'status', timeout: '6m', 'stable-for': 'auto', 'failure-grace': '10s' });
    return { step, kubectl: (await status).code, marks: fleet.marks() };
  } finally {
    await fleet.remove();
  }
}

describeOnRealNode('a version that', () => {
  const played = new Map<string, Promise<Played>>();

  beforeAll(() => {
    for (const [name, one] of Object.entries(cases)) {
      const run = play(one);
      run.catch(() => {});
      played.set(name, run);
    }
  });
  afterAll(() => Promise.allSettled(played.values()));

  test.each(Object.keys(cases))(
    '%s',
    async (name) => {
      const { outcome, reason, says, passes, takes } = cases[name] as Case;
      const { step, kubectl, marks } = (await played.get(name)) as Played;
      expectStep(step, { code: outcome === 'complete' ? 0 : 1, outputs: { outcome, reason } });
      // Only a version that stays up is known to be good.
      expect(marks).toBe(outcome === 'complete' ? 1 : 0);
      if (says) expect(step.log).toMatch(says);
      if (passes) expect(kubectl).toBe(0);
      const [least, most] = takes ?? [0, 360];
      const seconds = Number(step.outputs['duration-seconds']);
      expect(seconds).toBeGreaterThanOrEqual(least);
      expect(seconds).toBeLessThanOrEqual(most);
    },
    420_000,
  );
});
