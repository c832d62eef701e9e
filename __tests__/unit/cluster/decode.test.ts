import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ClusterError } from '../../../src/cluster/cluster.ts';
import {
  decodeControllerRevisions,
  decodeDaemonSet,
  decodeEvents,
  decodeNodes,
  decodePod,
  decodePods,
  decodeStatus,
  decodeWatchEvent,
  InvalidObject,
  UnexpectedAnswer,
} from '../../../src/cluster/decode.ts';
import type { Json, JsonObject } from '../../../src/daemonset/types.ts';

const NAME = { namespace: 'logging', name: 'agent' };
const metadata = { ...NAME, uid: 'u', resourceVersion: '1' };
const daemonSet: JsonObject = {
  kind: 'DaemonSet',
  apiVersion: 'apps/v1',
  metadata,
  spec: { selector: {}, template: {} },
  status: {},
};

/** A value with one field set by its path, such as `spec.template`. */
function set(value: JsonObject, path: string, field: Json | undefined): JsonObject {
  const copy = structuredClone(value);
  const keys = path.split('.');
  const last = keys.pop() as string;
  let at = copy;
  for (const key of keys) {
    at[key] ??= {};
    at = at[key] as JsonObject;
  }
  if (field === undefined) delete at[last];
  else at[last] = field;
  return copy;
}

const list = (kind: string, items: Json, apiVersion = 'v1'): JsonObject => ({ kind: `${kind}List`, apiVersion, metadata: {}, items });

describe('a DaemonSet', () => {
  test('passes through unchanged, unknown fields included', () => {
    const all: JsonObject = {
      ...daemonSet,
      unknown: { constructor: 1, n: 9_007_199_254_740_993n },
      metadata: {
        ...metadata,
        generation: 2,
        creationTimestamp: null,
        labels: { constructor: 'x', a: '' },
        annotations: {},
        ownerReferences: [{ kind: 'A', name: 'a', uid: 'u', apiVersion: 'v1' }],
        managedFields: [{ manager: 'm', fieldsV1: { 'f:spec': {} } }],
      },
      spec: {
        selector: { matchLabels: { toString: 'x' }, matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] },
        template: { spec: { anything: [{ constructor: null }] } },
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%', maxSurge: 0 } },
        minReadySeconds: 0,
        revisionHistoryLimit: 10,
      },
      status: { observedGeneration: 1, desiredNumberScheduled: 1, numberReady: 1 },
    };
    expect(decodeDaemonSet(all, NAME)).toBe(all);
    expect(decodeDaemonSet(daemonSet, NAME)).toBe(daemonSet);
  });

  test.each<[string, Json | undefined]>([
    ['metadata.name', undefined],
    ['metadata.namespace', 5],
    ['metadata.uid', ''],
    ['metadata.resourceVersion', 1],
    ['metadata.generation', '1'],
    ['metadata.generation', 1.5],
    ['metadata.generation', 9_007_199_254_740_993n],
    ['metadata.deletionTimestamp', true],
    ['metadata.labels', []],
    ['metadata.labels.a', 1],
    ['metadata.annotations.a', null],
    ['metadata.ownerReferences', {}],
    ['metadata.managedFields', [null]],
    ['metadata.managedFields', [{ time: 1 }]],
    ['metadata', undefined],
    ['spec', []],
    ['spec.template', undefined],
    ['spec.template', 'text'],
    ['spec.selector', undefined],
    ['spec.selector.matchLabels.app', 1],
    ['spec.selector.matchExpressions', [{ key: 'a', operator: 'Foo' }]],
    ['spec.selector.matchExpressions', [{ key: 'a', operator: 'In', values: 'b' }]],
    ['spec.updateStrategy.type', 1],
    ['spec.updateStrategy.rollingUpdate.maxUnavailable', {}],
    ['spec.minReadySeconds', '10'],
    ['spec.minReadySeconds', -1],
    ['status', undefined],
    ['status', []],
    ['spec.selector', []],
    ['status.observedGeneration', '1'],
    ['status.desiredNumberScheduled', null],
    ['status.updatedNumberScheduled', -1],
    ['status.numberAvailable', 0.5],
  ])('with %s = %j is invalid, and the value is not quoted', (path, field) => {
    const decode = (): unknown => decodeDaemonSet(set(daemonSet, path, field), NAME);
    expect(decode).toThrow(InvalidObject);
    expect(decode).toThrow(
      /^The API server returned (the|a) DaemonSet( agent)? that this action cannot use: [\w.]+ (is missing|must be (an? [a-z -]+|0 or more|of type (\w+|\(.*\))))\.$/,
    );
  });

  test('that is nested too deep is invalid', () => {
    const template = JSON.parse(`${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)}`) as Json;
    expect(() => decodeDaemonSet(set(daemonSet, 'spec.template', template), NAME)).toThrow(/nested more than 100 levels deep/);
  });

  test.each<[Json]>([
    [null],
    ['text'],
    [[daemonSet]],
    [{}],
    [{ ...daemonSet, kind: 'Deployment' }],
    [{ ...daemonSet, apiVersion: 'extensions/v1beta1' }],
    [{ kind: 'Status', apiVersion: 'v1', status: 'Success' }],
    [set(daemonSet, 'metadata.name', 'other')],
    [set(daemonSet, 'metadata.namespace', 'other')],
  ])('is not %j', (answer) => {
    expect(() => decodeDaemonSet(answer, NAME)).toThrow(UnexpectedAnswer);
  });
});

describe('ControllerRevisions', () => {
  const revision: JsonObject = { metadata, revision: 3, data: { spec: {} } };
  const decode = (item: Json): unknown => decodeControllerRevisions(list('ControllerRevision', [item], 'apps/v1')).items[0];

  test.each<[string, Json, Json]>([
    ['pass through', revision, revision],
    ['of other owners hold anything', { ...revision, data: 'text' }, { metadata, revision: 3 }],
    ['can have no data', { metadata, revision: 3 }, { metadata, revision: 3 }],
  ])('%s', (_name, item, expected) => {
    expect(decode(item)).toEqual(expected);
  });

  test.each<[string, Json | undefined]>([
    ['revision', undefined],
    ['revision', '3'],
    ['revision', 9_007_199_254_740_993n],
    ['metadata.labels', 'text'],
    ['metadata.ownerReferences', [{ uid: 1 }]],
  ])('with %s = %j are invalid', (path, field) => {
    expect(() => decode(set(revision, path, field))).toThrow(InvalidObject);
  });
});

describe('a list', () => {
  test.each<[Json]>([[null], [[]], [{ items: [] }], [{ kind: 'List', apiVersion: 'v1', items: [] }], [list('Node', [])]])(
    'is not %j',
    (answer) => {
      expect(() => decodePods(answer)).toThrow(UnexpectedAnswer);
    },
  );
  test.each<[Json]>([
    [list('Pod', {})],
    [list('Pod', [null])],
    [{ ...list('Pod', []), metadata: { continue: 1 } }],
    [{ ...list('Pod', []), metadata: 1 }],
  ])('%j is invalid', (answer) => {
    expect(() => decodePods(answer)).toThrow(InvalidObject);
  });
  test('can be empty', () => {
    expect(decodePods(list('Pod', null))).toEqual({ items: [], next: '', resourceVersion: '' });
    expect(decodePods({ ...list('Pod', []), metadata: { continue: 'n', resourceVersion: '7' } })).toEqual({
      items: [],
      next: 'n',
      resourceVersion: '7',
    });
  });
});

describe('a pod', () => {
  const container: JsonObject = { name: 'agent', ready: true, restartCount: 1, state: { running: { startedAt: 't' } }, imageID: 'i' };
  const pod: JsonObject = {
    metadata,
    spec: { nodeName: 'n', containers: [{ name: 'agent' }] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }], containerStatuses: [container], podIP: '10.0.0.1' },
  };
  const waiting = (reason: Json): JsonObject =>
    set(pod, 'status.containerStatuses', [{ ...container, state: { waiting: { reason, message: 'm' } } }]);

  test('keeps its fields, unknown ones included', () => {
    expect(decodePod(pod)).toEqual(pod);
  });

  test.each<[string, Json | undefined]>([
    ['metadata', undefined],
    ['metadata.name', 1],
    ['metadata.uid', undefined],
    ['metadata.labels.a', 1],
    ['metadata.ownerReferences', 'text'],
    ['metadata.deletionTimestamp', 1],
  ])('without a valid %s (%j) is not a pod', (path, field) => {
    expect(decodePod(set(pod, path, field))).toBeUndefined();
  });

  test.each<[string, Json, string, unknown]>([
    ['spec', 'text', 'spec', undefined],
    ['status', 5, 'status', undefined],
    ['status.phase', 1, 'status.phase', undefined],
    ['status.reason', ['Evicted'], 'status.reason', undefined],
    ['status.conditions', {}, 'status.conditions', undefined],
    ['status.conditions', [1, { type: 'Ready' }, { type: 'Ready', status: true }], 'status.conditions', []],
    ['status.containerStatuses', 'text', 'status.containerStatuses', undefined],
    ['status.containerStatuses', [null, { ready: true }], 'status.containerStatuses', []],
    ['status.containerStatuses', [{ name: 'a', restartCount: '5' }], 'status.containerStatuses.0.restartCount', undefined],
    ['status.containerStatuses', [{ name: 'a', ready: 'true' }], 'status.containerStatuses.0.ready', undefined],
    [
      'status.containerStatuses',
      [{ name: 'a', state: { terminated: { exitCode: '1' } } }],
      'status.containerStatuses.0.state.terminated.exitCode',
      undefined,
    ],
    ['status.containerStatuses', [{ name: 'a', lastState: 7 }], 'status.containerStatuses.0.lastState', undefined],
  ])('loses %s = %j', (path, field, at, expected) => {
    const decoded = decodePod(set(pod, path, field));
    expect(decoded).toBeDefined();
    const value = at.split('.').reduce<unknown>((one, key) => (one as Record<string, unknown> | undefined)?.[key], decoded);
    expect(value).toEqual(expected);
  });

  test.each<[Json]>([['constructor'], ['toString'], ['__proto__'], [5], [null], [['x']]])(
    'loses the reason %j, which is not one',
    (reason) => {
      const state = decodePod(waiting(reason))?.status?.containerStatuses?.[0]?.state;
      expect(state).toMatchObject({ waiting: { message: 'm' } });
      expect(state?.waiting?.reason).toBeUndefined();
    },
  );

  test('keeps a reason', () => {
    expect(decodePod(waiting('ImagePullBackOff'))?.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('ImagePullBackOff');
  });
});

describe('a node', () => {
  const node: JsonObject = { metadata, spec: { unschedulable: true }, status: { conditions: [{ type: 'Ready', status: 'True' }] } };
  const decode = (item: JsonObject): unknown => decodeNodes(list('Node', [item])).items[0];
  test('keeps its fields, except for those with a wrong type', () => {
    expect(decode(node)).toEqual(node);
    expect(decode(set(node, 'spec.unschedulable', 'true'))).toMatchObject({ spec: {} });
  });
  test.each<[string, Json]>([
    ['status.conditions', [{ type: 'Ready', status: true }]],
    ['status.conditions', 'text'],
    ['metadata.name', 1],
  ])('with %s = %j is left out, because it would be blamed wrongly', (path, field) => {
    expect(decode(set(node, path, field))).toBeUndefined();
  });
});

test('an event keeps its fields, except for those with a wrong type', () => {
  const event: JsonObject = { metadata, involvedObject: { uid: 'u' }, type: 'Warning', reason: 'Failed', eventTime: null, count: 2 };
  const decode = (item: JsonObject): unknown => decodeEvents(list('Event', [item])).items[0];
  expect(decode(event)).toMatchObject({ involvedObject: { uid: 'u' }, type: 'Warning', reason: 'Failed', count: 2 });
  expect(decode({ ...event, reason: 1, message: {}, series: [], count: '3' })).toEqual({
    metadata,
    involvedObject: { uid: 'u' },
    type: 'Warning',
  });
  expect(decode({ ...event, involvedObject: 'u' })).toBeUndefined();
});

test.each<[Json, boolean]>([
  [{ kind: 'Status', apiVersion: 'v1' }, true],
  [{ kind: 'Status', apiVersion: 'v1', message: 5, reason: [], details: 'x' }, true],
  [{ kind: 'Status' }, false],
  [{ message: 'x', code: 404 }, false],
  [null, false],
])('a Status: %j: %s', (value, expected) => {
  expect(decodeStatus(value) !== undefined).toBe(expected);
});

describe('an event of a watch', () => {
  test.each<[Json, object]>([
    [
      { type: 'ADDED', object: { a: 1 } },
      { type: 'ADDED', object: { a: 1 } },
    ],
    [
      { type: 'BOOKMARK', object: { kind: 'Pod', metadata: { resourceVersion: '7' } } },
      { type: 'BOOKMARK', resourceVersion: '7' },
    ],
    [
      { type: 'ERROR', object: { kind: 'Status', apiVersion: 'v1', code: 410 } },
      { type: 'ERROR', status: { code: 410 } },
    ],
    [{ type: 'ERROR' }, { type: 'ERROR' }],
  ])('%j', (line, expected) => {
    expect(decodeWatchEvent(line)).toMatchObject(expected);
  });
  test.each<[Json]>([
    [null],
    [{}],
    [{ type: 'CHANGED', object: {} }],
    [{ type: 'ADDED' }],
    [{ type: 'ADDED', object: null }],
    [{ type: 'BOOKMARK', object: {} }],
  ])('is not %j', (line) => {
    expect(() => decodeWatchEvent(line)).toThrow(UnexpectedAnswer);
  });
});

test('any JSON is decoded, or is one of the two errors', () => {
  const decoders: ((value: Json) => unknown)[] = [
    (value) => decodeDaemonSet(value, NAME),
    (value) => decodeDaemonSet({ ...daemonSet, spec: value }, NAME),
    (value) => decodeDaemonSet({ ...daemonSet, metadata: value }, NAME),
    (value) => decodeDaemonSet({ ...daemonSet, status: value }, NAME),
    (value) => decodeControllerRevisions(list('ControllerRevision', [value], 'apps/v1')),
    (value) => decodePods(list('Pod', [value, { metadata, status: value, spec: value }])),
    (value) => decodeNodes(list('Node', value)),
    (value) => decodeEvents(list('Event', [{ metadata: value, involvedObject: value }])),
    decodePod,
    decodeStatus,
    decodeWatchEvent,
  ];
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const decode of decoders) {
        try {
          decode(value as Json);
        } catch (error) {
          if (!(error instanceof UnexpectedAnswer) && !(error instanceof ClusterError)) throw error;
        }
      }
    }),
  );
});
