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
import { ClusterError, type NamespacedName } from './cluster.ts';
import { controllerRevision, daemonSet, event, node, nonEmpty, object, pod, record, type Status, status, text } from './schemas.ts';

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

/** The metadata of an object; a server that cannot leave out the rest answers with the whole object. @throws UnexpectedAnswer */
export function expectObject(answer: Json, { kind, namespace, name }: NamespacedName): void {
  const isWhole = isObject(answer) && answer['kind'] === kind;
  const { metadata } = isWhole ? expectKind(answer, kind, 'v1') : expectKind(answer, 'PartialObjectMetadata', 'meta.k8s.io/v1');
  if (!isObject(metadata) || metadata['name'] !== name || metadata['namespace'] !== namespace)
    throw new UnexpectedAnswer('it is another object');
}

/** The keys of a ConfigMap. Its values are dropped here. @throws UnexpectedAnswer */
export function decodeConfigMapKeys(answer: Json): string[] {
  const { data, binaryData } = expectKind(answer, 'ConfigMap', 'v1');
  return [data, binaryData].flatMap((values) => (isObject(values) ? Object.keys(values) : []));
}

/** @throws UnexpectedAnswer */
export function expectPod(answer: Json): void {
  expectKind(answer, 'Pod', 'v1');
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
