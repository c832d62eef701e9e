import type { TemplateChange } from './diff.ts';
import type { Revision } from './revision.ts';
import type { DaemonSetName } from './types.ts';

/** How a step ended: the values of the output `outcome`, the successes first. */
export const OUTCOMES = [
  'rolled-back',
  'unchanged',
  'dry-run',
  'pending',
  'listed',
  'refused',
  'timed-out',
  'superseded',
  'deleted',
  'cancelled',
  'error',
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** Why, in one word for machines. Each has its section in docs/troubleshooting.md. */
export const REASONS = [
  // good ends
  'complete',
  'resumed',
  'validated',
  'not-validated',
  'not-waited',
  'on-delete',
  'listed',
  // a guard said no
  'not-observed',
  'being-deleted',
  'no-previous-revision',
  'revision-not-found',
  'ambiguous-revision',
  'already-rolled-back',
  // the wait ended otherwise
  'timeout',
  'template-changed',
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

/** A guard's no: nothing is written. */
export interface Refusal {
  reason: Reason;
  message: string;
}

/** How many nodes want a pod, have one of the current template, and have an available one. */
export interface Counts {
  desired: number;
  updated: number;
  available: number;
}

/** How it ended. */
export interface End {
  outcome: Outcome;
  reason: Reason;
  /** One sentence or two for a person: what happened, and what to do. */
  message: string;
}

/** What became of one DaemonSet. Fields that were never known are undefined. */
export interface Result extends End {
  daemonSet: DaemonSetName;
  /** The DaemonSet was changed: by this step, or by an earlier attempt of the same run. */
  changed: boolean;
  /** The revision that was current before. */
  old?: Revision;
  /** The revision that was asked for, with the number that it had then. */
  target?: Revision;
  /** The number of the restored template now. */
  newRevision?: number;
  /** The ControllerRevision of the restored template. */
  controllerRevision?: string;
  /** Differences between the template before and after. */
  changes?: TemplateChange[];
  counts?: Counts;
  history?: { before: Revision[]; after?: HistoryEntry[]; currentBefore?: string };
  /** What a person should know besides. */
  notes: string[];
}

/** A line of the history afterwards. */
export interface HistoryEntry {
  number: number;
  name: string;
  current: boolean;
  changeCause: string | undefined;
  images: string[];
}

const SUCCESSES: ReadonlySet<Outcome> = new Set(['rolled-back', 'unchanged', 'dry-run', 'pending', 'listed']);

/** Whether a step that ended so succeeds. */
export function isSuccess(outcome: Outcome): boolean {
  return SUCCESSES.has(outcome);
}
