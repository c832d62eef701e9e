import { type CauseGroup, groupCauses } from '../daemonset/cause-groups.ts';
import type { Diagnosis, FailingNode } from '../daemonset/diagnosis.ts';
import type { SeenDigests } from '../daemonset/image-digests.ts';
import { type AboutWait, liveRollout } from '../daemonset/live-rollout.ts';
import { stuckOf } from '../daemonset/patience.ts';
import { begin, type Progress, record, type Sample } from '../daemonset/progress.ts';
import type { PodOnNode, UnfinishedRollout } from '../daemonset/result.ts';
import type { History, Revision } from '../daemonset/revision.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { SeenPod } from '../daemonset/seen-pod.ts';
import type { Moment } from '../daemonset/stability.ts';
import type { Counts, DaemonSet, PodTemplate } from '../daemonset/types.ts';
import { countsOf, type Limits, OF_OTHER_VERSION, type Snapshot, type Verdict, verdict } from '../daemonset/verdict.ts';
import { distinct, type Fault } from '../daemonset/version-failure.ts';
import { clusterTime } from './cluster-time.ts';
import { AbortReason, afterwards, type Context } from './context.ts';
import { DaemonSetWatcher } from './daemonset-watcher.ts';
import { withEvidence } from './evidence.ts';
import { PodWatcher } from './pod-watcher.ts';
import { HEARTBEAT_MS } from './progress-line.ts';
import { VersionReader } from './version-reader.ts';
import { WaitLog } from './wait-log.ts';
import { Wakeup } from './wakeup.ts';

/** How long causes may still be read once the time is up, and for a verdict. */
const LAST_LOOK_MS = 1_500;
const LONG_LOOK = 5_000;
/** How long the first list of pods may take before the DaemonSet is watched too. */
const FIRST_LIST_MS = 1_000;

/** How the wait ended. */
export interface Waited {
  kind: 'complete' | UnfinishedRollout;
  daemonSet: DaemonSet;
  /** How many nodes have the version, and on how many it is available. */
  counts: Counts;
  /** The progress of the rollout, the oldest state first. */
  samples: readonly Sample[];
  /** Why nodes do not run the version, or not available; the most significant cause first. */
  causes: CauseGroup[];
  /** What is at fault if it failed or stalled. Undefined if the pods are not known. */
  fault?: Fault;
  /** The pods were checked. Otherwise only the controller's counters are known. */
  isVerified: boolean;
  /** The bytes that the pods run. Undefined unless every node that should run the version was seen to run it, and there are such nodes. */
  images?: SeenDigests;
  /** Pods that run another template although the counters are complete. */
  wrong?: string[];
  /** With the update strategy OnDelete: the pods that someone has to delete. Undefined if this account is not allowed to list pods. */
  toReplace?: PodOnNode[];
  /** The history, if the wait had to read it. */
  history?: History;
}

export interface WaitOptions {
  /** What every node should run. The DaemonSet may have another template already. */
  template: PodTemplate;
  /** The ControllerRevisions with this template, if they are known. */
  revisions?: readonly Revision[];
  limits: Limits;
  /** What a live view calls the rollout: `revision 3 → 4, restores revision 2`. */
  title?: string;
  /** Do not wait: only report the present state. */
  once?: boolean;
}

/** Everything that a wait collects. */
interface Collected {
  uid: string;
  template: PodTemplate;
  daemonSet: DaemonSetWatcher;
  version: VersionReader;
  pods: PodWatcher;
  log: WaitLog;
  progress: Progress;
  moment: () => Moment;
  /** Shows the state in a terminal. Undefined if there is none. */
  show: ((snapshot: Snapshot, about: Pick<AboutWait, 'answer' | 'end' | 'now'>) => void) | undefined;
}

/**
 * Waits until every node runs a template of a DaemonSet, or until that can no longer happen. The loop is level-triggered: it takes the
 * present state, asks for a verdict, reads what that still needs, and sleeps until something changes or the next time that matters.
 */
export async function wait(context: Context, start: DaemonSet, options: WaitOptions): Promise<Waited> {
  const { limits, template } = options;
  const wakeup = new Wakeup();
  const onNews = (): void => wakeup.news();
  const moment = clusterTime(context);
  const version = new VersionReader(context, start, options.revisions, onNews);
  const all: Collected = {
    uid: start.metadata.uid,
    template,
    daemonSet: new DaemonSetWatcher(context, start, onNews),
    version,
    pods: new PodWatcher(context, { daemonSet: start, template, wanted: version.wanted, limits, moment, onNews }),
    log: new WaitLog(context, limits),
    progress: begin(rolloutOf(start).counts, moment().now),
    moment,
    show: showIn(context, start, options),
  };
  try {
    look(all, moment().now);
    const end = await untilEnd(context, all, options, wakeup).catch((error: unknown) => {
      if (error instanceof AbortReason) return { kind: error.kind } as const;
      throw error;
    });
    return await conclude(context, all, end, options);
  } finally {
    await Promise.all([all.daemonSet.stop(), all.pods.stop()]);
  }
}

/** Shows states in a terminal, with the deadline on the clock of the wait. What cannot be shown does not affect the wait. */
function showIn({ clock, deadline, live, log }: Context, { metadata }: DaemonSet, { once, title = '' }: WaitOptions): Collected['show'] {
  if (!live || once) return undefined;
  return (snapshot, about) => {
    try {
      live.show(metadata, liveRollout(snapshot, { ...about, title, deadline: deadline + about.now - clock.now() }));
    } catch (error) {
      log.debug(`Could not show the state: ${(error as Error).message}`);
    }
  };
}

/** The present state. The verdict about it has to use the same time, or it would miss the moment at which a container is stable. */
function look(all: Collected, now: number): Snapshot {
  const { daemonSet, pods, template, uid, version } = all;
  const { latest } = daemonSet;
  const { kind, counts } = rolloutOf(latest);
  all.progress = record(all.progress, counts, now);
  const seen = pods.snapshot(latest, { desired: counts.desired, isComplete: kind === 'complete', now });
  const known = version.isKnown ? seen : { ...seen, pods: { kind: 'unread' } as const, diagnosis: undefined };
  return { ...known, daemonSet: latest, uid, template, progress: all.progress };
}

/** A verdict, and whether it is about pods that were not read yet. */
interface Reconciled {
  answer: Verdict | { kind: 'deleted' };
  isReading: boolean;
}

/** Asks for a verdict about the present state, and acts on it. */
function reconcile(all: Collected, limits: Limits): Reconciled {
  const { daemonSet, log, moment, pods, show, version } = all;
  if (daemonSet.failure) throw daemonSet.failure.error;
  if (daemonSet.isDeleted) return { answer: { kind: 'deleted' }, isReading: false };
  if (version.update(daemonSet.latest)) pods.follow(version.wanted);
  const { now } = moment();
  const snapshot = look(all, now);
  const answer = verdict(snapshot, limits, now);
  log.progress(snapshot, answer, now);
  if (answer.kind !== 'waiting') return { answer, isReading: false };
  show?.(snapshot, { answer, now });
  // A person who watches sees from the beginning which nodes are not right.
  if (answer.needs.includes('pods') || show) {
    version.read({ isInDoubt: answer.missing?.kind === 'other-version' });
    pods.start();
  }
  if (answer.needs.includes('nodes')) pods.readNodes();
  if (answer.needs.includes('events')) pods.readEvents();
  return { answer, isReading: answer.needs.includes('pods') && snapshot.pods.kind === 'unread' };
}

async function untilEnd(
  context: Context,
  all: Collected,
  { limits, once = false }: WaitOptions,
  wakeup: Wakeup,
): Promise<Exclude<Reconciled['answer'], { kind: 'waiting' }> | { kind: 'not-waited' }> {
  for (let looks = 1; ; looks++) {
    const { answer, isReading } = reconcile(all, limits);
    if (answer.kind !== 'waiting') return answer;
    if (once && !isReading) return { kind: 'not-waited' };
    // Often the first list of pods settles the matter, and no watch is needed.
    const mayBeSettled = isReading && looks === 1;
    if (!once && !mayBeSettled) all.daemonSet.start();
    all.pods.proceed();
    const inMs = Math.min(answer.wakeAt - all.moment().now, all.log.nextInMs(), mayBeSettled ? FIRST_LIST_MS : HEARTBEAT_MS);
    await wakeup.wait(inMs, context.clock, context.signal);
  }
}

type End = Exclude<Verdict, { kind: 'waiting' }> | { kind: 'deleted' | 'not-waited' | 'timeout' | 'cancelled' };

/** Ends for which the causes are read. */
const HAS_CAUSES: ReadonlySet<End['kind']> = new Set(['failed', 'stalled', 'timeout', 'not-waited']);

async function conclude(context: Context, all: Collected, end: End, { limits }: WaitOptions): Promise<Waited> {
  const { pods, version } = all;
  const { kind } = end;
  // A rollback that may follow does not wait for explanations.
  const isShort = kind === 'timeout' || limits.failsFor === 'a-rollback';
  const limit = afterwards(context, isShort ? LAST_LOOK_MS : LONG_LOOK);
  if (kind === 'timeout' && version.isKnown) await pods.look(limit);
  const { now } = all.moment();
  const snapshot = look(all, now);
  all.show?.(snapshot, { end: kind, now });
  const { daemonSet, diagnosis } = snapshot;
  const counts = countsOf(snapshot);
  const tolerated = end.kind === 'complete' ? end.tolerated : [];
  const isVerified = end.kind === 'complete' && end.isVerified;
  const everywhere = isVerified && tolerated.length === 0 && counts.desired > 0;
  const nodes = HAS_CAUSES.has(kind) && diagnosis ? failingNodes(diagnosis, end) : tolerated;
  const fault = 'fault' in end ? end.fault : undefined;
  const ofOtherVersion = (diagnosis?.failing ?? []).filter(({ failure, pod }) => pod !== '' && OF_OTHER_VERSION.has(failure.cause));
  const isMisreported = rolloutOf(daemonSet).kind === 'complete' && HAS_CAUSES.has(kind) && ofOtherVersion.length > 0;
  return {
    kind,
    daemonSet,
    counts,
    samples: [...all.progress.samples, { ...rolloutOf(daemonSet).counts, at: all.moment().now }],
    causes: await causesOf(context, all, nodes, end, limits, limit),
    isVerified,
    ...(fault && { fault }),
    ...(everywhere && { images: pods.digests() }),
    ...(isMisreported && { wrong: ofOtherVersion.map(({ pod }) => pod) }),
    ...(kind === 'on-delete' && diagnosis && { toReplace: ofOtherVersion.map(({ pod, node }) => ({ name: pod, node })) }),
    ...(version.history && { history: version.history }),
  };
}

/** The nodes that do not run the version. One in a crash loop may be ready at this moment. */
function failingNodes({ crashing, failing }: Diagnosis, end: End): FailingNode[] {
  const stuck = end.kind === 'failed' ? end.stuck : [];
  const others = stuck.some(({ node }) => node === '') ? failing.filter(({ node }) => node !== '') : failing;
  return distinct([...stuck, ...crashing, ...others]);
}

/** The causes of these nodes, with what is read about the first few. */
async function causesOf(
  context: Context,
  { daemonSet, pods, moment }: Collected,
  nodes: readonly FailingNode[],
  end: End,
  { failureGraceMs, logLines }: Limits,
  signal: AbortSignal,
): Promise<CauseGroup[]> {
  if (nodes.length === 0) return [];
  const stuck = end.kind === 'failed' ? end.stuck : stuckOf({ failing: nodes }, { graceMs: failureGraceMs, tolerated: 0 }, moment().now);
  const groups = groupCauses(nodes, stuck);
  try {
    const { namespace } = daemonSet.latest.metadata;
    const podNamed = (name: string): SeenPod | undefined => pods.podNamed(name);
    return await withEvidence(groups, { context, namespace, reads: pods.reads, podNamed, logLines, signal });
  } catch (error) {
    context.log.debug(`Could not read the causes: ${(error as Error).message}`);
    return groups;
  }
}
