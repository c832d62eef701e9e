import { brokenPredecessors, eventsLike, type Failing } from '../daemonset/control-group.ts';
import type { Diagnosis } from '../daemonset/diagnosis.ts';
import { EVICTED, NO_SANDBOX, type PodEvent, PREPARED, seeEvents, VOLUME_WARNINGS } from '../daemonset/pod-events.ts';
import { type Cause, mayBeUnrecoverable } from '../daemonset/pod-failure.ts';
import type { SeenPods } from '../daemonset/seen-pods.ts';
import type { Moment } from '../daemonset/stability.ts';
import type { DaemonSet, Event } from '../daemonset/types.ts';
import type { Context } from './context.ts';
import type { OptionalReads } from './optional-reads.ts';

/** How often events are read: at first, and at the least. */
const FIRST_AGE_MS = 5_000;
const LONGEST_AGE_MS = 60_000;
/** Times of the cluster and of the wait that differ by less may be the same: events have whole seconds. */
const SAME_TIME_MS = 2_000;

/** Causes that events explain, or turn into another. */
const ONLY_EVENTS_EXPLAIN: ReadonlySet<Cause> = new Set<Cause>([
  'starting',
  'no-pod',
  'volume-mount',
  'pod-sandbox',
  'pod-rejected',
  'evicted',
  'storage-limit',
]);

/** Causes of pods that wait for a volume or a sandbox. */
const WAITS: ReadonlySet<Cause> = new Set<Cause>(['starting', 'volume-mount', 'pod-sandbox']);

/** What the events of a wait are read with. */
export interface EventReaderOptions {
  daemonSet: DaemonSet;
  pods: SeenPods;
  reads: OptionalReads;
  /** The present moment on the clock of the wait. */
  moment: () => Moment;
  /** When the wait began. */
  begun: number;
  /** The pods of the version with a problem, if there are so few that their nodes may be at fault, and how many nodes should have a pod. */
  few: () => { failing: Failing[]; desired: number };
}

/** Reads the events that explain what is seen of the pods, less and less often, and keeps what they show about nodes and the controller. */
export class EventReader {
  readonly #context: Context;
  readonly #options: EventReaderOptions;
  /** Since when there have been nodes without a pod, without interruption. */
  #gapSince: number | undefined;
  #ageMs = FIRST_AGE_MS;
  /** The controller could not create a pod. */
  rejected: { message: string; since: number } | undefined;
  /** Why the controller could not delete a pod. */
  undeletable = '';
  /** Nodes on which events show that the pod before had the same problem. */
  brokenPredecessors: ReadonlySet<string> = new Set();

  constructor(context: Context, options: EventReaderOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** There are nodes without a pod, or not. */
  seeGap(isGap: boolean, now: number): void {
    this.#gapSince = isGap ? (this.#gapSince ?? now) : undefined;
    if (!isGap) this.rejected = undefined;
  }

  /** When events are due, which explain pods that are still starting or do not exist; on the clock of `readAt`. Undefined if there are no such pods. */
  dueAt(diagnosis: Diagnosis | undefined, readAt: number): number | undefined {
    const { failing = [] } = diagnosis ?? {};
    const reason =
      failing.some(({ failure }) => ONLY_EVENTS_EXPLAIN.has(failure.cause)) ||
      this.#options.few().failing.some(({ failure }) => mayBeUnrecoverable(failure) && eventsLike(failure).reasons.length > 0) ||
      (failing.length > 0 && failing.every(({ failure }) => failure.cause === 'not-replaced'));
    if (!reason || this.#options.reads.isDenied('events')) return undefined;
    return Math.max(0, readAt + this.#ageMs);
  }

  /** Reads in the background why pods are still starting, or why none is created. */
  read(): void {
    const { reads } = this.#options;
    if (Number.isFinite(reads.readAt('events'))) this.#ageMs = Math.min(this.#ageMs * 2, LONGEST_AGE_MS);
    reads.start('events', (signal) => this.#read(signal));
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { daemonSet, pods, moment, few } = this.#options;
    const { namespace, uid } = daemonSet.metadata;
    const { now } = moment();
    const list = (fields: Record<string, string>): Promise<Event[]> => this.#context.cluster.listEvents(namespace, fields, signal);
    const [aboutDaemonSet, ...aboutPods] = await Promise.all([
      list({ type: 'Warning', 'involvedObject.uid': uid }),
      ...this.#reasonsToRead().map((reason) => list({ reason })),
    ]);
    const events = seeEvents(aboutPods.flat());
    pods.explain(events, now);
    const { failing, desired } = few();
    const broken = brokenPredecessors(failing, events, (event) => pods.isAboutOther(event), desired);
    this.brokenPredecessors = new Set([...this.brokenPredecessors, ...broken]);
    const ours = seeEvents(aboutDaemonSet);
    const last = (reason: string): PodEvent | undefined => ours.findLast((event) => event.reason === reason);
    const rejection = last('FailedCreate');
    this.rejected =
      rejection && this.#isPresent(rejection) ? { message: rejection.message, since: this.rejected?.since ?? now } : undefined;
    const deletion = last('FailedDelete');
    this.undeletable = deletion && this.#isNewest(deletion) ? deletion.message : '';
  }

  /** Whether an event explains why nodes have no pod now: it is as new as that, and no pod was created since. */
  #isPresent({ at }: PodEvent): boolean {
    const since = this.#gapSince ?? Number.POSITIVE_INFINITY;
    const wasThereBefore = since - this.#options.begun < SAME_TIME_MS;
    return this.#isNewest({ at }) && (wasThereBefore || !this.#isComparable(at) || at >= since - SAME_TIME_MS);
  }

  /** Whether no pod was created after an event, which would show that the controller makes progress. */
  #isNewest({ at }: Pick<PodEvent, 'at'>): boolean {
    return !this.#isComparable(at) || [...this.#options.pods.present].every(({ created }) => at >= created - SAME_TIME_MS);
  }

  /** Whether a time of an event is known, and on the clock of the wait. */
  #isComparable(at: number): boolean {
    return !Number.isNaN(at) && this.#options.moment().isClusterTime;
  }

  /** The reasons of the events about pods that may explain what is seen of them. */
  #reasonsToRead(): readonly string[] {
    const { pods, few } = this.#options;
    const present = [...pods.present].filter(({ wanted }) => wanted);
    const mayWait = present.some(({ prepared, failure }) => !prepared && failure !== undefined && WAITS.has(failure.cause));
    const predecessors = few().failing.flatMap(({ failure }) => eventsLike(failure).reasons);
    const waiting = mayWait ? [...VOLUME_WARNINGS, NO_SANDBOX, ...PREPARED] : [];
    return [...new Set([...waiting, ...(pods.ended.size > 0 ? [EVICTED] : []), ...predecessors])];
  }
}
