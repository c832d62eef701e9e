import type { Cluster } from '../cluster/cluster.ts';
import type { Run } from '../daemonset/mark.ts';
import type { Conclusion, Result } from '../daemonset/result.ts';
import type { DaemonSetName } from '../daemonset/types.ts';

/** Time, as an argument, so that a wait can be tested. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Waits for milliseconds, or throws the signal's reason. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** The job log. It makes any text safe. */
export interface Log {
  info(line: string): void;
  /** Details that are collapsed until the reader opens them. */
  group(title: string, lines: string[]): void;
  warning(line: string): void;
  debug(line: string): void;
}

/** A time limit. */
export interface Term {
  /** Aborted with an `Interruption` if the job is cancelled or the time is up. */
  signal: AbortSignal;
  /** When the time is up, in milliseconds since the epoch. */
  deadline: number;
}

/** What is known about a DaemonSet so far. Whatever happens next, the report includes it. */
export type Known = Omit<Result, keyof Conclusion>;

/** The result for a DaemonSet, or what is known while the work on it is not complete. */
export interface PartialResult {
  known: Known;
  result?: Result;
}

/** Everything outside of the process that a step needs. */
export interface World extends Term {
  cluster: Cluster;
  clock: Clock;
  log: Log;
  /** Undefined outside of GitHub Actions. */
  run: Run | undefined;
  /** The work on each DaemonSet so far, for the last resort. */
  partial: PartialResult[];
}

/** Why the work was stopped. */
export class Interruption extends Error {
  readonly kind: 'cancelled' | 'timeout';
  constructor(kind: 'cancelled' | 'timeout') {
    super(kind === 'cancelled' ? 'The job was cancelled.' : 'The time is up.');
    this.name = 'Interruption';
    this.kind = kind;
  }
}

/** The same world, but each line of its log names this DaemonSet. */
export function about({ namespace, name }: DaemonSetName, world: World): World {
  const of = (line: string): string => `${namespace}/${name}: ${line}`;
  const { log } = world;
  return {
    ...world,
    log: {
      info: (line) => log.info(of(line)),
      group: (title, lines) => log.group(of(title), lines),
      warning: (line) => log.warning(of(line)),
      debug: (line) => log.debug(of(line)),
    },
  };
}
