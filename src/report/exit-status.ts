import { isSuccess, worstOf } from '../daemonset/outcome.ts';
import type { Result } from '../daemonset/result.ts';
import type { Report } from './report.ts';

/** The exit statuses of the command line, and what each one says. */
export const EXIT_STATUSES = {
  0: 'success',
  1: 'error: the cluster, the kubeconfig or the program',
  2: 'usage: a flag, an argument or an input is wrong',
  3: 'refused: nothing was written',
  4: 'failed or stalled: pods cannot start, or the rollout is not progressing',
  5: 'timed out or pending: nodes do not run the version yet',
  6: 'superseded or deleted: a newer change takes precedence',
  7: 'the gate failed, and an earlier version is restored',
  130: 'interrupted',
} as const;

export type ExitStatus = keyof typeof EXIT_STATUSES;

/** The exit status of a run on the command line. With several DaemonSets, the worst outcome decides. */
export function exitStatusOf({ command, results }: Pick<Report, 'command' | 'results'>): ExitStatus {
  const { outcome, reason } = worstOf(results);
  if (isSuccess(outcome, command)) return 0;
  if (results.every((result) => isSuccess(result.outcome, command) || isRolledBack(result))) return 7;
  switch (outcome) {
    case 'refused':
      return 3;
    case 'failed':
    case 'stalled':
      return 4;
    case 'timed-out':
    case 'pending':
      return 5;
    case 'superseded':
    case 'deleted':
      return 6;
    case 'cancelled':
      return 130;
    case 'error':
      return reason === 'invalid-input' ? 2 : 1;
    // They are successes of each command, so this is never reached.
    case 'rolled-back':
    case 'unchanged':
    case 'dry-run':
    case 'complete':
    case 'listed':
    case 'recorded':
    case 'released':
    case 'absent':
      return 1;
  }
}

/** Whether a gate restored another version, and that rollback succeeded. */
function isRolledBack({ rollback }: Result): boolean {
  return rollback?.result?.changed === true && isSuccess(rollback.result.outcome, 'rollback');
}
