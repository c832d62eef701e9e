import { type Outcome, worstOf } from '../daemonset/outcome.ts';
import type { Result } from '../daemonset/result.ts';
import { verdictOf } from './headline.ts';
import type { Report } from './report.ts';
import { oneLine, truncate } from './text.ts';

/** The longest description that GitHub accepts, in characters. */
const LONGEST = 140;

export interface DeploymentStatus {
  state: 'failure' | 'success';
  /** Plain text, one line of at most 140 characters. */
  description: string;
}

/** Outcomes of a gate that show that the deployed version does not work. */
const BROKEN: ReadonlySet<Outcome> = new Set(['failed', 'stalled', 'timed-out']);

/**
 * The status of the deployment: `failure` if a rollback was needed, whether or not it succeeded; `success` if a gate saw the version running
 * on every node. Undefined if the step shows neither.
 */
export function deploymentStatusOf(report: Pick<Report, 'command' | 'results' | 'hide'>): DeploymentStatus | undefined {
  const state = stateOf(report);
  return state && { state, description: truncate(report.hide(oneLine(describe(report))), LONGEST) };
}

function stateOf({ command, results }: Pick<Report, 'command' | 'results'>): DeploymentStatus['state'] | undefined {
  const { outcome } = worstOf(results);
  if (results.some(({ changed }) => changed)) return 'failure';
  if (command === 'rollback') return outcome === 'unchanged' || outcome === 'dry-run' ? undefined : 'failure';
  if (BROKEN.has(outcome)) return 'failure';
  return outcome === 'complete' ? 'success' : undefined;
}

function describe(report: Pick<Report, 'command' | 'results'>): string {
  const { results } = report;
  const worst = worstOf(results);
  if (results.length > 1 || !worst.changed || !worst.target) return withReason(verdictOf(report), worst);
  const to = `to revision ${worst.target.number} (${worst.target.images.join(', ')})`;
  return worst.outcome === 'rolled-back' || worst.outcome === 'pending'
    ? `Rolled back ${to}`
    : `${withReason(verdictOf(report), worst)}, after the rollback ${to}`;
}

function withReason(verdict: string, { outcome, reason }: Result): string {
  return outcome === 'rolled-back' || outcome === 'complete' ? verdict : `${verdict} (${reason})`;
}
