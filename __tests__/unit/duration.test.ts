import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatAge, formatDuration, parseDuration } from '../../src/duration.ts';

describe('parseDuration', () => {
  test.each([
    ['600', 600_000],
    ['0', 0],
    ['90s', 90_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['1m1.5s', 61_500],
    ['250ms', 250],
    ['1000us', 1],
    ['1000µs', 1],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBeCloseTo(milliseconds, 6);
  });

  test.each(['', ' ', '5x', '-5m', '+5m', '1 h', '1h 30m', 'm', '.s', '1.5', '1e3', 'Infinity', '10min', '1d', '١٠s', '5m\n', '0x10'])(
    '%j is not a duration',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  test('hours, minutes and seconds add up', () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(59), fc.nat(59), (h, m, s) => {
        expect(parseDuration(`${h}h${m}m${s}s`)).toBe(((h * 60 + m) * 60 + s) * 1000);
      }),
    );
  });
});

test.each([
  [383, '383 ms'],
  [7_400, '7.4 s'],
  [59_970, '1m 00s'],
  [125_000, '2m 05s'],
  [3_720_000, '1h 02m'],
])('%d ms is shown as %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

// Values that `kubectl get` shows (apimachinery: duration.HumanDuration).
test.each([
  [-1, '0s'],
  [0, '0s'],
  [119, '119s'],
  [120, '2m'],
  [123, '2m3s'],
  [599, '9m59s'],
  [600, '10m'],
  [3 * 3600 - 1, '179m'],
  [3 * 3600, '3h'],
  [3 * 3600 + 60, '3h1m'],
  [8 * 3600, '8h'],
  [48 * 3600 - 1, '47h'],
  [48 * 3600, '2d'],
  [49 * 3600, '2d1h'],
  [8 * 86400, '8d'],
  [729 * 86400, '729d'],
  [730 * 86400, '2y'],
  [731 * 86400, '2y1d'],
  [8 * 365 * 86400, '8y'],
])('an age of %d s is %s', (seconds, text) => {
  expect(formatAge(seconds * 1_000)).toBe(text);
});
