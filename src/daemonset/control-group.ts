/** What the pods of other versions show during a rollout: they run on the same nodes, and the new version is not to blame for them. */
import { NO_SANDBOX, type PodEvent, VOLUME_WARNINGS } from './pod-events.ts';
import { isCrash, MANY_CRASHES, mayBeUnrecoverable, type PodFailure } from './pod-failure.ts';
import type { SeenPod } from './seen-pod.ts';

/** What is kept of a pod of another version, also after it was replaced. */
export interface OtherPod {
  node: string;
  /** Which version: the label `controller-revision-hash`. */
  hash: string;
  /** It was not available when it was first seen, and not because it was starting or terminating. */
  wasBroken: boolean;
  /** It was in a crash loop already when it was first seen. */
  wasCrashing: boolean;
  /** When it last crashed, on the clock of the wait. */
  crashedAt: number | undefined;
}

/** A pod that had crashed often before the wait was in a crash loop, unless it has run for this long since. */
const LONG_RUN_MS = 600_000;

export function otherPod({ node, version, firstFailure, endsBefore, crashes, runs, seen }: SeenPod): OtherPod {
  const wasBroken = firstFailure !== undefined && (mayBeUnrecoverable({ cause: firstFailure }) || firstFailure === 'not-ready');
  const mostEnds = Math.max(0, ...endsBefore.values());
  const runsForLong = runs?.some(({ since }) => seen - since >= LONG_RUN_MS) ?? false;
  const crashedAt = crashes && isCrash(crashes.failure) ? crashes.lastAt : undefined;
  return { node, hash: version.hash, wasBroken, wasCrashing: mostEnds >= MANY_CRASHES && !runsForLong, crashedAt };
}

/** The nodes on which another version was not available although it was on most others: the node is to blame, and not the version. */
export function brokenNodes(others: Iterable<OtherPod>): Set<string> {
  const byVersion = Map.groupBy(others, ({ hash }) => hash);
  return new Set([...byVersion.values()].flatMap((pods) => exceptions(pods, ({ wasBroken }) => wasBroken)).map(({ node }) => node));
}

/** When a pod of another version last crashed that was not in a crash loop by itself; undefined if none has. */
export function othersCrashedAt(others: Iterable<OtherPod>): number | undefined {
  const all = [...others];
  const chronic = new Set(exceptions(all, ({ wasCrashing }) => wasCrashing));
  const times = all.flatMap((pod) => (pod.crashedAt === undefined || chronic.has(pod) ? [] : [pod.crashedAt]));
  return times.length > 0 ? Math.max(...times) : undefined;
}

/** Those for which something holds, if they are exceptions. */
function exceptions<T>(all: readonly T[], holds: (one: T) => boolean): T[] {
  const some = all.filter(holds);
  return some.length <= mostExceptions(all.length) ? some : [];
}

/** How long before a pod was created its predecessor must have shown the same problem: the scheduler tries every five minutes. */
const RECENT_MS = 600_000;

/** A pod that starts or terminates also fails its readiness probe, but not so often. */
const OFTEN = 4;

/** Events that a pod with the same problem has left behind: their reasons, what their messages are about, and how often they happened. */
export function eventsLike({ cause }: PodFailure): { reasons: readonly string[]; about: RegExp; count?: number } {
  const any = /^/;
  switch (cause) {
    case 'crash-loop':
    case 'oom-killed':
    case 'probe-failed':
      return { reasons: ['BackOff'], about: /restarting/ };
    case 'image-pull':
    case 'invalid-image':
      return { reasons: ['Failed'], about: /pull|image/i };
    case 'config-error':
    case 'start-error':
      return { reasons: ['Failed'], about: /^(?!.*(pull|ErrImage))/i };
    case 'volume-mount':
      return { reasons: VOLUME_WARNINGS, about: any };
    case 'pod-sandbox':
      return { reasons: [NO_SANDBOX], about: any };
    case 'not-ready':
      return { reasons: ['Unhealthy'], about: /^Readiness/, count: OFTEN };
    case 'unschedulable':
      return { reasons: ['FailedScheduling'], about: any };
    default:
      return { reasons: [], about: any };
  }
}

/** A pod of the version, and what is wrong with it. */
export interface Failing extends Pick<SeenPod, 'node' | 'created'> {
  failure: PodFailure;
}

/** At most this many of all are exceptions: fewer than half. */
export function mostExceptions(all: number): number {
  return Math.max(0, Math.ceil(all / 2) - 1);
}

/**
 * The nodes on which the pod before had the same problem, by the events about it. Empty if there are too many of them for exceptions.
 *
 * @param pods those of the version that cannot start.
 * @param isOther whether an event is about a pod of the DaemonSet that is not of the version.
 */
export function brokenPredecessors(
  pods: readonly Failing[],
  events: readonly PodEvent[],
  isOther: (event: PodEvent) => boolean,
  desired: number,
): Set<string> {
  const others = events.filter((event) => event.warning && isOther(event));
  // The events of the scheduler do not name a node, so each of its pods is an explanation for one node.
  const used = new Set<string>();
  const found = pods.filter(({ node, failure, created }) => {
    const { reasons, about, count: least = 1 } = eventsLike(failure);
    const isLike = ({ reason, message, count, at }: PodEvent): boolean =>
      reasons.includes(reason) && about.test(message) && count >= least && at <= created + 1_000 && at >= created - RECENT_MS;
    const event = others.find((one) => isLike(one) && (one.host === node || (one.host === '' && !used.has(one.uid))));
    if (event) used.add(event.uid);
    return event !== undefined;
  });
  return found.length <= mostExceptions(desired) ? new Set(found.map(({ node }) => node)) : new Set();
}
