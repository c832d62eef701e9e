import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { annotationChanges } from '../../../src/daemonset/annotation-changes.ts';
import { isDefault } from '../../../src/daemonset/defaults.ts';
import { isObject, stringify } from '../../../src/daemonset/json.ts';
import type { Candidate } from '../../../src/daemonset/known-good.ts';
import { lastAppliedAfter } from '../../../src/daemonset/last-applied.ts';
import { LAST_APPLIED } from '../../../src/daemonset/managed-fields.ts';
import { isKeyed, mergeKeyOf } from '../../../src/daemonset/merge-keys.ts';
import { CHANGE_CAUSE, historyOf, type Revision } from '../../../src/daemonset/revision.ts';
import { LAST_ROLLBACK } from '../../../src/daemonset/rollback-record.ts';
import { canonical } from '../../../src/daemonset/template.ts';
import type { DaemonSet, Json, JsonObject, ManagedFieldsEntry, PodTemplate } from '../../../src/daemonset/types.ts';
import { controllerRevision, daemonSet, recordedAt, template } from '../../helpers/builders.ts';

/** A DaemonSet with this template, applied from a manifest. */
function applied(now: PodTemplate, manifest: Json, managedFields: ManagedFieldsEntry[] = []): DaemonSet {
  const of = daemonSet(now, { annotations: { [LAST_APPLIED]: `${stringify(manifest)}\n` } });
  return { ...of, metadata: { ...of.metadata, managedFields } };
}

function restoring(restored: PodTemplate, more: Partial<Candidate> = {}): Candidate {
  const [revision] = historyOf(daemonSet(restored), [controllerRevision(1, restored)]).revisions as [Revision];
  return { ...revision, ...more };
}

const manifestOf = (of: PodTemplate): JsonObject => ({ kind: 'DaemonSet', metadata: { name: 'agent' }, spec: { template: of } });

function rebased(of: DaemonSet, target: Candidate): JsonObject {
  const result = lastAppliedAfter(of, target);
  if (typeof result !== 'object') throw new Error(`not rebased: ${result}`);
  return JSON.parse(result.text) as JsonObject;
}

const templateIn = (manifest: JsonObject): Json | undefined => (manifest['spec'] as JsonObject)['template'];

/** What `kubectl apply` makes of the live value: it removes what the manifest before has and this one does not (strategic merge patch). */
function apply(name: string, live: Json | undefined, before: Json | undefined, manifest: Json | undefined): Json | undefined {
  if (manifest === undefined) return before === undefined ? live : undefined;
  const key = mergeKeyOf(name);
  if (key !== undefined && isKeyed(manifest, key) && isKeyed(live ?? [], key) && isKeyed(before ?? [], key)) {
    const item = (list: Json | undefined, value: Json | undefined): JsonObject | undefined =>
      ((list ?? []) as JsonObject[]).find((one) => one[key] === value);
    const names = [...new Set([live ?? [], manifest].flatMap((list) => (list as JsonObject[]).map((one) => one[key])))].sort();
    return names.flatMap((value) => {
      const result = apply('', item(live, value), item(before, value), item(manifest, value));
      return result === undefined ? [] : [result];
    });
  }
  if (!isObject(manifest) || !isObject(live ?? {})) return manifest;
  const [now, then] = [(live ?? {}) as JsonObject, isObject(before) ? before : {}];
  const fields = [...new Set([...Object.keys(now), ...Object.keys(manifest)])].sort();
  return Object.fromEntries(
    fields.map((field) => [field, apply(field, now[field], then[field], manifest[field])]).filter(([, value]) => value !== undefined),
  );
}

const word = fc.constantFrom('a', 'b', 'c');
const listBy = (key: string, fields: Record<string, fc.Arbitrary<Json>>): fc.Arbitrary<Json> =>
  fc
    .uniqueArray(fc.record({ [key]: word, ...fields }, { requiredKeys: [key] }), { selector: (item) => item[key], maxLength: 3 })
    .map((items) => [...items].sort((one, other) => String(one[key]).localeCompare(String(other[key]))) as Json);
const words = fc.dictionary(word, word, { maxKeys: 3 });
const containers = listBy('name', {
  image: word,
  env: listBy('name', { value: word }),
  args: fc.array(word, { maxLength: 2 }),
  volumeMounts: listBy('mountPath', { name: word }),
  securityContext: fc.record(
    { privileged: fc.boolean(), capabilities: fc.record({ add: fc.array(word, { maxLength: 2 }) }) },
    { requiredKeys: [] },
  ),
});
const templates = fc.record(
  {
    metadata: fc.record({ labels: words, annotations: words }, { requiredKeys: [] }),
    spec: fc.record(
      {
        containers,
        initContainers: containers,
        hostNetwork: fc.boolean(),
        nodeSelector: words,
        tolerations: fc.array(fc.record({ key: word }), { maxLength: 2 }),
        volumes: listBy('name', { emptyDir: fc.constant({}), hostPath: fc.record({ path: word }) }),
      },
      { requiredKeys: ['containers'] },
    ),
  },
  { requiredKeys: ['metadata', 'spec'] },
) as fc.Arbitrary<PodTemplate>;

describe('the manifest that kubectl apply compares with', () => {
  test('makes the next apply give exactly its own manifest, whatever the manifest was before', () => {
    fc.assert(
      fc.property(templates, templates, templates, templates, (before, manifest, restored, next) => {
        const now = templateIn(rebased(applied(before, manifestOf(manifest)), restoring(restored)));
        expect(canonical(apply('template', restored, now, next) ?? null)).toBe(canonical(next));
      }),
      { numRuns: 500 },
    );
  });

  test('has nothing that neither the restored version nor the manifest has, and does not change with another rollback to the same version', () => {
    fc.assert(
      fc.property(templates, templates, templates, (before, manifest, restored) => {
        const once = rebased(applied(before, manifestOf(manifest)), restoring(restored));
        const again = rebased(applied(restored, once), restoring(restored));
        expect(again).toEqual(once);
        if (canonical(before) === canonical(manifest)) expect(canonical(templateIn(once) ?? null)).toBe(canonical(restored));
      }),
    );
  });

  test('leaves out defaults and the stamps of restarts, and keeps what else it has', () => {
    const restored = template('agent:v1', {
      imagePullPolicy: 'IfNotPresent',
      terminationMessagePolicy: 'File',
      env: [{ name: 'LEGACY', value: 'x' }],
    });
    (restored['metadata'] as JsonObject)['annotations'] = { 'kubectl.kubernetes.io/restartedAt': 'now', note: 'x' };
    const manifest = {
      ...manifestOf({ ...template('agent:v2'), metadata: { creationTimestamp: null, labels: { app: 'agent' } } }),
      extra: [1.5, null],
    };
    expect(
      rebased(applied(template('agent:v2'), manifest), restoring(restored, { spec: { minReadySeconds: 5 }, changeCause: 'v1' })),
    ).toEqual({
      kind: 'DaemonSet',
      metadata: { name: 'agent', annotations: { [CHANGE_CAUSE]: 'v1' } },
      spec: {
        minReadySeconds: 5,
        template: {
          metadata: { creationTimestamp: null, labels: { app: 'agent' }, annotations: { note: 'x' } },
          spec: { containers: [{ name: 'agent', image: 'agent:v1', env: [{ name: 'LEGACY', value: 'x' }] }] },
        },
      },
      extra: [1.5, null],
    });
  });

  test('leaves out what another manager has, and not what the one that applied it has', () => {
    const fieldsV1 = {
      'f:spec': {
        'f:template': {
          'f:spec': {
            'f:containers': { 'k:{"name":"agent"}': { 'f:env': { 'k:{"name":"TUNED"}': { '.': {}, 'f:name': {}, 'f:value': {} } } } },
          },
        },
      },
    };
    const applier = {
      'f:metadata': { 'f:annotations': { [`f:${LAST_APPLIED}`]: {} } },
      'f:spec': { 'f:template': { 'f:spec': { 'f:hostNetwork': {} } } },
    };
    const restored = template('agent:v1', {
      env: [
        { name: 'LEGACY', value: 'x' },
        { name: 'TUNED', value: '1' },
      ],
    });
    (restored['spec'] as JsonObject)['hostNetwork'] = true;
    const of = (manager: string, operation: string): DaemonSet =>
      applied(template('agent:v2', { env: [{ name: 'TUNED', value: '2' }] }), manifestOf(template('agent:v2')), [
        { manager, operation, fieldsV1 },
        { manager: 'argocd-controller', operation: 'Update', fieldsV1: applier },
      ]);
    const names = (one: DaemonSet): unknown => JSON.stringify(rebased(one, restoring(restored))).match(/LEGACY|TUNED|hostNetwork/g);
    expect(names(of('operator', 'Update'))).toEqual(['LEGACY', 'hostNetwork']);
    expect(names(of('team-b', 'Apply'))).toEqual(['LEGACY', 'hostNetwork']);
    expect(names(of('kubectl-set', 'Update'))).toEqual(['LEGACY', 'TUNED', 'hostNetwork']);
  });

  test.each([['not JSON'], ['[]'], ['{}'], ['null'], ['{"spec":1}']])('is not changed if it is %s', (text) => {
    expect(
      lastAppliedAfter(daemonSet(template('agent:v2'), { annotations: { [LAST_APPLIED]: text } }), restoring(template('agent:v1'))),
    ).toBe('unreadable');
  });

  test('does not exist without kubectl apply', () => {
    expect(lastAppliedAfter(daemonSet(template('agent:v2')), restoring(template('agent:v1')))).toBeUndefined();
  });
});

test.each<[number, string[]]>([
  [0, []],
  [900, []],
  [256 * 1024 - 800, [LAST_APPLIED]],
  [256 * 1024 - 300, [LAST_APPLIED, LAST_ROLLBACK]],
])('beside other annotations of %d bytes, a rollback leaves out %j', (size, keys) => {
  const [restored, left] = [template('agent:v1', { args: ['x'.repeat(400)] }), template('agent:v2')];
  const of = applied(left, manifestOf(left));
  const { annotations } = of.metadata;
  const used = Object.entries(annotations ?? {}).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  const padded = { ...of, metadata: { ...of.metadata, annotations: { ...annotations, p: 'x'.repeat(Math.max(0, size - used)) } } };
  const { changes, leftOut } = annotationChanges(padded, restoring(restored), recordedAt({ restored, left }));
  expect(leftOut.flatMap((one) => one.keys)).toEqual(keys);
  expect(Object.keys(changes).sort()).toEqual([LAST_APPLIED, LAST_ROLLBACK].filter((key) => !keys.includes(key)).sort());
});

test.each<[string, Json, JsonObject, boolean]>([
  ['imagePullPolicy', 'Always', { image: 'a/b' }, true],
  ['imagePullPolicy', 'Always', { image: 'host:5000/b' }, true],
  ['imagePullPolicy', 'Always', { image: 'a/b:latest' }, true],
  ['imagePullPolicy', 'Always', { image: 'a/b:v1' }, false],
  ['imagePullPolicy', 'IfNotPresent', { image: 'a/b:v1' }, true],
  ['imagePullPolicy', 'IfNotPresent', { image: 'a/b@sha256:0' }, true],
  ['terminationGracePeriodSeconds', 30, { containers: [] }, true],
  ['terminationGracePeriodSeconds', 0, { containers: [] }, false],
  ['restartPolicy', 'Always', { containers: [] }, true],
  ['restartPolicy', 'Always', { image: 'a' }, false],
  ['securityContext', {}, { containers: [] }, true],
  ['securityContext', {}, { image: 'a' }, false],
  ['constructor', 'x', {}, false],
])('%s: %j beside %j is the default: %j', (field, value, among, expected) => {
  expect(isDefault(field, value, among)).toBe(expected);
});
