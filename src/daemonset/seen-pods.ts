import { type OtherPod, otherPod } from './control-group.ts';
import { type PodEvent, withEvents } from './pod-events.ts';
import type { Cause } from './pod-failure.ts';
import { isPeer, type Peers, peersAmong, runsVersion, type WantedVersion } from './pod-version.ts';
import type { WatchedPod } from './pods.ts';
import { type SeenPod, seePod } from './seen-pod.ts';
import type { Moment } from './stability.ts';
import type { DaemonSet } from './types.ts';

/** Causes of pods that have ended. The controller deletes and replaces them, usually within a second. */
const ENDED: ReadonlySet<Cause> = new Set<Cause>(['evicted', 'storage-limit', 'pod-rejected']);

/** What was seen of the pods of a DaemonSet during a wait. */
export class SeenPods {
  readonly #daemonSet: DaemonSet;
  #wanted: WantedVersion;
  #peers: Peers = { count: 0, deviations: new Set() };
  /** By UID. */
  readonly #pods = new Map<string, SeenPod>();
  /** By node: the last pod of the version that ended there. Since when that has been so, although each pod exists for a short time. */
  readonly #ended = new Map<string, SeenPod & { uid: string }>();
  /** The UIDs of all pods of the version that were seen. */
  readonly #ours = new Set<string>();
  /** Pods of other versions that no longer exist. */
  readonly #replaced: OtherPod[] = [];

  constructor(daemonSet: DaemonSet, wanted: WantedVersion) {
    this.#daemonSet = daemonSet;
    this.#wanted = wanted;
  }

  /** From now on, another version is waited for. */
  follow(wanted: WantedVersion): void {
    this.#wanted = wanted;
    this.#recognizeAll();
  }

  get present(): Iterable<SeenPod> {
    return this.#pods.values();
  }

  get ended(): ReadonlyMap<string, SeenPod> {
    return this.#ended;
  }

  /** The pods of other versions that were seen, in the state in which they were first seen, and when they crashed. */
  get others(): OtherPod[] {
    const present = [...this.#pods.values()].filter(({ wanted }) => !wanted);
    return [...this.#replaced, ...present.map(otherPod)];
  }

  named(name: string): SeenPod | undefined {
    return [...this.#pods.values(), ...this.#ended.values()].find((pod) => pod.name === name);
  }

  /** Whether an event is about a pod of this DaemonSet that is not of the version. The controller adds five characters to its name. */
  isAboutOther({ uid, name }: PodEvent): boolean {
    const { name: daemonSet } = this.#daemonSet.metadata;
    return !this.#ours.has(uid) && name.startsWith(`${daemonSet}-`) && name.length === daemonSet.length + 6;
  }

  see(pod: WatchedPod, at: Moment): void {
    this.#see(pod, at);
    const seen = this.#pods.get(pod.metadata.uid);
    if (!seen) return;
    // The first pod that certainly is of the version, or what admission did to it, may explain others.
    const isNews = isPeer(seen.version, this.#wanted) && (this.#peers.count === 0 || seen.version.deviations !== undefined);
    if (isNews) this.#recognizeAll();
  }

  /** The pod no longer exists. */
  remove(uid: string): void {
    const pod = this.#pods.get(uid);
    if (pod && !pod.wanted) this.#replaced.push(otherPod(pod));
    this.#pods.delete(uid);
  }

  /** These are all pods that exist. */
  replace(pods: readonly WatchedPod[], at: Moment): void {
    const present = new Set(pods.map(({ metadata }) => metadata.uid));
    for (const uid of [...this.#pods.keys()]) if (!present.has(uid)) this.remove(uid);
    for (const pod of pods) this.#see(pod, at);
    this.#recognizeAll();
  }

  #see(pod: WatchedPod, at: Moment): void {
    const { uid } = pod.metadata;
    const before = this.#pods.get(uid);
    const seen = seePod(before, pod, this.#daemonSet, at);
    if (!seen) return;
    seen.wanted = runsVersion(seen.version, this.#wanted, this.#peers);
    this.#pods.set(uid, seen);
    if (seen.wanted) this.#ours.add(uid);
    if (!seen.wanted || !seen.failure || !ENDED.has(seen.failure.cause)) return;
    const last = this.#ended.get(seen.node);
    // An event may have explained it already.
    const failure = last?.uid === uid && last.failure ? last.failure : seen.failure;
    const crashes = (last?.failure?.crashes ?? 0) + (last?.uid === uid ? 0 : 1);
    const ranMs = last?.uid === uid ? last.failure?.ranMs : at.now - seen.created;
    this.#ended.set(seen.node, {
      ...seen,
      uid,
      failure: { ...failure, crashes, ...(ranMs !== undefined && { ranMs }) },
      since: last?.since ?? at.now,
    });
  }

  #recognizeAll(): void {
    const versions = [...this.#pods.values()].map(({ version }) => version);
    this.#peers = peersAmong(versions, this.#wanted);
    for (const [uid, pod] of this.#pods) {
      pod.wanted = runsVersion(pod.version, this.#wanted, this.#peers);
      if (pod.wanted) this.#ours.add(uid);
    }
    for (const [node, pod] of this.#ended) if (!runsVersion(pod.version, this.#wanted, this.#peers)) this.#ended.delete(node);
  }

  /** Applies what events show about the pods. */
  explain(events: readonly PodEvent[], now: number): void {
    const about = Map.groupBy(events, ({ uid }) => uid);
    for (const [uid, pod] of this.#pods) this.#pods.set(uid, withEvents(pod, about.get(uid) ?? [], now));
    for (const [node, pod] of this.#ended) {
      const { since } = pod;
      this.#ended.set(node, { ...pod, ...withEvents(pod, about.get(pod.uid) ?? [], now), ...(since !== undefined && { since }) });
    }
  }
}
