import { isFailure, type Watched } from '../cluster/cluster.ts';
import {
  type CauseGroup,
  type Diagnosis,
  diagnose,
  type Evidence,
  mostTellingFirst,
  type SeenNode,
  type SeenPod,
  seeNode,
  seePod,
  seeWarnings,
  VOLUME_WARNINGS,
  type Wanted,
  withWarnings,
} from '../daemonset/diagnosis.ts';
import type { Counts, DaemonSet, Pod } from '../daemonset/types.ts';
import type { World } from './world.ts';

/** Groups of troubled nodes whose events and logs are read. */
const MOST_EXAMPLES = 3;
/** Events of an example that are shown, the newest. */
const MOST_EVENTS = 10;
/** Warnings are read at first so often, and then less and less. Milliseconds. */
const WARNINGS_AGE = 5_000;
const LONGEST_WARNINGS_AGE = 60_000;
/** What was made of the same pods is good for this long, in milliseconds: one look asks for it several times. */
const SAME_LOOK = 100;
const NO_PODS = 'Which pods hold the rollout up cannot be told.';

/**
 * What is seen of the pods, the nodes and the events of a DaemonSet while its rollout is waited for. Nothing is looked at before
 * there is a reason to; what may not be looked at is said once, and done without.
 */
export class Observation {
  readonly #world: World;
  readonly #daemonSet: DaemonSet;
  readonly #wanted: Wanted;
  readonly #onChange: () => void;
  readonly #begun: number;
  readonly #pods = new Map<string, SeenPod>();
  readonly #stopping = new AbortController();
  readonly #denied = new Set<string>();
  #nodes: ReadonlyMap<string, SeenNode> | undefined;
  #nodesAt = 0;
  #warningsAt = 0;
  #warningsAge = WARNINGS_AGE;
  #rejected: { message: string; since: number } | undefined;
  #watching: Promise<void> | undefined;
  #seen = false;
  #last: { diagnosis: Diagnosis; desired: number; at: number } | undefined;

  /** @param begun when the wait began, in milliseconds since the epoch. */
  constructor(world: World, daemonSet: DaemonSet, wanted: Wanted, begun: number, onChange: () => void) {
    this.#world = world;
    this.#daemonSet = daemonSet;
    this.#wanted = wanted;
    this.#begun = begun;
    this.#onChange = onChange;
  }

  get started(): boolean {
    return this.#watching !== undefined;
  }

  /** Begins to watch the pods. */
  start(): void {
    this.#watching ??= this.#watch().catch((error: unknown) => this.#withhold(error, NO_PODS));
  }

  /** Ends the watch, and all that it holds open. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const signal = AbortSignal.any([this.#world.signal, this.#stopping.signal]);
    for await (const change of this.#world.cluster.watchPods(this.#daemonSet, signal)) {
      this.#see(change);
      this.#onChange();
    }
  }

  /** One look at the pods and nodes, where there was none yet. */
  async glance(signal: AbortSignal): Promise<void> {
    await this.lookAtNodes(signal, 0);
    if (this.#seen) return;
    try {
      for await (const change of this.#world.cluster.watchPods(this.#daemonSet, signal)) {
        this.#see(change);
        break;
      }
    } catch (error) {
      this.#withhold(error, NO_PODS);
    }
  }

  #see(change: Watched<Pod>): void {
    this.#last = undefined;
    if (change.kind === 'gone') {
      this.#pods.delete(change.object.metadata.uid);
      return;
    }
    const pods = change.kind === 'all' ? change.objects : [change.object];
    if (change.kind === 'all') {
      const here = new Set(pods.map(({ metadata }) => metadata.uid));
      for (const uid of this.#pods.keys()) if (!here.has(uid)) this.#pods.delete(uid);
      this.#seen = true;
    }
    for (const pod of pods) {
      const { uid } = pod.metadata;
      const seen = seePod(this.#pods.get(uid), pod, this.#daemonSet, this.#wanted, this.#world.clock.now());
      if (seen) this.#pods.set(uid, seen);
    }
  }

  /** How the nodes are, or undefined while no pod was seen. */
  diagnosis({ desired }: Counts): Diagnosis | undefined {
    if (!this.#seen) return undefined;
    const now = this.#world.clock.now();
    if (this.#last?.desired === desired && now - this.#last.at < SAME_LOOK) return this.#last.diagnosis;
    const minReady = (this.#daemonSet.spec.minReadySeconds ?? 0) * 1_000;
    const situation = { pods: this.#pods.values(), nodes: this.#nodes, rejected: this.#rejected, desired, minReady, start: this.#begun };
    this.#last = { diagnosis: diagnose(situation, now), desired, at: now };
    return this.#last.diagnosis;
  }

  /** Looks at the nodes, unless that was done within `age` milliseconds. */
  async lookAtNodes(signal: AbortSignal, age: number): Promise<void> {
    const { cluster, clock } = this.#world;
    if (clock.now() - this.#nodesAt < age || this.#denied.has('nodes')) return;
    try {
      this.#nodes = new Map((await cluster.listNodes(signal)).map((node) => [node.metadata.name, seeNode(node)]));
      this.#nodesAt = clock.now();
      this.#last = undefined;
    } catch (error) {
      this.#denied.add('nodes');
      this.#withhold(error, 'Whether a node itself is at fault cannot be told.');
    }
  }

  /** When warnings should be read because pods are still starting, or do not exist; undefined where there is no reason to. */
  warningsDueAt(counts: Counts): number | undefined {
    const { troubled = [] } = this.diagnosis(counts) ?? {};
    const reason = troubled.some(({ trouble }) => ['starting', 'no-pod', 'volume-mount', 'pod-rejected'].includes(trouble.cause));
    if (!reason || this.#denied.has('events')) return undefined;
    return this.#warningsAt + this.#warningsAge;
  }

  /** Why pods are still starting, or why none is created. */
  async lookAtWarnings(signal: AbortSignal): Promise<void> {
    const { cluster, clock } = this.#world;
    const { namespace, uid } = this.#daemonSet.metadata;
    const now = clock.now();
    if (this.#warningsAt > 0) this.#warningsAge = Math.min(this.#warningsAge * 2, LONGEST_WARNINGS_AGE);
    this.#warningsAt = now;
    try {
      const [ours, ...mounts] = await Promise.all([
        cluster.listWarnings(namespace, { 'involvedObject.uid': uid, reason: 'FailedCreate' }, signal),
        ...VOLUME_WARNINGS.map((reason) => cluster.listWarnings(namespace, { reason }, signal)),
      ]);
      const warnings = Map.groupBy(seeWarnings(mounts.flat()), (warning) => warning.uid);
      for (const [id, pod] of this.#pods) this.#pods.set(id, withWarnings(pod, warnings.get(id) ?? [], now));
      const rejection = seeWarnings(ours).at(-1);
      this.#rejected = rejection && { message: rejection.message, since: this.#rejected?.since ?? now };
      this.#last = undefined;
    } catch (error) {
      this.#denied.add('events');
      this.#withhold(error, 'Why pods do not start cannot be told in full.');
    }
  }

  /** The groups, of which the first few have the events and the log of their example. */
  async evidence(groups: CauseGroup[], logLines: number, signal: AbortSignal): Promise<CauseGroup[]> {
    const read = async (group: CauseGroup, index: number): Promise<CauseGroup> =>
      index < MOST_EXAMPLES && group.example.pod !== '' ? { ...group, ...(await this.#readAbout(group, logLines, signal)) } : group;
    return mostTellingFirst(await Promise.all(groups.map(read)));
  }

  async #readAbout({ cause, example }: CauseGroup, logLines: number, signal: AbortSignal): Promise<Partial<CauseGroup>> {
    const [events, log] = await Promise.all([this.#eventsOf(example.pod, signal), this.#logOf(example, logLines, signal)]);
    const pod = [...this.#pods.values()].find(({ name }) => name === example.pod);
    // Only the events tell that it was a probe that ended it, or what the probe says.
    const trouble = (pod?.trouble?.cause === cause && withWarnings(pod, events, this.#world.clock.now()).trouble) || example.trouble;
    const previous = (trouble.restarts ?? 0) > 0;
    const evidence: Evidence = { events: events.slice(-MOST_EVENTS).map(({ reason, message }) => `${reason}: ${message}`), log, previous };
    return { evidence, cause: trouble.cause, example: { ...example, trouble } };
  }

  async #eventsOf(pod: string, signal: AbortSignal): Promise<ReturnType<typeof seeWarnings>> {
    if (this.#denied.has('events')) return [];
    const { namespace } = this.#daemonSet.metadata;
    try {
      return seeWarnings(await this.#world.cluster.listWarnings(namespace, { 'involvedObject.name': pod }, signal));
    } catch (error) {
      this.#denied.add('events');
      this.#withhold(error, 'What Kubernetes warns of about these pods cannot be told.');
      return [];
    }
  }

  async #logOf({ pod, trouble }: CauseGroup['example'], lines: number, signal: AbortSignal): Promise<string[] | undefined> {
    const { container, restarts = 0, cause } = trouble;
    const ran = restarts > 0 || cause === 'not-ready';
    if (lines === 0 || container === undefined || !ran || this.#denied.has('logs')) return undefined;
    const { namespace } = this.#daemonSet.metadata;
    try {
      const text = await this.#world.cluster.containerLog({ namespace, name: pod }, container, { previous: restarts > 0, lines }, signal);
      return text.split('\n').filter((line, index, all) => line !== '' || index < all.length - 1);
    } catch (error) {
      if (isFailure(error, 'forbidden')) this.#denied.add('logs');
      this.#withhold(error, 'The log of the container cannot be shown.');
      return undefined;
    }
  }

  /** What may not be looked at is said; that a look failed otherwise is a detail. An end from outside is neither. */
  #withhold(error: unknown, what: string): void {
    const { log, signal } = this.#world;
    if (isFailure(error, 'forbidden')) log.warning(`${what} ${error.message}`);
    else if (!signal.aborted && !this.#stopping.signal.aborted) log.debug(`${what} ${(error as Error).message}`);
  }
}
