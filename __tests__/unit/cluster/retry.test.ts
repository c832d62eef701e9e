import { expect, test } from '@jest/globals';
import { ClusterError } from '../../../src/cluster/cluster.ts';
import type { Failure } from '../../../src/cluster/errors.ts';
import { type Attempt, nextStep } from '../../../src/cluster/retry.ts';

const read: Attempt = { index: 0, writes: false, hasAnswered: false, isKnown: false, canRenew: false, retryAfterMs: 0 };
const write = { ...read, writes: true };
const known = { ...read, hasAnswered: true };

type Row = [string, Failure['effect'], Failure['remedy'], Attempt, number | 'fail' | 'renew' | 'answer-lost'];

const ROWS: Row[] = [
  // what helps
  ['nothing helps', 'none', 'none', read, 'fail'],
  ['time helps: the first retry', 'none', 'wait', read, 250],
  ['time helps: the last retry', 'none', 'wait', { ...read, index: 3 }, 2_000],
  ['time helps: no retries are left', 'none', 'wait', { ...read, index: 4 }, 'fail'],
  ['time helps: the server has answered before', 'none', 'wait', { ...known, index: 4 }, 4_000],
  ['time helps: the last retry, the server has answered before', 'none', 'wait', { ...known, index: 6 }, 15_000],
  ['time helps: no retries are left, the server has answered before', 'none', 'wait', { ...known, index: 7 }, 'fail'],
  ['time helps: Retry-After is longer', 'none', 'wait', { ...read, retryAfterMs: 9_000 }, 9_000],
  ['time helps: Retry-After is shorter', 'none', 'wait', { ...read, retryAfterMs: 1 }, 250],
  [
    'time helps: a server that an earlier step reached is tried until the timeout',
    'none',
    'wait',
    { ...read, isKnown: true, index: 99 },
    15_000,
  ],
  ['a short time helps', 'none', 'wait-briefly', known, 250],
  [
    'a short time helps: also with a server that an earlier step reached',
    'none',
    'wait-briefly',
    { ...read, isKnown: true, index: 4 },
    'fail',
  ],
  ['a short time helps: no retries are left', 'none', 'wait-briefly', { ...known, index: 4 }, 'fail'],
  ['forbidden by a server that has not failed before', 'none', 'wait-if-starting', known, 'fail'],
  ['forbidden by a server that is starting', 'none', 'wait-if-starting', { ...known, index: 1 }, 500],
  // credentials
  ['rejected credentials of a plugin', 'none', 'renew-credentials', { ...read, canRenew: true }, 'renew'],
  ['rejected credentials of a plugin, again', 'none', 'renew-credentials', { ...read, canRenew: true, index: 1 }, 'fail'],
  ['rejected credentials without a plugin', 'none', 'renew-credentials', read, 'fail'],
  ['rejected credentials of a plugin, by a gateway', 'none', 'renew-or-wait', { ...read, canRenew: true }, 'renew'],
  ['rejected credentials without a plugin, by a gateway', 'none', 'renew-or-wait', write, 250],
  // reads and writes
  ['a read that was processed, perhaps', 'unknown', 'wait', read, 250],
  ['a write that was not processed', 'none', 'wait', write, 250],
  ['a write that was processed, perhaps', 'unknown', 'wait', write, 'answer-lost'],
  ['a write that was processed, perhaps, and nothing helps', 'unknown', 'none', write, 'answer-lost'],
  ['a write that was not processed, and nothing helps', 'none', 'none', write, 'fail'],
];

test.each(ROWS)('%s (%s, %s)', (_name, effect, remedy, attempt, expected) => {
  const error = new ClusterError('api', 'it failed');
  const next = nextStep({ error, effect, remedy }, attempt);
  if (next.kind === 'retry') return expect(next.afterMs).toBe(expected);
  if (next.kind === 'renew-credentials') return expect(expected).toBe('renew');
  expect(next.error.message).toBe('it failed');
  expect(next.error.failure).toBe(expected === 'answer-lost' ? 'answer-lost' : 'api');
  expect(expected).toMatch(/fail|answer-lost/);
});
