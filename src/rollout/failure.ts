import { ClusterError } from '../cluster/cluster.ts';
import type { Reason } from '../daemonset/outcome.ts';
import type { Conclusion, Facts } from '../daemonset/result.ts';
import { AbortReason } from './context.ts';

/** The outcome when the signal was aborted for this reason. */
export function interrupted(reason: unknown): Pick<Conclusion, 'outcome' | 'reason'> {
  return reason instanceof AbortReason && reason.kind === 'timeout'
    ? { outcome: 'timed-out', reason: 'timeout' }
    : { outcome: 'cancelled', reason: 'cancelled' };
}

/** The conclusion of a write whose answer was lost: it is unknown whether it was made. */
export function unanswered(signal: AbortSignal, facts: Facts): Conclusion {
  return signal.aborted ? { ...interrupted(signal.reason), facts } : { outcome: 'error', reason: 'unreachable', facts };
}

/**
 * The one place that turns an exception into a conclusion.
 *
 * @param written whether the rollback was written before.
 */
export function failureOf(error: unknown, written: boolean): Conclusion {
  if (error instanceof AbortReason) return { ...interrupted(error), facts: { kind: 'interrupted', by: error.kind, written } };
  if (error instanceof ClusterError)
    return { outcome: 'error', reason: reasonOf(error), facts: { kind: 'cluster-error', message: error.message, written } };
  const detail = error instanceof Error ? error.message : String(error);
  return { outcome: 'error', reason: 'internal', facts: { kind: 'bug', detail, written } };
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
