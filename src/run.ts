import { tmpdir } from 'node:os';
import { sleep } from './abort.ts';
import type { Environment } from './ci/environment.ts';
import { keptFrom, loadRecords, recordedBy, removeRecords, saveRecords } from './ci/guard-state.ts';
import { ledgerIn } from './ci/ledger.ts';
import { currentRun, documentation, isPrivateRepository } from './ci/run.ts';
import type { Writer } from './ci/writer.ts';
import { Client } from './cluster/client.ts';
import { connectionFrom } from './cluster/kubeconfig.ts';
import { masksFor, Secrets } from './cluster/secrets.ts';
import { guard, ofRecord, restoreRecorded } from './commands/guard.ts';
import { history } from './commands/history.ts';
import { release } from './commands/release.ts';
import { rollback } from './commands/rollback.ts';
import { status } from './commands/status.ts';
import { NOT_DEPLOYED, type Recorded } from './daemonset/guard.ts';
import { isSuccess, worstOf } from './daemonset/outcome.ts';
import type { Conclusion, Facts, RecordProblem, Result } from './daemonset/result.ts';
import { formatDuration } from './duration.ts';
import { notify } from './github/notify.ts';
import { fromStep, InputError, type Request, readInputs } from './inputs/parse.ts';
import { isStuck, LastResort, type Stuck } from './last-resort.ts';
import { nameOf, placeOf, purposeOf } from './log-header.ts';
import { ledgerText } from './report/messages/guard.ts';
import type { Report } from './report/report.ts';
import { AbortReason, type Clock, type Context, type Deadline, type WorkSoFar } from './rollout/context.ts';
import { failureOf } from './rollout/failure.ts';

/** `post` is the post step, at the end of a job that has failed or was cancelled. */
export type Stage = 'main' | 'post';

/** It never jumps, whatever happens to the clock of the runner. */
const clock: Clock = { now: () => performance.timeOrigin + performance.now(), sleep };

/** The environment of a step. */
interface Step {
  lastResort: LastResort;
  /** What is known about each DaemonSet so far. */
  partial: WorkSoFar[];
  environment: Environment;
  /** Aborted if the job is cancelled. */
  cancel: AbortSignal;
  writer: Writer;
  report: Report;
}

/**
 * The whole step: read inputs, connect, run the command, report. Whatever happens is reported.
 *
 * @returns whether the step succeeded. It never throws.
 */
export async function run(stage: Stage, environment: Environment, cancel: AbortSignal, writer: Writer): Promise<boolean> {
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
    request = readInputs(fromStep(environment), { isPrivate: isPrivateRepository() });
    if (request.notifications) writer.mask(masksFor([request.notifications.token]));
    report.command = request.command;
    report.showValues = request.showValues;
    const step: Step = { environment, cancel, writer, report, lastResort, partial: [] };
    const settled = await lastResort.settled(stage === 'main' ? main(request, step) : post(request, step));
    const [first, ...others] = isStuck(settled) ? givenUp(settled, step) : settled;
    if (first) report.results = [first, ...others];
  } catch (error) {
    report.results = [{ ...report.results[0], ...(error instanceof InputError ? mistakes(error) : failureOf(error, false)) }];
  }
  report.durationMs = clock.now() - started;
  report.help = documentation(environment, `docs/troubleshooting.md#${worstOf(report.results).reason}`);
  writer.write(report);
  if (request) await notify(request, report, { environment, cancel, log: writer });
  return isSuccess(worstOf(report.results).outcome, report.command);
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

function main(request: Request, step: Step): Promise<Result[]> {
  const { environment, writer } = step;
  return connected(request, purposeOf(request), step, (context, renew) => {
    switch (request.command) {
      case 'rollback':
        return rollback(request, context);
      case 'status':
        return status(request, context, renew);
      case 'history':
        return history(request, context);
      case 'release':
        return release(request, context);
      case 'guard':
        return guard(request, context, (records) => {
          const folder = temporaryFolder(environment);
          const by = recordedBy(environment);
          const kept = saveRecords(records, folder, by, clusterOf(step));
          try {
            writer.save('guard', kept);
          } catch (error) {
            removeRecords(kept, folder, by);
            throw error;
          }
        });
    }
  });
}

/** The timeout in a cancelled job: the runner leaves all its last steps five minutes together. */
const LIMIT_AFTER_CANCEL_MS = 240_000;

/** Restores what a guard recorded, after its job has failed. */
async function post(request: Request, step: Step): Promise<Result[]> {
  // Only a guard leaves a state; for another command, some other step has set it.
  if (request.command !== 'guard') return [{ ...nothingYet(), ...recordLost('not-ours') }];
  const kept = keptFrom(step.environment['STATE_guard']);
  const folder = temporaryFolder(step.environment);
  const by = recordedBy(step.environment);
  const recalled = loadRecords(kept, folder, by);
  if (kept) removeRecords(kept, folder, by);
  if (recalled.kind === 'lost') return [{ ...nothingYet(), ...recordLost(recalled.why) }];
  const { records } = recalled;
  if (request.deployed === false) return records.map((recorded) => ({ ...nothingYet(), ...ofRecord(recorded), ...NOT_DEPLOYED }));
  const cancelled = request.jobStatus === 'cancelled';
  if (cancelled && !request.onCancel) return records.map(leftAfterCancel);
  const named = { kind: 'named', daemonSets: records.map(({ daemonSet }) => daemonSet) } as const;
  const timeoutMs = cancelled ? Math.min(request.timeoutMs, LIMIT_AFTER_CANCEL_MS) : request.timeoutMs;
  const what = cancelled ? `was cancelled, which leaves at most ${formatDuration(timeoutMs)}` : 'failed';
  const why = `the job ${what}: restore what was recorded, if this job changed it`;
  // Another step can have selected another context since.
  const contextName = request.context ?? recalled.in.context;
  try {
    const restore = async (context: Context): Promise<Result[]> => {
      const now = clusterOf(step);
      return now.server === recalled.in.server && now.context === recalled.in.context
        ? restoreRecorded(request, records, context)
        : records.map((recorded) => ({ ...nothingYet(), ...ofRecord(recorded), ...recordLost('other-cluster') }));
    };
    // The guard reached this API server before the deploy.
    return await connected({ ...request, context: contextName, daemonSets: named, timeoutMs }, why, step, restore, true);
  } catch (error) {
    return records.map((recorded) => ({ ...nothingYet(), ...ofRecord(recorded), ...failureOf(error, false) }));
  }
}

/**
 * Connects to the cluster, and runs the work with a timeout.
 *
 * @param isKnown whether an earlier step reached the API server.
 */
async function connected(
  request: Request,
  purpose: string,
  { environment, cancel, writer, report, lastResort, partial }: Step,
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
  const ledger = ledgerIn(environment['RUNNER_TEMP'], recordedBy(environment), server, (why) => writer.warning(ledgerText(why)));
  try {
    return await work({ cluster, clock, log: writer, run: currentRun(), ledger, partial, ...term }, renew);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    cluster.close();
  }
}

function nothingYet(): Result {
  const facts: Facts = { kind: 'bug', detail: 'the step ended without a result', written: false };
  return { daemonSet: { namespace: '', name: '' }, outcome: 'error', reason: 'internal', facts, changed: false, notes: [] };
}

function recordLost(why: RecordProblem): Conclusion {
  return { outcome: 'refused', reason: 'record-lost', facts: { kind: 'record-lost', why } };
}

/** A folder that exists as long as the job. */
function temporaryFolder(environment: Environment): string {
  return environment['RUNNER_TEMP'] || tmpdir();
}

/** The cluster of a step that is connected. */
function clusterOf({ report: { cluster } }: Step): NonNullable<Report['cluster']> {
  if (!cluster) throw new Error('the step is not connected');
  return cluster;
}

function leftAfterCancel(recorded: Recorded): Result {
  return { ...nothingYet(), ...ofRecord(recorded), outcome: 'cancelled', reason: 'cancelled', facts: { kind: 'left-after-cancel' } };
}

function mistakes({ mistakes }: InputError): Conclusion {
  return { outcome: 'error', reason: 'invalid-input', facts: { kind: 'invalid-input', mistakes } };
}
