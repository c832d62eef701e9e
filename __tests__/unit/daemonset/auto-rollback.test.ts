import { expect, test } from '@jest/globals';
import { shouldRollBack } from '../../../src/daemonset/auto-rollback.ts';
import type { Facts, Result } from '../../../src/daemonset/result.ts';
import type { Fault } from '../../../src/daemonset/version-failure.ts';
import { decisionText } from '../../../src/report/messages/rollout.ts';
import { resultWith } from '../../helpers/builders.ts';

function result(outcome: Result['outcome'], fault?: Fault): Result {
  return resultWith({ outcome, reason: 'internal', facts: { kind: 'rolled-out' } }, undefined, fault && { fault });
}

test.each<[string, Result, boolean, RegExp]>([
  ['the version', result('failed', { kind: 'version', nodes: 2 }), true, /does not run on 2 nodes/],
  ['the version, on the only node', result('failed', { kind: 'version', nodes: 1 }), true, /does not run on 1 node\./],
  ['the version, which stalled', result('stalled', { kind: 'version', nodes: 3 }), true, /does not run on 3 nodes/],
  ['one of many nodes', result('failed', { kind: 'one-node', updated: 5 }), false, /only 1 of the 5 nodes/],
  ['nodes that are tolerated', result('failed', { kind: 'tolerated', nodes: 2 }), false, /only 2 nodes are affected, .* allows/],
  ['a node from before', result('failed', { kind: 'broken-before', nodes: ['n1'] }), false, /the pod before was unavailable too \(n1\)/],
  ['what makes other versions crash', result('failed', { kind: 'others-crash' }), false, /pods of other versions crash too/],
  ['an environment that may recover', result('stalled', { kind: 'may-recover' }), false, /may go away by itself/],
  ['something else', result('stalled', { kind: 'other' }), false, /something other than this version/],
  ['something unknown', result('stalled'), false, /could not determine/],
  ['only the time', result('timed-out'), false, /rollback-on-timeout is not set/],
])('decides whether to roll back if what is at fault is %s', (_name, broken, rollBack, why) => {
  const decision = shouldRollBack(broken, { onTimeout: false });
  expect(decision.rollBack).toBe(rollBack);
  expect(decisionText(decision)).toMatch(why);
});

test('a version that no longer matches its nodes is rolled back, without a cause', () => {
  const facts: Facts = { kind: 'no-nodes', before: { number: 1, name: 'agent-1' }, nodes: ['node-1'], template: {} };
  const decision = shouldRollBack(resultWith({ outcome: 'failed', reason: 'no-nodes', facts }), { onTimeout: false });
  expect(decision.rollBack).toBe(true);
  expect(decisionText(decision)).toMatch(/no longer matches nodes/);
});

test('a timeout is enough with rollback-on-timeout', () => {
  expect(shouldRollBack(result('timed-out'), { onTimeout: true }).rollBack).toBe(true);
});
