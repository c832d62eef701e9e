import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { diffTemplates, withoutLiterals } from '../../../src/daemonset/diff.ts';
import { digest, identicalTemplate, sameButForRestart, sameTemplate, storedTemplate } from '../../../src/daemonset/template.ts';
import type { JsonObject, PodTemplate } from '../../../src/daemonset/types.ts';
import { template } from '../../helpers/builders.ts';

const older = { ...template('a:1'), metadata: { creationTimestamp: null, labels: { app: 'agent' } } };

describe('meaning', () => {
  test.each<[string, JsonObject, JsonObject, boolean]>([
    ['equal templates', template('a:1'), template('a:1'), true],
    ['another image', template('a:1'), template('a:2'), false],
    ['a null that an older Kubernetes stored', older, template('a:1'), true],
    ['a $patch directive', { $patch: 'replace', ...template('a:1') }, template('a:1'), true],
    ['the order of keys', { spec: template('a:1')['spec'] ?? {}, metadata: { labels: { app: 'agent' } } }, template('a:1'), true],
    [
      'an annotation called creationTimestamp',
      { metadata: { annotations: { creationTimestamp: 'x' } } },
      { metadata: { annotations: {} } },
      false,
    ],
  ])('is compared: %s', (_name, a, b, same) => {
    expect(sameTemplate(a, b)).toBe(same);
    expect(digest(a) === digest(b)).toBe(same);
  });

  test('identical templates are a stricter condition than equal meaning', () => {
    expect(identicalTemplate(older, template('a:1'))).toBe(false);
    expect(identicalTemplate(template('a:1'), template('a:1'))).toBe(true);
  });

  test('adding a null field to any JSON does not change its meaning', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (any) => {
        const value = any as JsonObject;
        expect(sameTemplate(value, { ...value, [`${Object.keys(value).join('')}+`]: null })).toBe(true);
        expect(diffTemplates(value, value)).toEqual([]);
      }),
    );
  });

  test('a restart changes only the time of the restart', () => {
    const restarted = {
      ...template('a:1'),
      metadata: { labels: { app: 'agent' }, annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01' } },
    };
    expect(sameTemplate(restarted, template('a:1'))).toBe(false);
    expect(sameButForRestart(restarted, template('a:1'))).toBe(true);
    expect(sameButForRestart(restarted, template('a:2'))).toBe(false);
  });

  test.each([undefined, {}, { spec: null }, { spec: { template: 'x' } }, { spec: [] }])('data %j contains no template', (data) => {
    expect(storedTemplate(data as JsonObject | undefined)).toBeUndefined();
  });
});

describe('diffTemplates', () => {
  test('names list items by their keys', () => {
    const before = template('a:1', {
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
      args: ['--x'],
    });
    const after = template('a:2', { env: [{ name: 'B', value: '3' }], args: ['--y'] });
    expect(diffTemplates(before, after).map(({ path, sensitive }) => [path, sensitive])).toEqual([
      ['spec.containers[agent].args', true],
      ['spec.containers[agent].env[A]', true],
      ['spec.containers[agent].env[B].value', true],
      ['spec.containers[agent].image', false],
    ]);
  });

  test('an added or removed container is sensitive if it has literal values', () => {
    const one = { spec: { containers: [{ name: 'a', image: 'a' }] } };
    const two = {
      spec: {
        containers: [
          { name: 'a', image: 'a' },
          { name: 'b', env: [{ name: 'P', value: 'secret' }] },
        ],
      },
    };
    expect(diffTemplates(one, two)).toMatchObject([{ path: 'spec.containers[b]', sensitive: true }]);
    expect(diffTemplates({}, one)).toMatchObject([{ path: 'spec', sensitive: false }]);
  });

  test('a hostile name does not expose a literal value', () => {
    const env = (value: string): JsonObject => template('a', { env: [{ name: ']env[x', value }] });
    expect(diffTemplates(env('1'), env('2')).every(({ sensitive }) => sensitive)).toBe(true);
  });

  const probe = (path: string): JsonObject => template('a', { livenessProbe: { httpGet: { path, port: 8080 } } });
  const volume = (source: JsonObject): JsonObject => ({ spec: { volumes: [{ name: 'v', ...source }] } });
  const annotated = (annotations: JsonObject): JsonObject => ({ metadata: { annotations } });
  const restarted = (time: string): JsonObject => annotated({ 'kubectl.kubernetes.io/restartedAt': time });
  test.each<[string, JsonObject, JsonObject, boolean]>([
    ['the query of a probe', probe('/healthz?token=hunter1'), probe('/healthz?token=hunter2'), true],
    ['a query that was removed', probe('/healthz?token=hunter1'), probe('/healthz'), true],
    ['the path of a probe', probe('/healthz'), probe('/livez'), false],
    [
      'what is passed to a CSI driver',
      volume({ csi: { volumeAttributes: { k: 'hunter1' } } }),
      volume({ csi: { volumeAttributes: { k: 'hunter2' } } }),
      true,
    ],
    ['a CSI volume that was added', volume({}), volume({ csi: { driver: 'd', volumeAttributes: { k: 'hunter2' } } }), true],
    ['the driver of a volume', volume({ csi: { driver: 'a' } }), volume({ csi: { driver: 'b' } }), false],
    [
      'what is passed to a flex volume',
      volume({ flexVolume: { options: { k: 'hunter1' } } }),
      volume({ flexVolume: { options: { k: 'hunter2' } } }),
      true,
    ],
    ['an annotation', annotated({ k: 'hunter1' }), annotated({ k: 'hunter2' }), true],
    ['annotations that were added', { metadata: {} }, annotated({ k: 'hunter2' }), true],
    ['the time of a restart', restarted('2026-01-01T00:00:00Z'), restarted('2026-01-01T00:00:00+01:00'), false],
    ['another text as the time of a restart', restarted('hunter1'), restarted('hunter2'), true],
    ['a label', { metadata: { labels: { k: 'a' } } }, { metadata: { labels: { k: 'b' } } }, false],
  ])('hides %s: %j → %j: %s', (_name, before, after, isSensitive) => {
    expect(diffTemplates(before, after).map(({ sensitive }) => sensitive)).toEqual([isSensitive]);
    const shown = JSON.stringify([withoutLiterals(before), withoutLiterals(after)]);
    expect(shown).not.toContain('hunter');
    expect(shown.includes('<hidden>')).toBe(isSensitive);
  });

  test('of a path, only the query is hidden', () => {
    expect(withoutLiterals(probe('/healthz?token=x#y'))).toEqual(probe('/healthz?<hidden>'));
    expect(withoutLiterals(annotated({ a: 'x', 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' }))).toEqual(
      annotated({ a: '<hidden>', 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' }),
    );
  });

  test('a different order is a difference', () => {
    const list = (...names: string[]): JsonObject => ({ spec: { initContainers: names.map((name) => ({ name })) } });
    expect(diffTemplates(list('a', 'b'), list('b', 'a'))).toHaveLength(1);
  });

  test('finds a difference exactly if the meaning differs', () => {
    const value = fc.dictionary(fc.constantFrom('a', 'b', 'name', 'env', 'value'), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(diffTemplates(a as JsonObject, b as JsonObject).length === 0).toBe(sameTemplate(a as JsonObject, b as JsonObject));
      }),
    );
  });
});

test('integers above 2^53 count to the letter', () => {
  const with_ = (seconds: bigint): PodTemplate => ({ ...template('agent:v1'), spec: { tolerations: [{ tolerationSeconds: seconds }] } });
  const [one, other] = [with_(9007199254740993n), with_(9007199254740992n)];
  expect(sameTemplate(one, with_(9007199254740993n))).toBe(true);
  expect(sameTemplate(one, other)).toBe(false);
  expect(digest(one)).not.toBe(digest(other));
});
