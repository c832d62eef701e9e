import { ClusterError } from '../cluster/cluster.ts';
import type { End, Reason } from '../daemonset/outcome.ts';
import { Interruption } from './world.ts';

/** An aborted signal's reason as an end. */
export function interrupted(reason: unknown): Pick<End, 'outcome' | 'reason'> {
  return reason instanceof Interruption && reason.kind === 'timeout'
    ? { outcome: 'timed-out', reason: 'timeout' }
    : { outcome: 'cancelled', reason: 'cancelled' };
}

/** The one place that turns what was thrown into an end. */
export function failureOf(error: unknown, changed: boolean): End {
  const sofar = changed ? 'The rollback is written and goes on in the cluster.' : 'Nothing was written.';
  if (error instanceof Interruption) return { ...interrupted(error), message: `${error.message} ${sofar}` };
  if (error instanceof ClusterError)
    return { outcome: 'error', reason: reasonOf(error), message: `${error.message} ${changed ? sofar : ''}`.trim() };
  const detail = error instanceof Error ? error.message : String(error);
  return { outcome: 'error', reason: 'internal', message: `This should not happen, please report it: ${detail}. ${sofar}` };
}

function reasonOf({ failure }: ClusterError): Reason {
  switch (failure) {
    case 'conflict':
    case 'expired':
    case 'dry-run-unsupported':
      return 'api';
    case 'answer-lost':
      return 'unreachable';
    default:
      return failure;
  }
}
