import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { difference, type FieldSet, intersection, isEmpty, isMember, union } from '../../../src/daemonset/field-set.ts';

/** A set as the paths of its fields, and the set of such paths. */
function pathsOf(set: FieldSet, prefix = ''): string[] {
  return Object.keys(set)
    .filter((step) => step !== '.')
    .flatMap((step) => {
      const below = set[step] as FieldSet;
      const path = `${prefix}/${step}`;
      return [...(isMember(below) ? [path] : []), ...pathsOf(below, path)];
    })
    .sort();
}

function setOf(paths: string[][]): FieldSet {
  const root: FieldSet = {};
  for (const path of paths) {
    let at = root;
    for (const step of path) {
      at[step] ??= {};
      at = at[step] as FieldSet;
    }
    at['.'] = {};
  }
  return shorten(root);
}

/** As the API server writes it: a field without others below it has no `.`. */
function shorten(set: FieldSet): FieldSet {
  return Object.fromEntries(
    Object.entries(set).map(([step, below]) => {
      const inner = shorten(below as FieldSet);
      return [step, Object.keys(inner).length === 1 && '.' in inner ? {} : inner];
    }),
  );
}

const step = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:"1"', 'f:__proto__', 'f:constructor');
const sets = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 8 }).map(setOf);

describe('sets of fields', () => {
  test.each([
    ['union', union, (a: string[], b: string[]) => [...new Set([...a, ...b])]],
    ['intersection', intersection, (a: string[], b: string[]) => a.filter((path) => b.includes(path))],
    ['difference', difference, (a: string[], b: string[]) => a.filter((path) => !b.includes(path))],
  ] as const)('%s is that of the paths, in the form that the API server writes', (_name, operation, expected) => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const result = operation(a, b);
        expect(pathsOf(result)).toEqual(expected(pathsOf(a), pathsOf(b)).sort());
        expect(result).toEqual(shorten(result));
        expect(isEmpty(result)).toBe(pathsOf(result).length === 0);
      }),
    );
  });

  test('a field that has others below it is a field only with a dot', () => {
    const whole: FieldSet = { 'f:x': { '.': {}, 'f:y': {} } };
    const below: FieldSet = { 'f:x': { 'f:y': {} } };
    expect(difference(whole, below)).toEqual({ 'f:x': {} });
    expect(union({ 'f:x': {} }, below)).toEqual(whole);
    expect(intersection(whole, { 'f:x': {} })).toEqual({ 'f:x': {} });
  });
});
