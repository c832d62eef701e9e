/**
 * The objects of the API, with the fields that are used. Objects are raw JSON: a field that is not named here is passed through unchanged.
 */
export type Json = null | boolean | number | bigint | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json | undefined;
}

export interface ObjectMeta {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  /** Changes with every change of `spec`, and never with a change of `status`. */
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  /** How long an object that is being deleted may take, in seconds. */
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFieldsEntry[];
}

export interface OwnerReference {
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
}

/** The field manager of this action's writes, in `managedFields` and in the audit log. */
export const FIELD_MANAGER = 'rollback-daemonset';

export interface ManagedFieldsEntry {
  manager?: string;
  operation?: string;
  /** RFC 3339. */
  time?: string;
  subresource?: string;
  apiVersion?: string;
  fieldsV1?: JsonObject;
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** A PodTemplateSpec, raw. */
export type PodTemplate = JsonObject;

export interface DaemonSet {
  metadata: ObjectMeta;
  spec: {
    selector: LabelSelector;
    template: PodTemplate;
    updateStrategy?: { type?: string; rollingUpdate?: { maxUnavailable?: number | string; maxSurge?: number | string } };
    /** How long a pod must have been ready before it counts as available, in seconds. */
    minReadySeconds?: number;
    /** How many old revisions are kept. The API server sets 10 if it is not given. */
    revisionHistoryLimit?: number;
  };
  status?: DaemonSetStatus;
}

/** The controller's counters, in nodes. A counter that is zero may be absent. */
export interface DaemonSetStatus {
  observedGeneration?: number;
  desiredNumberScheduled?: number;
  updatedNumberScheduled?: number;
  numberAvailable?: number;
}

/** How many nodes should have a pod, have one of the current template, and have an available one. */
export interface Counts {
  desired: number;
  updated: number;
  available: number;
}

export interface ControllerRevision {
  metadata: ObjectMeta;
  revision: number;
  /** For a DaemonSet: `{"spec":{"template":{"$patch":"replace", …}}}`. */
  data?: JsonObject;
}

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  /** RFC 3339. */
  lastTransitionTime?: string;
}

export interface Pod {
  metadata: ObjectMeta;
  spec?: JsonObject;
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    /** The node for which pods with a lower priority are being removed. */
    nominatedNodeName?: string;
    conditions?: Condition[];
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
}

export interface ContainerStatus {
  name: string;
  image?: string;
  /** With the digest of the image that runs, if the runtime reports it. */
  imageID?: string;
  ready?: boolean;
  /** Its startup probe has succeeded. */
  started?: boolean;
  restartCount?: number;
  state?: ContainerState;
  /** Of the previous run of the container. */
  lastState?: ContainerState;
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: { exitCode?: number; reason?: string; message?: string; startedAt?: string; finishedAt?: string };
}

export interface Node {
  metadata: ObjectMeta;
  spec?: { unschedulable?: boolean };
  status?: { conditions?: Condition[]; images?: { names?: string[] }[] };
}

/** An Event of `v1`. Which of the times it has depends on its reporter. */
export interface Event {
  metadata: ObjectMeta;
  involvedObject: { kind?: string; name?: string; uid?: string };
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  /** The node that it is from, if a kubelet reports it. */
  source?: { host?: string };
  series?: { count?: number; lastObservedTime?: string } | null;
}

/** Which DaemonSet. */
export interface DaemonSetName {
  namespace: string;
  name: string;
}

/** Which cluster: the address of its API server, and the context that selects it. */
export interface ClusterName {
  server: string;
  context: string;
}

/** Which DaemonSets the inputs name. An undefined namespace is that of the context. */
export type AskedDaemonSets =
  | { kind: 'named'; daemonSets: { namespace: string | undefined; name: string }[] }
  /** By label selector. The namespace `*` is all of them. */
  | { kind: 'selected'; selector: string; namespace: string | undefined };
