import type { Cluster } from '../cluster/cluster.ts';
import type { Ledger } from '../daemonset/ledger.ts';
import type { LiveRollout } from '../daemonset/live-rollout.ts';
import type { Conclusion, Result } from '../daemonset/result.ts';
import type { Run } from '../daemonset/rollback-record.ts';
import type { DaemonSetName } from '../daemonset/types.ts';
import type { GroupKind } from '../report/lines.ts';

/** Time, as an argument, so that a wait can be tested. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Waits, or throws the signal's reason. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The job log. It makes any text safe. */
export interface Log {
  info(line: string): void;
  /** Details that are collapsed until the reader opens them. */
  group(title: string, lines: string[], kind?: GroupKind): void;
  warning(line: string): void;
  debug(line: string): void;
}

/** Shows the present state of a rollout in a terminal. */
export interface LiveView {
  show(daemonSet: DaemonSetName, state: LiveRollout): void;
}

/** A time limit. */
export interface Deadline {
  /** Aborted with an `AbortReason` if the job is cancelled or the time is up. */
  signal: AbortSignal;
  /** When the time is up. */
  deadline: number;
}

/** What is known about a DaemonSet so far. Whatever happens next, the report includes it. */
export type PartialResult = Readonly<Omit<Result, keyof Conclusion>>;

/** The result for a DaemonSet, or what is known while the work on it is not complete. */
export interface WorkSoFar {
  readonly known: PartialResult;
  readonly result?: Result;
}

/** A write that a person has to confirm. */
export interface Proposal {
  daemonSet: DaemonSetName;
  /** What would be written: `revision 3 to revision 2`. */
  change: string;
  /** How many nodes should run the DaemonSet. */
  nodes: number;
}

/** Asks the person at the terminal. Throws the signal's reason if the signal is aborted first. */
export type Confirm = (proposals: readonly Proposal[], signal: AbortSignal) => Promise<boolean>;

/** Everything outside of the process that a step needs. */
export interface Context extends Deadline {
  cluster: Cluster;
  clock: Clock;
  log: Log;
  /** Undefined unless a person watches in a terminal. */
  live?: LiveView;
  /** Undefined in a terminal. */
  run: Run | undefined;
  ledger: Ledger;
  /** The work on each DaemonSet so far, for the last resort. */
  partial: WorkSoFar[];
  /** Undefined: nothing is asked before a write. */
  confirm?: Confirm;
}

/** Why the work was stopped. */
export class AbortReason extends Error {
  readonly kind: 'cancelled' | 'timeout';
  constructor(kind: 'cancelled' | 'timeout') {
    super(kind === 'cancelled' ? 'Cancelled.' : 'The time is up.');
    this.name = 'AbortReason';
    this.kind = kind;
  }
}

/** How much longer than the timeout a step may take to read causes and to write marks. docs/architecture.md names it. */
export const AFTER_TIMEOUT_MS = 2_000;

/** A signal that is aborted a while after the other, with its reason. */
export function delayed(signal: AbortSignal, ms: number): AbortSignal {
  const controller = new AbortController();
  const later = (): void => {
    setTimeout(() => controller.abort(signal.reason), ms).unref();
  };
  if (signal.aborted) later();
  else signal.addEventListener('abort', later, { once: true });
  return controller.signal;
}

/** How long to wait for the answer to a write after a cancellation. */
const GRACE_AFTER_CANCEL_MS = 1_000;

/** A signal for a write: a cancellation must not cut off the answer, or it would be unknown what was written. */
export function untilAnswered({ signal }: Deadline): AbortSignal {
  return delayed(signal, GRACE_AFTER_CANCEL_MS);
}

/** A signal for what follows a wait or a write: aborted after that time, and soon after the timeout or a cancellation. */
export function afterwards({ signal }: Deadline, ms: number): AbortSignal {
  return AbortSignal.any([AbortSignal.timeout(ms), delayed(signal, AFTER_TIMEOUT_MS)]);
}

/** The same context, but each line of its log names this DaemonSet. */
export function about({ namespace, name }: DaemonSetName, context: Context): Context {
  const of = (line: string): string => `${namespace}/${name}: ${line}`;
  const { log } = context;
  return {
    ...context,
    log: {
      info: (line) => log.info(of(line)),
      group: (title, lines, kind) => log.group(of(title), lines, kind),
      warning: (line) => log.warning(of(line)),
      debug: (line) => log.debug(of(line)),
    },
  };
}
