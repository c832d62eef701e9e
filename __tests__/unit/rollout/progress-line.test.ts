import { expect, test } from '@jest/globals';
import { type NextLine, nextLine, type Shown } from '../../../src/rollout/progress-line.ts';

const message = 'Waiting for the rollout';
const state = (updated: number, available: number, more: Partial<Shown> = {}): Shown => ({
  kind: 'updating',
  message,
  counts: { updated, available, desired: 10 },
  failures: '',
  leftMs: undefined,
  ...more,
});
const failing = state(3, 2, { failures: 'unavailable: node-1 (OOMKilled)' });
const NONE: NextLine = { kind: 'none' };
const now = (line: string): NextLine => ({ kind: 'now', line });

test.each<[string, Shown | undefined, Shown, sinceLastLineMs: number, NextLine]>([
  ['the first state', undefined, failing, 0, now(message)],
  ['another step of the ladder', state(9, 8), state(10, 8, { kind: 'unavailable', message: 'now this' }), 0, now('now this')],
  ['no change', state(3, 2), state(3, 2), 59_999, NONE],
  ['no change, after a minute', state(3, 2), state(3, 2), 60_000, now(message)],
  ['no change of failures, after a minute', failing, failing, 60_000, now(`${message} unavailable: node-1 (OOMKilled)`)],
  ['only another estimate', state(3, 2), state(3, 2, { leftMs: 5_000 }), 59_999, NONE],
  ['other counters', state(3, 2), state(4, 2), 1_000, now('updated 3→4 of 10, available 2 of 10')],
  ['other counters, too early', state(3, 2), state(4, 2), 999, { kind: 'later', atMs: 101_000 }],
  ['other pods available', state(3, 2), state(3, 3), 1_000, now('updated 3 of 10, available 3 of 10')],
  [
    'other counters, with an estimate',
    state(3, 2),
    state(4, 2, { leftMs: 5_000 }),
    1_000,
    now('updated 3→4 of 10, available 2 of 10; about 5.0 s left'),
  ],
  ['other failures', state(3, 2), failing, 10_000, now('updated 3 of 10, available 2 of 10, unavailable: node-1 (OOMKilled)')],
  ['other failures, too early', state(3, 2), failing, 9_999, { kind: 'later', atMs: 110_000 }],
])('%s', (_name, before, present, sinceLastLineMs, expected) => {
  expect(nextLine(before, present, 100_000, 100_000 + sinceLastLineMs)).toEqual(expected);
});
