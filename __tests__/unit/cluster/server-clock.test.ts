import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ServerClock } from '../../../src/cluster/server-clock.ts';

const HOUR = 3_600_000;
const dateOf = (time: number): string => new Date(Math.floor(time / 1_000) * 1_000).toUTCString();

test('is known to a second after one answer, and never ahead, however wrong our clock is', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -HOUR, max: HOUR }),
      fc.array(fc.tuple(fc.nat(5_000), fc.nat(300), fc.nat(300)), { minLength: 1 }),
      (offset, answers) => {
        const clock = new ServerClock();
        let ours = 1_700_000_000_000;
        for (const [pause, there, back] of answers) {
          const sent = ours + pause;
          clock.note(dateOf(sent + there + offset), sent, sent + there + back);
          ours = sent + there + back;
          const behind = ours + offset - (clock.at(ours) ?? Number.NaN);
          expect(behind).toBeGreaterThanOrEqual(0);
          expect(behind).toBeLessThanOrEqual(1_600);
        }
      },
    ),
  );
});

test.each<[string, (string | undefined)[]]>([
  ['without a date', [undefined]],
  ['with dates that are none', ['yesterday', '']],
  ['with a clock that jumps', [dateOf(1_000_000), dateOf(1_060_000)]],
])('is unknown %s', (_name, dates) => {
  const clock = new ServerClock();
  for (const date of dates) clock.note(date, 1_000_000, 1_000_010);
  expect(clock.at(1_000_010)).toBeUndefined();
});

test('is that of the first of several servers, whose clocks differ by less than two seconds', () => {
  const clock = new ServerClock();
  clock.note(dateOf(1_000_000), 1_000_000, 1_000_010);
  clock.note(dateOf(1_002_000), 1_000_020, 1_000_030);
  expect(Math.abs((clock.at(1_000_030) ?? 0) - 1_000_020)).toBeLessThanOrEqual(500);
});
