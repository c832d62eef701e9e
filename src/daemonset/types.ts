/**
 * What the API sends, as far as this action looks at it. Objects are kept as raw JSON: a field
 * that is not named here is carried along untouched.
 */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json | undefined;
}

export interface ObjectMeta {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  /** Moves with every change of `spec`, and never with a change of `status`. */
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
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

export interface ManagedFieldsEntry {
  manager?: string;
  operation?: string;
  /** RFC 3339. */
  time?: string;
  subresource?: string;
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
    updateStrategy?: { type?: string };
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

export interface ControllerRevision {
  metadata: ObjectMeta;
  revision: number;
  /** For a DaemonSet: `{"spec":{"template":{"$patch":"replace", …}}}`. */
  data?: JsonObject;
}

export interface Pod {
  metadata: ObjectMeta;
  spec?: JsonObject;
  status?: { conditions?: { type: string; status: string }[] };
}

/** Which DaemonSet. */
export interface DaemonSetName {
  namespace: string;
  name: string;
}

/** Which DaemonSets are asked for. An undefined namespace is the context's. */
export type AskedDaemonSets =
  | { kind: 'named'; daemonSets: { namespace: string | undefined; name: string }[] }
  /** By label selector. The namespace `*` is all of them. */
  | { kind: 'selected'; selector: string; namespace: string | undefined };
