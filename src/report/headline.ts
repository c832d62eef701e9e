/** How a step ended, in a few words. */
import { type Command, isSuccess, type Outcome, worstOf } from '../daemonset/outcome.ts';
import type { Result } from '../daemonset/result.ts';
import type { DaemonSetName } from '../daemonset/types.ts';
import type { Report } from './report.ts';

/** DaemonSets that a sentence or a table names. */
export const MOST_DAEMONSETS = 200;

const VERDICTS: Readonly<Record<Outcome, string>> = {
  'rolled-back': 'Rolled back',
  unchanged: 'Nothing to roll back',
  'dry-run': 'Dry run',
  complete: 'Rolled out',
  pending: 'Rollback written, nodes not updated yet',
  listed: 'Revisions',
  recorded: 'Recorded',
  released: 'Released',
  absent: 'No version to restore',
  refused: 'Refused, nothing was written',
  failed: 'Pods cannot start',
  stalled: 'Rollout stalled',
  'timed-out': 'Timed out',
  superseded: 'Superseded by a newer change',
  deleted: 'DaemonSet deleted',
  cancelled: 'Cancelled',
  error: 'Failed',
};

type Name = (text: string) => string;
const plain: Name = (text) => text;

/** The headline: how the step ended, and for which DaemonSet, or for how many. `name` formats a name. */
export function verdictOf({ command, results }: Pick<Report, 'command' | 'results'>, name: Name = plain): string {
  const worst = worstOf(results);
  const isPlacement = worst.reason === 'no-nodes';
  const verdict = `${isPlacement ? 'Nodes are no longer matched' : verdictOn(worst.outcome, command)}${afterwards(worst)}`;
  if (results.length === 1) return worst.daemonSet.name === '' ? verdict : `${verdict}: DaemonSet ${name(full(worst.daemonSet))}`;
  const many = results.filter(({ outcome }) => outcome === worst.outcome).length;
  return `${verdict}: ${many === results.length ? '' : `${many} of `}${results.length} DaemonSets`;
}

/** What a gate did about it. */
function afterwards({ rollback }: Result): string {
  if (!rollback?.result) return '';
  const { outcome, changed, facts } = rollback.result;
  if (!changed) return ', not rolled back';
  if (facts.kind === 'write-unknown') return ', rollback not confirmed';
  return isSuccess(outcome, 'rollback') ? ', rolled back' : ', rollback incomplete';
}

/** How each of several ended, one sentence for each outcome. */
export function roundup({ command, results }: Pick<Report, 'command' | 'results'>): string {
  const outcomes = [...new Set(results.map(({ outcome }) => outcome))];
  const sentences = outcomes.map((outcome) => {
    const names = results.filter((result) => result.outcome === outcome).map(({ daemonSet }) => full(daemonSet));
    const more = names.length > MOST_DAEMONSETS ? ` and ${names.length - MOST_DAEMONSETS} more` : '';
    return `${verdictOn(outcome, command)}: ${names.slice(0, MOST_DAEMONSETS).join(', ')}${more}.`;
  });
  return sentences.join(' ');
}

function verdictOn(outcome: Outcome, command: Command): string {
  if (outcome === 'unchanged' && command === 'release') return 'Nothing to release';
  return outcome === 'pending' && command === 'status' ? 'Not rolled out yet' : VERDICTS[outcome];
}

export function full({ namespace, name }: DaemonSetName): string {
  return `${namespace}/${name}`;
}

/** The outcome at a glance. */
export function sign(outcome: Outcome, command: Command): string {
  if (outcome === 'listed') return '📋';
  if (!isSuccess(outcome, command)) return '❌';
  return outcome === 'pending' || outcome === 'dry-run' || outcome === 'absent' ? '🟡' : '✅';
}
