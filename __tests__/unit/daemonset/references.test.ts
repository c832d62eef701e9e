import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { referencesToCheck } from '../../../src/daemonset/preflight.ts';
import { referencesOf } from '../../../src/daemonset/references.ts';
import type { JsonObject, PodTemplate } from '../../../src/daemonset/types.ts';

const of = (spec: JsonObject): string[] =>
  referencesOf({ spec }).map(
    ({ kind, name, keys, isRequired }) =>
      `${kind} ${name}${keys.length > 0 ? ` (${keys.join(', ')})` : ''}${isRequired ? '' : ' not required'}`,
  );
const container = (raw: JsonObject): JsonObject => ({ containers: [{ name: 'agent', ...raw }] });
const mounted = [{ name: 'mounts', volumeMounts: [{ name: 'v', mountPath: '/v' }] }];
/** A volume that an init container mounts. */
const volume = (raw: JsonObject): JsonObject => ({ initContainers: mounted, volumes: [{ name: 'v', ...raw }] });
const from = (source: JsonObject): JsonObject => container({ env: [{ name: 'A', valueFrom: source }] });

describe('what a template refers to', () => {
  test.each<[string, JsonObject, string[]]>([
    ['a variable from a ConfigMap', from({ configMapKeyRef: { name: 'a', key: 'k' } }), ['ConfigMap a (k)']],
    ['a variable from a Secret', from({ secretKeyRef: { name: 'a', key: 'k' } }), ['Secret a (k)']],
    ['an optional variable', from({ secretKeyRef: { name: 'a', key: 'k', optional: true } }), []],
    ['a variable that is explicitly not optional', from({ secretKeyRef: { name: 'a', key: 'k', optional: false } }), ['Secret a (k)']],
    ['a variable of the pod itself', from({ fieldRef: { fieldPath: 'status.hostIP' } }), []],
    ['all variables of a ConfigMap', container({ envFrom: [{ configMapRef: { name: 'a' } }] }), ['ConfigMap a']],
    ['all variables of a Secret', container({ envFrom: [{ prefix: 'X_', secretRef: { name: 'a' } }] }), ['Secret a']],
    ['optional variables', container({ envFrom: [{ configMapRef: { name: 'a', optional: true } }] }), []],
    ['an init container', { initContainers: [{ name: 'i', envFrom: [{ secretRef: { name: 'a' } }] }] }, ['Secret a']],
    ['a volume of a ConfigMap', volume({ configMap: { name: 'a' } }), ['ConfigMap a']],
    [
      'some keys of a ConfigMap',
      volume({
        configMap: {
          name: 'a',
          items: [
            { key: 'y', path: 'p' },
            { key: 'x', path: 'q' },
          ],
        },
      }),
      ['ConfigMap a (x, y)'],
    ],
    ['an optional volume', volume({ configMap: { name: 'a', optional: true, items: [{ key: 'x', path: 'p' }] } }), []],
    ['a volume of a Secret', volume({ secret: { secretName: 'a' } }), ['Secret a']],
    ['a volume claim', volume({ persistentVolumeClaim: { claimName: 'a' } }), ['PersistentVolumeClaim a']],
    ['a volume that no container mounts', { volumes: [{ name: 'v', configMap: { name: 'a' } }] }, []],
    [
      'a volume as a block device',
      { containers: [{ name: 'c', volumeDevices: [{ name: 'v' }] }], volumes: [{ name: 'v', configMap: { name: 'a' } }] },
      ['ConfigMap a'],
    ],
    [
      'a claim that no container mounts',
      { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'a' } }] },
      ['PersistentVolumeClaim a'],
    ],
    ['a host path', volume({ hostPath: { path: '/' } }), []],
    [
      'a projected volume',
      volume({
        projected: {
          sources: [
            { configMap: { name: 'a' } },
            { secret: { name: 'b', items: [{ key: 'k', path: 'p' }] } },
            { serviceAccountToken: { path: 't' } },
          ],
        },
      }),
      ['ConfigMap a', 'Secret b (k)'],
    ],
    ['an optional source of a projected volume', volume({ projected: { sources: [{ secret: { name: 'b', optional: true } }] } }), []],
    ['a CSI volume with a Secret', volume({ csi: { driver: 'd', nodePublishSecretRef: { name: 'a' } } }), ['Secret a']],
    ['an Azure file share', volume({ azureFile: { secretName: 'a', shareName: 's' } }), ['Secret a']],
    ['an image pull secret', { imagePullSecrets: [{ name: 'a' }] }, ['Secret a not required']],
    [
      'a pull secret that a container needs, too',
      { ...from({ secretKeyRef: { name: 'a', key: 'k' } }), imagePullSecrets: [{ name: 'a' }] },
      ['Secret a (k)'],
    ],
    [
      'an object that is optional in one place only',
      { ...from({ configMapKeyRef: { name: 'a', key: 'k', optional: true } }), ...volume({ configMap: { name: 'a' } }) },
      ['ConfigMap a'],
    ],
    ['an empty name', volume({ configMap: { name: '' } }), []],
  ])('%s', (_name, spec, expected) => {
    expect(of(spec)).toEqual(expected);
  });

  test('any JSON is survived', () => {
    fc.assert(fc.property(fc.jsonValue(), (spec) => void referencesOf({ spec: spec as JsonObject })));
  });
});

describe('what has to be looked up', () => {
  const template = (...specs: JsonObject[]): PodTemplate => ({ spec: Object.assign({}, ...specs) as JsonObject });
  const names = (wanted: PodTemplate, current: PodTemplate | undefined): string[] =>
    referencesToCheck(wanted, current).map(({ name }) => name);
  const [a, b] = [volume({ configMap: { name: 'a' } }), from({ configMapKeyRef: { name: 'b', key: 'k' } })];

  test('everything, if no pod of the current version is Ready', () => {
    expect(names(template(a, b), undefined)).toEqual(['b', 'a']);
  });

  test('only what the current version does not have', () => {
    expect(names(template(a, b), template(a))).toEqual(['b']);
    expect(names(template(a), template(a))).toEqual([]);
  });

  test('an object of which the current version needs other keys, or that it does not require', () => {
    expect(names(template(b), template(from({ configMapKeyRef: { name: 'b', key: 'other' } })))).toEqual(['b']);
    const required = volume({ secret: { secretName: 's' } });
    expect(names(template(required), template({ imagePullSecrets: [{ name: 's' }] }))).toEqual(['s']);
    expect(names(template({ imagePullSecrets: [{ name: 's' }] }), template(required))).toEqual([]);
  });
});
