import { type Crashes, crashesOf, endsBefore } from './crashes.ts';
import { digestsOf } from './image-digests.ts';
import { isOwned } from './is-owned.ts';
import { stringify } from './json.ts';
import { type Cause, isCrash, mayBeUnrecoverable, type PodFailure, podFailureOf, pullFailureOf } from './pod-failure.ts';
import type { PodVersion } from './pod-version.ts';
import type { WatchedPod } from './pods.ts';
import { type Moment, type Run, runsOf, startOf } from './stability.ts';
import type { Condition, DaemonSet, Pod } from './types.ts';

/** What a diagnosis needs of a pod. */
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
  /** How long it may take to terminate. */
  graceMs: number;
  /** The digest of the image of each container that has started, by its name. */
  digests: ReadonlyMap<string, string>;
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
export const ONLY_IN_EVENTS: ReadonlySet<Cause> = new Set<Cause>(['volume-mount', 'pod-sandbox']);

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
