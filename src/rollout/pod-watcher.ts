import { isFailure, type Watched } from '../cluster/cluster.ts';
import { brokenNodes, type Failing, mostExceptions, othersCrashedAt } from '../daemonset/control-group.ts';
import { type Diagnosis, diagnose, surplusNodes } from '../daemonset/diagnosis.ts';
import { type SeenDigests, seenDigests } from '../daemonset/image-digests.ts';
import { mayBeUnrecoverable } from '../daemonset/pod-failure.ts';
import type { WantedVersion } from '../daemonset/pod-version.ts';
import { type WatchedPod, watchedPod } from '../daemonset/pods.ts';
import { type SeenNode, seeNode } from '../daemonset/seen-node.ts';
import type { SeenPod } from '../daemonset/seen-pod.ts';
import { SeenPods } from '../daemonset/seen-pods.ts';
import { type Moment, stableForMs } from '../daemonset/stability.ts';
import type { DaemonSet, PodTemplate } from '../daemonset/types.ts';
import type { Limits, PodKnowledge, Snapshot } from '../daemonset/verdict.ts';
import type { Context } from './context.ts';
import { EventReader, type EventReaderOptions } from './event-reader.ts';
import { OptionalReads } from './optional-reads.ts';
import { isExplicit } from './stable-for.ts';

/** Pods change in batches, and each verdict covers all of them: it is asked for this long after the first change. */
const BATCH_MS = 250;
/** When a watch that failed is started again. */
const RESTART_AFTER_MS = 5_000;
/** How much later than the wait a node must have been created to be new: API servers' clocks differ. */
const NEW_AFTER_MS = 2_000;

export interface PodWatcherOptions {
  daemonSet: DaemonSet;
  /** What every node should run. */
  template: PodTemplate;
  wanted: WantedVersion;
  limits: Limits;
  /** The present moment on the clock of the wait. */
  moment: () => Moment;
  /** Called when there is news. */
  onNews: () => void;
}

/** Collects what the pods, nodes and events of a DaemonSet show during a wait, and judges nothing. Nothing is read before it is needed. */
export class PodWatcher {
  readonly reads: OptionalReads;
  readonly #context: Context;
  readonly #options: PodWatcherOptions & { begun: number };
  readonly #pods: SeenPods;
  readonly #events: EventReader;
  #nodes: ReadonlyMap<string, SeenNode> | undefined;
  #desired = 0;
  /** How far the pods had come, and when. */
  #furthest = { count: -1, at: 0 };
  #knowledge: PodKnowledge = { kind: 'unread' };
  /** `proceed` lets it continue after the first list. */
  #watch: { ended: Promise<void>; proceed: () => void } | undefined;

  constructor(context: Context, options: PodWatcherOptions) {
    this.#context = context;
    this.#options = { ...options, begun: options.moment().now };
    this.#pods = new SeenPods(options.daemonSet, options.wanted);
    this.reads = new OptionalReads(context, options.onNews);
    const { daemonSet, moment, begun } = this.#options;
    const few = (): ReturnType<EventReaderOptions['few']> => ({ failing: this.#fewFailing(), desired: this.#desired });
    this.#events = new EventReader(context, { daemonSet, pods: this.#pods, reads: this.reads, moment, begun, few });
  }

  get knowledge(): PodKnowledge {
    return this.#knowledge;
  }

  podNamed(name: string): SeenPod | undefined {
    return this.#pods.named(name);
  }

  /** From now on, another version is waited for. */
  follow(wanted: WantedVersion): void {
    this.#pods.follow(wanted);
  }

  /** Starts to watch the pods, unless they are watched already. */
  start(): void {
    if (this.#watch || this.reads.isDenied('pods') || this.#context.clock.now() - this.reads.readAt('pods') < RESTART_AFTER_MS) return;
    this.#watch = { ended: this.#watchPods(), proceed: () => {} };
  }

  /** The pods that were listed have been judged: the watch can continue. */
  proceed(): void {
    this.#watch?.proceed();
  }

  /** Ends the watch and its connections. */
  async stop(): Promise<void> {
    this.reads.stop();
    this.proceed();
    await this.#watch?.ended;
  }

  async #watchPods(): Promise<void> {
    const { daemonSet, template, onNews } = this.#options;
    const { signal } = this.reads;
    let isPending = false;
    const later = (): void => {
      if (isPending) return;
      isPending = true;
      const announce = (): void => {
        isPending = false;
        onNews();
      };
      void this.#context.clock.sleep(BATCH_MS, signal).then(announce, () => {});
    };
    try {
      for await (const change of this.#context.cluster.watchPods(daemonSet, (pod) => watchedPod(pod, template), signal)) {
        this.#see(change);
        if (change.kind !== 'all') later();
        else {
          // If the list settles the matter, no watch is opened.
          const { promise, resolve } = Promise.withResolvers<void>();
          if (this.#watch) this.#watch.proceed = resolve;
          onNews();
          await promise;
          signal.throwIfAborted();
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      const why = (error as Error).message;
      // An API server that has just started forbids every request for a moment. If the check before the wait passed, this is that.
      const isForbidden = isFailure(error, 'forbidden') && !isExplicit(this.#options.limits);
      this.#knowledge = { kind: isForbidden ? 'forbidden' : 'unreadable', why };
      this.reads.failed('pods', isForbidden ? error : new Error(why));
      onNews();
      void this.#context.clock.sleep(RESTART_AFTER_MS, signal).then(onNews, () => {});
    } finally {
      this.#watch = undefined;
    }
  }

  #see(change: Watched<WatchedPod>): void {
    const at = this.#options.moment();
    switch (change.kind) {
      case 'all':
        this.#pods.replace(change.objects, at);
        this.#knowledge = { kind: 'known' };
        break;
      case 'one':
        this.#pods.see(change.object, at);
        break;
      case 'gone':
        this.#pods.remove(change.object.metadata.uid);
        break;
      case 'interrupted':
        this.#knowledge = this.#knowledge.kind === 'known' ? { kind: 'outdated' } : { kind: 'unreadable', why: change.why };
    }
  }

  /** Reads the pods, unless they are known already, and the nodes: a last look. */
  async look(signal: AbortSignal): Promise<void> {
    const { daemonSet, template } = this.#options;
    const nodes = this.#readNodes(signal).catch((error: unknown) => this.reads.failed('nodes', error));
    if (this.#knowledge.kind === 'unread' && !this.reads.isDenied('pods')) {
      try {
        for await (const change of this.#context.cluster.watchPods(daemonSet, (pod) => watchedPod(pod, template), signal)) {
          this.#see(change);
          break;
        }
      } catch (error) {
        this.reads.failed('pods', error);
      }
    }
    await nodes;
  }

  /** What is known for a verdict about a state of the DaemonSet. */
  snapshot(daemonSet: DaemonSet, look: Look): Omit<Snapshot, 'daemonSet' | 'uid' | 'template' | 'progress'> {
    const diagnosis = this.#diagnosis(daemonSet, look);
    return {
      pods: this.#knowledge,
      diagnosis,
      podsProgressedAt: this.#furthest.at,
      graceMs: this.#graceMs(),
      nodesReadAt: this.#onOurClock(this.reads.readAt('nodes')),
      eventsReadAt: this.#onOurClock(this.reads.readAt('events')),
      eventsDueAt: this.#events.dueAt(diagnosis, this.#onOurClock(this.reads.readAt('events'))),
    };
  }

  /** A time on the clock of the process, on the clock of the wait. */
  #onOurClock(time: number): number {
    return time + this.#options.moment().now - this.#context.clock.now();
  }

  #diagnosis(daemonSet: DaemonSet, { desired, isComplete, now }: Look): Diagnosis | undefined {
    if (this.#knowledge.kind === 'unread' || (this.#knowledge.kind !== 'known' && [...this.#pods.present].length === 0)) return undefined;
    const { rejected, undeletable, brokenPredecessors } = this.#events;
    const { others } = this.#pods;
    const situation = {
      rejected,
      undeletable,
      brokenBefore: new Set([...brokenNodes(others), ...brokenPredecessors]),
      othersCrashedAt: othersCrashedAt(others),
      // If the counters are complete, no node is at fault.
      nodes: isComplete ? undefined : this.#nodes,
      surplus: this.#surplus(desired, isComplete),
      pods: this.#pods.present,
      ended: this.#pods.ended,
      desired,
      minReadyMs: (daemonSet.spec.minReadySeconds ?? 0) * 1_000,
      stableForMs: stableForMs(this.#options.limits.stableFor, this.#options.template),
      start: this.#options.begun + NEW_AFTER_MS,
    };
    const diagnosis = diagnose(situation, now);
    this.#desired = desired;
    const count = diagnosis.right + diagnosis.updated + diagnosis.available;
    if (count > this.#furthest.count) this.#furthest = { count, at: now };
    this.#events.seeGap(
      diagnosis.failing.some(({ failure }) => failure.cause === 'no-pod' || failure.reason === 'FailedCreate'),
      now,
    );
    return diagnosis;
  }

  /**
   * The nodes whose pods do not count although they exist. None before the nodes were read; if that is not allowed, complete counters show
   * that the nodes that count are available.
   */
  #surplus(desired: number, isComplete: boolean): ReadonlySet<string> {
    const isShown = this.#nodes !== undefined || (isComplete && this.reads.isDenied('nodes'));
    return isShown ? surplusNodes(this.#pods.present, this.#nodes, desired) : new Set();
  }

  /**
   * The pods of the version that cannot start, crash or are not ready, with what is wrong with them: if there are so few that their nodes
   * may be at fault.
   */
  #fewFailing(): Failing[] {
    const pods = [...this.#pods.present].flatMap(({ wanted, failure, crashes, ...pod }) => {
      const problem = failure ?? crashes?.failure;
      return wanted && problem && (mayBeUnrecoverable(problem) || problem.cause === 'not-ready') ? [{ ...pod, failure: problem }] : [];
    });
    return pods.length <= mostExceptions(this.#desired) ? pods : [];
  }

  /** How long pods of other versions, and those that are being deleted, may take to terminate; as long as the template says if none are known. */
  #graceMs(): number {
    const others = [...this.#pods.present]
      .filter(({ wanted, failure }) => !wanted || failure?.cause === 'terminating')
      .map(({ graceMs }) => graceMs);
    if (others.length > 0) return Math.max(...others);
    const { terminationGracePeriodSeconds: seconds } = (this.#options.template['spec'] ?? {}) as {
      terminationGracePeriodSeconds?: unknown;
    };
    return (typeof seconds === 'number' ? seconds : 30) * 1_000;
  }

  /** The bytes that the pods of the version run. */
  digests(): SeenDigests {
    return seenDigests(
      this.#options.template,
      [...this.#pods.present].filter(({ wanted }) => wanted),
    );
  }

  /** Reads the nodes in the background. */
  readNodes(): void {
    this.reads.start('nodes', (signal) => this.#readNodes(signal));
  }

  async #readNodes(signal: AbortSignal): Promise<void> {
    if (this.reads.isDenied('nodes')) return;
    const seen = (await this.#context.cluster.listNodes(signal)).map(
      (node) => [node.metadata.name, seeNode(node, this.#options.template)] as const,
    );
    const { isClusterTime } = this.#options.moment();
    const before = this.#nodes;
    // Without the cluster's time, a node is new if it was not there when the nodes were first read.
    const createdOf = (name: string): number => (before && !before.has(name) ? Infinity : (before?.get(name)?.created ?? 0));
    this.#nodes = new Map(seen.map(([name, node]) => [name, isClusterTime ? node : { ...node, created: createdOf(name) }]));
  }

  /** Reads in the background why pods are still starting, or why none is created. Less and less often. */
  readEvents(): void {
    this.#events.read();
  }
}

/** For which state of the DaemonSet, and when, the pods are judged. */
interface Look {
  /** Nodes that should have one. */
  desired: number;
  /** The counters are complete, so that no node is at fault. */
  isComplete: boolean;
  /** On the clock of the wait. */
  now: number;
}
