import { describe, expect, test } from '@jest/globals';
import { COMMANDS, type Command, isSuccess, OUTCOMES, type Outcome, type Reason } from '../../../src/daemonset/outcome.ts';
import type { Facts, Result } from '../../../src/daemonset/result.ts';
import { EXIT_STATUSES, exitStatusOf } from '../../../src/report/exit-status.ts';

const facts: Facts = { kind: 'restored' };

function result(outcome: Outcome, more: Partial<Result> = {}): Result {
  return { daemonSet: { namespace: 'logging', name: 'agent' }, outcome, reason: 'complete', facts, changed: false, notes: [], ...more };
}

/** The result of a gate that failed, and of the rollback after it. */
function gate(outcome: Outcome, rolledBack: Outcome | undefined, changed = true): Result {
  const rollback = {
    decision: { rollBack: true, because: 'timed-out' } as const,
    gate: result(outcome),
    ...(rolledBack && { result: result(rolledBack, { changed }) }),
  };
  return result(outcome, { rollback, changed });
}

describe('the exit status', () => {
  test.each<[Outcome, Reason, Command, number]>([
    ['rolled-back', 'complete', 'rollback', 0],
    ['unchanged', 'complete', 'rollback', 0],
    ['dry-run', 'validated', 'rollback', 0],
    ['complete', 'complete', 'status', 0],
    ['listed', 'listed', 'history', 0],
    ['recorded', 'recorded', 'guard', 0],
    ['released', 'released', 'release', 0],
    ['absent', 'absent', 'guard', 0],
    ['pending', 'not-waited', 'rollback', 0],
    ['pending', 'on-delete', 'guard', 0],
    ['error', 'unreachable', 'rollback', 1],
    ['error', 'internal', 'history', 1],
    ['error', 'invalid-input', 'rollback', 2],
    ['refused', 'no-previous-revision', 'rollback', 3],
    ['failed', 'image-pull', 'status', 4],
    ['stalled', 'no-progress', 'status', 4],
    ['timed-out', 'timeout', 'status', 5],
    ['pending', 'not-waited', 'status', 5],
    ['superseded', 'template-changed', 'status', 6],
    ['deleted', 'deleted', 'rollback', 6],
    ['cancelled', 'cancelled', 'rollback', 130],
  ])('of %s (%s) with %s is %i', (outcome, reason, command, expected) => {
    expect(exitStatusOf({ command, results: [result(outcome, { reason })] })).toBe(expected);
  });

  test('is 0 exactly for a success, and always a documented one', () => {
    for (const command of COMMANDS) {
      for (const outcome of OUTCOMES) {
        const status = exitStatusOf({ command, results: [result(outcome)] });
        expect([command, outcome, status === 0]).toEqual([command, outcome, isSuccess(outcome, command)]);
        expect(Object.keys(EXIT_STATUSES)).toContain(String(status));
      }
    }
  });

  test.each<[string, [Result, ...Result[]], number]>([
    ['rolled back', [gate('failed', 'rolled-back')], 7],
    ['timed out and was rolled back', [gate('timed-out', 'rolled-back')], 7],
    ['rolled back, and the nodes follow', [gate('failed', 'pending')], 7],
    ['did not roll back', [gate('failed', undefined)], 4],
    ['was refused the rollback', [gate('failed', 'refused', false)], 4],
    ['changed nothing', [gate('failed', 'unchanged', false)], 4],
    ['rolled back in vain', [gate('failed', 'failed')], 4],
    ['could not confirm the rollback', [gate('timed-out', 'error')], 5],
    ['rolled back all that failed', [gate('failed', 'rolled-back'), result('complete'), gate('stalled', 'rolled-back')], 7],
    ['rolled back only one that failed', [gate('failed', 'rolled-back'), gate('failed', undefined)], 4],
    ['rolled back one, and another is gone', [gate('failed', 'rolled-back'), result('deleted')], 4],
  ])('of a gate that %s', (_, results, expected) => {
    expect(exitStatusOf({ command: 'status', results })).toBe(expected);
  });
});
