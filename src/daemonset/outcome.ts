import { CAUSES } from './pod-failure.ts';

/** The values of the input `command`. */
export const COMMANDS = ['rollback', 'status', 'history', 'guard', 'release'] as const;

export type Command = (typeof COMMANDS)[number];

/** The values of the output `outcome`, the successes first. */
export const OUTCOMES = [
  'rolled-back',
  'unchanged',
  'dry-run',
  'complete',
  'listed',
  'recorded',
  'released',
  'absent',
  'pending',
  'refused',
  'failed',
  'stalled',
  'timed-out',
  'superseded',
  'deleted',
  'cancelled',
  'error',
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** The values of the output `reason`. docs/troubleshooting.md has a section for each. */
export const REASONS = [
  // successes
  'complete',
  'resumed',
  'validated',
  'not-validated',
  'not-waited',
  'on-delete',
  'listed',
  'recorded',
  'absent',
  'created',
  'not-changed',
  'not-deployed',
  'seen-complete',
  'released',
  'not-held',
  // refused: nothing was written
  'not-observed',
  'being-deleted',
  'no-previous-revision',
  'no-known-good',
  'revision-not-found',
  'ambiguous-revision',
  'already-rolled-back',
  'held',
  'hold-rejected',
  'only-checksum',
  'unexpected-revision',
  'would-not-start',
  'another-refused',
  'record-lost',
  // the wait ended without success; `failed` and `stalled` have the most significant cause
  ...CAUSES,
  'no-nodes',
  'no-progress',
  'timeout',
  'template-changed',
  'ambiguous-change',
  'deleted',
  'recreated',
  'cancelled',
  // the input or the API
  'invalid-input',
  'kubeconfig',
  'credentials',
  'not-found',
  'unreachable',
  'certificate',
  'unauthorized',
  'forbidden',
  'admission-denied',
  'invalid-template',
  'api',
  'internal',
] as const;

export type Reason = (typeof REASONS)[number];

const SUCCESSES: ReadonlySet<Outcome> = new Set([
  'rolled-back',
  'unchanged',
  'dry-run',
  'complete',
  'listed',
  'recorded',
  'released',
  'absent',
]);

/** Whether the step succeeds with this outcome. `pending` is a success for a rollback or a guard, but not for a gate. */
export function isSuccess(outcome: Outcome, command: Command): boolean {
  return SUCCESSES.has(outcome) || (outcome === 'pending' && (command === 'rollback' || command === 'guard'));
}

/** From the worst to the best. */
const BY_SEVERITY: readonly Outcome[] = [
  'error',
  'failed',
  'stalled',
  'timed-out',
  'superseded',
  'deleted',
  'refused',
  'cancelled',
  'pending',
  'rolled-back',
  'released',
  'dry-run',
  'absent',
  'complete',
  'unchanged',
  'recorded',
  'listed',
];

/** The result with the worst outcome: it stands for the whole step. */
export function worstOf<T extends { outcome: Outcome }>(results: readonly [T, ...T[]]): T {
  return results.reduce((worst, result) => (BY_SEVERITY.indexOf(result.outcome) < BY_SEVERITY.indexOf(worst.outcome) ? result : worst));
}
