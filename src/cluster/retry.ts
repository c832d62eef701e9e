import { ClusterError } from './cluster.ts';
import type { Failure } from './errors.ts';

/** Delays before the attempts after the first. */
const DELAYS_MS = [250, 500, 1000, 2000];
/** Additional delays for a server that has answered before: the address is right, and the server may be restarting. */
const PATIENT_DELAYS_MS = [...DELAYS_MS, 4000, 8000, 15_000];
/** The delay after these, if the server is known to be the right one. */
const LAST_DELAY_MS = 15_000;

/** A failed attempt at a call. */
export interface Attempt {
  /** 0 for the first one. */
  index: number;
  /** The call writes, so that it is repeated only if the server certainly did not process it. */
  writes: boolean;
  /** The server has answered a call before. */
  hasAnswered: boolean;
  /** An earlier step reached the server, so that only the call's signal ends the retries. */
  isKnown: boolean;
  /** There is a credential plugin that can be asked again. */
  canRenew: boolean;
  /** The header Retry-After. */
  retryAfterMs: number;
}

export type NextStep = { kind: 'retry'; afterMs: number } | { kind: 'renew-credentials' } | { kind: 'fail'; error: ClusterError };

/** What to do after a failed attempt. */
export function nextStep(
  { error, effect, remedy }: Failure,
  { index, writes, hasAnswered, isKnown, canRenew, retryAfterMs }: Attempt,
): NextStep {
  if (writes && effect === 'unknown') return { kind: 'fail', error: new ClusterError('answer-lost', error.message, { cause: error }) };
  if (remedy.startsWith('renew') && index === 0 && canRenew) return { kind: 'renew-credentials' };
  const waitHelps = ['wait', 'wait-briefly', 'renew-or-wait'].includes(remedy) || (remedy === 'wait-if-starting' && index > 0);
  const delayMs = delayAfter(index, remedy === 'wait-briefly' ? 'brief' : isKnown ? 'known' : hasAnswered ? 'patient' : 'brief');
  if (!waitHelps || delayMs === undefined) return { kind: 'fail', error };
  return { kind: 'retry', afterMs: Math.max(delayMs, retryAfterMs) };
}

/** The delay before the next attempt; undefined if there is none. */
function delayAfter(index: number, patience: 'brief' | 'patient' | 'known'): number | undefined {
  if (patience === 'brief') return DELAYS_MS[index];
  return PATIENT_DELAYS_MS[index] ?? (patience === 'known' ? LAST_DELAY_MS : undefined);
}
