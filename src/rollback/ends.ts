import type { End, Reason, Result } from '../daemonset/outcome.ts';
import type { Revision } from '../daemonset/revision.ts';
import type { DaemonSetName } from '../daemonset/types.ts';
import type { Tracked } from './track.ts';

/** How a wait that ended so is told. The good end has no words yet: what it means depends on what was written. */
export function endOf(tracked: Tracked, { namespace, name }: DaemonSetName): End {
  const { desired, updated, available } = tracked.counts;
  const state = `${updated} of ${desired} nodes have the restored version, ${available} are available`;
  const goesOn = `It goes on in the cluster: kubectl rollout status daemonset/${name} -n ${namespace}`;
  switch (tracked.kind) {
    case 'complete':
      return { outcome: 'rolled-back', reason: 'complete', message: '' };
    case 'on-delete':
      return {
        outcome: 'pending',
        reason: 'on-delete',
        message: `The template is restored, but the update strategy is OnDelete: ${state}. The other pods are replaced when somebody deletes them.`,
      };
    case 'superseded':
      return {
        outcome: 'superseded',
        reason: 'template-changed',
        message: `Somebody changed the template during the rollout: it is no longer the one that was restored (${state}). Whoever deploys has the word now.`,
      };
    case 'deleted':
      return { outcome: 'deleted', reason: 'deleted', message: 'The DaemonSet was deleted during the rollout.' };
    case 'recreated':
      return {
        outcome: 'deleted',
        reason: 'recreated',
        message: 'The DaemonSet was deleted and created anew during the rollout; the new one was not touched.',
      };
    case 'timeout': {
      const wrong = tracked.wrong
        ? ` These pods run another template, although the counters are complete: ${tracked.wrong.slice(0, 20).join(', ')}.`
        : '';
      return { outcome: 'timed-out', reason: 'timeout', message: `The rollout was not done in time: ${state}.${wrong} ${goesOn}` };
    }
    case 'cancelled':
      return { outcome: 'cancelled', reason: 'cancelled', message: `The job was cancelled during the rollout: ${state}. ${goesOn}` };
  }
}

/** How the three numbers relate, in one sentence. */
export function restoredMessage({ old, target, newRevision }: Pick<Result, 'old' | 'target' | 'newRevision'>): string {
  return `Revision ${old?.number ?? '?'} → ${newRevision ?? '?'}, which restores revision ${target?.number ?? '?'}.`;
}

export function notWaited(known: Pick<Result, 'old' | 'target' | 'newRevision'>): End {
  const message = `${restoredMessage(known)} The nodes follow; this step did not wait for them (wait: false).`;
  return { outcome: 'pending', reason: 'not-waited', message };
}

export function dryRunEnd(from: Revision, target: Revision, validated: boolean): End {
  const would = `Would go from revision ${from.number} back to revision ${target.number} (${target.name}). Nothing was written.`;
  return validated
    ? { outcome: 'dry-run', reason: 'validated', message: `${would} The API server would accept it.` }
    : { outcome: 'dry-run', reason: 'not-validated', message: `${would} The API server could not check it.` };
}

export function notObserved(): End {
  return refusal(
    'not-observed',
    'The DaemonSet controller has not seen the latest change within 30 s, so the history cannot be trusted. Is kube-controller-manager running?',
  );
}

export function refusal(reason: Reason, message: string): End {
  return { outcome: 'refused', reason, message };
}

export function unknownMessage(why: string, { namespace, name }: DaemonSetName): string {
  return `Whether the rollback was written is not known (${why}). Look: kubectl rollout history daemonset/${name} -n ${namespace}`;
}
