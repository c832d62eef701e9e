import { digestsOf } from './image-digests.ts';
import { stringify } from './json.ts';
import type { PodVersion } from './pod-version.ts';
import { isOwned, type WatchedPod } from './pods.ts';
import { type Moment, type Run, restartsBefore, runsOf, stableAt, startOf } from './stability.ts';
import { type Cause, graceOf, isHopeless, mayBeHopeless, type Trouble, troubleOf, troubleOfEnded } from './trouble.ts';
import type { Condition, DaemonSet, Event, Node, Pod } from './types.ts';

/** What a diagnosis needs of a pod. Times in milliseconds since the epoch. */
export interface SeenPod {
  name: string;
  node: string;
  version: PodVersion;
  /** It runs the version that is waited for. */
  wanted: boolean;
  /** Its volumes are mounted and its sandbox exists (condition `PodReadyToStartContainers`). */
  prepared: boolean;
  /** Undefined while the pod is not ready. */
  readySince: number | undefined;
  /** Of the containers that must not end. Undefined if one does not run; empty if the kubelet does not report containers. */
  runs: readonly Run[] | undefined;
  /** The restarts of each container from before the wait. */
  restartsBefore: ReadonlyMap<string, number>;
  trouble: Trouble | undefined;
  /** When the pod was first seen unable to start, without having recovered in between. */
  since: number | undefined;
  /** When it was last seen. */
  seen: number;
  /** How long it may take to terminate, in milliseconds. */
  graceMs: number;
  /** The digest of the image of each container that has started, by its name. */
  digests: ReadonlyMap<string, string>;
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

/** An event about a pod or the DaemonSet. */
export interface PodEvent {
  uid: string;
  /** It is of type Warning. */
  warning: boolean;
  reason: string;
  message: string;
  count: number;
}

/** The new state of a pod, given what was seen of it before. Undefined if the pod does not belong to this DaemonSet. */
export function seePod(before: SeenPod | undefined, pod: WatchedPod, daemonSet: DaemonSet, at: Moment): SeenPod | undefined {
  if (!isOwned(pod.metadata, daemonSet)) return undefined;
  const is = (type: string): Condition | undefined => pod.status?.conditions?.find((one) => one.type === type && one.status === 'True');
  const prepared = is('PodReadyToStartContainers') !== undefined;
  const runs = runsOf(pod, before, at);
  const earlier = before?.restartsBefore ?? restartsBefore(pod, at);
  const plain = inThisWait(troubleOf(pod), runs, earlier);
  const explained = before?.trouble !== undefined && ONLY_IN_EVENTS.has(before.trouble.cause);
  const trouble = plain?.cause === 'starting' && !prepared && explained ? before.trouble : plain;
  const ready = is('Ready');
  const earliest = Date.parse(pod.metadata.creationTimestamp ?? '') || 0;
  const readySince = (): number =>
    at.isClusterTime || before?.readySince === undefined ? startOf(ready?.lastTransitionTime ?? '', earliest, at) : before.readySince;
  return {
    name: pod.metadata.name,
    node: nodeOf(pod),
    version: pod.version,
    wanted: false,
    prepared,
    readySince: ready && trouble === undefined ? readySince() : undefined,
    runs,
    restartsBefore: earlier,
    trouble,
    since: sinceOf(trouble, before, at.now),
    seen: at.now,
    graceMs: Number(pod.spec?.['terminationGracePeriodSeconds'] ?? 30) * 1_000,
    digests: digestsOf(pod),
  };
}

/** The trouble, with the restarts from before the wait, and with the time since when the container runs again on the clock of the wait. */
function inThisWait(
  trouble: Trouble | undefined,
  runs: readonly Run[] | undefined,
  earlier: ReadonlyMap<string, number>,
): Trouble | undefined {
  if (!trouble) return undefined;
  const restartsBefore = earlier.get(trouble.container ?? '');
  const run = trouble.runsSince === undefined ? undefined : runs?.find(({ container }) => container === trouble.container);
  return { ...trouble, ...(restartsBefore !== undefined && { restartsBefore }), ...(run && { runsSince: run.since }) };
}

/** Only events show these causes, which hold until the pod is prepared. */
const ONLY_IN_EVENTS: ReadonlySet<Cause> = new Set<Cause>(['volume-mount', 'pod-sandbox']);

/** A container without a readiness probe is ready for a moment at each restart; it has recovered once it stays ready. Milliseconds. */
const STEADY = 10_000;

/** Since when a pod has been unable to start. A moment in which it was ready does not count. */
function sinceOf(trouble: Trouble | undefined, before: SeenPod | undefined, now: number): number | undefined {
  if (trouble !== undefined && !mayBeHopeless(trouble)) return undefined;
  const recovered = before?.readySince !== undefined && now - before.readySince >= STEADY;
  const since = recovered ? undefined : before?.since;
  return trouble === undefined ? since : (since ?? now);
}

/** Its node, or the one that the controller created it for (DaemonSet controller: ReplaceDaemonSetPodNodeNameNodeAffinity). */
function nodeOf({ spec = {} }: Pod): string {
  if (typeof spec['nodeName'] === 'string') return spec['nodeName'];
  const named = /"key":"metadata\.name"[^{}]*"values":\["([^"]+)"\]/.exec(stringify(spec['affinity'] ?? {}));
  return named?.[1] ?? '';
}

/** The reason of the warning that the sandbox of a pod, which holds its network, cannot be created. */
export const NO_SANDBOX = 'FailedCreatePodSandBox';

/** The reason of the event about a pod that was evicted, whatever its phase says. */
export const EVICTED = 'Evicted';

/** Reasons of warnings that a pod is waiting for a volume: from the kubelet, and from the attach-detach controller. */
export const VOLUME_WARNINGS = ['FailedMount', 'FailedAttachVolume', 'FailedMapVolume'] as const;

/**
 * The same pod, with what the events about it show: why it is still starting, what ended its container, or what ended the pod.
 *
 * @param events the oldest first.
 */
export function withEvents(pod: SeenPod, events: readonly PodEvent[], now: number): SeenPod {
  const { trouble } = pod;
  if (!trouble) return pod;
  const explained = explain(trouble, pod.prepared, events);
  const since = pod.since ?? (mayBeHopeless(explained) ? now : undefined);
  return explained === trouble ? pod : { ...pod, trouble: explained, since };
}

function explain(trouble: Trouble, prepared: boolean, events: readonly PodEvent[]): Trouble {
  const last = (pattern: RegExp): PodEvent | undefined => events.findLast(({ reason, message }) => pattern.test(`${reason} ${message}`));
  switch (trouble.cause) {
    case 'starting': {
      if (prepared) return trouble;
      const mount = events.findLast(({ reason }) => (VOLUME_WARNINGS as readonly string[]).includes(reason));
      const sandbox = events.findLast(({ reason }) => reason === NO_SANDBOX);
      const why = mount ?? sandbox ?? last(/^NetworkNotReady /);
      if (!why) return trouble;
      const cause = mount ? 'volume-mount' : sandbox ? 'pod-sandbox' : 'starting';
      return { ...trouble, cause, reason: why.reason, message: why.message };
    }
    case 'crash-loop': {
      if (last(/^FailedPostStartHook /))
        return { ...trouble, cause: 'start-error', reason: 'PostStartHookError', message: 'PostStartHook failed' };
      const probe = last(/^Unhealthy (Liveness|Startup) probe (failed|errored)/);
      if (!probe || !wasKilledByProbe(trouble, events)) return trouble;
      return { ...trouble, cause: 'probe-failed', message: probe.message };
    }
    case 'not-ready': {
      const probe = last(/^Unhealthy Readiness probe (failed|errored)/);
      return probe ? { ...trouble, message: probe.message } : trouble;
    }
    case 'image-pull': {
      const secret = last(/^FailedToRetrieveImagePullSecret /);
      return secret && !trouble.message.includes(secret.message)
        ? { ...trouble, message: `${secret.message} ${trouble.message}` }
        : trouble;
    }
    case 'evicted': {
      const eviction = events.findLast(({ reason }) => reason === EVICTED);
      return eviction ? troubleOfEnded(EVICTED, eviction.message) : trouble;
    }
    default:
      return trouble;
  }
}

/**
 * Whether the kubelet ended the container because of a probe. A container may crash by itself while its probes fail, for example before it
 * has started. The kubelet sends SIGTERM: a program that handles it often exits with 0, the others end with 143 or 137.
 */
function wasKilledByProbe({ container = '', exitCode }: Trouble, events: readonly PodEvent[]): boolean {
  const killed = events.some(
    ({ reason, message }) =>
      reason === 'Killing' && / failed (liveness|startup) probe/.test(message) && message.includes(`ontainer ${container} `),
  );
  return killed || exitCode === 0 || exitCode === 137 || exitCode === 143;
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

/** The kubelet and the controllers put this before the message when many events differ only in an id. */
const COMBINED = /^\(combined from similar events\): /;

/** The events, the oldest first. */
export function seeEvents(events: Event[]): PodEvent[] {
  const time = ({ series, lastTimestamp, eventTime, metadata }: Event): string =>
    series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '';
  return events
    .toSorted((a, b) => time(a).localeCompare(time(b)))
    .map(({ involvedObject, type, reason = '', message = '', count, series }) => ({
      uid: involvedObject.uid ?? '',
      warning: type === 'Warning',
      reason,
      message: message.replace(COMBINED, '').trim(),
      count: series?.count ?? count ?? 1,
    }));
}

/** Everything that is known about a rollout besides its counters. */
export interface Situation {
  pods: Iterable<SeenPod>;
  /** The last pod of the version that ended on a node, by the name of the node. */
  ended: ReadonlyMap<string, SeenPod>;
  /** By name. Undefined if the nodes were not read, or if this account is not allowed to list them. */
  nodes: ReadonlyMap<string, SeenNode> | undefined;
  /** Since when, and why, pods are not created at all. */
  rejected: { message: string; since: number } | undefined;
  /** Why pods are not deleted; empty if they are. */
  undeletable: string;
  desired: number;
  /** Milliseconds. */
  minReady: number;
  /** How long containers must have run without a crash, in milliseconds. */
  stableFor: number;
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
  troubled: TroubledNode[];
}

export function diagnose(
  { pods, ended, nodes, rejected, undeletable, desired, minReady, stableFor, start }: Situation,
  now: number,
): Diagnosis {
  const byNode = new Map<string, SeenPod[]>();
  for (const pod of pods) byNode.set(pod.node, [...(byNode.get(pod.node) ?? []), pod]);
  const troubled: TroubledNode[] = [];
  let [right, updated, available] = [0, 0, 0];
  let missing = desired;
  for (const [name, there] of byNode) {
    const node = nodes?.get(name);
    // The pod of a deleted node is deleted too, and the node no longer counts.
    if (nodes && !node && name !== '' && there.every(({ trouble }) => trouble?.cause !== 'unschedulable')) continue;
    missing -= 1;
    const isAvailable = ({ wanted, readySince }: SeenPod): boolean => wanted && readySince !== undefined && now - readySince >= minReady;
    const isThere = there.some(isAvailable) && node?.ready !== false;
    if (there.some(({ wanted, trouble }) => wanted && trouble?.cause !== 'terminating')) updated += 1;
    if (isThere) available += 1;
    // With maxSurge the old pod is deleted once the new one is available. Only then does the node count as updated.
    const left = there.filter(({ wanted, trouble }) => !wanted && trouble?.cause !== 'terminating');
    const unstable = isThere && left.length === 0 ? unstableAmong(there.filter(isAvailable), stableFor, now) : undefined;
    if (unstable) troubled.push({ ...troubleOn(name, there, undefined, node, undeletable, start), ...unstable, node: name });
    else if (isThere && left.length === 0) right += 1;
    else troubled.push(troubleOn(name, isThere ? left : there, ended.get(name), node, undeletable, start));
  }
  for (const [name, pod] of ended) {
    if (missing <= 0 || byNode.has(name) || (nodes && !nodes.has(name))) continue;
    missing -= 1;
    troubled.push(troubleOn(name, [pod], undefined, nodes?.get(name), undeletable, start));
  }
  for (; missing > 0; missing--) {
    const trouble: Trouble = rejected
      ? { cause: 'pod-rejected', reason: 'FailedCreate', message: rejected.message }
      : { cause: 'no-pod', reason: '', message: '' };
    troubled.push({ node: '', pod: '', trouble, since: rejected?.since, marks: [], isNew: false });
  }
  return { right, updated, available, troubled };
}

function troubleOn(
  name: string,
  pods: SeenPod[],
  ended: SeenPod | undefined,
  node: SeenNode | undefined,
  undeletable: string,
  start: number,
): TroubledNode {
  const present = pods.find(({ wanted, trouble }) => wanted && trouble?.cause !== 'terminating') ?? pods[0];
  const pod = ended && isExplainedBy(ended, present) ? ended : present;
  const isNew = node !== undefined && node.created > start;
  const marks = [...(node?.ready === false ? ['NotReady'] : []), ...(node?.marks ?? []), ...(isNew ? ['new'] : [])];
  const trouble: Trouble =
    node?.ready === false ? { cause: 'node-not-ready', reason: 'NotReady', message: node.message } : troubleAs(pod, pods, undeletable);
  return { node: name, pod: pod?.name ?? '', trouble, since: pod?.wanted ? pod.since : undefined, marks, isNew };
}

/** What is known of a node on which the version is available, but no pod of it has run for long enough. Undefined if one has. */
function unstableAmong(
  pods: readonly SeenPod[],
  stableFor: number,
  now: number,
): Pick<TroubledNode, 'pod' | 'trouble' | 'since' | 'stableAt'> | undefined {
  if (stableFor === 0) return undefined;
  const all = pods.map((pod) => ({ pod, ...stabilityOf(pod, stableFor) }));
  if (all.some(({ at }) => at !== undefined && at <= now)) return undefined;
  const [{ pod, at, run } = { pod: undefined, at: undefined, run: undefined }] = all;
  const ran = run?.previousMs === undefined ? {} : { ranMs: run.previousMs };
  const about = run && { container: run.container, restarts: run.restarts, runsSince: run.since, ...ran };
  const trouble: Trouble = { cause: 'not-stable', reason: run && run.restarts > 0 ? 'Restarted' : 'Started', message: '', ...about };
  return { pod: pod?.name ?? '', trouble, since: pod?.since, ...(at !== undefined && { stableAt: at }) };
}

/** When a pod that is available will be stable, and the run that it depends on. Undefined while a container does not run. */
function stabilityOf({ runs, readySince }: SeenPod, stableFor: number): { at: number | undefined; run: Run | undefined } {
  if (!runs) return { at: undefined, run: undefined };
  if (runs.length === 0) return { at: (readySince ?? Number.POSITIVE_INFINITY) + stableFor, run: undefined };
  const run = runs.reduce((last, one) => (stableAt(one, stableFor) > stableAt(last, stableFor) ? one : last));
  return { at: stableAt(run, stableFor), run };
}

/** Whether a pod is not yet available because the pod before it has ended, and this one will end for the same reason. */
function isExplainedBy(ended: SeenPod, present: SeenPod | undefined): boolean {
  if (ended.trouble === undefined || !mayBeHopeless(ended.trouble)) return false;
  if (present === undefined || !present.wanted || present.trouble === undefined) return true;
  const { cause } = present.trouble;
  return cause === ended.trouble.cause || cause === 'starting' || cause === 'terminating' || cause === 'evicted' || cause === 'not-ready';
}

function troubleAs(pod: SeenPod | undefined, pods: SeenPod[], undeletable: string): Trouble {
  const ending = pods.find(({ trouble }) => trouble?.cause === 'terminating');
  if (pod?.wanted && pod.trouble) return pod.trouble;
  if (pod?.wanted) return { cause: 'min-ready-seconds', reason: 'MinReadySeconds', message: '' };
  if (ending?.trouble) return ending.trouble;
  if (pod?.trouble) return { ...pod.trouble, cause: 'old-pod-unavailable' };
  return { cause: 'not-replaced', reason: undeletable === '' ? '' : 'FailedDelete', message: undeletable };
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
export function stuckOf({ troubled }: { troubled: readonly TroubledNode[] }, { grace }: Patience, now: number): TroubledNode[] {
  return troubled.filter(
    ({ trouble, since, isNew }) =>
      !isNew && since !== undefined && trouble.cause !== 'node-not-ready' && isHopeless(trouble, since, now, grace),
  );
}

/** The next time at which a pod may have been unable to start for too long, or undefined. */
export function nextVerdictAt({ troubled }: Pick<Diagnosis, 'troubled'>, { grace }: Patience, now: number): number | undefined {
  const times = troubled.flatMap(({ since, trouble }) =>
    since !== undefined && mayBeHopeless(trouble) ? [since + graceOf(trouble, grace)] : [],
  );
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
  /** Which run of the container the log is from: the one before its last restart, the last one, which has ended, or the present one. */
  run: 'previous' | 'ended' | 'present';
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
  'storage-limit',
  'volume-mount',
  'pod-sandbox',
  'unschedulable',
  'pod-rejected',
  'node-not-ready',
  'terminating',
  'old-pod-unavailable',
  'evicted',
  'not-ready',
  'not-stable',
  'starting',
  'min-ready-seconds',
  'no-pod',
  'not-replaced',
];

/** The nodes grouped by problem, the most significant first. If one node of a group is stuck, the others will be. */
export function groupCauses(troubled: readonly TroubledNode[], stuck: readonly TroubledNode[]): CauseGroup[] {
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
