import type { ControllerRevision, DaemonSet, DaemonSetName, Event, Json, Node, Pod } from '../daemonset/types.ts';

/** Whose writes ours are, in `managedFields` and in the audit log. */
export const FIELD_MANAGER = 'rollback-daemonset';

/** One operation of an RFC 6902 JSON patch. */
export type PatchOperation = { op: 'test' | 'add' | 'replace'; path: string; value: Json } | { op: 'remove'; path: string };

/** What a watch tells of one DaemonSet. */
export type DaemonSetEvent = { kind: 'state'; daemonSet: DaemonSet } | { kind: 'deleted' };

/** What a watch tells of some objects: everything that there is, or one that is new, changed or gone. */
export type Watched<T> = { kind: 'all'; objects: T[] } | { kind: 'one'; object: T } | { kind: 'gone'; object: T };

/**
 * A Kubernetes cluster, as far as this action speaks to it. Every call ends with a `ClusterError` when it
 * fails, and with the signal's reason when it is aborted. Reads are tried again on transient failures; writes only when
 * the server certainly did not process them.
 */
export interface Cluster {
  /** The URL of the API server. */
  readonly server: string;
  /** The context's name, or how the credentials were found. */
  readonly context: string;
  /** The context's namespace. */
  readonly namespace: string;
  getDaemonSet(daemonSet: DaemonSetName, signal: AbortSignal): Promise<DaemonSet>;
  /** The DaemonSets that match a label selector, in a namespace or, where that is undefined, in all. */
  listDaemonSets(namespace: string | undefined, selector: string, signal: AbortSignal): Promise<DaemonSet[]>;
  /** The names of the DaemonSets in a namespace, at most 100. */
  listDaemonSetNames(namespace: string, signal: AbortSignal): Promise<string[]>;
  /** The ControllerRevisions that match a DaemonSet's selector, whoever owns them. */
  listControllerRevisions(daemonSet: DaemonSet, signal: AbortSignal): Promise<ControllerRevision[]>;
  /** The pods that match a DaemonSet's selector, whoever owns them. */
  listPods(daemonSet: DaemonSet, signal: AbortSignal): Promise<Pod[]>;
  /** Applies a JSON patch, or with `dryRun` only asks what it would give. */
  patchDaemonSet(daemonSet: DaemonSetName, patch: PatchOperation[], options: { dryRun: boolean }, signal: AbortSignal): Promise<DaemonSet>;
  /**
   * Sets annotations of a ControllerRevision, or where they are null removes them; what else it has stays.
   * `conflict` when another object has its name now.
   */
  annotateControllerRevision(
    revision: { namespace: string; name: string; uid: string },
    annotations: Record<string, string | null>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Every state of a DaemonSet after the given one, until it is deleted or the signal is aborted. */
  watchDaemonSet(from: DaemonSet, signal: AbortSignal): AsyncIterable<DaemonSetEvent>;
  /** The pods that match a DaemonSet's selector, whoever owns them, and every change of them. Without their containers' specifications. */
  watchPods(daemonSet: DaemonSet, signal: AbortSignal): AsyncIterable<Watched<Pod>>;
  listNodes(signal: AbortSignal): Promise<Node[]>;
  /** At most 500 events of the type Warning in a namespace, those that have the given fields (`involvedObject.uid`, `reason`). */
  listWarnings(namespace: string, fields: Record<string, string>, signal: AbortSignal): Promise<Event[]>;
  /** The last lines of a container's log, or of the one that it restarted from. At most 64 KiB. */
  containerLog(
    pod: { namespace: string; name: string },
    container: string,
    options: { previous: boolean; lines: number },
    signal: AbortSignal,
  ): Promise<string>;
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

/** A failure with a message for a person: what was found, and what to do. It holds no secret. */
export class ClusterError extends Error {
  readonly failure: ClusterFailure;
  constructor(failure: ClusterFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ClusterError';
    this.failure = failure;
  }
}

export function isFailure(error: unknown, ...failures: ClusterFailure[]): error is ClusterError {
  return error instanceof ClusterError && failures.includes(error.failure);
}
