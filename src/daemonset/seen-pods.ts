import { type PodEvent, type SeenPod, seePod, withEvents } from './diagnosis.ts';
import { isPeer, type Peers, peersAmong, runsVersion, type WantedVersion } from './pod-version.ts';
import type { WatchedPod } from './pods.ts';
import type { Moment } from './stability.ts';
import type { Cause } from './trouble.ts';
import type { DaemonSet } from './types.ts';

/** Causes of pods that have ended. The controller deletes and replaces them, usually within a second. */
const ENDED: ReadonlySet<Cause> = new Set<Cause>(['evicted', 'storage-limit', 'pod-rejected']);

/** What was seen of the pods of a DaemonSet during a wait. Times in milliseconds. */
export class SeenPods {
  readonly #daemonSet: DaemonSet;
  #wanted: WantedVersion;
  #peers: Peers = { count: 0, deviations: new Set() };
  /** By UID. */
  readonly #pods = new Map<string, SeenPod>();
  /** By node: the last pod of the version that ended there. Since when that has been so, although each pod exists for a short time. */
  readonly #ended = new Map<string, SeenPod & { uid: string }>();

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

  named(name: string): SeenPod | undefined {
    return [...this.#pods.values(), ...this.#ended.values()].find((pod) => pod.name === name);
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
    this.#pods.delete(uid);
  }

  /** These are all pods that exist. */
  replace(pods: readonly WatchedPod[], at: Moment): void {
    const present = new Set(pods.map(({ metadata }) => metadata.uid));
    for (const uid of this.#pods.keys()) if (!present.has(uid)) this.#pods.delete(uid);
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
    if (!seen.wanted || !seen.trouble || !ENDED.has(seen.trouble.cause)) return;
    const last = this.#ended.get(seen.node);
    // An event may have explained it already.
    const trouble = last?.uid === uid && last.trouble ? last.trouble : seen.trouble;
    this.#ended.set(seen.node, { ...seen, uid, trouble, since: last?.since ?? at.now });
  }

  #recognizeAll(): void {
    const versions = [...this.#pods.values()].map(({ version }) => version);
    this.#peers = peersAmong(versions, this.#wanted);
    for (const pod of this.#pods.values()) pod.wanted = runsVersion(pod.version, this.#wanted, this.#peers);
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
