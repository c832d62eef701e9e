import { isFailure, type Watched } from '../cluster/cluster.ts';
import { reportable } from '../daemonset/container-output.ts';
import {
  type CauseGroup,
  type Diagnosis,
  diagnose,
  EVICTED,
  type Evidence,
  mostSignificantFirst,
  NO_SANDBOX,
  type PodEvent,
  type SeenNode,
  seeEvents,
  seeNode,
  VOLUME_WARNINGS,
  type Wanted,
  withEvents,
} from '../daemonset/diagnosis.ts';
import { SeenPods } from '../daemonset/seen-pods.ts';
import { type Cause, isCrash } from '../daemonset/trouble.ts';
import type { Counts, DaemonSet, Event, Pod } from '../daemonset/types.ts';
import type { World } from './world.ts';

/** Causes whose events and logs are read. */
const MOST_EXAMPLES = 3;
/** Events of an example that are shown: the newest. */
const MOST_EVENTS = 10;
/** How often warnings are read: at first, and at the least. Milliseconds. */
const WARNINGS_AGE = 5_000;
const LONGEST_WARNINGS_AGE = 60_000;
/** How long a diagnosis is valid, in milliseconds: one evaluation asks for it several times. */
const SAME_LOOK = 100;
/** How long a read in the background may take, and when a watch that failed is started again. Milliseconds. */
const READ_LIMIT = 5_000;
const RESTART_AFTER = 5_000;
/** What a kubelet answers instead of the log of a container that it has removed, with status 200 (kubelet: kuberuntime_container.go). */
const LOG_IS_LOST = /^unable to retrieve container logs for /;
const NO_NODES = 'Could not determine whether a node itself is at fault.';
const NO_WARNINGS = 'Could not determine in full why pods do not start.';
const NO_PODS = 'Could not determine which pods are blocking the rollout.';

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

/** What only helps to explain: it is read beside the wait and never delays its end. */
type Source = 'pods' | 'nodes' | 'events' | 'logs';

export interface ObservationEvents {
  /** Called when pods have changed. */
  onPods(): void;
  /** Called when a read in the background has ended. */
  onRead(): void;
}

/**
 * Collects the state of the pods, nodes and events of a DaemonSet during a wait. Nothing is read before there is a reason to. What this
 * account is not allowed to read is a warning, once, and the wait continues without it.
 */
export class Observation {
  readonly #world: World;
  readonly #daemonSet: DaemonSet;
  readonly #on: ObservationEvents;
  readonly #begun: number;
  readonly #pods: SeenPods;
  readonly #stopping = new AbortController();
  /** What this account is not allowed to read. */
  readonly #denied = new Set<Source>();
  /** What is being read in the background. */
  readonly #reading = new Set<Source>();
  /** When something was last read, or could not be. */
  readonly #readAt = new Map<Source, number>();
  #nodes: ReadonlyMap<string, SeenNode> | undefined;
  #warningsAge = WARNINGS_AGE;
  #rejected: { message: string; since: number } | undefined;
  #undeletable = '';
  #watching: Promise<void> | undefined;
  #seen = false;
  #last: { diagnosis: Diagnosis; desired: number; at: number } | undefined;

  /** @param begun when the wait began, in milliseconds since the epoch. */
  constructor(world: World, daemonSet: DaemonSet, wanted: Wanted, begun: number, on: ObservationEvents) {
    this.#world = world;
    this.#daemonSet = daemonSet;
    this.#pods = new SeenPods(daemonSet, wanted);
    this.#begun = begun;
    this.#on = on;
  }

  get started(): boolean {
    return this.#watching !== undefined;
  }

  /** Starts to watch the pods, unless they are watched already. */
  start(): void {
    const failedAt = this.#readAt.get('pods') ?? Number.NEGATIVE_INFINITY;
    if (this.#watching || this.#denied.has('pods') || this.#now - failedAt < RESTART_AFTER) return;
    this.#watching = this.#watch().catch((error: unknown) => {
      this.#withhold('pods', error, NO_PODS);
      this.#readAt.set('pods', this.#now);
      this.#watching = undefined;
    });
  }

  get #now(): number {
    return this.#world.clock.now();
  }

  /** Ends the watch and its connections. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const signal = AbortSignal.any([this.#world.signal, this.#stopping.signal]);
    for await (const change of this.#world.cluster.watchPods(this.#daemonSet, signal)) {
      this.#see(change);
      this.#on.onPods();
    }
  }

  /** Reads the pods, unless they are known already, and the nodes. */
  async glance(signal: AbortSignal): Promise<void> {
    const nodes = this.#readNodes(signal).catch((error: unknown) => this.#withhold('nodes', error, NO_NODES));
    if (!this.#seen && !this.#denied.has('pods')) {
      try {
        for await (const change of this.#world.cluster.watchPods(this.#daemonSet, signal)) {
          this.#see(change);
          break;
        }
      } catch (error) {
        this.#withhold('pods', error, NO_PODS);
      }
    }
    await nodes;
  }

  #see(change: Watched<Pod>): void {
    this.#last = undefined;
    if (change.kind === 'gone') this.#pods.remove(change.object.metadata.uid);
    else if (change.kind === 'all') this.#pods.replace(change.objects, this.#now);
    else this.#pods.see(change.object, this.#now);
    this.#seen ||= change.kind === 'all';
  }

  /** The state of the nodes; undefined until the pods were read. */
  diagnosis({ desired }: Counts): Diagnosis | undefined {
    if (!this.#seen) return undefined;
    const now = this.#world.clock.now();
    if (this.#last?.desired === desired && now - this.#last.at < SAME_LOOK) return this.#last.diagnosis;
    const minReady = (this.#daemonSet.spec.minReadySeconds ?? 0) * 1_000;
    const { present: pods, ended } = this.#pods;
    const [nodes, rejected, undeletable] = [this.#nodes, this.#rejected, this.#undeletable];
    const situation = { pods, ended, nodes, rejected, undeletable, desired, minReady, start: this.#begun };
    this.#last = { diagnosis: diagnose(situation, now), desired, at: now };
    return this.#last.diagnosis;
  }

  /**
   * Whether the nodes were read within `ageMs`, or cannot be read. If not, they are read in the background, and `onRead` is called
   * when that has ended, which takes at most 5 s.
   */
  knowsNodes(ageMs: number): boolean {
    return this.#isRecent('nodes', ageMs, NO_NODES, (signal) => this.#readNodes(signal));
  }

  async #readNodes(signal: AbortSignal): Promise<void> {
    if (this.#denied.has('nodes')) return;
    const nodes = await this.#world.cluster.listNodes(signal);
    this.#nodes = new Map(nodes.map((node) => [node.metadata.name, seeNode(node)]));
    this.#last = undefined;
  }

  /** Starts a read in the background, unless one is running or has ended within `ageMs`. Whether one has ended that recently. */
  #isRecent(source: Source, ageMs: number, consequence: string, read: (signal: AbortSignal) => Promise<void>): boolean {
    if (this.#denied.has(source)) return true;
    if (this.#reading.has(source)) return false;
    if (this.#now - (this.#readAt.get(source) ?? Number.NEGATIVE_INFINITY) < ageMs) return true;
    this.#reading.add(source);
    const limit = AbortSignal.any([this.#world.signal, this.#stopping.signal, AbortSignal.timeout(READ_LIMIT)]);
    void read(limit)
      .catch((error: unknown) => this.#withhold(source, error, consequence))
      .finally(() => {
        this.#reading.delete(source);
        this.#readAt.set(source, this.#now);
        this.#on.onRead();
      });
    return false;
  }

  /** When to read warnings because pods are still starting or do not exist; undefined if there is no reason to. */
  warningsDueAt(counts: Counts): number | undefined {
    const { troubled = [] } = this.diagnosis(counts) ?? {};
    const reason =
      troubled.some(({ trouble }) => ONLY_EVENTS_EXPLAIN.has(trouble.cause)) ||
      (troubled.length > 0 && troubled.every(({ trouble }) => trouble.cause === 'not-replaced'));
    if (!reason || this.#denied.has('events')) return undefined;
    return (this.#readAt.get('events') ?? 0) + this.#warningsAge;
  }

  /** Reads in the background why pods are still starting, or why none is created. Less and less often. */
  refreshWarnings(): void {
    if (this.#isRecent('events', this.#warningsAge, NO_WARNINGS, (signal) => this.#readWarnings(signal))) return;
    if (this.#readAt.has('events')) this.#warningsAge = Math.min(this.#warningsAge * 2, LONGEST_WARNINGS_AGE);
  }

  async #readWarnings(signal: AbortSignal): Promise<void> {
    const { cluster } = this.#world;
    const { namespace, uid } = this.#daemonSet.metadata;
    const now = this.#now;
    const warnings = (fields: Record<string, string>): Promise<Event[]> =>
      cluster.listEvents(namespace, { type: 'Warning', ...fields }, signal);
    const [ours, ...aboutPods] = await Promise.all([
      warnings({ 'involvedObject.uid': uid }),
      ...this.#reasonsToRead().map((reason) => warnings({ reason })),
    ]);
    this.#pods.explain(seeEvents(aboutPods.flat()), now);
    const last = (reason: string): PodEvent | undefined => seeEvents(ours).findLast((event) => event.reason === reason);
    const rejection = last('FailedCreate');
    this.#rejected = rejection && { message: rejection.message, since: this.#rejected?.since ?? now };
    this.#undeletable = last('FailedDelete')?.message ?? '';
    this.#last = undefined;
  }

  /** The reasons of the events about pods that may explain what is seen of them. */
  #reasonsToRead(): readonly string[] {
    const present = [...this.#pods.present].filter(({ wanted }) => wanted);
    const mayWait = present.some(({ prepared, trouble }) => !prepared && trouble !== undefined && WAITS.has(trouble.cause));
    return [...(mayWait ? [...VOLUME_WARNINGS, NO_SANDBOX] : []), ...(this.#pods.ended.size > 0 ? [EVICTED] : [])];
  }

  /** The groups; the first few of them with the events and the log of their example. */
  async evidence(groups: CauseGroup[], logLines: number, signal: AbortSignal): Promise<CauseGroup[]> {
    const read = async (group: CauseGroup, index: number): Promise<CauseGroup> =>
      index < MOST_EXAMPLES && group.example.pod !== '' ? { ...group, ...(await this.#readAbout(group, logLines, signal)) } : group;
    return mostSignificantFirst(await Promise.all(groups.map(read))).map((group) => reportable(group, logLines > 0));
  }

  async #readAbout({ cause, example }: CauseGroup, logLines: number, signal: AbortSignal): Promise<Partial<CauseGroup>> {
    const [events, log] = await Promise.all([this.#eventsOf(example.pod, signal), this.#logOf(example, logLines, signal)]);
    const pod = this.#pods.named(example.pod);
    // Only the events show that a probe failed, and why.
    const trouble = (pod?.trouble?.cause === cause && withEvents(pod, events, this.#now).trouble) || example.trouble;
    const warnings = events.filter(({ warning }) => warning).slice(-MOST_EVENTS);
    const evidence: Evidence = { events: warnings.map(({ reason, message }) => `${reason}: ${message}`), ...log };
    return { evidence, cause: trouble.cause, example: { ...example, trouble } };
  }

  async #eventsOf(pod: string, signal: AbortSignal): Promise<PodEvent[]> {
    if (this.#denied.has('events')) return [];
    const { namespace } = this.#daemonSet.metadata;
    try {
      return seeEvents(await this.#world.cluster.listEvents(namespace, { 'involvedObject.name': pod }, signal));
    } catch (error) {
      this.#withhold('events', error, 'Could not read the warnings about these pods.');
      return [];
    }
  }

  /**
   * The log of the run of a container that shows its problem. The kubelet keeps the log of one run besides the present one: while a container
   * has ended, that is the run that ended, and what came before is lost, for which it answers 200 with an error text.
   */
  async #logOf({ pod, trouble }: CauseGroup['example'], lines: number, signal: AbortSignal): Promise<Pick<Evidence, 'log' | 'run'>> {
    const { container, restarts = 0, cause, runsSince } = trouble;
    const ran = restarts > 0 || cause === 'not-ready' || cause === 'starting' || isCrash(trouble);
    const isRunning = runsSince !== undefined || !isCrash(trouble);
    const present = { previous: false, run: isRunning ? 'present' : 'ended' } as const;
    const previous = { previous: true, run: 'previous' } as const;
    const none = { log: undefined, run: present.run };
    if (lines === 0 || container === undefined || !ran || this.#denied.has('logs')) return none;
    const { namespace } = this.#daemonSet.metadata;
    const choices = runsSince !== undefined ? [previous, present] : [present, previous];
    for (const choice of restarts > 0 ? choices : [present]) {
      try {
        const options = { previous: choice.previous, lines };
        const text = await this.#world.cluster.containerLog({ namespace, name: pod }, container, options, signal);
        if (LOG_IS_LOST.test(text)) continue;
        return { log: text.split('\n').filter((line, index, all) => line !== '' || index < all.length - 1), run: choice.run };
      } catch (error) {
        this.#withhold('logs', error, 'Could not read the log of the container.');
        if (isFailure(error, 'forbidden')) return none;
      }
    }
    return none;
  }

  /**
   * Warns of what this account is not allowed to read, which then is not tried again. Another failure is a detail for the debug log;
   * an aborted read is neither.
   */
  #withhold(source: Source, error: unknown, consequence: string): void {
    const { log, signal } = this.#world;
    if (isFailure(error, 'forbidden')) {
      this.#denied.add(source);
      log.warning(`${consequence} ${error.message}`);
    } else if (!signal.aborted && !this.#stopping.signal.aborted) log.debug(`${consequence} ${(error as Error).message}`);
  }
}
