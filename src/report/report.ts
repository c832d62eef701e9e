import type { Command, Result } from '../daemonset/outcome.ts';

/** Everything that a step has to tell at its end. */
export interface Report {
  command: Command;
  /** One for each DaemonSet; where it ended before any was found, one without a name. */
  results: [Result, ...Result[]];
  /** Undefined when it ended before a cluster was chosen. */
  cluster: { server: string; context: string } | undefined;
  showValues: boolean;
  /** Milliseconds. */
  duration: number;
  /** What was warned of on the way. */
  warnings: string[];
  /** The page that explains the reason, or undefined where the action's repository is not known. */
  help: string | undefined;
}
