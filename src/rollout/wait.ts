import { ClusterError } from '../cluster/cluster.ts';
import {
  type CauseGroup,
  groupCauses,
  nextVerdictAt,
  stuckOf,
  type Tolerance,
  type TroubledNode,
  toleratedOf,
} from '../daemonset/diagnosis.ts';
import { TEMPLATE_GENERATION, wrongPods } from '../daemonset/pods.ts';
import { begin, leastTime, type Progress, record, type Sample, timeLeft } from '../daemonset/progress.ts';
import type { PodOnNode, UnfinishedRollout } from '../daemonset/result.ts';
import { type Rollout, rolloutOf } from '../daemonset/rollout.ts';
import { digest } from '../daemonset/template.ts';
import type { Counts, DaemonSet, Pod } from '../daemonset/types.ts';
import { formatDuration } from '../duration.ts';
import { Bell } from './bell.ts';
import { Observation } from './observe.ts';
import { HEARTBEAT, ProgressLog } from './progress-log.ts';
import { afterwards, Interruption, type World } from './world.ts';

/** Pods are watched once nothing has changed for this long, in milliseconds. */
const LULL = 5_000;
/** If the counters cannot be trusted, the pods are compared again after this long, in milliseconds. */
const BETWEEN_COMPARISONS = 5_000;
/** Nodes are not read again within this time before a verdict, in milliseconds. */
const NODES_AGE = 5_000;
/** Pods change in batches, and each evaluation covers all of them: it runs this long after the first change, in milliseconds. */
const CROWD = 250;
/** How long causes may still be read once the time is up, and for a verdict. Milliseconds. */
const LAST_LOOK = 1_500;
const LONG_LOOK = 10_000;

/** How long to wait, and for how many nodes. Times in milliseconds. */
export interface Limits {
  /** Nothing has progressed for this long: `stalled`. 0: never. */
  progressDeadline: number;
  /** Stop waiting once pods cannot start. */
  failFast: boolean;
  /** How long such a pod must be unable to start before it counts. */
  failureGrace: number;
  /** Nodes that may remain without an available pod. */
  tolerateUnavailable: Tolerance;
  /** Lines of a failing container's log to show. */
  logLines: number;
}

/** How the wait ended. */
export interface Tracked {
  kind: 'complete' | UnfinishedRollout;
  daemonSet: DaemonSet;
  counts: Counts;
  /** The progress of the rollout, the oldest state first. */
  samples: readonly Sample[];
  /** Why nodes do not run the version, or not available; the most significant cause first. */
  causes: CauseGroup[];
  /** Every node that should run the version has it available, none was tolerated, and there are such nodes. */
  everywhere: boolean;
  /** Pods that run another template although the counters are complete. */
  wrong?: string[];
  /** With the update strategy OnDelete: the pods that someone has to delete. Undefined if this account is not allowed to list pods. */
  toReplace?: PodOnNode[];
}

export interface TrackOptions {
  /** The digest of the template that every node should run. */
  wanted: string;
  /** The hash of its ControllerRevision, if that is known. */
  hash?: string;
  /**
   * Whether to check the pods before the counters are trusted. `doubt`: there is a reason not to trust them, and a warning says so if this
   * account is not allowed to list pods. `where-allowed`: check if it is.
   */
  verifyPods: 'no' | 'doubt' | 'where-allowed';
  limits: Limits;
  /** Do not wait: only report the present state. */
  once?: boolean;
}

/** Waits until every node runs the wanted template, or until that can no longer happen. */
export async function track(world: World, start: DaemonSet, options: TrackOptions): Promise<Tracked> {
  const wait = new Wait(world, start, options);
  try {
    return await wait.ended(await wait.untilEnd());
  } finally {
    await wait.stop();
  }
}

class Wait {
  readonly #world: World;
  readonly #options: TrackOptions;
  readonly #uid: string;
  readonly #begun: number;
  readonly #bell = new Bell();
  readonly #observation: Observation;
  readonly #progressLog: ProgressLog;
  readonly #stopping = new AbortController();
  readonly #minReady: number;
  #watching: Promise<void> | undefined;
  #crowd = false;
  /** What ended the watch of the DaemonSet. */
  #broken: { error: unknown } | undefined;
  #deleted = false;
  #daemonSet: DaemonSet;
  #generation: number | undefined;
  #progress: Progress;
  #comparedAt = 0;
  #wrong: string[] = [];
  /** The pods could not be read to verify the counters. */
  #unverified = false;
  /** There is a reason not to trust the counters, and this account is not allowed to list pods. */
  #doubtful = false;
  #toReplace: PodOnNode[] | undefined;
  #stuck: TroubledNode[] = [];
  #warnedOfTime = false;

  constructor(world: World, start: DaemonSet, options: TrackOptions) {
    this.#world = world;
    this.#options = options;
    this.#daemonSet = start;
    this.#uid = start.metadata.uid;
    this.#generation = start.metadata.generation;
    this.#begun = world.clock.now();
    this.#progress = begin(rolloutOf(start).counts, this.#begun);
    this.#minReady = (start.spec.minReadySeconds ?? 0) * 1_000;
    this.#progressLog = new ProgressLog(world);
    const wanted = { generation: start.metadata.annotations?.[TEMPLATE_GENERATION], hash: options.hash };
    const on = { onPods: () => this.#podsChanged(), onRead: () => this.#bell.ring() };
    this.#observation = new Observation(world, start, wanted, this.#begun, on);
  }

  async untilEnd(): Promise<Tracked['kind']> {
    const { clock, signal } = this.#world;
    try {
      const first = await this.#judge();
      if (first) return first;
      if (this.#options.once) return 'not-waited';
      this.#watching = this.#watch();
      for (;;) {
        await this.#bell.wait(this.#wakeAt() - clock.now(), clock, signal);
        if (this.#broken) throw this.#broken.error;
        const end = this.#deleted ? 'deleted' : await this.#judge();
        if (end) return end;
      }
    } catch (error) {
      if (error instanceof Interruption) return error.kind;
      throw error;
    }
  }

  async #watch(): Promise<void> {
    const { cluster, signal } = this.#world;
    try {
      for await (const event of cluster.watchDaemonSet(this.#daemonSet, AbortSignal.any([signal, this.#stopping.signal]))) {
        if (event.kind === 'deleted') this.#deleted = true;
        else this.#daemonSet = event.daemonSet;
        this.#bell.ring();
      }
    } catch (error) {
      this.#broken = { error };
      this.#bell.ring();
    }
  }

  #podsChanged(): void {
    if (this.#crowd) return;
    this.#crowd = true;
    const ring = (): void => {
      this.#crowd = false;
      this.#bell.ring();
    };
    void this.#world.clock.sleep(CROWD, this.#stopping.signal).then(ring, () => {});
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#watching, this.#observation.stop()]);
  }

  get #counts(): Counts {
    return rolloutOf(this.#daemonSet).counts;
  }

  /** The end of the wait, if the present state is one. */
  async #judge(): Promise<Tracked['kind'] | undefined> {
    const { clock, log } = this.#world;
    const daemonSet = this.#daemonSet;
    if (daemonSet.metadata.uid !== this.#uid) return 'recreated';
    if (digest(daemonSet.spec.template) !== this.#options.wanted) return 'superseded';
    if (daemonSet.metadata.generation !== this.#generation) {
      this.#generation = daemonSet.metadata.generation;
      log.info('The spec changed in the meantime, but not the template. The wait continues.');
    }
    const rollout = rolloutOf(daemonSet);
    this.#progress = record(this.#progress, rollout.counts, clock.now());
    // Before the controller has observed the change, it is unknown how many nodes have it already.
    if (!this.#options.once && rollout.kind !== 'unobserved') {
      this.#warnOfTime(leastTime(daemonSet, rollout.counts), 'With the present minReadySeconds and maxUnavailable');
    }
    if (rollout.kind === 'complete' && (await this.#countersLie())) return this.#verdict();
    if (rollout.kind === 'on-delete') this.#toReplace = await this.#podsToReplace();
    this.#logProgress(rollout);
    if (rollout.kind === 'complete' || rollout.kind === 'on-delete') return rollout.kind;
    return this.#options.once ? undefined : this.#verdict();
  }

  /** Whether to end the wait although not every node runs the version. */
  #verdict(): 'complete' | 'failed' | 'stalled' | undefined {
    const { limits } = this.#options;
    const counts = this.#counts;
    const now = this.#world.clock.now();
    const idle = now - this.#progress.progressedAt;
    const overdue = idle >= this.#deadline;
    if (idle >= LULL || overdue) this.#observation.start();
    const due = this.#observation.warningsDueAt(counts);
    if (idle >= LULL && due !== undefined && now >= due) this.#observation.refreshWarnings();

    const patience = { grace: limits.failureGrace, tolerated: toleratedOf(limits.tolerateUnavailable, counts.desired) };
    const seen = this.#observation.diagnosis(counts);
    const mayFail = limits.failFast && seen !== undefined && stuckOf(seen, patience, now).length > patience.tolerated;
    const mayTolerate = seen !== undefined && idle >= limits.failureGrace;
    // What a verdict is based on is read in the background; when it is there, or cannot be read in time, this is evaluated again.
    if (overdue && !seen && this.#observation.started && idle < this.#deadline + LONG_LOOK) return undefined;
    const nodesAge = mayFail || overdue ? NODES_AGE : HEARTBEAT;
    if ((mayFail || mayTolerate || overdue) && !this.#observation.knowsNodes(nodesAge)) return undefined;

    this.#stuck = seen ? stuckOf(seen, patience, now) : [];
    if (seen && idle >= limits.failureGrace && counts.desired > 0) {
      const lacking = seen.troubled.filter(({ isNew }) => !isNew).length;
      if (lacking <= patience.tolerated && seen.troubled.length > 0) return 'complete';
    }
    if (limits.failFast && this.#stuck.length > patience.tolerated) return 'failed';
    // If all pods run the version, only the controller's counters are behind: it gets the same time again.
    const isRight = seen !== undefined && seen.troubled.length === 0;
    return overdue && (!isRight || idle >= this.#deadline + limits.progressDeadline) ? 'stalled' : undefined;
  }

  /** How long the rollout may make no progress, in milliseconds. */
  get #deadline(): number {
    const { progressDeadline } = this.#options.limits;
    return progressDeadline > 0 ? progressDeadline + this.#minReady : Number.POSITIVE_INFINITY;
  }

  /** The counters are complete but cannot be trusted: whether pods run another template, or could not be read. */
  async #countersLie(): Promise<boolean> {
    const { verifyPods } = this.#options;
    if (verifyPods === 'no') return false;
    const { clock, log } = this.#world;
    if ((this.#wrong.length > 0 || this.#unverified) && clock.now() - this.#comparedAt < BETWEEN_COMPARISONS) return true;
    this.#comparedAt = clock.now();
    const lagging = await this.#podsThatLag();
    this.#unverified = lagging.kind === 'unreadable';
    this.#doubtful = verifyPods === 'doubt' && lagging.kind === 'forbidden';
    this.#wrong = lagging.kind === 'pods' ? lagging.pods.map(({ metadata }) => metadata.name) : [];
    if (lagging.kind === 'unreadable')
      this.#progressLog.say(`The counters are complete, but the pods could not be read to verify that: ${lagging.why}`);
    if (lagging.kind === 'forbidden' && verifyPods === 'doubt') {
      log.warning(
        `The history has the same version twice, so the counters may be wrong, and this account is not allowed to list pods to check them. ${lagging.why}`,
      );
    }
    if (this.#wrong.length > 0) {
      this.#progressLog.say(
        `The counters are complete, but ${this.#wrong.length} pods run another template: ${this.#wrong.slice(0, 10).join(', ')}`,
      );
    }
    return this.#unverified || this.#wrong.length > 0;
  }

  async #podsToReplace(): Promise<PodOnNode[] | undefined> {
    const lagging = await this.#podsThatLag();
    if (lagging.kind === 'pods')
      return lagging.pods.map(({ metadata, spec }) => ({ name: metadata.name, node: String(spec?.['nodeName'] ?? '') }));
    this.#world.log.warning(`Could not determine which pods are still to be replaced. ${lagging.why}`);
    return undefined;
  }

  /** The pods that do not run the DaemonSet's template, or why that is unknown. */
  async #podsThatLag(): Promise<{ kind: 'pods'; pods: Pod[] } | { kind: 'forbidden' | 'unreadable'; why: string }> {
    const { cluster, signal } = this.#world;
    try {
      return { kind: 'pods', pods: wrongPods(this.#daemonSet, await cluster.listPods(this.#daemonSet, signal)) };
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      return { kind: error.failure === 'forbidden' ? 'forbidden' : 'unreadable', why: error.message };
    }
  }

  #logProgress(rollout: Rollout): void {
    const left = timeLeft(this.#progress);
    this.#progressLog.progress(rollout, this.#observation.diagnosis(rollout.counts), left);
    if (left !== undefined && this.#world.clock.now() - this.#begun >= 2 * LULL) this.#warnOfTime(left, 'At this pace');
  }

  /** Warns as soon as it is known that the timeout is too short. */
  #warnOfTime(needed: number, why: string): void {
    const { clock, deadline, log } = this.#world;
    const left = deadline - clock.now();
    if (this.#warnedOfTime || needed <= left) return;
    this.#warnedOfTime = true;
    log.warning(
      `${why}, the rest takes about ${formatDuration(needed)}, but the timeout leaves ${formatDuration(Math.max(0, left))}. Set a longer timeout.`,
    );
  }

  /** When to evaluate again if there is no news. */
  #wakeAt(): number {
    const { clock } = this.#world;
    const now = clock.now();
    const { limits } = this.#options;
    const { progressedAt } = this.#progress;
    const counts = this.#counts;
    const diagnosis = this.#observation.diagnosis(counts);
    const times = [
      this.#progressLog.nextAt(),
      progressedAt + LULL,
      progressedAt + limits.failureGrace,
      progressedAt + this.#deadline,
      progressedAt + this.#deadline + LONG_LOOK,
      progressedAt + this.#deadline + limits.progressDeadline,
      diagnosis && nextVerdictAt(diagnosis, { grace: limits.failureGrace, tolerated: 0 }, now),
      this.#wrong.length > 0 || this.#unverified ? this.#comparedAt + BETWEEN_COMPARISONS : undefined,
      this.#observation.started ? this.#observation.warningsDueAt(counts) : undefined,
    ];
    return Math.min(...times.filter((time) => time !== undefined).filter((time) => time > now), now + HEARTBEAT);
  }

  /** The result of the wait, with the causes if not every node runs the version. */
  async ended(kind: Tracked['kind']): Promise<Tracked> {
    const counts = this.#counts;
    const done = kind === 'complete' && rolloutOf(this.#daemonSet).kind === 'complete';
    const causes = done || !HAS_CAUSES.has(kind) ? [] : await this.#causes(kind);
    return {
      kind,
      daemonSet: this.#daemonSet,
      counts,
      samples: [...this.#progress.samples, { ...counts, at: this.#world.clock.now() }],
      causes,
      everywhere: done && counts.desired > 0 && this.#wrong.length === 0 && !this.#doubtful,
      ...(this.#wrong.length > 0 && { wrong: this.#wrong }),
      ...(this.#toReplace && { toReplace: this.#toReplace }),
    };
  }

  async #causes(kind: Tracked['kind']): Promise<CauseGroup[]> {
    const { clock, log } = this.#world;
    const limit = afterwards(this.#world, kind === 'timeout' ? LAST_LOOK : LONG_LOOK);
    try {
      const observation = this.#observation;
      if (kind === 'timeout') await observation.glance(limit);
      const seen = observation.diagnosis(this.#counts);
      if (!seen) return [];
      const { limits } = this.#options;
      const stuck = this.#stuck.length > 0 ? this.#stuck : stuckOf(seen, { grace: limits.failureGrace, tolerated: 0 }, clock.now());
      const names = new Set(stuck.map(({ pod }) => pod));
      const groups = groupCauses(
        seen,
        seen.troubled.filter(({ pod }) => names.has(pod)),
      );
      return await observation.evidence(groups, limits.logLines, limit);
    } catch (error) {
      log.debug(`Could not read the causes: ${(error as Error).message}`);
      return [];
    }
  }
}

/** Ends for which the causes are read. */
const HAS_CAUSES: ReadonlySet<Tracked['kind']> = new Set(['complete', 'failed', 'stalled', 'timeout']);
