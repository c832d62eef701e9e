import type { ReferenceKind } from '../daemonset/references.ts';
import type { ControllerRevision, DaemonSet, DaemonSetName, Event, Json, JsonObject, Node, Pod } from '../daemonset/types.ts';

/** One operation of an RFC 6902 JSON patch. */
export type PatchOperation = { op: 'test' | 'add' | 'replace'; path: string; value: Json } | { op: 'remove'; path: string };

/** An event of a watch on one DaemonSet. */
export type DaemonSetEvent = { kind: 'state'; daemonSet: DaemonSet } | { kind: 'deleted' };

/**
 * An event of a watch on several objects: all objects, one that was added or changed, one that was deleted, or that changes may be missed
 * until the next event of kind `all`.
 */
export type Watched<T> =
  | { kind: 'all'; objects: T[] }
  | { kind: 'one'; object: T }
  | { kind: 'gone'; object: T }
  | { kind: 'interrupted'; why: string };

/**
 * The operations on a Kubernetes cluster that this action uses. A call throws a `ClusterError` if it fails, and the signal's reason if
 * it is aborted. Reads are retried after transient failures; writes only if the server certainly did not process them.
 */
export interface Cluster {
  /** The URL of the API server. */
  readonly server: string;
  /** The name of the context, or where the credentials come from. */
  readonly context: string;
  /** The namespace of the context. */
  readonly namespace: string;
  /**
   * The API server's time at a time on our clock (`performance.timeOrigin + performance.now()`): up to a second
   * less than it is. Undefined if its answers do not show it.
   */
  serverTime(ours: number): number | undefined;
  getDaemonSet(daemonSet: DaemonSetName, signal: AbortSignal): Promise<DaemonSet>;
  /** The DaemonSets that match a label selector, in a namespace, or in all namespaces if it is undefined. */
  listDaemonSets(namespace: string | undefined, selector: string, signal: AbortSignal): Promise<DaemonSet[]>;
  /** The names of the DaemonSets in a namespace, at most 100. */
  listDaemonSetNames(namespace: string, signal: AbortSignal): Promise<string[]>;
  /** The ControllerRevisions that match a DaemonSet's selector, regardless of their owner. */
  listControllerRevisions(daemonSet: DaemonSet, signal: AbortSignal): Promise<ControllerRevision[]>;
  /** The pods that match a DaemonSet's selector, regardless of their owner. */
  listPods(daemonSet: DaemonSet, signal: AbortSignal): Promise<Pod[]>;
  /** Applies a JSON patch; with `dryRun`, only returns the result without writing it. */
  patchDaemonSet(daemonSet: DaemonSetName, patch: PatchOperation[], options: { dryRun: boolean }, signal: AbortSignal): Promise<DaemonSet>;
  /**
   * Sets annotations of a ControllerRevision; null removes one. Other fields are unchanged.
   * Fails with `conflict` if another object has this name now.
   */
  annotateControllerRevision(
    revision: { namespace: string; name: string; uid: string },
    annotations: Record<string, string | null>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Every state of a DaemonSet after the given one, until it is deleted or the signal is aborted. */
  watchDaemonSet(from: DaemonSet, signal: AbortSignal): AsyncIterable<DaemonSetEvent>;
  /** Fails if the account is not allowed to list the pods of a DaemonSet. */
  tryListPods(daemonSet: DaemonSet, signal: AbortSignal): Promise<void>;
  /**
   * The pods that match a DaemonSet's selector, regardless of their owner, and their changes. `keep` selects what is kept of each pod, so that
   * the pods of a large fleet need little memory.
   */
  watchPods<T extends Pod>(daemonSet: DaemonSet, keep: (pod: Pod) => T, signal: AbortSignal): AsyncIterable<Watched<T>>;
  /** Some of the pods that match a DaemonSet's selector, regardless of their owner: at most 100. */
  listSomePods(daemonSet: DaemonSet, signal: AbortSignal): Promise<Pod[]>;
  /** Fails with `not-found` if the object does not exist. Only its metadata is read. */
  findObject(object: NamespacedName, signal: AbortSignal): Promise<void>;
  /** The keys of a ConfigMap. Fails with `not-found` if it does not exist. */
  configMapKeys(configMap: DaemonSetName, signal: AbortSignal): Promise<string[]>;
  /** Asks whether a pod would be admitted, by a dry run. If not, the error has the `Status` of the API server. */
  tryCreatePod(namespace: string, pod: JsonObject, signal: AbortSignal): Promise<void>;
  listNodes(signal: AbortSignal): Promise<Node[]>;
  /** Some nodes, at most 100, with the images that their kubelets report. */
  listSomeNodes(signal: AbortSignal): Promise<Node[]>;
  /** At most 500 events in a namespace that match the given fields (`type`, `involvedObject.uid`, `reason`). */
  listEvents(namespace: string, fields: Record<string, string>, signal: AbortSignal): Promise<Event[]>;
  /** The last lines of a container's log, or of its previous instance. At most 64 KiB. */
  containerLog(
    pod: { namespace: string; name: string },
    container: string,
    options: { previous: boolean; lines: number },
    signal: AbortSignal,
  ): Promise<string>;
}

/** An object in a namespace, of a kind whose existence can be checked. */
export interface NamespacedName extends DaemonSetName {
  kind: ReferenceKind;
}

export type ClusterFailure =
  | 'invalid-input'
  | 'kubeconfig'
  | 'credentials'
  | 'not-found'
  | 'unreachable'
  | 'certificate'
  | 'unauthorized'
  | 'forbidden'
  | 'admission-denied'
  | 'dry-run-unsupported'
  | 'conflict'
  | 'invalid-template'
  | 'expired'
  | 'answer-lost'
  | 'api';

/** A failure with a message for the user: what happened, why, and what to do next. It contains no secrets. */
export class ClusterError extends Error {
  readonly failure: ClusterFailure;
  /** The `Status` that the API server answered. */
  readonly status: { code: number; message: string } | undefined;
  constructor(failure: ClusterFailure, message: string, { status, ...options }: ErrorOptions & Partial<Pick<ClusterError, 'status'>> = {}) {
    super(message, options);
    this.name = 'ClusterError';
    this.failure = failure;
    this.status = status;
  }
}

export function isFailure(error: unknown, ...failures: ClusterFailure[]): error is ClusterError {
  return error instanceof ClusterError && failures.includes(error.failure);
}
