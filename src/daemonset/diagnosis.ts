import { type Crashes, crashesOf, endsBefore, isUnwell } from './crashes.ts';
import { digestsOf } from './image-digests.ts';
import { isOwned } from './is-owned.ts';
import { stringify } from './json.ts';
import { isPlacedOn } from './placement.ts';
import {
  type Cause,
  type Certainty,
  failureOfEnded,
  graceOf,
  isCrash,
  isUnrecoverable,
  mayBeUnrecoverable,
  type PodFailure,
  podFailureOf,
  pullFailureOf,
} from './pod-failure.ts';
import type { PodVersion } from './pod-version.ts';
import type { WatchedPod } from './pods.ts';
import { type Moment, type Run, runsOf, stableAfterMs, stableAt, startOf } from './stability.ts';
import type { Condition, DaemonSet, Event, Node, Pod, PodTemplate } from './types.ts';

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
  /** How often each container ended before the wait. */
  endsBefore: ReadonlyMap<string, number>;
  crashes: Crashes | undefined;
  failure: PodFailure | undefined;
  /** Its failure when it was first seen, before the wait could have caused it. */
  firstFailure: Cause | undefined;
  /** When the pod was first seen unable to start, without having recovered in between. */
  since: number | undefined;
  /** When it was created, and when it was last seen. */
  created: number;
  seen: number;
  /** How long it may take to terminate, in milliseconds. */
  graceMs: number;
  /** The digest of the image of each container that has started, by its name. */
  digests: ReadonlyMap<string, string>;
}

/** What a diagnosis needs of a node. */
export interface SeenNode {
  ready: boolean;
  /** The template is placed on it. */
  placed: boolean;
  /** What else may prevent pods on it: `cordoned`, `MemoryPressure`. */
  marks: string[];
  message: string;
  /** Milliseconds since the epoch. */
  created: number;
}

/** An event about a pod or the DaemonSet. */
export interface PodEvent {
  uid: string;
  name: string;
  /** The node of the kubelet that reported it; empty if another component did. */
  host: string;
  /** When it last happened, on the clock of the cluster. NaN if that is unknown. */
  at: number;
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
  const earlier = before?.endsBefore ?? endsBefore(pod, at);
  const crashes = crashesOf(pod, before?.crashes, earlier, at);
  const plain = inThisWait(podFailureOf(pod), runs, crashes);
  const failure = stillExplained(plain, before?.failure, prepared);
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
    readySince: ready && failure === undefined ? readySince() : undefined,
    runs,
    endsBefore: earlier,
    crashes,
    failure,
    firstFailure: before ? before.firstFailure : failure?.cause,
    since: sinceOf(failure, before, at.now),
    created: at.isClusterTime ? Math.min(earliest, at.now) : (before?.created ?? at.now),
    seen: at.now,
    graceMs: Math.max(Number(pod.spec?.['terminationGracePeriodSeconds'] ?? 30), pod.metadata.deletionGracePeriodSeconds ?? 0) * 1_000,
    digests: digestsOf(pod),
  };
}

/** The failure, with the crashes in this wait, and with the time since when the container runs again on the clock of the wait. */
function inThisWait(
  failure: PodFailure | undefined,
  runs: readonly Run[] | undefined,
  crashes: Crashes | undefined,
): PodFailure | undefined {
  if (!failure) return undefined;
  const run = failure.runsSince === undefined ? undefined : runs?.find(({ container }) => container === failure.container);
  const count = crashes && crashes.failure.container === failure.container ? crashes.count : 0;
  return { ...failure, ...(isCrash(failure) && { crashes: count }), ...(run && { runsSince: run.since }) };
}

/** Only events show these causes, which hold until the pod is prepared. */
const ONLY_IN_EVENTS: ReadonlySet<Cause> = new Set<Cause>(['volume-mount', 'pod-sandbox']);

/** The failure, with what was known of it before and the status does not repeat. */
function stillExplained(failure: PodFailure | undefined, before: PodFailure | undefined, prepared: boolean): PodFailure | undefined {
  if (!failure || !before) return failure;
  if (failure.cause === 'starting' && !prepared && ONLY_IN_EVENTS.has(before.cause)) return before;
  // A kubelet before 1.32 reports the answer of the registry only between two attempts.
  const isSamePull = failure.cause === 'image-pull' && before.cause === 'image-pull' && failure.container === before.container;
  return isSamePull && pullFailureOf(failure.message) === 'unknown' ? { ...failure, message: before.message } : failure;
}

/** A container without a readiness probe is ready for a moment at each restart; it has recovered once it stays ready. */
const STEADY_MS = 10_000;

/** Since when a pod has been unable to start. A moment in which it was ready does not count. */
function sinceOf(failure: PodFailure | undefined, before: SeenPod | undefined, now: number): number | undefined {
  if (failure !== undefined && !mayBeUnrecoverable(failure)) return undefined;
  const recovered = before?.readySince !== undefined && now - before.readySince >= STEADY_MS;
  const since = recovered ? undefined : before?.since;
  return failure === undefined ? since : (since ?? now);
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
  const { failure } = pod;
  if (!failure || events.length === 0) return pod;
  const plain: PodFailure = ONLY_IN_EVENTS.has(failure.cause) ? { cause: 'starting', reason: 'ContainerCreating', message: '' } : failure;
  const explained = explain(plain, pod.prepared, events, now);
  if (explained === failure) return pod;
  return { ...pod, failure: explained, since: mayBeUnrecoverable(explained) ? (pod.since ?? now) : undefined };
}

/** Reasons of events after which a pod has its volumes and its sandbox. */
export const PREPARED = ['Pulling', 'Pulled'] as const;

/** A kubelet tries again every two minutes, and reports at least one failure in five (nestedpendingoperations; client-go: tools/events). */
const LONGEST_SILENCE_MS = 360_000;

function explain(failure: PodFailure, prepared: boolean, events: readonly PodEvent[], now: number): PodFailure {
  const last = (pattern: RegExp): PodEvent | undefined => events.findLast(({ reason, message }) => pattern.test(`${reason} ${message}`));
  switch (failure.cause) {
    case 'starting': {
      if (prepared) return failure;
      const isPrepared = ({ reason }: PodEvent): boolean => (PREPARED as readonly string[]).includes(reason);
      const unhealed = events.slice(events.findLastIndex(isPrepared) + 1).filter(({ at }) => !(now - at > LONGEST_SILENCE_MS));
      const mount = unhealed.findLast(({ reason }) => (VOLUME_WARNINGS as readonly string[]).includes(reason));
      const sandbox = unhealed.findLast(({ reason }) => reason === NO_SANDBOX);
      const why = mount ?? sandbox ?? last(/^NetworkNotReady /);
      if (!why) return failure;
      const cause = mount ? 'volume-mount' : sandbox ? 'pod-sandbox' : 'starting';
      return { ...failure, cause, reason: why.reason, message: why.message };
    }
    case 'crash-loop': {
      if (last(/^FailedPostStartHook /))
        return { ...failure, cause: 'start-error', reason: 'PostStartHookError', message: 'PostStartHook failed' };
      const probe = last(/^Unhealthy (Liveness|Startup) probe (failed|errored)/);
      if (!probe || !wasKilledByProbe(failure, events)) return failure;
      return { ...failure, cause: 'probe-failed', message: probe.message };
    }
    case 'not-ready': {
      const probe = last(/^Unhealthy Readiness probe (failed|errored)/);
      return probe ? { ...failure, message: probe.message } : failure;
    }
    case 'image-pull': {
      const secret = last(/^FailedToRetrieveImagePullSecret /);
      return secret && !failure.message.includes(secret.message)
        ? { ...failure, message: `${secret.message} ${failure.message}` }
        : failure;
    }
    case 'evicted': {
      const eviction = events.findLast(({ reason }) => reason === EVICTED);
      return eviction ? { ...failure, ...failureOfEnded(EVICTED, eviction.message) } : failure;
    }
    default:
      return failure;
  }
}

/**
 * Whether the kubelet ended the container because of a probe. A container may crash by itself while its probes fail, for example before it
 * has started. The kubelet sends SIGTERM: a program that handles it often exits with 0, the others end with 143 or 137.
 */
function wasKilledByProbe({ container = '', exitCode }: PodFailure, events: readonly PodEvent[]): boolean {
  const killed = events.some(
    ({ reason, message }) =>
      reason === 'Killing' && / failed (liveness|startup) probe/.test(message) && message.includes(`ontainer ${container} `),
  );
  return killed || exitCode === 0 || exitCode === 137 || exitCode === 143;
}

export function seeNode(node: Node, template: PodTemplate): SeenNode {
  const { metadata, spec = {}, status = {} } = node;
  const conditions = status.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'Ready');
  const pressures = conditions.filter(({ type, status: is }) => /Pressure$|^NetworkUnavailable$/.test(type) && is === 'True');
  return {
    ready: ready?.status === 'True',
    placed: isPlacedOn(template, node),
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
    .map((event) => ({ ...event, time: time(event) }))
    .sort((a, b) => a.time.localeCompare(b.time))
    .map(({ involvedObject, source, type, reason = '', message = '', count, series, time }) => ({
      uid: involvedObject.uid ?? '',
      name: involvedObject.name ?? '',
      host: source?.host ?? '',
      at: Date.parse(time),
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
  /** Nodes whose pods do not count. */
  surplus?: ReadonlySet<string>;
  /** Why pods are not deleted; empty if they are. */
  undeletable: string;
  desired: number;
  /** Milliseconds. */
  minReady: number;
  /** How long containers must have run without a crash, in milliseconds. */
  stableFor: number;
  /** When the wait began, in milliseconds since the epoch. Younger nodes are not decisive. */
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
  const { pods, ended, nodes, surplus, rejected, desired, stableFor, minReady, othersCrashedAt } = situation;
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
    const isAvailable = ({ wanted, readySince }: SeenPod): boolean => wanted && readySince !== undefined && now - readySince >= minReady;
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
      const unstable = unstableAmong(there.filter(isAvailable), on.ended, stableFor, now);
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
  stableFor: number,
  now: number,
): Pick<FailingNode, 'pod' | 'failure' | 'since' | 'stableAt'> | undefined {
  if (stableFor === 0) return undefined;
  // A pod that replaces one that exceeded its own limits may fill up as that one did.
  const created = Math.max(...pods.map((pod) => pod.created));
  const emptyUntil = created + stableAfterMs(ended?.failure?.ranMs, stableFor);
  if (ended?.failure?.cause === 'storage-limit' && emptyUntil > now)
    return { pod: ended.name, failure: ended.failure, since: ended.since, stableAt: emptyUntil };
  const all = pods.map((pod) => ({ pod, ...stabilityOf(pod, stableFor) }));
  if (all.some(({ at }) => at !== undefined && at <= now)) return undefined;
  const [{ pod, at, run } = { pod: undefined, at: undefined, run: undefined }] = all;
  const ran = run?.previousMs === undefined ? {} : { ranMs: run.previousMs };
  const about = run && { container: run.container, restarts: run.restarts, runsSince: run.since, ...ran };
  const failure: PodFailure = { cause: 'not-stable', reason: run && run.restarts > 0 ? 'Restarted' : 'Started', message: '', ...about };
  return { pod: pod?.name ?? '', failure, since: pod?.since, ...(at !== undefined && { stableAt: at }) };
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
  /** How sure to be. By default as sure as a report requires. */
  certainty?: Certainty;
}

/** Nodes whose pod will not start, however long one waits, although the node itself is healthy. */
export function stuckOf({ failing }: { failing: readonly FailingNode[] }, patience: Patience, now: number): FailingNode[] {
  const { grace, certainty } = patience;
  return failing.filter(
    ({ failure, since, isNew }) =>
      !isNew && since !== undefined && failure.cause !== 'node-not-ready' && isUnrecoverable(failure, since, now, grace, certainty),
  );
}

/** The next time at which a pod may have been unable to start for too long, or undefined. */
export function nextVerdictAt({ failing }: Pick<Diagnosis, 'failing'>, patience: Patience, now: number): number | undefined {
  const { grace, certainty } = patience;
  const times = failing.flatMap(({ since, failure }) =>
    since !== undefined && mayBeUnrecoverable(failure) ? [since + graceOf(failure, grace, certainty)] : [],
  );
  const next = times.reduce((least, time) => (time > now ? Math.min(least, time) : least), Number.POSITIVE_INFINITY);
  return Number.isFinite(next) ? next : undefined;
}

/** Nodes with the same problem. */
export interface CauseGroup {
  cause: Cause;
  /** Waiting does not help: at least one of the nodes has had the problem for too long. */
  stuck: boolean;
  nodes: FailingNode[];
  /** The node to inspect: the one with the most restarts. */
  example: FailingNode;
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
export function groupCauses(failing: readonly FailingNode[], stuck: readonly FailingNode[]): CauseGroup[] {
  const groups = new Map<string, CauseGroup>();
  for (const one of failing) {
    const { cause, container = '', image = '' } = one.failure;
    const key = JSON.stringify([cause, container, image]);
    const group = groups.get(key) ?? { cause, stuck: false, nodes: [], example: one };
    groups.set(key, group);
    group.nodes.push(one);
    group.stuck ||= stuck.includes(one);
    if ((one.failure.restarts ?? 0) > (group.example.failure.restarts ?? 0)) group.example = one;
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
