import { expect, test } from '@jest/globals';
import { ClusterError, type ClusterFailure } from '../../../src/cluster/cluster.ts';
import { InvalidObject } from '../../../src/cluster/decode.ts';
import { type Attempt, delayAfter, nextStep } from '../../../src/cluster/watch-retry.ts';

const first: Attempt = { interruptions: 0, hasListed: true, mayMissChanges: false };
const second = { ...first, interruptions: 1 };
const unlisted = { ...first, hasListed: false };
const missing = { ...first, mayMissChanges: true };

test.each<[string, ClusterFailure, Attempt, ReturnType<typeof nextStep>['kind']]>([
  ['the connection breaks', 'unreachable', first, 'continue'],
  ['the connection breaks, and changes may be missed', 'unreachable', missing, 'list-again'],
  ['the resource version is expired', 'expired', first, 'list-again'],
  ['the object does not exist', 'not-found', missing, 'throw'],
  ['the certificate is wrong', 'certificate', missing, 'throw'],
  ['there are no credentials', 'credentials', missing, 'throw'],
  ['the first 401', 'unauthorized', first, 'continue'],
  ['the first 401, and changes may be missed', 'unauthorized', missing, 'list-again'],
  ['the second 401', 'unauthorized', second, 'throw'],
  ['watching is forbidden', 'forbidden', first, 'poll'],
  ['watching is forbidden, and changes may be missed', 'forbidden', missing, 'poll'],
  ['reading is forbidden', 'forbidden', unlisted, 'throw'],
  ['forbidden by a server that is starting', 'forbidden', second, 'continue'],
  ['reading is forbidden by a server that is starting', 'forbidden', { ...unlisted, interruptions: 4 }, 'continue'],
  ['forbidden by a server that has had the time to start', 'forbidden', { ...first, interruptions: 5 }, 'poll'],
])('%s', (_name, failure, attempt, kind) => {
  expect(nextStep(new ClusterError(failure, 'why'), attempt)).toEqual(kind === 'throw' ? { kind } : { kind, why: 'why' });
});

test.each([new InvalidObject('a Pod', 'why'), new Error('a bug')])('an error that is not transient: %s', (error) => {
  expect(nextStep(error, missing)).toEqual({ kind: 'throw' });
});

test('the delays double, up to 10 s', () => {
  expect([0, 1, 2, 3, 4, 5, 2_000].map(delayAfter)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
});
