import { ClusterError } from './cluster.ts';
import { InvalidObject } from './decode.ts';

const FIRST_DELAY_MS = 500;
export const LONGEST_DELAY_MS = 10_000;
/** For so many interruptions in a row, about 15 s, an API server may still be starting. */
const MOST_WHILE_STARTING = 4;

/** The mean delay after an interruption. `before`: the interruptions before it, since the last event. */
export function delayAfter(before: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** before, LONGEST_DELAY_MS);
}

/** The state of a watch when a request of it fails. */
export interface Attempt {
  /** The interruptions before this failure, since the last event. */
  interruptions: number;
  /** The objects have been read, so that the failed request is the watch itself. */
  hasListed: boolean;
  /** Changes may be missed unless the objects are read again. */
  mayMissChanges: boolean;
}

/** `continue`: watch again from the last version. */
export type NextStep = { kind: 'throw' } | { kind: 'poll' | 'list-again' | 'continue'; why: string };

/** What to do after a request of a watch has failed. */
export function nextStep(error: unknown, { interruptions, hasListed, mayMissChanges }: Attempt): NextStep {
  if (!(error instanceof ClusterError) || error instanceof InvalidObject) return { kind: 'throw' };
  const why = error.message;
  switch (error.failure) {
    case 'not-found':
    case 'certificate':
    case 'credentials':
      return { kind: 'throw' };
    case 'unauthorized':
      // A second 401 is final; the first can be an expired token, which is renewed.
      if (interruptions > 0) return { kind: 'throw' };
      break;
    case 'forbidden':
      if (!mayBeStarting(interruptions)) return hasListed ? { kind: 'poll', why } : { kind: 'throw' };
      break;
    case 'expired':
      return { kind: 'list-again', why };
  }
  return { kind: mayMissChanges ? 'list-again' : 'continue', why };
}

/** An API server that has just started has not loaded its roles yet, and forbids every request for a moment. */
function mayBeStarting(interruptions: number): boolean {
  return interruptions > 0 && interruptions <= MOST_WHILE_STARTING;
}
