import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isTooDeep, MAX_DEPTH, parseJson, stringify } from '../../../src/daemonset/json.ts';
import type { Json } from '../../../src/daemonset/types.ts';

const nested = (depth: number, inside = '1'): string => `${'{"a":['.repeat(depth)}${inside}${']}'.repeat(depth)}`;

describe('integers', () => {
  test.each<[string, Json]>([
    ['9007199254740993', 9_007_199_254_740_993n],
    ['-9007199254740993', -9_007_199_254_740_993n],
    ['[1234567890123456, 12345678901234567890]', [1_234_567_890_123_456, 12_345_678_901_234_567_890n]],
    ['{"a":"9007199254740993","b":"\\"9007199254740993"}', { a: '9007199254740993', b: '"9007199254740993' }],
    ['{"9007199254740993":9007199254740993}', { '9007199254740993': 9_007_199_254_740_993n }],
    ['1.12345678901234567890', 1.1234567890123457],
    ['1234567890123456e3', 1.234567890123456e18],
  ])('%s', (text, value) => {
    expect(parseJson(text)).toEqual(value);
  });

  test('are written as they were read, also under the key __proto__', () => {
    const text = '{"__proto__":{"n":9007199254740993},"constructor":[9007199254740993],"s":"9007199254740993"}';
    expect(stringify(parseJson(text))).toBe(text);
    expect(Object.getPrototypeOf(parseJson(text))).toBe(Object.prototype);
  });
});

test('any JSON is parsed and written as by JSON itself, but for large integers', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), (text) => {
      fc.pre(!/\d{16}/.test(text));
      expect(stringify(parseJson(text))).toBe(JSON.stringify(JSON.parse(text)));
      expect(parseJson(`{"large":9007199254740993,"rest":${text}}`)).toEqual({ large: 9_007_199_254_740_993n, rest: JSON.parse(text) });
    }),
  );
});

test.each(['', '{', '{"a":12345678901234567', '"12345678901234567', '<html>12345678901234567'])('%j is not JSON', (text) => {
  expect(() => parseJson(text)).toThrow(SyntaxError);
});

test('undefined has no JSON', () => {
  expect(stringify(undefined)).toBeUndefined();
});

describe('depth', () => {
  test('has a limit, which recursion reaches without an overflow', () => {
    expect(isTooDeep(parseJson(nested(MAX_DEPTH / 2)))).toBe(false);
    expect(isTooDeep(parseJson(nested(MAX_DEPTH / 2 + 1)))).toBe(true);
    expect(isTooDeep(parseJson(nested(5_000)))).toBe(true);
    expect(isTooDeep(parseJson(nested(5_000, '9007199254740993')))).toBe(true);
  });
});
