import { sleep } from './abort.ts';
import type { Environment } from './ci/environment.ts';
import type { Job } from './ci/job.ts';
import { ledgerIn } from './ci/ledger.ts';
import type { Writer } from './ci/writer.ts';
import { Client } from './cluster/client.ts';
import { connectionFrom } from './cluster/kubeconfig.ts';
import { masksFor, Secrets } from './cluster/secrets.ts';
import { guard } from './commands/guard.ts';
import { history } from './commands/history.ts';
import { release } from './commands/release.ts';
import { rollback } from './commands/rollback.ts';
import { status } from './commands/status.ts';
import type { Recorded } from './daemonset/guard.ts';
import type { Ledger } from './daemonset/ledger.ts';
import type { Conclusion, Facts, Result } from './daemonset/result.ts';
import type { ClusterName } from './daemonset/types.ts';
import { InputError, type Request } from './inputs/parse.ts';
import { isStuck, LastResort, type Stuck } from './last-resort.ts';
import { nameOf, placeOf, purposeOf } from './log-header.ts';
import { ledgerText } from './report/messages/guard.ts';
import type { Report } from './report/report.ts';
import { AbortReason, type Clock, type Confirm, type Context, type Deadline, type LiveView, type WorkSoFar } from './rollout/context.ts';
import { failureOf } from './rollout/failure.ts';

/** It never jumps, whatever happens to the clock of the runner. */
const clock: Clock = { now: () => performance.timeOrigin + performance.now(), sleep };

/** Where a step runs, as its entry point knows it. */
export interface Surroundings {
  environment: Environment;
  job: Job;
  /** Aborted with an `AbortReason` if the job is cancelled. */
  cancel: AbortSignal;
  writer: Writer;
  /** The user to impersonate, instead of that of the kubeconfig. */
  as?: string;
  /** By default, the ledger of the job. */
  ledger?: Ledger;
  /** The person at a terminal. */
  interaction?: Interaction;
}

/** What a person at a terminal sees and is asked. */
export interface Interaction {
  /** Undefined: the terminal has no live view. */
  live: LiveView | undefined;
  /** Comes first. */
  connected(cluster: ClusterName): void;
  /** Undefined: nothing is asked before a write. */
  confirm: Confirm | undefined;
}

/** A step that is running. */
export interface Step extends Surroundings {
  lastResort: LastResort;
  /** What is known about each DaemonSet so far. */
  partial: WorkSoFar[];
  report: Report;
}

/** How a step ended. */
export interface Ended {
  report: Report;
  /** Undefined if its inputs have mistakes. */
  request: Request | undefined;
}

/**
 * The whole step: read inputs, run the work, report. Whatever happens is in the report.
 *
 * @param read reads the inputs. @throws InputError
 * @returns It never throws.
 */
export async function run(
  surroundings: Surroundings,
  read: () => Request,
  work: (request: Request, step: Step) => Promise<Result[]>,
): Promise<Ended> {
  const { cancel, writer } = surroundings;
  const started = clock.now();
  const lastResort = new LastResort(cancel, process);
  const report: Report = {
    command: 'rollback',
    results: [nothingYet()],
    cluster: undefined,
    showValues: false,
    hide: (text) => writer.hide(text),
    durationMs: 0,
    warnings: writer.warnings,
    help: undefined,
  };
  let request: Request | undefined;
  try {
    request = read();
    if (request.notifications) writer.mask(masksFor([request.notifications.token]));
    report.command = request.command;
    report.showValues = request.showValues;
    const step: Step = { ...surroundings, report, lastResort, partial: [] };
    const settled = await lastResort.settled(work(request, step));
    const [first, ...others] = isStuck(settled) ? givenUp(settled, step) : settled;
    if (first) report.results = [first, ...others];
  } catch (error) {
    report.results = [{ ...report.results[0], ...(error instanceof InputError ? mistakes(error) : failureOf(error, false)) }];
  }
  report.durationMs = clock.now() - started;
  return { report, request };
}

/** The results when the work was given up: those that are complete, and for the others what is known so far. */
function givenUp(stuck: Stuck, { partial, report, cancel }: Step): Result[] {
  const conclude = (written: boolean): Conclusion => {
    switch (stuck.by) {
      case 'exception':
        return failureOf(stuck.error, written);
      case 'idle':
        return cancel.aborted
          ? failureOf(new AbortReason('cancelled'), written)
          : failureOf(new Error('the step waits for nothing'), written);
      default:
        return failureOf(new AbortReason(stuck.by), written);
    }
  };
  if (partial.length === 0) return [{ ...report.results[0], ...conclude(false) }];
  return partial.map(({ known, result }) => result ?? { ...known, ...conclude(known.changed) });
}

/** Runs the command that a request names. @param save keeps what a guard recorded. @throws Error if it cannot. */
export function runCommand(request: Request, step: Step, save: (records: Recorded[]) => void): Promise<Result[]> {
  return connected(request, purposeOf(request), step, (context, renew) => {
    switch (request.command) {
      case 'rollback':
        return rollback(request, context, renew);
      case 'status':
        return status(request, context, renew);
      case 'history':
        return history(request, context);
      case 'release':
        return release(request, context, renew);
      case 'guard':
        return guard(request, context, save);
    }
  });
}

/**
 * Connects to the cluster, and runs the work with a timeout.
 *
 * @param isKnown whether an earlier step reached the API server.
 */
export async function connected(
  request: Request,
  purpose: string,
  { environment, job, cancel, writer, report, lastResort, partial, as, interaction, ...others }: Step,
  work: (context: Context, renew: () => Deadline) => Promise<Result[]>,
  isKnown = false,
): Promise<Result[]> {
  const timers: NodeJS.Timeout[] = [];
  const renew = (): Deadline => {
    const deadline = new AbortController();
    lastResort.deadlineIn(request.timeoutMs);
    timers.push(setTimeout(() => deadline.abort(new AbortReason('timeout')), request.timeoutMs).unref());
    return { signal: AbortSignal.any([cancel, deadline.signal]), deadline: clock.now() + request.timeoutMs };
  };
  // The time runs while the kubeconfig is read, and its secrets are masked before anything else in it is used.
  const term = renew();
  const secrets = new Secrets();
  secrets.subscribe((forms) => writer.mask(forms));
  const { kubeconfig: source, context: asked, execPlugins: plugins } = request;
  const connection = connectionFrom({ source, context: asked, plugins, environment, secrets });
  if (as !== undefined) connection.headers['Impersonate-User'] = as;
  const { server, context } = connection;
  report.cluster = { server, context };
  report.results[0].daemonSet = nameOf(request.daemonSets, connection.namespace) ?? nothingYet().daemonSet;
  writer.info(`Server ${server}, context ${context}, ${placeOf(request.daemonSets, connection.namespace)}: ${purpose}`);
  for (const warning of connection.warnings) writer.warning(warning);

  const cluster = new Client(connection, {
    onWarning: (text) => writer.warning(text),
    onAnswer: (text) => writer.debug(text),
    isKnown,
  });
  interaction?.connected({ server, context });
  const { live, confirm } = interaction ?? {};
  const person = { ...(live && { live }), ...(confirm && { confirm }) };
  const ledger = others.ledger ?? ledgerIn(job.folder, job.by, server, (why) => writer.warning(ledgerText(why)));
  try {
    return await work({ cluster, clock, log: writer, run: job.run, ledger, partial, ...person, ...term }, renew);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    cluster.close();
  }
}

/** A result before anything is known. */
export function nothingYet(): Result {
  const facts: Facts = { kind: 'bug', detail: 'the step ended without a result', written: false };
  return { daemonSet: { namespace: '', name: '' }, outcome: 'error', reason: 'internal', facts, changed: false, notes: [] };
}

/** The cluster of a step that is connected. */
export function clusterOf({ report: { cluster } }: Pick<Step, 'report'>): ClusterName {
  if (!cluster) throw new Error('the step is not connected');
  return cluster;
}

function mistakes({ mistakes }: InputError): Conclusion {
  return { outcome: 'error', reason: 'invalid-input', facts: { kind: 'invalid-input', mistakes } };
}
