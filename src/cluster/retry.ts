import { ClusterError } from './cluster.ts';
import type { Failure } from './errors.ts';

/** Delays before the attempts after the first, in milliseconds. */
const DELAYS_MS = [250, 500, 1000, 2000];
/** Additional delays for a server that has answered before: the address is right, and the server may be restarting. */
const PATIENT_DELAYS_MS = [...DELAYS_MS, 4000, 8000, 15_000];

/** A failed attempt at a call. */
export interface Attempt {
  /** 0 for the first one. */
  index: number;
  /** The call writes, so that it is repeated only if the server certainly did not process it. */
  writes: boolean;
  /** The server has answered a call before. */
  hasAnswered: boolean;
  /** There is a credential plugin that can be asked again. */
  canRenew: boolean;
  /** The header Retry-After, in milliseconds. */
  retryAfterMs: number;
}

export type NextStep = { kind: 'retry'; afterMs: number } | { kind: 'renew-credentials' } | { kind: 'fail'; error: ClusterError };

/** What to do after a failed attempt. */
export function nextStep({ error, effect, remedy }: Failure, { index, writes, hasAnswered, canRenew, retryAfterMs }: Attempt): NextStep {
  if (writes && effect === 'unknown') return { kind: 'fail', error: new ClusterError('answer-lost', error.message, { cause: error }) };
  if (remedy.startsWith('renew') && index === 0 && canRenew) return { kind: 'renew-credentials' };
  const waitHelps = ['wait', 'wait-briefly', 'renew-or-wait'].includes(remedy) || (remedy === 'wait-if-starting' && index > 0);
  const delayMs = (hasAnswered && remedy !== 'wait-briefly' ? PATIENT_DELAYS_MS : DELAYS_MS)[index];
  if (!waitHelps || delayMs === undefined) return { kind: 'fail', error };
  return { kind: 'retry', afterMs: Math.max(delayMs, retryAfterMs) };
}
