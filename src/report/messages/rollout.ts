/** Sentences about a rollout that was waited for, and about a gate that rolled back. */
import type { Facts, GateRollback, PodOnNode, Result, RollbackDecision } from '../../daemonset/result.ts';
import { isObject } from '../../daemonset/template.ts';
import type { DaemonSet } from '../../daemonset/types.ts';
import { causeText } from './causes.ts';
import { revisionText } from './revisions.ts';
import { shellQuote } from './shell.ts';

/** Causes in a message; the summary has all of them. */
const MOST_CAUSES = 3;
/** Pods in one command. */
const MOST_IN_COMMAND = 20;

type Unfinished = Extract<Facts, { kind: 'unfinished-rollout' }>;

/** Why a wait ended without success. */
export function unfinishedText(facts: Unfinished, result: Result): string {
  const { end, version } = facts;
  const { counts, daemonSet } = result;
  const { namespace, name } = daemonSet;
  const { desired, updated, available } = counts ?? { desired: 0, updated: 0, available: 0 };
  const state = `${updated} of ${desired} nodes have the ${version} version, ${available} are available`;
  const continues = `The rollout continues in the cluster; to follow it: kubectl rollout status ${shellQuote(`daemonset/${name}`)} -n ${shellQuote(namespace)}`;
  switch (end) {
    case 'on-delete':
      return `The template is ${version}, but the update strategy is OnDelete: ${state}. The other pods are replaced only when someone deletes them. ${deletion(result.toReplace, namespace)}`.trim();
    case 'not-waited':
      return `The rollout is not complete yet: ${state}. This step did not wait (wait: false). ${continues}`;
    case 'superseded':
      return `Someone changed the template during the rollout${facts.writer === undefined ? '' : ` (${facts.writer})`}, so it is no longer the ${version} version (${state}). The newer change takes precedence.`;
    case 'deleted':
      return 'The DaemonSet was deleted during the rollout.';
    case 'recreated':
      return 'The DaemonSet was deleted and recreated during the rollout. The new one was not touched.';
    case 'failed':
      return `Pods of the ${version} version cannot start. ${because(facts, result)}${state}.`;
    case 'stalled':
      return `The rollout is not progressing. ${because(facts, result)}${state}. ${continues}`;
    case 'timeout':
      return `The rollout did not complete in time: ${state}. ${because(facts, result)}${continues}`;
    case 'cancelled':
      return `The job was cancelled during the rollout: ${state}. ${continues}`;
  }
}

/** The causes, a sentence each; empty if none is known. */
function because({ end, misreported }: Unfinished, { causes: all = [], daemonSet: { namespace } }: Result): string {
  if (misreported) {
    const names = misreported.slice(0, MOST_IN_COMMAND).map(shellQuote).join(' ');
    return `The counters are complete, but ${misreported.length} pods run another template and the controller counts them as updated. Delete them so that the controller creates new ones: kubectl delete pod --namespace ${shellQuote(namespace)} ${names}. `;
  }
  const causes = end === 'failed' ? all.filter(({ stuck }) => stuck) : all;
  const shown = causes.slice(0, MOST_CAUSES).map((group) => `${causeText(group)}.`);
  const more = causes.length > MOST_CAUSES ? ` There are ${causes.length - MOST_CAUSES} other causes.` : '';
  return shown.length === 0 ? '' : `${shown.join(' ')}${more} `;
}

function deletion(pods: PodOnNode[] = [], namespace: string): string {
  if (pods.length === 0) return '';
  const names = pods.slice(0, MOST_IN_COMMAND).map(({ name }) => shellQuote(name));
  const more = pods.length > names.length ? ` (and ${pods.length - names.length} more)` : '';
  return `To replace them, node by node or all at once: kubectl delete pod --namespace ${shellQuote(namespace)} ${names.join(' ')}${more}`;
}

/** A rollout that succeeded. */
export function rolledOutText({ counts, old, causes = [] }: Result): string {
  const { desired, available } = counts ?? { desired: 0, available: 0 };
  const version = old ? revisionText(old) : 'the deployed version';
  if (desired === 0) return `No node is scheduled to run ${version}.`;
  return causes.length > 0
    ? `${available} of ${desired} nodes have ${version} available; the others were tolerated.`
    : `Every node runs ${version}, and it is available on all ${desired}.`;
}

/** How the three revision numbers of a rollback relate. */
export function restoredText({ old, target, newRevision }: Pick<Result, 'old' | 'target' | 'newRevision'>): string {
  return `Revision ${old?.number ?? '?'} → ${newRevision ?? '?'}, which restores revision ${target?.number ?? '?'}.`;
}

/** What a gate did about a rollout that did not succeed. */
export function gateRollbackText({ decision, result }: GateRollback, messageOf: (result: Result) => string): string {
  if (!result) return decisionText(decision);
  const { outcome, reason, changed } = result;
  const message = messageOf(result);
  if (outcome === 'rolled-back') return `It was rolled back. ${message} Every node runs that version now.`;
  if (outcome === 'pending') return `It was rolled back. ${message}`;
  return `${changed ? 'The rollback that followed did not succeed' : 'It could not be rolled back'} (${outcome}, ${reason}): ${message}`;
}

/** Why a gate rolls back, or does not. */
export function decisionText(decision: RollbackDecision): string {
  return decision.rollBack ? `Rolling back, because ${whyRollBack(decision)}.` : `It was not rolled back: ${whyNot(decision)}.`;
}

function whyRollBack(decision: Extract<RollbackDecision, { rollBack: true }>): string {
  switch (decision.because) {
    case 'timed-out':
      return 'the rollout did not complete in time (rollback-on-timeout)';
    case 'version-fails':
      return `the version does not run on ${decision.nodes} ${decision.nodes === 1 ? 'node' : 'nodes'}`;
  }
}

function whyNot(decision: Extract<RollbackDecision, { rollBack: false }>): string {
  switch (decision.because) {
    case 'timed-out':
      return 'the rollout did not complete in time, which does not show that the version is bad (rollback-on-timeout is not set)';
    case 'causes-unknown':
      return 'could not determine which pods are blocking the rollout';
    case 'other-cause':
      return 'the rollout is blocked by something other than this version, so a rollback would not help';
    case 'one-node':
      return `only 1 of the ${decision.updated} nodes that have the version is affected, which may be the fault of that node`;
  }
}

/** Why a DaemonSet runs nowhere, as far as its template shows. */
export function noNodeMatchesText({ spec }: DaemonSet): string {
  const podSpec = spec.template['spec'];
  const { nodeSelector, affinity } = isObject(podSpec) ? podSpec : {};
  const labels = isObject(nodeSelector) ? Object.entries(nodeSelector).map(([key, value]) => `${key}=${value}`) : [];
  const check =
    labels.length > 0
      ? `Its nodeSelector is ${labels.join(', ')}. Check that there are nodes with these labels, and that their taints are tolerated.`
      : isObject(affinity) && affinity['nodeAffinity'] !== undefined
        ? 'It has a nodeAffinity. Check that there are nodes that match it, and that their taints are tolerated.'
        : 'Check that there are nodes, and that it tolerates their taints.';
  return `No node matches the DaemonSet (desired is 0), so it runs nowhere. ${check}`;
}
