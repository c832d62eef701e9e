import type { CauseGroup } from './diagnosis.ts';
import type { TemplateChange } from './diff.ts';
import type { Sample } from './progress.ts';
import type { Revision } from './revision.ts';
import { CAUSES } from './trouble.ts';
import type { Counts, DaemonSetName } from './types.ts';

/** What a step can be asked for: the values of the input `command`. */
export const COMMANDS = ['rollback', 'status', 'history', 'guard'] as const;

export type Command = (typeof COMMANDS)[number];

/** How a step ended: the values of the output `outcome`, the successes first. */
export const OUTCOMES = [
  'rolled-back',
  'unchanged',
  'dry-run',
  'complete',
  'listed',
  'recorded',
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
  'recorded',
  'absent',
  'created',
  'not-changed',
  // a guard said no
  'not-observed',
  'being-deleted',
  'no-previous-revision',
  'no-known-good',
  'revision-not-found',
  'ambiguous-revision',
  'already-rolled-back',
  'unexpected-revision',
  'another-refused',
  'record-lost',
  // the wait ended otherwise; failed and stalled have the most telling cause
  ...CAUSES,
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

/** A guard's no: nothing is written. */
export interface Refusal {
  reason: Reason;
  message: string;
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
  history?: {
    before: Revision[];
    after?: HistoryEntry[];
    currentBefore?: string;
    pods?: PodCounts;
    /** When it was read, in milliseconds since the epoch. */
    asOf: number;
  };
  /** The revision that was asked to be shown in full, and what would change if it were restored. */
  shown?: { revision: Revision; changes: TemplateChange[] };
  /** Every node that should run the version was seen to have it available, none was tolerated, and there are such nodes. */
  everywhere?: boolean;
  /** The ControllerRevision of the restored version is the one that it had before, under a new number; else the controller made another. */
  renewed?: boolean;
  /** The pods that somebody has to delete before the rollout is done (OnDelete). */
  toReplace?: PodOnNode[];
  /** What the nodes have that do not run the version, or not available; the most telling first. */
  causes?: CauseGroup[];
  /** How the rollout went while it was waited for, the oldest state first. */
  samples?: readonly Sample[];
  /** After a gate: how the rollback ended that followed. The numbers are its numbers then. */
  rollback?: End;
  /** What a person should know besides. */
  notes: string[];
}

export interface PodOnNode {
  name: string;
  /** Empty where it has none yet. */
  node: string;
}

/** How many pods run a ControllerRevision, by its name. */
export type PodCounts = Readonly<Record<string, { ready: number; total: number }>>;

/** A line of the history afterwards. */
export interface HistoryEntry {
  number: number;
  name: string;
  current: boolean;
  changeCause: string | undefined;
  images: string[];
}

const SUCCESSES: ReadonlySet<Outcome> = new Set(['rolled-back', 'unchanged', 'dry-run', 'complete', 'listed', 'recorded', 'absent']);

/** Whether a step that ended so succeeds. What is still pending is good enough for a rollback, and not for a gate. */
export function isSuccess(outcome: Outcome, command: Command): boolean {
  return SUCCESSES.has(outcome) || (outcome === 'pending' && (command === 'rollback' || command === 'guard'));
}

/** From the worst to the best. */
const BY_WEIGHT: readonly Outcome[] = [
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
  'dry-run',
  'absent',
  'complete',
  'unchanged',
  'recorded',
  'listed',
];

/** The result that stands for all. */
export function worstOf(results: [Result, ...Result[]]): Result {
  return results.reduce((worst, result) => (BY_WEIGHT.indexOf(result.outcome) < BY_WEIGHT.indexOf(worst.outcome) ? result : worst));
}
