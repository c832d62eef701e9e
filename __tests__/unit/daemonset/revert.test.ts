import { expect, test } from '@jest/globals';
import type { CauseGroup, TroubledNode } from '../../../src/daemonset/diagnosis.ts';
import type { Facts, Result } from '../../../src/daemonset/result.ts';
import { shouldRevert } from '../../../src/daemonset/revert.ts';
import type { Cause } from '../../../src/daemonset/trouble.ts';
import { decisionText } from '../../../src/report/messages/rollout.ts';
import { resultWith } from '../builders.ts';

function group(cause: Cause, count: number): CauseGroup {
  const nodes = Array.from(
    { length: count },
    (_, index): TroubledNode => ({
      node: `node-${index}`,
      pod: `agent-${index}`,
      trouble: { cause, reason: '', message: '' },
      since: 0,
      marks: [],
      isNew: false,
    }),
  );
  return { cause, stuck: true, nodes, example: nodes[0] as TroubledNode };
}

function result(outcome: Result['outcome'], updated: number, ...causes: CauseGroup[]): Result {
  const counts = { desired: 10, updated, available: 5 };
  return resultWith({ outcome, reason: 'internal', facts: { kind: 'rolled-out' } }, undefined, { counts, causes });
}

test.each<[string, Result, boolean, RegExp]>([
  ['pods that cannot start on two of many nodes', result('failed', 5, group('image-pull', 2)), true, /does not run on 2 nodes/],
  ['one of many nodes', result('failed', 5, group('crash-loop', 1)), false, /only 1 of the 5 nodes/],
  ['one of one node', result('failed', 1, group('crash-loop', 1)), true, /does not run on 1 node\./],
  ['one each of two kinds', result('failed', 5, group('crash-loop', 1), group('image-pull', 1)), true, /2 nodes/],
  ['pods that are not created at all', result('failed', 0, group('pod-rejected', 1)), true, /1 node/],
  ['pods that never become ready', result('stalled', 5, group('not-ready', 3)), true, /3 nodes/],
  ['old pods that do not end', result('stalled', 5, group('terminating', 5)), false, /something other than this version/],
  [
    'nodes that are not ready',
    result('stalled', 5, group('node-not-ready', 4), group('not-replaced', 5)),
    false,
    /something other than this version/,
  ],
  ['one bad pod beside bad nodes', result('stalled', 5, group('node-not-ready', 4), group('not-ready', 1)), false, /only 1 of the 5/],
  ['a stalled rollout without a known cause', result('stalled', 5), false, /could not determine/],
  ['a timeout', result('timed-out', 5, group('not-ready', 5)), false, /rollback-on-timeout is not set/],
])('decides whether to roll back: %s', (_name, broken, revert, why) => {
  const decision = shouldRevert(broken, { onTimeout: false });
  expect(decision.rollBack).toBe(revert);
  expect(decisionText(decision)).toMatch(why);
});

test('a version that no longer matches its nodes is rolled back, without a cause', () => {
  const facts: Facts = { kind: 'no-nodes', before: { number: 1, name: 'agent-1' }, nodes: ['node-1'], template: {} };
  const decision = shouldRevert(resultWith({ outcome: 'failed', reason: 'no-nodes', facts }), { onTimeout: false });
  expect(decision.rollBack).toBe(true);
  expect(decisionText(decision)).toMatch(/no longer matches nodes/);
});

test('a timeout is enough with rollback-on-timeout', () => {
  expect(shouldRevert(result('timed-out', 5), { onTimeout: true }).rollBack).toBe(true);
});
