import { isUnwell } from './crashes.ts';
import { isCrash, mayBeUnrecoverable, type PodFailure } from './pod-failure.ts';
import type { SeenNode } from './seen-node.ts';
import type { SeenPod } from './seen-pod.ts';
import { type Run, stableAfterMs, stableAt } from './stability.ts';

/** Everything that is known about a rollout besides its counters. */
export interface Situation {
  pods: Iterable<SeenPod>;
  /** The last pod of the version that ended on a node, by the name of the node. */
  ended: ReadonlyMap<string, SeenPod>;
  /** By name. Undefined if the nodes were not read, or if this account is not allowed to list them. */
  nodes: ReadonlyMap<string, SeenNode> | undefined;
  /** Since when, and why, pods are not created at all. */
  rejected: { message: string; since: number } | undefined;
  /** Nodes whose pods do not count. */
  surplus?: ReadonlySet<string>;
  /** Why pods are not deleted; empty if they are. */
  undeletable: string;
  desired: number;
  minReadyMs: number;
  /** How long containers must have run without a crash. */
  stableForMs: number;
  /** When the wait began. Younger nodes are not decisive. */
  start: number;
  /** Nodes on which the pod before was not available either, for a reason of the node. */
  brokenBefore: ReadonlySet<string>;
  /** When a pod of another version last crashed. */
  othersCrashedAt: number | undefined;
}

/**
 * The nodes whose pods the controller does not count, when there are pods on more nodes than should have one: nodes that were deleted, that the
 * template is not placed on any more, or that are not ready. If the nodes are not known, and the counters are complete, those with a pod that
 * is not ready, but not because it crashes: all that count are available.
 */
export function surplusNodes(
  pods: Iterable<SeenPod>,
  nodes: ReadonlyMap<string, SeenNode> | undefined,
  desired: number,
): ReadonlySet<string> {
  const byNode = Map.groupBy(pods, ({ node }) => node);
  const excess = byNode.size - desired;
  if (excess <= 0) return new Set();
  const doubt = (name: string, there: readonly SeenPod[]): number => {
    if (!nodes)
      return there.every(({ readySince, failure }) => readySince === undefined && !(failure && mayBeUnrecoverable(failure))) ? 1 : 0;
    const node = nodes.get(name);
    return node === undefined ? 3 : !node.placed ? 2 : !node.ready ? 1 : 0;
  };
  const doubted = [...byNode].map(([name, there]) => ({ name, doubt: doubt(name, there) })).filter((one) => one.doubt > 0);
  const most = doubted.sort((a, b) => b.doubt - a.doubt).slice(0, excess);
  return new Set(most.map(({ name }) => name));
}

/** A node that does not run the version that is waited for, or has no available pod of it. */
export interface FailingNode {
  /** Empty if unknown. */
  node: string;
  pod: string;
  failure: PodFailure;
  since: number | undefined;
  /** Problems of the node itself: `NotReady`, `cordoned`, `MemoryPressure`, `new`. */
  marks: string[];
  /** It joined after the wait began. */
  isNew: boolean;
  /** The pod before was not available on it either. */
  wasBroken?: boolean;
  /** When its pod was created. */
  created?: number;
  /** When its pod will have run for long enough, if that is all that is missing. */
  stableAt?: number;
}

/** How many nodes run the version, and why the others do not. */
export interface Diagnosis {
  /** Nodes on which the version is available and stable. */
  right: number;
  /** Nodes that have a pod of the version, and nodes on which that is available, stable or not. */
  updated: number;
  available: number;
  failing: FailingNode[];
  /** Nodes whose pod of the version crashed repeatedly during the wait and has not recovered, whether it is ready at the moment or not. */
  crashing: FailingNode[];
  /** When a pod of another version last crashed. */
  othersCrashedAt: number | undefined;
}

/** A pod that crashed less often may still recover by itself. */
const REPEATEDLY = 2;

/** What there is on a node. */
interface OnNode {
  name: string;
  pods: readonly SeenPod[];
  /** The last pod of the version that ended there. */
  ended: SeenPod | undefined;
}

export function diagnose(situation: Situation, now: number): Diagnosis {
  const { pods, ended, nodes, surplus, rejected, desired, stableForMs, minReadyMs, othersCrashedAt } = situation;
  const byNode = Map.groupBy(pods, ({ node }) => node);
  const failing: FailingNode[] = [];
  const crashing: FailingNode[] = [];
  let [right, updated, available] = [0, 0, 0];
  let missing = desired;
  for (const [name, there] of byNode) {
    if (surplus?.has(name)) continue;
    const node = nodes?.get(name);
    // The pod of a deleted node is deleted too, and the node no longer counts.
    if (nodes && !node && name !== '' && there.every(({ failure }) => failure?.cause !== 'unschedulable')) continue;
    missing -= 1;
    const on: OnNode = { name, pods: there, ended: ended.get(name) };
    const isAvailable = ({ wanted, readySince }: SeenPod): boolean => wanted && readySince !== undefined && now - readySince >= minReadyMs;
    const isThere = there.some(isAvailable) && node?.ready !== false;
    if (there.some(isUpdated)) updated += 1;
    if (isThere) available += 1;
    const crash = crashOn(on, situation, now);
    if (crash) crashing.push(crash);
    // With maxSurge the old pod is deleted once the new one is available. Only then does the node count as updated.
    const left = there.filter(({ wanted, failure }) => !wanted && failure?.cause !== 'terminating');
    if (!isThere) failing.push(failureOn(on, situation));
    else if (left.length > 0) failing.push(failureOn({ ...on, pods: left }, situation));
    else {
      const unstable = unstableAmong(there.filter(isAvailable), on.ended, stableForMs, now);
      if (unstable) failing.push({ ...failureOn({ ...on, ended: undefined }, situation), ...unstable, node: name });
      else right += 1;
    }
  }
  for (const [name, pod] of ended) {
    if (missing <= 0 || byNode.has(name) || (nodes && !nodes.has(name))) continue;
    missing -= 1;
    failing.push(failureOn({ name, pods: [pod], ended: undefined }, situation));
  }
  for (; missing > 0; missing--) {
    const failure: PodFailure = rejected
      ? { cause: 'pod-rejected', reason: 'FailedCreate', message: rejected.message }
      : { cause: 'no-pod', reason: '', message: '' };
    failing.push({ node: '', pod: '', failure, since: rejected?.since, marks: [], isNew: false });
  }
  return { right, updated, available, failing, crashing, othersCrashedAt };
}

function isUpdated({ wanted, failure }: SeenPod): boolean {
  return wanted && failure?.cause !== 'terminating';
}

/** What distinguishes a node from others, whatever its pod is like. */
function aboutNode(
  name: string,
  pod: SeenPod | undefined,
  { nodes, start, brokenBefore }: Situation,
): Omit<FailingNode, 'failure' | 'since'> {
  const node = nodes?.get(name);
  const isNew = node !== undefined && node.created > start;
  const wasBroken = brokenBefore.has(name);
  const marks = [
    ...(node?.ready === false ? ['NotReady'] : []),
    ...(node?.marks ?? []),
    ...(isNew ? ['new'] : []),
    ...(wasBroken ? ['unavailable before'] : []),
  ];
  const more = { ...(wasBroken && { wasBroken }), ...(pod && { created: pod.created }) };
  return { node: name, pod: pod?.name ?? '', marks, isNew, ...more };
}

function failureOn({ name, pods, ended }: OnNode, situation: Situation): FailingNode {
  const node = situation.nodes?.get(name);
  const present = pods.find(isUpdated) ?? pods[0];
  const pod = ended && isExplainedBy(ended, present) ? ended : present;
  const failure: PodFailure =
    node?.ready === false
      ? { cause: 'node-not-ready', reason: 'NotReady', message: node.message }
      : failureAs(pod, pods, situation.undeletable);
  return { ...aboutNode(name, pod, situation), failure, since: pod?.wanted ? pod.since : undefined };
}

/** A node whose pod of the version crashed repeatedly and has not recovered. */
function crashOn({ name, pods }: OnNode, situation: Situation, now: number): FailingNode | undefined {
  const pod = pods.find(isUpdated);
  const { crashes, failure, runs } = pod ?? {};
  if (!pod || !crashes || crashes.count < REPEATEDLY || !isCrash(crashes.failure) || !isUnwell(crashes, runs, now)) return undefined;
  if (situation.nodes?.get(name)?.ready === false) return undefined;
  const { count, firstAt } = crashes;
  const shown = failure && isCrash(failure) ? failure : crashes.failure;
  const run = runs?.find(({ container }) => container === crashes.failure.container);
  const problem: PodFailure = { ...shown, crashes: count, ...(run && { runsSince: run.since }) };
  return { ...aboutNode(name, pod, situation), failure: problem, since: firstAt };
}

/** What is known of a node on which the version is available, but no pod of it has run for long enough. Undefined if one has. */
function unstableAmong(
  pods: readonly SeenPod[],
  ended: SeenPod | undefined,
  stableForMs: number,
  now: number,
): Pick<FailingNode, 'pod' | 'failure' | 'since' | 'stableAt'> | undefined {
  if (stableForMs === 0) return undefined;
  // A pod that replaces one that exceeded its own limits may fill up as that one did.
  const created = Math.max(...pods.map((pod) => pod.created));
  const emptyUntil = created + stableAfterMs(ended?.failure?.ranMs, stableForMs);
  if (ended?.failure?.cause === 'storage-limit' && emptyUntil > now)
    return { pod: ended.name, failure: ended.failure, since: ended.since, stableAt: emptyUntil };
  const all = pods.map((pod) => ({ pod, ...stabilityOf(pod, stableForMs) }));
  if (all.some(({ at }) => at !== undefined && at <= now)) return undefined;
  const [{ pod, at, run } = { pod: undefined, at: undefined, run: undefined }] = all;
  const ran = run?.previousMs === undefined ? {} : { ranMs: run.previousMs };
  const about = run && { container: run.container, restarts: run.restarts, runsSince: run.since, ...ran };
  const failure: PodFailure = { cause: 'not-stable', reason: run && run.restarts > 0 ? 'Restarted' : 'Started', message: '', ...about };
  return { pod: pod?.name ?? '', failure, since: pod?.since, ...(at !== undefined && { stableAt: at }) };
}

/** When a pod that is available will be stable, and the run that it depends on. Undefined while a container does not run. */
function stabilityOf({ runs, readySince }: SeenPod, stableForMs: number): { at: number | undefined; run: Run | undefined } {
  if (!runs) return { at: undefined, run: undefined };
  if (runs.length === 0) return { at: (readySince ?? Number.POSITIVE_INFINITY) + stableForMs, run: undefined };
  const run = runs.reduce((last, one) => (stableAt(one, stableForMs) > stableAt(last, stableForMs) ? one : last));
  return { at: stableAt(run, stableForMs), run };
}

/** Whether a pod is not yet available because the pod before it has ended, and this one will end for the same reason. */
function isExplainedBy(ended: SeenPod, present: SeenPod | undefined): boolean {
  if (ended.failure === undefined || !mayBeUnrecoverable(ended.failure)) return false;
  if (present === undefined || !present.wanted || present.failure === undefined) return true;
  const { cause } = present.failure;
  return cause === ended.failure.cause || cause === 'starting' || cause === 'terminating' || cause === 'evicted' || cause === 'not-ready';
}

function failureAs(pod: SeenPod | undefined, pods: readonly SeenPod[], undeletable: string): PodFailure {
  const ending = pods.find(({ failure }) => failure?.cause === 'terminating');
  if (pod?.wanted && pod.failure) return pod.failure;
  if (pod?.wanted) return { cause: 'min-ready-seconds', reason: 'MinReadySeconds', message: '' };
  if (ending?.failure) return ending.failure;
  if (pod?.failure) return { ...pod.failure, cause: 'old-pod-unavailable' };
  return { cause: 'not-replaced', reason: undeletable === '' ? '' : 'FailedDelete', message: undeletable };
}
