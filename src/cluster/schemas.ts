/**
 * The objects of the API, as far as they are read. What decides is strict. What only explains a rollout is lenient: a field, a list item or an object
 * with a wrong type is dropped.
 */
import * as v from 'valibot';
import { isObject } from '../daemonset/json.ts';
import type { JsonObject } from '../daemonset/types.ts';

export const text = v.string();
export const nonEmpty = v.pipe(text, v.nonEmpty('a non-empty string'));
const integer = v.pipe(v.number(), v.integer('an integer'));
const count = v.pipe(integer, v.minValue(0, '0 or more'));
export const record = v.custom<JsonObject>(isObject, 'an object');
const texts = v.custom<Record<string, string>>(
  (value) => isObject(value) && Object.values(value).every((one) => typeof one === 'string'),
  'an object of strings',
);

/** Schemas of Valibot take a list for an object. */
export function object<E extends v.ObjectEntries>(entries: E) {
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

export const metadata = object({
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

export const daemonSet = object({
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

export const controllerRevision = object({ metadata, revision: integer });

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

export const condition = looseObject({
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

export const pod = looseObject({
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
export const node = looseObject({
  metadata: looseObject(IDENTITY),
  spec: lenient(looseObject({ unschedulable: lenient(v.boolean()) })),
  status: v.optional(
    looseObject({ conditions: v.optional(v.array(condition)), images: lenientList(looseObject({ names: lenientList(text) })) }),
  ),
});

export const event = looseObject({
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

export const status = object({
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
