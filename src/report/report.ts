import type { Command } from '../daemonset/outcome.ts';
import type { Result } from '../daemonset/result.ts';
import type { ClusterName } from '../daemonset/types.ts';

/** Everything that a step reports at its end. */
export interface Report {
  command: Command;
  /** The command that was asked for, if it ends as another one: a guard around a command ends as its gate. */
  asked?: Command;
  /** How the command failed that a guard ran: the run fails, whatever the results are. */
  commandFailure?: string;
  /** One for each DaemonSet; if the step ended before any was found, one without a name. */
  results: [Result, ...Result[]];
  /** Undefined if the step ended before a cluster was chosen. */
  cluster: ClusterName | undefined;
  showValues: boolean;
  /** Removes the known secrets from a text. */
  hide: (text: string) => string;
  durationMs: number;
  /** The warnings so far. */
  warnings: string[];
  /** The page that explains the reason; undefined if the action's repository is unknown. */
  help: string | undefined;
}
