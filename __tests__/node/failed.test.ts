/** Which versions a gate takes back from a real node, where a kubelet decides how long it waits: with its defaults, and a good version before. */
import { expect, test } from '@jest/globals';
import { behaviorOf, podOf } from '../../testbed/manifest.ts';
import { kinds, manifestOf } from '../helpers/kinds.ts';
import { describeOnRealNode } from '../helpers/real-node.ts';
import { type Any, eventually, expectStep, Fleet } from '../helpers/support.ts';

interface Case {
  podSpec: Any;
  outcome: 'complete' | 'failed';
  reason: string;
  /** What happens while the gate waits. */
  meanwhile?(fleet: Fleet): Promise<unknown>;
}

const podSpecOf = (kind: string): Any => (kinds[kind] as (typeof kinds)[string]).podSpec;
/** Without probes, as most DaemonSets. */
const twice = behaviorOf('v2-twice');
for (const probe of ['readinessProbe', 'livenessProbe']) delete (twice.container as Any)[probe];

const cases: Record<string, Case> = {
  'crashes is taken back': { podSpec: podSpecOf('crash'), outcome: 'failed', reason: 'crash-loop' },
  'exceeds its own limit of storage is taken back': { podSpec: podSpecOf('evicted'), outcome: 'failed', reason: 'storage-limit' },
  'crashes twice, and runs after the delay of the kubelet, is kept': { podSpec: podOf([twice]), outcome: 'complete', reason: 'complete' },
  'waits for a ConfigMap that is created later than failure-grace allows is kept': {
    podSpec: {
      volumes: [{ name: 'data', configMap: { name: 'agent-late' } }],
      containers: [{ name: 'agent', image: 'registry.example/agent:v2', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
    },
    outcome: 'complete',
    reason: 'complete',
    meanwhile: async (fleet) => {
      const first = async (): Promise<number> => {
        const { items } = await fleet.json('get', 'events', '--field-selector', 'reason=FailedMount');
        return Math.min(...items.map((event: Any) => Date.parse(event.firstTimestamp)));
      };
      // The kubelet tries again half a minute after this.
      await eventually('failed attempts for 33 s', first, (at) => Date.now() - at > 33_000);
      await fleet.kubectl(['create', 'configmap', 'agent-late']);
    },
  },
};

describeOnRealNode('a version that', () => {
  test.concurrent.each(Object.keys(cases))(
    '%s',
    async (name) => {
      const { podSpec, outcome, reason, meanwhile } = cases[name] as Case;
      const fleet = await Fleet.create();
      try {
        await fleet.serviceAccount();
        const apply = (spec: Any): Promise<string> =>
          fleet.kubectl(['apply', '-f', '-'], JSON.stringify(manifestOf(spec, fleet.namespace)));
        await apply(podSpecOf('healthy'));
        await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
        await apply(podSpec);
        const inputs = { command: 'status', 'rollback-on-failure': 'true', timeout: '4m', 'stable-for': 'auto' };
        const [step] = await Promise.all([fleet.rollback(inputs), meanwhile?.(fleet)]);
        const isKept = outcome === 'complete';
        expectStep(step, { code: isKept ? 0 : 1, outputs: { outcome, reason, changed: String(!isKept), available: '1' } });
        expect(fleet.writes()).toBe(isKept ? 0 : 1);
      } finally {
        await fleet.remove();
      }
    },
    420_000,
  );
});
