/**
 * Decodes the answers of the API server: the only place where their types are checked. Code behind it relies on the types of
 * `daemonset/types.ts`, so a field that the code reads must be in a schema here. Other fields pass through unchanged.
 *
 * - Objects that decide (DaemonSets, ControllerRevisions) and the identity of every object: a wrong type is an error.
 * - What only explains a rollout (status of pods, nodes, events): a field, list item or object with a wrong type is dropped.
 */
import * as v from 'valibot';
import { isObject, isTooDeep, MAX_DEPTH } from '../daemonset/json.ts';
import type { ControllerRevision, DaemonSet, DaemonSetName, Event, Json, JsonObject, Node, Pod } from '../daemonset/types.ts';
import { ClusterError } from './cluster.ts';

/** An answer that is not what a Kubernetes API server returns for the request. It may come from a proxy or another server. */
export class UnexpectedAnswer extends Error {
  override name = 'UnexpectedAnswer';
}

/** An object of the API server that has a field with a wrong type. A retry does not help. */
export class InvalidObject extends ClusterError {
  constructor(what: string, why: string) {
    super('api', `The API server returned ${what} that this action cannot use: ${why}.`);
    this.name = 'InvalidObject';
  }
}

const text = v.string();
const nonEmpty = v.pipe(text, v.nonEmpty('a non-empty string'));
const integer = v.pipe(v.number(), v.integer('an integer'));
const count = v.pipe(integer, v.minValue(0, '0 or more'));
const record = v.custom<JsonObject>(isObject, 'an object');
const texts = v.custom<Record<string, string>>(
  (value) => isObject(value) && Object.values(value).every((one) => typeof one === 'string'),
  'an object of strings',
);

/** Schemas of Valibot take a list for an object. */
function object<E extends v.ObjectEntries>(entries: E) {
  return v.pipe(
    v.unknown(),
    v.check((value) => isObject(value), 'an object'),
    v.object(entries),
  );
}

function looseObject<E extends v.ObjectEntries>(entries: E) {
  return v.pipe(
    v.unknown(),
    v.check((value) => isObject(value), 'an object'),
    v.looseObject(entries),
  );
}

const IDENTITY = {
  name: nonEmpty,
  uid: nonEmpty,
  resourceVersion: nonEmpty,
  generation: v.optional(count),
  creationTimestamp: v.nullish(text),
  deletionTimestamp: v.optional(text),
  labels: v.optional(texts),
  annotations: v.optional(texts),
  ownerReferences: v.optional(v.array(object({ kind: text, name: text, uid: text, controller: v.optional(v.boolean()) }))),
};

const metadata = object({
  ...IDENTITY,
  namespace: nonEmpty,
  managedFields: v.optional(
    v.array(
      object({
        manager: v.optional(text),
        operation: v.optional(text),
        time: v.optional(text),
        subresource: v.optional(text),
        apiVersion: v.optional(text),
        fieldsV1: v.optional(record),
      }),
    ),
  ),
});

const selector = object({
  matchLabels: v.optional(texts),
  matchExpressions: v.optional(
    v.array(object({ key: nonEmpty, operator: v.picklist(['In', 'NotIn', 'Exists', 'DoesNotExist']), values: v.optional(v.array(text)) })),
  ),
});

const countOrPercentage = v.union([count, text]);

const daemonSet = object({
  metadata,
  spec: object({
    selector,
    template: record,
    updateStrategy: v.optional(
      object({
        type: v.optional(text),
        rollingUpdate: v.nullish(object({ maxUnavailable: v.optional(countOrPercentage), maxSurge: v.optional(countOrPercentage) })),
      }),
    ),
    minReadySeconds: v.optional(count),
    revisionHistoryLimit: v.optional(count),
  }),
  status: object({
    observedGeneration: v.optional(count),
    desiredNumberScheduled: v.optional(count),
    updatedNumberScheduled: v.optional(count),
    numberAvailable: v.optional(count),
  }),
});

const controllerRevision = object({ metadata, revision: integer });

/** A field that only explains: missing if it has a wrong type. */
function lenient<S extends v.GenericSchema>(schema: S) {
  return v.fallback(v.optional(schema), undefined);
}

/** A list without the items that have a wrong type. */
function lenientList<S extends v.GenericSchema>(schema: S) {
  const items = v.transform((all: unknown[]) =>
    all.flatMap((item) => {
      const { success, output } = v.safeParse(schema, item);
      return success ? [output as v.InferOutput<S>] : [];
    }),
  );
  return lenient(v.pipe(v.array(v.unknown()), items));
}

/** A reason is looked up in tables, where the name of a method of every object would be found. */
const reason = v.pipe(
  text,
  v.check((one) => !(one in Object.prototype)),
);

const condition = looseObject({
  type: text,
  status: text,
  reason: lenient(reason),
  message: lenient(text),
  lastTransitionTime: lenient(text),
});

const containerState = looseObject({
  waiting: lenient(looseObject({ reason: lenient(reason), message: lenient(text) })),
  running: lenient(looseObject({ startedAt: lenient(text) })),
  terminated: lenient(
    looseObject({
      exitCode: lenient(v.number()),
      reason: lenient(reason),
      message: lenient(text),
      startedAt: lenient(text),
      finishedAt: lenient(text),
    }),
  ),
});

const containerStatuses = lenientList(
  looseObject({
    name: text,
    image: lenient(text),
    imageID: lenient(text),
    ready: lenient(v.boolean()),
    started: lenient(v.boolean()),
    restartCount: lenient(count),
    state: lenient(containerState),
    lastState: lenient(containerState),
  }),
);

const pod = looseObject({
  metadata: looseObject({ ...IDENTITY, namespace: nonEmpty, deletionGracePeriodSeconds: lenient(count) }),
  spec: lenient(record),
  status: lenient(
    looseObject({
      phase: lenient(text),
      reason: lenient(reason),
      message: lenient(text),
      nominatedNodeName: lenient(text),
      conditions: lenientList(condition),
      initContainerStatuses: containerStatuses,
      containerStatuses,
    }),
  ),
});

/** Its conditions must be complete: without the right one, a healthy node would be blamed. */
const node = looseObject({
  metadata: looseObject(IDENTITY),
  spec: lenient(looseObject({ unschedulable: lenient(v.boolean()) })),
  status: v.optional(looseObject({ conditions: v.optional(v.array(condition)) })),
});

const event = looseObject({
  metadata: looseObject({ creationTimestamp: lenient(text) }),
  involvedObject: looseObject({ kind: lenient(text), name: lenient(text), uid: lenient(text) }),
  type: lenient(text),
  reason: lenient(reason),
  message: lenient(text),
  count: lenient(count),
  lastTimestamp: lenient(text),
  eventTime: lenient(text),
  source: lenient(looseObject({ host: lenient(text) })),
  series: lenient(looseObject({ count: lenient(count), lastObservedTime: lenient(text) })),
});

const status = object({
  kind: v.literal('Status'),
  apiVersion: v.literal('v1'),
  reason: lenient(text),
  message: lenient(text),
  code: lenient(v.number()),
  details: lenient(
    object({
      name: lenient(text),
      kind: lenient(text),
      causes: lenientList(object({ reason: lenient(text), message: lenient(text), field: lenient(text) })),
    }),
  ),
});

/** A `Status` of the Kubernetes API. */
export type Status = v.InferOutput<typeof status>;

/** Undefined if the value is not a `Status`. */
export function decodeStatus(value: unknown): Status | undefined {
  const { success, output } = v.safeParse(status, value);
  return success ? output : undefined;
}

/** Fails if an answer is not of the kind that was requested. */
function expectKind(answer: Json, kind: string, apiVersion: string): JsonObject {
  if (isObject(answer) && answer['kind'] === kind && answer['apiVersion'] === apiVersion) return answer as JsonObject;
  throw new UnexpectedAnswer(`it is not a ${kind}`);
}

/** @throws InvalidObject that names the first field with a wrong type. Its value is not quoted. */
function check(schema: v.GenericSchema, value: JsonObject, what: string): void {
  const { issues } = v.safeParse(schema, value, { abortEarly: true });
  const [issue] = issues ?? [];
  if (!issue) return;
  // The messages in this file do not quote the value, unlike those of the library.
  const isOurs = issue.kind === 'validation' || issue.type === 'custom';
  const why = issue.received === 'undefined' ? 'is missing' : isOurs ? `must be ${issue.message}` : `must be of type ${issue.expected}`;
  throw new InvalidObject(what, `${v.getDotPath(issue) ?? 'it'} ${why}`);
}

/** @throws UnexpectedAnswer, InvalidObject */
export function decodeDaemonSet(answer: Json, { namespace, name }: DaemonSetName): DaemonSet {
  const object = expectKind(answer, 'DaemonSet', 'apps/v1');
  const decoded = daemonSetIn(object);
  if (decoded.metadata.name !== name || decoded.metadata.namespace !== namespace) throw new UnexpectedAnswer('it is another DaemonSet');
  return decoded;
}

function daemonSetIn(object: JsonObject): DaemonSet {
  const what = nameOf('DaemonSet', object);
  if (isTooDeep(object)) throw new InvalidObject(what, `it is nested more than ${MAX_DEPTH} levels deep`);
  check(daemonSet, object, what);
  return object as unknown as DaemonSet;
}

/** One page of a list. */
export interface Page<T> {
  items: T[];
  /** The token for the next page. Empty: this is the last one. */
  next: string;
  resourceVersion: string;
}

const listMetadata = object({ continue: v.optional(text, ''), resourceVersion: v.optional(text, '') });

function decodeList<T>(answer: Json, kind: string, apiVersion: string, decode: (item: JsonObject) => T): Page<T> {
  const object = expectKind(answer, `${kind}List`, apiVersion);
  const { success, output: meta } = v.safeParse(listMetadata, object['metadata'] ?? {});
  const items = object['items'] ?? [];
  if (!success || !Array.isArray(items) || !items.every(isObject)) throw new InvalidObject(`a ${kind}List`, 'metadata or items is invalid');
  return { items: (items as JsonObject[]).map(decode), next: meta.continue, resourceVersion: meta.resourceVersion };
}

/** @throws UnexpectedAnswer, InvalidObject */
export function decodeDaemonSets(answer: Json): Page<DaemonSet> {
  return decodeList(answer, 'DaemonSet', 'apps/v1', daemonSetIn);
}

/**
 * A ControllerRevision, or the name of one that is nested too deep: the API server stores any data in it.
 *
 * @throws UnexpectedAnswer, InvalidObject
 */
export function decodeControllerRevisions(answer: Json): Page<ControllerRevision | { tooDeep: string }> {
  return decodeList(answer, 'ControllerRevision', 'apps/v1', (object) => {
    check(controllerRevision, object, nameOf('ControllerRevision', object));
    const decoded = object as unknown as ControllerRevision;
    if (isTooDeep(object)) return { tooDeep: decoded.metadata.name };
    // Other owners can store anything. It is not a template then.
    const { data, ...rest } = decoded;
    return isObject(data) ? decoded : rest;
  });
}

/** @throws UnexpectedAnswer */
export function expectControllerRevision(answer: Json): void {
  expectKind(answer, 'ControllerRevision', 'apps/v1');
}

/** A pod; undefined if its identity is invalid. */
export function decodePod(object: unknown): Pod | undefined {
  return decodeOr(pod, object) as Pod | undefined;
}

/** @throws UnexpectedAnswer, InvalidObject */
export function decodePods(answer: Json): Page<Pod | undefined> {
  return decodeList(answer, 'Pod', 'v1', decodePod);
}

/** Nodes; those with an invalid identity or condition are undefined. @throws UnexpectedAnswer, InvalidObject */
export function decodeNodes(answer: Json): Page<Node | undefined> {
  return decodeList(answer, 'Node', 'v1', (object) => decodeOr(node, object) as Node | undefined);
}

/** Events; those with an invalid identity are undefined. @throws UnexpectedAnswer, InvalidObject */
export function decodeEvents(answer: Json): Page<Event | undefined> {
  return decodeList(answer, 'Event', 'v1', (object) => decodeOr(event, object) as Event | undefined);
}

function decodeOr(schema: v.GenericSchema, object: unknown): unknown {
  if (isTooDeep(object)) return undefined;
  const { success, output } = v.safeParse(schema, object);
  return success ? output : undefined;
}

/** An event of a watch. The object is not decoded. */
export type WatchEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: JsonObject }
  | { type: 'BOOKMARK'; resourceVersion: string }
  | { type: 'ERROR'; status: Status | undefined };

const change = object({ type: v.picklist(['ADDED', 'MODIFIED', 'DELETED']), object: record });
const bookmark = object({ type: v.literal('BOOKMARK'), object: object({ metadata: object({ resourceVersion: nonEmpty }) }) });

/** @throws UnexpectedAnswer */
export function decodeWatchEvent(line: Json): WatchEvent {
  if (isObject(line) && line['type'] === 'ERROR') return { type: 'ERROR', status: decodeStatus(line['object']) };
  const changed = v.safeParse(change, line);
  if (changed.success) return changed.output;
  const marked = v.safeParse(bookmark, line);
  if (marked.success) return { type: 'BOOKMARK', resourceVersion: marked.output.object.metadata.resourceVersion };
  throw new UnexpectedAnswer('it is not an event of a watch');
}

/** An object for a message. A name that is not valid is not quoted. */
function nameOf(kind: string, object: JsonObject): string {
  const { metadata: meta } = object;
  const name = isObject(meta) ? meta['name'] : undefined;
  return typeof name === 'string' && /^[a-z0-9.-]{1,253}$/.test(name) ? `the ${kind} ${name}` : `a ${kind}`;
}
