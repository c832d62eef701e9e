/** Whether a rollout is complete, has failed or continues: the one place that decides, from a snapshot of the cluster. */
import { announcedMs, startMs } from './announced-time.ts';
import { mostExceptions } from './control-group.ts';
import type { Diagnosis, FailingNode } from './diagnosis.ts';
import { nextVerdictAt, type Patience, type Tolerance, toleratedOf } from './patience.ts';
import { type Cause, type Certainty, mayBeUnrecoverable } from './pod-failure.ts';
import { isSuspicious, type Progress, suspiciousAt } from './progress.ts';
import { rolloutOf } from './rollout.ts';
import { type StableFor, stableForMs } from './stability.ts';
import { sameButForRestart } from './template.ts';
import type { Counts, DaemonSet, PodTemplate } from './types.ts';
import { type FailsFor, type Fault, failingNodes, faultOf, mayFail, nextFaultAt, settlingMs } from './version-failure.ts';

/** How long to wait, and for how many nodes. */
export interface Limits {
  /** How long every container of the version must have run without a crash. 0: not at all. */
  stableFor: StableFor;
  /** Nothing has progressed for this long: `stalled`. 0: never. */
  progressDeadlineMs: number;
  /** Stop waiting once pods cannot start. */
  failFast: boolean;
  /** What ends the wait while other nodes are on their way. By default `a-node`. */
  failsFor?: FailsFor;
  /** How long such a pod must be unable to start before it counts. */
  failureGraceMs: number;
  /** Nodes that may remain without an available pod. */
  tolerateUnavailable: Tolerance;
  /** Lines of a failing container's log to show. */
  logLines: number;
}

/** What is known about the pods. */
export type PodKnowledge =
  | { kind: 'unread' }
  | { kind: 'known' }
  /** Changes may have been missed: the watch was interrupted. */
  | { kind: 'outdated' }
  | { kind: 'unreadable'; why: string }
  | { kind: 'forbidden'; why: string };

/** Everything that a verdict is based on. Times on one clock. */
export interface Snapshot {
  daemonSet: DaemonSet;
  /** The UID and the template of the version that is waited for. */
  uid: string;
  template: PodTemplate;
  progress: Progress;
  pods: PodKnowledge;
  /** Undefined until the pods were read. */
  diagnosis: Diagnosis | undefined;
  /** The last time that more pods than ever were right. The counters follow a little later. */
  podsProgressedAt: number;
  /** How long pods of other versions may take to terminate. */
  graceMs: number;
  /** When the nodes were read. Infinite if this account is not allowed to list them. */
  nodesReadAt: number;
  /** When the events were read. Infinite if this account is not allowed to list them. */
  eventsReadAt: number;
  /** When warnings that may explain something are due. */
  eventsDueAt: number | undefined;
}

/** What to read before a verdict is possible, or to explain one. */
export type Need = 'pods' | 'nodes' | 'events';

/** What is missing although every counter is complete. */
export type Missing =
  /** The pods were not read. */
  | { kind: 'pods'; why: string }
  /** Pods run another template, although the controller counts them as updated. */
  | { kind: 'other-version'; nodes: FailingNode[] }
  /** Containers have not run for long enough. `until`: when they will have; undefined while one does not run. */
  | { kind: 'stability'; nodes: FailingNode[]; until: number | undefined }
  /** The pods cannot be read, so that the counters must stay complete. */
  | { kind: 'time'; until: number };

export type Verdict =
  /** `isVerified`: the pods were checked, and not only the counters. */
  | { kind: 'complete'; isVerified: boolean; tolerated: FailingNode[] }
  /** `fault` is undefined if the pods are not known. */
  | { kind: 'failed'; stuck: FailingNode[]; fault: Fault | undefined }
  | { kind: 'stalled'; fault: Fault | undefined }
  | { kind: 'on-delete' | 'superseded' | 'recreated' }
  | { kind: 'waiting'; needs: Need[]; missing: Missing | undefined; wakeAt: number };

/** Pods are watched, and warnings are read, once nothing has changed for this long. */
const LULL_MS = 5_000;
/** Nodes are not read again within this time before a verdict, and otherwise. */
const NODES_AGE_MS = 5_000;
const LONGEST_NODES_AGE = 60_000;
/** How long a stalled rollout waits for the first list of its pods. */
const LONG_LOOK_MS = 10_000;

/** The verdict about a snapshot. Completion is judged first; what merely helps to explain does not delay it. */
export function verdict(snapshot: Snapshot, limits: Limits, now: number): Verdict {
  const { daemonSet, uid, template, pods } = snapshot;
  if (daemonSet.metadata.uid !== uid) return { kind: 'recreated' };
  if (!sameButForRestart(daemonSet.spec.template, template)) return { kind: 'superseded' };
  const { kind } = rolloutOf(daemonSet);
  if (kind === 'on-delete')
    return pods.kind === 'unread' ? { kind: 'waiting', needs: ['pods'], missing: undefined, wakeAt: Infinity } : { kind };
  const missing = kind === 'complete' ? missingOf(snapshot, limits, now) : undefined;
  if (kind === 'complete' && !missing) return { kind, isVerified: pods.kind === 'known', tolerated: [] };
  return whileIncomplete(snapshot, missing, limits, now);
}

/** What a rollout still lacks whose counters are complete. */
function missingOf({ daemonSet, template, progress, pods, diagnosis }: Snapshot, limits: Limits, now: number): Missing | undefined {
  if (countersOf(daemonSet).desired === 0) return undefined;
  if (pods.kind === 'forbidden') {
    const until = (progress.completeSince ?? now) + stableForMs(limits.stableFor, template);
    return now >= until ? undefined : { kind: 'time', until };
  }
  if (pods.kind !== 'known' || !diagnosis) return { kind: 'pods', why: pods.kind === 'unreadable' ? pods.why : '' };
  const { right, failing } = diagnosis;
  if (failing.length === 0 && right > 0) return undefined;
  const others = failing.filter(({ failure }) => OF_OTHER_VERSION.has(failure.cause));
  if (others.length > 0) return { kind: 'other-version', nodes: others };
  const times = failing.map(({ stableAt }) => stableAt);
  const until = times.every((time) => time !== undefined) ? Math.max(...times) : undefined;
  return { kind: 'stability', nodes: failing, until };
}

/** Causes on a node that runs another version. */
export const OF_OTHER_VERSION: ReadonlySet<Cause> = new Set<Cause>(['not-replaced', 'old-pod-unavailable']);

function whileIncomplete(snapshot: Snapshot, missing: Missing | undefined, limits: Limits, now: number): Verdict {
  const { daemonSet, progress, pods, diagnosis, podsProgressedAt, nodesReadAt, eventsDueAt } = snapshot;
  const { progressedAt } = progress;
  const { failureGraceMs, progressDeadlineMs } = limits;
  const { desired } = countersOf(daemonSet);
  const idle = now - progressedAt;
  const deadline = deadlineOf(snapshot, limits);
  const isOverdue = idle >= deadline;
  const isQuiet = idle >= LULL_MS || isOverdue;
  const patience = patienceOf(snapshot, limits);
  const failing =
    limits.failFast && diagnosis
      ? failingNodes(diagnosis, limits.failsFor ?? 'a-node', patience, { now, idle: Math.min(idle, now - podsProgressedAt) })
      : [];
  const hasFailed = failing.length > 0;
  const until = missing && 'until' in missing ? missing.until : undefined;

  const times = [
    LULL_MS,
    failureGraceMs,
    failureGraceMs + startMs(snapshot.template),
    deadline,
    deadline + LONG_LOOK_MS,
    deadline + progressDeadlineMs,
  ].map((ms) => progressedAt + ms);
  const settledAt = Math.max(progressedAt, podsProgressedAt) + settlingMs(failureGraceMs);
  const levels = (['for-report', 'for-rollback'] as const).map((certainty) => ({ ...patience, certainty }));
  const ofPods = diagnosis ? [...levels.map((level) => nextVerdictAt(diagnosis, level, now)), ...nextFaultAt(diagnosis, patience)] : [];
  const next = [...times, settledAt, ...ofPods, suspiciousAt(progress), eventsDueAt, until && Math.max(until, now + 1)];
  const wakeAt = Math.min(...next.filter((time) => time !== undefined && time > now).map(Number));
  const needs: Need[] = [
    ...(isQuiet || missing || (limits.failsFor !== 'all-nodes' && isSuspicious(progress, daemonSet, now)) ? (['pods'] as const) : []),
    ...(diagnosis && mayFail(diagnosis) && now - nodesReadAt >= LONGEST_NODES_AGE ? (['nodes'] as const) : []),
    ...(missing && diagnosis && areTooMany(diagnosis, desired) && now - nodesReadAt >= NODES_AGE_MS ? (['nodes'] as const) : []),
    ...(isQuiet && eventsDueAt !== undefined && now >= eventsDueAt ? (['events'] as const) : []),
  ];
  const wait = (...more: Need[]): Verdict => ({ kind: 'waiting', needs: [...needs, ...more], missing, wakeAt });

  const mayTolerate = diagnosis !== undefined && pods.kind === 'known' && idle >= failureGraceMs;
  if (!hasFailed && !mayTolerate && !isOverdue) return wait();
  // What a verdict is based on is read first; if it cannot be read in time, the verdict does without it.
  if (isOverdue && pods.kind === 'unread' && idle < deadline + LONG_LOOK_MS) return wait();
  if (now - nodesReadAt >= (hasFailed || isOverdue ? NODES_AGE_MS : LONGEST_NODES_AGE)) return wait('nodes');
  // A few nodes may have had the same problem before, which only events show.
  const since = Math.max(...failing.map(({ since = now }) => since));
  const mayBeNodes = hasFailed && limits.failsFor === 'a-rollback' && failing.length <= mostExceptions(desired);
  if (mayBeNodes && snapshot.eventsReadAt < since) return wait('events');

  const tolerated = mayTolerate
    ? toleratedNodes(diagnosis, patience.tolerated, idle - failureGraceMs >= startMs(snapshot.template))
    : undefined;
  if (tolerated) return { kind: 'complete', isVerified: true, tolerated };
  if (hasFailed) return { kind: 'failed', stuck: failing, fault: faultIn(snapshot, patience, now) };
  // Containers run, and only time is missing.
  if (!isOverdue || (until !== undefined && until > now)) return wait();
  // If all pods run the version, only the controller's counters are behind: it gets the same time again.
  const isRight = diagnosis !== undefined && diagnosis.failing.length === 0;
  if (limits.failsFor === 'a-rollback' && diagnosis && !isRight && snapshot.eventsReadAt < progressedAt) return wait('events');
  return isRight && idle < deadline + progressDeadlineMs ? wait() : { kind: 'stalled', fault: faultIn(snapshot, patience, now, deadline) };
}

/** Whether there are pods on more nodes than should have one, and it is not known which do not count. */
function areTooMany({ right, failing }: Diagnosis, desired: number): boolean {
  return right + failing.length > desired;
}

/** How long and how many pods may fail. */
function patienceOf({ daemonSet }: Pick<Snapshot, 'daemonSet'>, { failureGraceMs, tolerateUnavailable }: Limits): Patience {
  const { desired } = countersOf(daemonSet);
  return { graceMs: failureGraceMs, tolerated: toleratedOf(tolerateUnavailable, desired) };
}

/** Why the rollout does not succeed; undefined without the pods. */
function faultIn({ diagnosis }: Snapshot, patience: Patience, now: number, stalledForMs?: number): Fault | undefined {
  if (!diagnosis) return undefined;
  const of = (certainty: Certainty): Fault => faultOf(diagnosis, { ...patience, certainty }, now, stalledForMs);
  const sure = of('for-rollback');
  if (sure.kind === 'version') return sure;
  const likely = of('for-report');
  return likely.kind === 'version' ? { kind: 'may-recover' } : likely;
}

/** Causes of a node or pod of its own. Other nodes the controller has not reached, or their pods are still starting. */
function isTolerable({ failure: { cause } }: FailingNode, hasHadTime: boolean): boolean {
  return mayBeUnrecoverable({ cause }) || cause === 'node-not-ready' || cause === 'evicted' || (cause === 'not-ready' && hasHadTime);
}

/**
 * The nodes without which the rollout counts as complete; undefined if there are others, too many, or none that are right. A node that
 * joined during the wait may finish later, unless it runs another version.
 */
function toleratedNodes({ right, failing }: Diagnosis, most: number, hasHadTime: boolean): FailingNode[] | undefined {
  if (right === 0 || failing.length === 0) return undefined;
  const old = failing.filter(({ isNew, failure }) => !isNew || OF_OTHER_VERSION.has(failure.cause));
  return old.length <= most && old.every((node) => isTolerable(node, hasHadTime)) ? failing : undefined;
}

function countersOf(daemonSet: DaemonSet): Counts {
  return rolloutOf(daemonSet).counts;
}

/** How long the rollout may make no progress: what the templates announce is added. */
function deadlineOf(snapshot: Snapshot, { progressDeadlineMs }: Limits): number {
  return progressDeadlineMs > 0 ? progressDeadlineMs + announcedMs(snapshot) : Number.POSITIVE_INFINITY;
}

/** How many nodes have the version, and on how many it is available. Without the pods: at least so many. */
export function countsOf({ daemonSet, diagnosis }: Pick<Snapshot, 'daemonSet' | 'diagnosis'>): Counts {
  const { desired, updated, available } = countersOf(daemonSet);
  if (diagnosis) return { desired, updated: diagnosis.updated, available: diagnosis.available };
  return { desired, updated, available: Math.max(0, updated + available - desired) };
}
