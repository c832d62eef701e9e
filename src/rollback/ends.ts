import { FIELD_MANAGER } from '../cluster/cluster.ts';
import { explain } from '../daemonset/explain.ts';
import type { End, PodOnNode, Reason, Result } from '../daemonset/outcome.ts';
import { templateWriter } from '../daemonset/owners.ts';
import type { Revision } from '../daemonset/revision.ts';
import { isObject } from '../daemonset/template.ts';
import type { DaemonSet, DaemonSetName } from '../daemonset/types.ts';
import type { Tracked } from './track.ts';

/** What is waited for: a version that this step restored, or one that somebody deployed. */
export type Version = 'restored' | 'deployed';

/** How a wait that ended so is told. The good end has no words yet: what it means depends on what was written. */
export function endOf(tracked: Tracked, { namespace, name }: DaemonSetName, version: Version): End {
  const { desired, updated, available } = tracked.counts;
  const state = `${updated} of ${desired} nodes have the ${version} version, ${available} are available`;
  const goesOn = `It goes on in the cluster: kubectl rollout status daemonset/${name} -n ${namespace}`;
  switch (tracked.kind) {
    case 'complete':
      return { outcome: 'rolled-back', reason: 'complete', message: '' };
    case 'on-delete':
      return {
        outcome: 'pending',
        reason: 'on-delete',
        message:
          `The template is ${version}, but the update strategy is OnDelete: ${state}. The other pods are replaced when somebody deletes them. ${deletion(tracked.toReplace, namespace)}`.trim(),
      };
    case 'not-waited':
      return {
        outcome: 'pending',
        reason: 'not-waited',
        message: `Not done yet: ${state}. This step did not wait (wait: false). ${goesOn}`,
      };
    case 'superseded': {
      const writer = templateWriter(tracked.daemonSet, FIELD_MANAGER);
      return {
        outcome: 'superseded',
        reason: 'template-changed',
        message: `Somebody changed the template during the rollout${writer === undefined ? '' : ` (${writer})`}: it is no longer the one that was ${version} (${state}). Whoever deploys has the word now.`,
      };
    }
    case 'deleted':
      return { outcome: 'deleted', reason: 'deleted', message: 'The DaemonSet was deleted during the rollout.' };
    case 'recreated':
      return {
        outcome: 'deleted',
        reason: 'recreated',
        message: 'The DaemonSet was deleted and created anew during the rollout; the new one was not touched.',
      };
    case 'failed':
      return {
        outcome: 'failed',
        reason: reasonOf(tracked),
        message: `Pods of the ${version} version cannot start. ${because(tracked)}${state}.`,
      };
    case 'stalled':
      return {
        outcome: 'stalled',
        reason: reasonOf(tracked),
        message: `The rollout does not go on. ${because(tracked)}${state}. ${goesOn}`,
      };
    case 'timeout':
      return {
        outcome: 'timed-out',
        reason: 'timeout',
        message: `The rollout was not done in time: ${state}. ${because(tracked)}${goesOn}`,
      };
    case 'cancelled':
      return { outcome: 'cancelled', reason: 'cancelled', message: `The job was cancelled during the rollout: ${state}. ${goesOn}` };
  }
}

/** The most telling cause. */
function reasonOf({ causes: [first], wrong }: Tracked): Reason {
  if (wrong) return 'not-replaced';
  return first?.cause ?? 'no-progress';
}

/** Causes that a message tells; the summary has all. */
const MOST_CAUSES = 3;

/** What the nodes have, a sentence each; empty where it is not known. */
function because({ kind, causes: all, wrong, daemonSet }: Tracked): string {
  if (wrong) {
    const names = wrong.slice(0, MOST_IN_COMMAND).join(' ');
    const { namespace } = daemonSet.metadata;
    return `The counters are complete, but ${wrong.length} pods run another template, and the controller takes them for updated. Delete them, and it makes new ones: kubectl delete pod --namespace ${namespace} ${names}. `;
  }
  const causes = kind === 'failed' ? all.filter(({ stuck }) => stuck) : all;
  const told = causes.slice(0, MOST_CAUSES).map((group) => `${explain(group)}.`);
  const more = causes.length > MOST_CAUSES ? ` And ${causes.length - MOST_CAUSES} other causes.` : '';
  return told.length === 0 ? '' : `${told.join(' ')}${more} `;
}

/** What was tolerated, as a note; undefined where every node is right. */
export function toleratedNote({ kind, causes }: Tracked): string | undefined {
  if (kind !== 'complete' || causes.length === 0) return undefined;
  return `Not every node is right. Tolerated, by tolerate-unavailable or because the node joined during the wait: ${causes.map(explain).join('; ')}.`;
}

/** Why a DaemonSet is nowhere, as far as its template tells. */
export function noNodeMatches({ spec }: DaemonSet): string {
  const podSpec = spec.template['spec'];
  const { nodeSelector, affinity } = isObject(podSpec) ? podSpec : {};
  const labels = isObject(nodeSelector) ? Object.entries(nodeSelector).map(([key, value]) => `${key}=${value}`) : [];
  const why =
    labels.length > 0
      ? `Its nodeSelector is ${labels.join(', ')}; are there nodes with these labels, and are their taints tolerated?`
      : isObject(affinity) && affinity['nodeAffinity'] !== undefined
        ? 'It has a nodeAffinity; are there nodes that fit it, and are their taints tolerated?'
        : 'Are there nodes, and does it tolerate their taints?';
  return `No node matches the DaemonSet (desired is 0), so nothing runs it. ${why}`;
}

/** Pods in one command. */
const MOST_IN_COMMAND = 20;

function deletion(pods: PodOnNode[] | undefined, namespace: string): string {
  if (!pods || pods.length === 0) return '';
  const names = pods.slice(0, MOST_IN_COMMAND).map(({ name }) => name);
  const more = pods.length > names.length ? ` (and ${pods.length - names.length} more)` : '';
  return `Node by node, or at once: kubectl delete pod --namespace ${namespace} ${names.join(' ')}${more}`;
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

/** A rollback of several is all or nothing, as far as that can be known before the first write. */
export function anotherRefused(hindered: { name: DaemonSetName; reason: Reason }[]): End {
  const names = hindered.map(({ name, reason }) => `${name.namespace}/${name.name} (${reason})`).join(', ');
  return refusal('another-refused', `Nothing was written, because another of these DaemonSets cannot be rolled back: ${names}.`);
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
