import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { diffTemplates } from '../../../src/daemonset/diff.ts';
import { digest, identicalTemplate, sameButForRestart, sameTemplate, storedTemplate } from '../../../src/daemonset/template.ts';
import type { JsonObject } from '../../../src/daemonset/types.ts';
import { template } from '../builders.ts';

const older = { ...template('a:1'), metadata: { creationTimestamp: null, labels: { app: 'agent' } } };

describe('meaning', () => {
  test.each<[string, JsonObject, JsonObject, boolean]>([
    ['the same', template('a:1'), template('a:1'), true],
    ['another image', template('a:1'), template('a:2'), false],
    ['the null of an older Kubernetes', older, template('a:1'), true],
    ['a $patch directive', { $patch: 'replace', ...template('a:1') }, template('a:1'), true],
    ['the order of keys', { spec: template('a:1')['spec'] ?? {}, metadata: { labels: { app: 'agent' } } }, template('a:1'), true],
    [
      'an annotation called creationTimestamp',
      { metadata: { annotations: { creationTimestamp: 'x' } } },
      { metadata: { annotations: {} } },
      false,
    ],
  ])('%s', (_name, a, b, same) => {
    expect(sameTemplate(a, b)).toBe(same);
    expect(digest(a) === digest(b)).toBe(same);
  });

  test('spelling is stricter than meaning', () => {
    expect(identicalTemplate(older, template('a:1'))).toBe(false);
    expect(identicalTemplate(template('a:1'), template('a:1'))).toBe(true);
  });

  test('any JSON: a template means the same as itself with nulls added', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (any) => {
        const value = any as JsonObject;
        expect(sameTemplate(value, { ...value, [`${Object.keys(value).join('')}+`]: null })).toBe(true);
        expect(diffTemplates(value, value)).toEqual([]);
      }),
    );
  });

  test('a restart changes nothing but the time', () => {
    const restarted = {
      ...template('a:1'),
      metadata: { labels: { app: 'agent' }, annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01' } },
    };
    expect(sameTemplate(restarted, template('a:1'))).toBe(false);
    expect(sameButForRestart(restarted, template('a:1'))).toBe(true);
    expect(sameButForRestart(restarted, template('a:2'))).toBe(false);
  });

  test.each([undefined, {}, { spec: null }, { spec: { template: 'x' } }, { spec: [] }])('data %j stores no template', (data) => {
    expect(storedTemplate(data as JsonObject | undefined)).toBeUndefined();
  });
});

describe('diffTemplates', () => {
  test('names fields by the keys of their lists', () => {
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

  test('a container that comes or goes is sensitive when it has literals', () => {
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

  test('hostile names do not make a literal public', () => {
    const env = (value: string): JsonObject => template('a', { env: [{ name: ']env[x', value }] });
    expect(diffTemplates(env('1'), env('2')).every(({ sensitive }) => sensitive)).toBe(true);
  });

  test('the order alone is a difference', () => {
    const list = (...names: string[]): JsonObject => ({ spec: { initContainers: names.map((name) => ({ name })) } });
    expect(diffTemplates(list('a', 'b'), list('b', 'a'))).toHaveLength(1);
  });

  test('there is a difference exactly when the meaning differs', () => {
    const value = fc.dictionary(fc.constantFrom('a', 'b', 'name', 'env', 'value'), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(diffTemplates(a as JsonObject, b as JsonObject).length === 0).toBe(sameTemplate(a as JsonObject, b as JsonObject));
      }),
    );
  });
});
