/** Sentences about a rollout that was waited for, and about a gate that rolled back. */
import { isObject } from '../../daemonset/json.ts';
import type { Facts, GateRollback, PodOnNode, Result, RollbackDecision } from '../../daemonset/result.ts';
import type { DaemonSet, PodTemplate } from '../../daemonset/types.ts';
import type { Missing } from '../../daemonset/verdict.ts';
import { formatDuration } from '../../duration.ts';
import { causeText, nodeInBrief } from './causes.ts';
import { noteText } from './notes.ts';
import { revisionText } from './revisions.ts';
import { shellQuote } from './shell.ts';

/** Causes in a message; the summary has all of them. */
const MOST_CAUSES = 3;
/** Pods and nodes in a line of the log. */
const MOST_NAMES = 10;
/** Pods in one command. */
const MOST_IN_COMMAND = 20;

type Unfinished = Extract<Facts, { kind: 'unfinished-rollout' }>;

/** Why a wait ended without success. */
export function unfinishedText(facts: Unfinished, result: Result): string {
  const { end, version } = facts;
  const { counts, daemonSet } = result;
  const { namespace, name } = daemonSet;
  const { desired, updated, available } = counts ?? { desired: 0, updated: 0, available: 0 };
  const state = `${updated} of ${desired} nodes have the ${version} version, and it is available on ${available}`;
  const continues = `The rollout continues in the cluster; to follow it: kubectl rollout status ${shellQuote(`daemonset/${name}`)} -n ${shellQuote(namespace)}`;
  switch (end) {
    case 'on-delete':
      return `The template is ${version}, but the update strategy is OnDelete: ${state}. The other pods are replaced only when someone deletes them. ${deletion(result.toReplace, namespace)}`.trim();
    case 'not-waited':
      return `The rollout is not complete yet: ${state}. ${because(facts, result)}This step did not wait (wait: false). ${continues}`;
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
      return `Cancelled during the rollout: ${state}. ${continues}`;
  }
}

/** What is missing although the counters are complete; empty if that goes without saying. */
export function missingText(missing: Missing, stableFor: number, now: number): string {
  const complete = 'The counters are complete';
  switch (missing.kind) {
    case 'pods':
      return missing.why === '' ? '' : `${complete}, but the pods could not be read to verify that: ${missing.why}`;
    case 'other-version': {
      const names = missing.nodes.slice(0, MOST_NAMES).map(({ pod, node }) => pod || node);
      return `${complete}, but ${missing.nodes.length} pods run another template: ${names.join(', ')}`;
    }
    case 'stability': {
      const left = missing.until === undefined ? '' : ` (about ${formatDuration(missing.until - now)} left)`;
      const crashed = missing.nodes.filter(({ failure }) => (failure.restarts ?? 0) > 0);
      const after = crashed.length > 0 ? `, longer after a crash: ${crashed.slice(0, MOST_NAMES).map(nodeInBrief).join(', ')}` : '';
      return `${complete}. Waiting until every container has run for ${formatDuration(stableFor)} without a crash${after}${left}`;
    }
    case 'time':
      return `${complete}. The pods cannot be checked, so the counters must stay complete for ${formatDuration(stableFor)}`;
  }
}

/** An explicit `stable-for` cannot be granted. */
export function stableForDeniedText(stableFor: number, why: string): string {
  return `Input stable-for: ${formatDuration(stableFor)} requires permission to list pods. To check only the counters of the DaemonSet controller instead, omit stable-for. ${why}`;
}

/** The causes, a sentence each; empty if none is known. */
function because({ end, misreported }: Unfinished, { causes: all = [], counts, daemonSet: { namespace } }: Result): string {
  if (misreported) {
    const names = misreported.slice(0, MOST_IN_COMMAND).map(shellQuote).join(' ');
    return `The counters are complete, but ${misreported.length} pods run another template and the controller counts them as updated. Delete them so that the controller creates new ones: kubectl delete pod --namespace ${shellQuote(namespace)} ${names}. `;
  }
  const causes = end === 'failed' ? all.filter(({ stuck }) => stuck) : all;
  const shown = causes.slice(0, MOST_CAUSES).map((group) => `${causeText(group)}.`);
  const more = causes.length > MOST_CAUSES ? ` There are ${causes.length - MOST_CAUSES} other causes.` : '';
  if (shown.length > 0) return `${shown.join(' ')}${more} `;
  const isBehind = end === 'stalled' && counts !== undefined && counts.desired > 0 && counts.available >= counts.desired;
  return isBehind ? 'Every node has the version available, but the counters of the DaemonSet controller do not show it. ' : '';
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
  if (outcome === 'rolled-back') {
    const tolerated = result.notes.filter((note) => note.kind === 'tolerated').map(noteText);
    return ['It was rolled back.', message, ...(tolerated.length > 0 ? tolerated : ['Every node runs that version now.'])].join(' ');
  }
  if (outcome === 'pending') return `It was rolled back. ${message}`;
  if (!changed) return `It could not be rolled back (${outcome}, ${reason}): ${message}`;
  if (result.facts.kind === 'write-unknown') return message;
  const written = result.newRevision === undefined ? '' : ` ${restoredText(result)}`;
  return `The rollback was written, but is not complete (${outcome}, ${reason}).${written} ${message}`;
}

/** Why a gate rolls back, or does not. */
export function decisionText(decision: RollbackDecision): string {
  return decision.rollBack ? `Rolling back, because ${whyRollBack(decision)}.` : `It was not rolled back: ${whyNot(decision)}.`;
}

function whyRollBack(decision: Extract<RollbackDecision, { rollBack: true }>): string {
  switch (decision.because) {
    case 'timed-out':
      return 'the rollout did not complete in time (rollback-on-timeout)';
    case 'no-nodes':
      return 'the version no longer matches nodes that the version before matched';
    case 'guarded':
      return 'a guard recorded what ran before';
    case 'version-fails':
      return `the version does not run on ${decision.nodes} ${decision.nodes === 1 ? 'node' : 'nodes'}`;
  }
}

function whyNot(decision: Extract<RollbackDecision, { rollBack: false }>): string {
  const { because } = decision;
  if (because === 'timed-out')
    return 'the rollout did not complete in time, which does not show that the version is bad (rollback-on-timeout is not set)';
  if (because === 'causes-unknown') return 'could not determine which pods are blocking the rollout';
  switch (because.kind) {
    case 'other':
      return 'the rollout is blocked by something other than this version, so a rollback would not help';
    case 'one-node':
      return `only 1 of the ${because.updated} nodes that have the version is affected, which may be the fault of that node`;
    case 'tolerated':
      return `only ${because.nodes} ${because.nodes === 1 ? 'node is' : 'nodes are'} affected, which tolerate-unavailable allows`;
    case 'broken-before': {
      const names = because.nodes.slice(0, MOST_NAMES).join(', ');
      return `only nodes are affected on which the pod before was unavailable too (${names}${because.nodes.length > MOST_NAMES ? ', …' : ''})`;
    }
    case 'may-recover':
      return 'the cause may go away by itself (a registry, a volume, capacity) and has not lasted for three times failure-grace and 90 s';
    case 'others-crash':
      return 'pods of other versions crash too, so something other than this version is the cause';
  }
}

/** A DaemonSet runs nowhere. */
export function noNodeMatchesText({ spec }: DaemonSet): string {
  return `No node matches the DaemonSet (desired is 0), so it runs nowhere. ${placementHint(spec.template)}`;
}

/** A deployed version no longer matches nodes that the version before matched. */
export function noNodesText({ before, nodes = [], template }: Extract<Facts, { kind: 'no-nodes' }>, { counts }: Result): string {
  const desired = counts?.desired ?? 0;
  const names = nodes.slice(0, MOST_NAMES).join(', ');
  const more = nodes.length > MOST_NAMES ? ', …' : '';
  const lost =
    nodes.length === 0
      ? `No node matches the deployed version, whose placement differs from that of revision ${before.number}.`
      : `The deployed version no longer matches ${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'} that revision ${before.number} matched (${names}${more}); ${desired === 0 ? 'no node is' : desired === 1 ? '1 node is' : `${desired} nodes are`} left.`;
  return `${lost} ${placementHint(template)}`;
}

/** What decides on which nodes a DaemonSet runs, as far as its template shows. */
function placementHint(template: PodTemplate): string {
  const podSpec = template['spec'];
  const { nodeSelector, affinity } = isObject(podSpec) ? podSpec : {};
  const labels = isObject(nodeSelector) ? Object.entries(nodeSelector).map(([key, value]) => `${key}=${value}`) : [];
  if (labels.length > 0)
    return `Its nodeSelector is ${labels.join(', ')}. Check that there are nodes with these labels, and that their taints are tolerated.`;
  return isObject(affinity) && affinity['nodeAffinity'] !== undefined
    ? `It has a nodeAffinity. Check that there are nodes that match it, and that their taints are tolerated.`
    : 'Check that there are nodes, and that it tolerates their taints.';
}
