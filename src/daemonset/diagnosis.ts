import { stringify } from './json.ts';
import { isOwned } from './pods.ts';
import { type Cause, isHopeless, mayBeHopeless, type Trouble, troubleOf } from './trouble.ts';
import type { Condition, DaemonSet, Event, Node, Pod } from './types.ts';

/** How to recognize a pod of the version that is waited for (DaemonSet controller: IsPodUpdated). */
export interface Wanted {
  /** The DaemonSet's annotation `deprecated.daemonset.template.generation`. */
  generation: string | undefined;
  /** The hash of its ControllerRevision, if that is known. */
  hash: string | undefined;
}

/** What a diagnosis needs of a pod. Times in milliseconds since the epoch. */
export interface SeenPod {
  name: string;
  node: string;
  wanted: boolean;
  /** Its volumes are mounted and its sandbox exists (condition `PodReadyToStartContainers`). */
  prepared: boolean;
  /** Undefined while the pod is not ready. */
  readySince: number | undefined;
  trouble: Trouble | undefined;
  /** When the pod was first seen unable to start, without having recovered in between. */
  since: number | undefined;
}

/** What a diagnosis needs of a node. */
export interface SeenNode {
  ready: boolean;
  /** What else may prevent pods on it: `cordoned`, `MemoryPressure`. */
  marks: string[];
  message: string;
  /** Milliseconds since the epoch. */
  created: number;
}

/** A warning event about a pod or the DaemonSet. */
export interface Warning {
  uid: string;
  reason: string;
  message: string;
  count: number;
}

/** The new state of a pod, given what was seen of it before. Undefined if the pod does not belong to this DaemonSet. */
export function seePod(before: SeenPod | undefined, pod: Pod, daemonSet: DaemonSet, wanted: Wanted, now: number): SeenPod | undefined {
  if (!isOwned(pod.metadata, daemonSet)) return undefined;
  const { name, labels = {} } = pod.metadata;
  const is = (type: string): Condition | undefined => pod.status?.conditions?.find((one) => one.type === type && one.status === 'True');
  const prepared = is('PodReadyToStartContainers') !== undefined;
  const plain = troubleOf(pod);
  // Only events show that a volume cannot be mounted, and that holds until it is.
  const trouble = plain?.cause === 'starting' && !prepared && before?.trouble?.cause === 'volume-mount' ? before.trouble : plain;
  const ready = is('Ready');
  return {
    name,
    node: nodeOf(pod),
    wanted: isWanted(labels, wanted),
    prepared,
    // The clock of the cluster may be ahead of ours.
    readySince: ready && trouble === undefined ? Math.min(Date.parse(ready.lastTransitionTime ?? '') || now, now) : undefined,
    trouble,
    since: sinceOf(trouble, before, now),
  };
}

/** A container without a readiness probe is ready for a moment at each restart; it has recovered once it stays ready. Milliseconds. */
const STEADY = 10_000;

/** Since when a pod has been unable to start. A moment in which it was ready does not count. */
function sinceOf(trouble: Trouble | undefined, before: SeenPod | undefined, now: number): number | undefined {
  if (trouble !== undefined && !mayBeHopeless(trouble)) return undefined;
  const recovered = before?.readySince !== undefined && now - before.readySince >= STEADY;
  const since = recovered ? undefined : before?.since;
  return trouble === undefined ? since : (since ?? now);
}

function isWanted(labels: Readonly<Record<string, string>>, { generation, hash }: Wanted): boolean {
  return (
    (generation !== undefined && labels['pod-template-generation'] === generation) ||
    (hash !== undefined && labels['controller-revision-hash'] === hash)
  );
}

/** Its node, or the one that the controller created it for (DaemonSet controller: ReplaceDaemonSetPodNodeNameNodeAffinity). */
function nodeOf({ spec = {} }: Pod): string {
  if (typeof spec['nodeName'] === 'string') return spec['nodeName'];
  const named = /"key":"metadata\.name"[^{}]*"values":\["([^"]+)"\]/.exec(stringify(spec['affinity'] ?? {}));
  return named?.[1] ?? '';
}

/** Reasons of warnings that a pod is waiting for a volume: from the kubelet, and from the attach-detach controller. */
export const VOLUME_WARNINGS = ['FailedMount', 'FailedAttachVolume', 'FailedMapVolume'] as const;

/** The same pod, with what the warnings about it show: why it is still starting, and what terminated it. */
export function withWarnings(pod: SeenPod, warnings: readonly Warning[], now: number): SeenPod {
  const { trouble } = pod;
  if (!trouble) return pod;
  const last = (pattern: RegExp): Warning | undefined => warnings.findLast(({ reason, message }) => pattern.test(`${reason} ${message}`));
  const unprepared = trouble.cause === 'starting' && !pod.prepared;
  const mount = unprepared ? warnings.findLast(({ reason }) => (VOLUME_WARNINGS as readonly string[]).includes(reason)) : undefined;
  if (mount) {
    const { reason, message } = mount;
    return { ...pod, trouble: { ...trouble, cause: 'volume-mount', reason, message }, since: pod.since ?? now };
  }
  const probe = trouble.cause === 'crash-loop' ? last(/^Unhealthy (Liveness|Startup) probe failed/) : undefined;
  if (probe) return { ...pod, trouble: { ...trouble, cause: 'probe-failed', message: probe.message } };
  const unready = trouble.cause === 'not-ready' ? last(/^Unhealthy Readiness probe (failed|errored)/) : undefined;
  if (unready) return { ...pod, trouble: { ...trouble, message: unready.message } };
  const sandbox = unprepared ? last(/^(FailedCreatePodSandBox|NetworkNotReady) /) : undefined;
  return sandbox ? { ...pod, trouble: { ...trouble, reason: sandbox.reason, message: sandbox.message } } : pod;
}

export function seeNode({ metadata, spec = {}, status = {} }: Node): SeenNode {
  const conditions = status.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'Ready');
  const pressures = conditions.filter(({ type, status: is }) => /Pressure$|^NetworkUnavailable$/.test(type) && is === 'True');
  return {
    ready: ready?.status === 'True',
    marks: [...(spec.unschedulable === true ? ['cordoned'] : []), ...pressures.map(({ type }) => type)],
    message: ready?.message ?? '',
    created: Date.parse(metadata.creationTimestamp ?? '') || 0,
  };
}

/** The warnings among events, the oldest first. */
export function seeWarnings(events: Event[]): Warning[] {
  const time = ({ series, lastTimestamp, eventTime, metadata }: Event): string =>
    series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '';
  return events
    .filter(({ type }) => type === 'Warning')
    .sort((a, b) => time(a).localeCompare(time(b)))
    .map(({ involvedObject, reason = '', message = '', count, series }) => ({
      uid: involvedObject.uid ?? '',
      reason,
      message,
      count: series?.count ?? count ?? 1,
    }));
}

/** Everything that is known about a rollout besides its counters. */
export interface Situation {
  pods: Iterable<SeenPod>;
  /** By name. Undefined if the nodes were not read, or if this account is not allowed to list them. */
  nodes: ReadonlyMap<string, SeenNode> | undefined;
  /** Since when, and why, pods are not created at all. */
  rejected: { message: string; since: number } | undefined;
  desired: number;
  /** Milliseconds. */
  minReady: number;
  /** When the wait began, in milliseconds since the epoch. Younger nodes are not decisive. */
  start: number;
}

/** A node that does not run the version that is waited for, or has no available pod of it. */
export interface TroubledNode {
  /** Empty if unknown. */
  node: string;
  pod: string;
  trouble: Trouble;
  since: number | undefined;
  /** Problems of the node itself: `NotReady`, `cordoned`, `MemoryPressure`, `new`. */
  marks: string[];
  /** It joined after the wait began. */
  isNew: boolean;
}

/** How many nodes run the version, and why the others do not. */
export interface Diagnosis {
  right: number;
  troubled: TroubledNode[];
}

export function diagnose({ pods, nodes, rejected, desired, minReady, start }: Situation, now: number): Diagnosis {
  const byNode = new Map<string, SeenPod[]>();
  for (const pod of pods) byNode.set(pod.node, [...(byNode.get(pod.node) ?? []), pod]);
  const troubled: TroubledNode[] = [];
  let right = 0;
  let missing = desired;
  for (const [name, there] of byNode) {
    const node = nodes?.get(name);
    // The pod of a deleted node is deleted too, and the node no longer counts.
    if (nodes && !node && name !== '' && there.every(({ trouble }) => trouble?.cause !== 'unschedulable')) continue;
    missing -= 1;
    const available = ({ wanted, readySince }: SeenPod): boolean => wanted && readySince !== undefined && now - readySince >= minReady;
    const isThere = there.some(available) && node?.ready !== false;
    // With maxSurge the old pod is deleted once the new one is available. Only then does the node count as updated.
    const left = there.filter(({ wanted, trouble }) => !wanted && trouble?.cause !== 'terminating');
    if (isThere && left.length === 0) right += 1;
    else troubled.push(troubleOn(name, isThere ? left : there, node, start));
  }
  for (; missing > 0; missing--) {
    const trouble: Trouble = rejected
      ? { cause: 'pod-rejected', reason: 'FailedCreate', message: rejected.message }
      : { cause: 'no-pod', reason: '', message: '' };
    troubled.push({ node: '', pod: '', trouble, since: rejected?.since, marks: [], isNew: false });
  }
  return { right, troubled };
}

function troubleOn(name: string, pods: SeenPod[], node: SeenNode | undefined, start: number): TroubledNode {
  const pod = pods.find(({ wanted, trouble }) => wanted && trouble?.cause !== 'terminating') ?? pods[0];
  const isNew = node !== undefined && node.created > start;
  const marks = [...(node?.ready === false ? ['NotReady'] : []), ...(node?.marks ?? []), ...(isNew ? ['new'] : [])];
  const trouble: Trouble =
    node?.ready === false ? { cause: 'node-not-ready', reason: 'NotReady', message: node.message } : troubleAs(pod, pods);
  return { node: name, pod: pod?.name ?? '', trouble, since: pod?.wanted ? pod.since : undefined, marks, isNew };
}

function troubleAs(pod: SeenPod | undefined, pods: SeenPod[]): Trouble {
  const ending = pods.find(({ trouble }) => trouble?.cause === 'terminating');
  if (pod?.wanted && pod.trouble) return pod.trouble;
  if (pod?.wanted) return { cause: 'min-ready-seconds', reason: 'MinReadySeconds', message: '' };
  if (ending?.trouble) return ending.trouble;
  if (pod?.trouble) return { ...pod.trouble, cause: 'old-pod-unavailable' };
  return { cause: 'not-replaced', reason: '', message: '' };
}

/** How many nodes may remain without an available pod: a number, or a percentage of those that should have one. */
export type Tolerance = { nodes: number } | { percent: number };

/** In nodes. A percentage is rounded down, so that never more is tolerated than was given. */
export function toleratedOf(tolerance: Tolerance, desired: number): number {
  return 'nodes' in tolerance ? tolerance.nodes : Math.floor((tolerance.percent * desired) / 100);
}

/** When to stop waiting for pods that cannot start. */
export interface Patience {
  /** How long a pod must be unable to start, in milliseconds. */
  grace: number;
  /** Nodes that may have such a pod. */
  tolerated: number;
}

/** Nodes whose pod will not start, however long one waits, although the node itself is healthy. */
export function stuckOf({ troubled }: Diagnosis, { grace }: Patience, now: number): TroubledNode[] {
  return troubled.filter(
    ({ trouble, since, isNew }) =>
      !isNew && since !== undefined && trouble.cause !== 'node-not-ready' && isHopeless(trouble, since, now, grace),
  );
}

/** The next time at which a pod may have been unable to start for too long, or undefined. */
export function nextVerdictAt({ troubled }: Diagnosis, { grace }: Patience, now: number): number | undefined {
  const times = troubled.flatMap(({ since, trouble }) => (since !== undefined && mayBeHopeless(trouble) ? [since + grace] : []));
  const next = times.reduce((least, time) => (time > now ? Math.min(least, time) : least), Number.POSITIVE_INFINITY);
  return Number.isFinite(next) ? next : undefined;
}

/** Nodes with the same problem. */
export interface CauseGroup {
  cause: Cause;
  /** Waiting does not help: at least one of the nodes has had the problem for too long. */
  stuck: boolean;
  nodes: TroubledNode[];
  /** The node to inspect: the one with the most restarts. */
  example: TroubledNode;
  /** What was read about the example. */
  evidence?: Evidence;
}

export interface Evidence {
  /** Warnings about the pod, the newest last: `Failed: Error: ErrImagePull`. */
  events: string[];
  /** The last lines of the container's log. Undefined if it was not read. */
  log: string[] | undefined;
  /** The log is that of the container before its last restart. */
  previous: boolean;
}

/** From the most significant cause to the least: what cannot start, what blocks the controller, what is merely not done yet. */
const ORDER: readonly Cause[] = [
  'oom-killed',
  'probe-failed',
  'crash-loop',
  'image-pull',
  'invalid-image',
  'config-error',
  'start-error',
  'volume-mount',
  'unschedulable',
  'pod-rejected',
  'node-not-ready',
  'terminating',
  'old-pod-unavailable',
  'evicted',
  'not-ready',
  'starting',
  'min-ready-seconds',
  'no-pod',
  'not-replaced',
];

/** The nodes grouped by problem, the most significant first. If one node of a group is stuck, the others will be. */
export function groupCauses({ troubled }: Diagnosis, stuck: readonly TroubledNode[]): CauseGroup[] {
  const groups = new Map<string, CauseGroup>();
  for (const one of troubled) {
    const { cause, container = '', image = '' } = one.trouble;
    const key = JSON.stringify([cause, container, image]);
    const group = groups.get(key) ?? { cause, stuck: false, nodes: [], example: one };
    groups.set(key, group);
    group.nodes.push(one);
    group.stuck ||= stuck.includes(one);
    if ((one.trouble.restarts ?? 0) > (group.example.trouble.restarts ?? 0)) group.example = one;
  }
  // `node-2` before `node-10`. Created late, because it takes a tenth of the time of a rollback.
  const { compare } = new Intl.Collator('en', { numeric: true });
  for (const { nodes } of groups.values()) nodes.sort((a, b) => compare(a.node, b.node));
  return mostSignificantFirst([...groups.values()]);
}

export function mostSignificantFirst(groups: readonly CauseGroup[]): CauseGroup[] {
  const weight = ({ cause, stuck }: CauseGroup): number => (stuck ? 0 : 100) + ORDER.indexOf(cause);
  return groups.toSorted((a, b) => weight(a) - weight(b) || b.nodes.length - a.nodes.length);
}
