import { type PodEvent, type SeenPod, seePod, type Wanted, withEvents } from './diagnosis.ts';
import type { Cause } from './trouble.ts';
import type { DaemonSet, Pod } from './types.ts';

/** Causes of pods that have ended. The controller deletes and replaces them, usually within a second. */
const ENDED: ReadonlySet<Cause> = new Set<Cause>(['evicted', 'storage-limit', 'pod-rejected']);

/** What was seen of the pods of a DaemonSet during a wait. Times in milliseconds since the epoch. */
export class SeenPods {
  readonly #daemonSet: DaemonSet;
  readonly #wanted: Wanted;
  /** By UID. */
  readonly #pods = new Map<string, SeenPod>();
  /** By node: the last pod of the version that ended there. Since when that has been so, although each pod exists for a short time. */
  readonly #ended = new Map<string, SeenPod & { uid: string }>();

  constructor(daemonSet: DaemonSet, wanted: Wanted) {
    this.#daemonSet = daemonSet;
    this.#wanted = wanted;
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

  see(pod: Pod, now: number): void {
    const { uid } = pod.metadata;
    const seen = seePod(this.#pods.get(uid), pod, this.#daemonSet, this.#wanted, now);
    if (!seen) return;
    this.#pods.set(uid, seen);
    if (seen.wanted && seen.trouble && ENDED.has(seen.trouble.cause)) {
      const before = this.#ended.get(seen.node);
      // An event may have explained it already.
      const trouble = before?.uid === uid && before.trouble ? before.trouble : seen.trouble;
      this.#ended.set(seen.node, { ...seen, uid, trouble, since: before?.since ?? now });
    }
  }

  /** The pod no longer exists. */
  remove(uid: string): void {
    this.#pods.delete(uid);
  }

  /** These are all pods that exist. */
  replace(pods: Pod[], now: number): void {
    const present = new Set(pods.map(({ metadata }) => metadata.uid));
    for (const uid of this.#pods.keys()) if (!present.has(uid)) this.#pods.delete(uid);
    for (const pod of pods) this.see(pod, now);
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
