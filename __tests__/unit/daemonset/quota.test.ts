import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { quantityOf } from '../../../src/daemonset/quantity.ts';
import { exceedsQuota } from '../../../src/daemonset/quota.ts';
import type { JsonObject } from '../../../src/daemonset/types.ts';

test.each<[string, number | undefined]>([
  ['1', 1],
  ['100m', 0.1],
  ['1500u', 0.0015],
  ['1.5Gi', 1.5 * 2 ** 30],
  ['2G', 2e9],
  ['1e3', 1000],
  ['1E', 1e18],
  ['.5', 0.5],
  ['5.', 5],
  ['-1Ki', -1024],
  ['', undefined],
  ['1 Gi', undefined],
  ['1KiB', undefined],
  ['x', undefined],
])('the quantity %j is %s', (text, expected) => {
  if (expected === undefined) expect(quantityOf(text)).toBeUndefined();
  else expect(quantityOf(text)).toBeCloseTo(expected, 9);
});

const denial = (requested: string, used: string, limited: string): string =>
  `pods "agent-x" is forbidden: exceeded quota: q, requested: ${requested}, used: ${used}, limited: ${limited}`;
const pod = (requests: JsonObject, limits: JsonObject = {}): JsonObject => ({
  containers: [{ name: 'agent', resources: { requests, limits } }],
});

test.each<[string, string, JsonObject | undefined, boolean | undefined]>([
  ['its own quota of pods, full', denial('pods=1', 'pods=10', 'pods=10'), pod({}), false],
  ['no pod runs', denial('pods=1', 'pods=10', 'pods=10'), undefined, true],
  ['too many pods of others', denial('pods=1', 'pods=11', 'pods=10'), pod({}), true],
  ['the same CPU', denial('requests.cpu=100m', 'requests.cpu=1', 'requests.cpu=1'), pod({ cpu: '100m' }), false],
  ['more CPU than the pod that goes', denial('requests.cpu=200m', 'requests.cpu=1', 'requests.cpu=1'), pod({ cpu: '100m' }), true],
  ['less CPU', denial('cpu=50m', 'cpu=1', 'cpu=1'), pod({ cpu: '100m' }), false],
  [
    'one of two resources',
    denial('limits.memory=1Gi,pods=1', 'limits.memory=10Gi,pods=10', 'limits.memory=10Gi,pods=10'),
    pod({}, { memory: '1Gi' }),
    false,
  ],
  [
    'a limit without a request',
    denial('requests.memory=1Gi', 'requests.memory=10Gi', 'requests.memory=10Gi'),
    pod({}, { memory: '1Gi' }),
    false,
  ],
  [
    'only one of two fits',
    denial('limits.memory=2Gi,pods=1', 'limits.memory=10Gi,pods=10', 'limits.memory=10Gi,pods=10'),
    pod({}, { memory: '1Gi' }),
    true,
  ],
  ['what must be specified', 'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: agent', pod({}), undefined],
  ['a quantity that is not one', denial('pods=one', 'pods=10', 'pods=10'), pod({}), undefined],
])('quota: %s', (_name, message, running, expected) => {
  expect(exceedsQuota(message, running)).toBe(expected);
});

test('a pod that replaces an equal one never exceeds a quota that holds', () => {
  const amount = fc.integer({ min: 1, max: 5_000 });
  fc.assert(
    fc.property(amount, fc.integer({ min: 1, max: 1_000 }), amount, (each, others, room) => {
      const used = each + others;
      const message = denial(`requests.cpu=${each}m`, `requests.cpu=${used}m`, `requests.cpu=${used + Math.min(room, each - 1)}m`);
      expect(exceedsQuota(message, pod({ cpu: `${each}m` }))).toBe(false);
    }),
  );
});

test('init containers and sidecars count as the scheduler counts them', () => {
  const spec: JsonObject = {
    initContainers: [
      { name: 'sidecar', restartPolicy: 'Always', resources: { requests: { cpu: '100m' } } },
      { name: 'setup', resources: { requests: { cpu: '900m' } } },
    ],
    containers: [{ name: 'agent', resources: { requests: { cpu: '200m' } } }],
    overhead: { cpu: '50m' },
  };
  // The largest: sidecar and setup together, and the overhead.
  expect(exceedsQuota(denial('requests.cpu=1050m', 'requests.cpu=2', 'requests.cpu=2'), spec)).toBe(false);
  expect(exceedsQuota(denial('requests.cpu=1060m', 'requests.cpu=2', 'requests.cpu=2'), spec)).toBe(true);
});
