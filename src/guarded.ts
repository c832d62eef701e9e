/** A guard around a command: records, runs the command, gates, and restores what ran before if the command or the gate fails. */
import { type ChildEnd, runChild } from './ci/child.ts';
import type { Recall } from './ci/guard-state.ts';
import { ledgerInMemory } from './ci/ledger.ts';
import { type StatusRequest, withRollback } from './commands/status.ts';
import { isSuccess, worstOf } from './daemonset/outcome.ts';
import type { Result } from './daemonset/result.ts';
import type { Request } from './inputs/parse.ts';
import { exitStatusOf } from './report/exit-status.ts';
import { full } from './report/headline.ts';
import { messageOf } from './report/messages/conclusion.ts';
import type { Report } from './report/report.ts';
import { restore } from './restore.ts';
import { clusterOf, run, runCommand, type Surroundings } from './run.ts';

type GuardInputs = Extract<Request, { command: 'guard' }>;

/** How a guarded command ended. */
export interface Guarded {
  report: Report;
  exitStatus: number;
}

/**
 * @param read reads the inputs. @throws InputError
 * @param command the program and its arguments.
 * @param stdout where its standard output goes: `inherit`, or the number of a stream.
 * @returns the report, and the command's own exit status if that failed. It never throws.
 */
export async function guarded(
  surroundings: Surroundings,
  read: () => Request,
  command: readonly string[],
  stdout: 'inherit' | number,
): Promise<Guarded> {
  const { writer, cancel, job } = surroundings;
  // Without a folder of the job, no other step of this program can be part of it.
  const around: Surroundings = job.folder === undefined ? { ...surroundings, ledger: ledgerInMemory() } : surroundings;
  let recall: Recall = { kind: 'lost', why: 'gone' };
  const before = await run(around, read, (request, step) =>
    runCommand(request, step, (records) => {
      recall = { kind: 'records', records, in: clusterOf(step) };
    }),
  );
  const { report, request } = before;
  if (request?.command !== 'guard' || !isSuccess(worstOf(report.results).outcome, 'guard')) return ended(report);

  // Its arguments can contain secrets.
  writer.info(`Running ${command[0]}`);
  const child = await runChild(command, stdout, cancel);
  const hasFailed = child.status !== 0;
  const commandFailure = failedText(command, child);
  if (hasFailed) writer.warning(commandFailure);
  if (hasFailed || cancel.aborted) {
    const after = await restored(around, request, recall);
    return hasFailed ? { report: { ...after, commandFailure }, exitStatus: child.status } : ended(after);
  }

  const gate: Report = { ...(await run(around, () => gateOf(request), runGate)).report, asked: 'guard' };
  const { results } = gate;
  if (isSuccess(worstOf(results).outcome, 'status')) return ended(gate);
  for (const result of results) writer.info(`${full(result.daemonSet)}: ${result.outcome} (${result.reason}): ${messageOf(result)}`);
  const remaining = withoutSuperseded(recall, results);
  if (remaining.kind === 'records' && remaining.records.length === 0) return ended(gate);
  const after = await restored(around, request, remaining);
  return ended({
    ...gate,
    results: combined(results, after.results),
    durationMs: report.durationMs + gate.durationMs + after.durationMs,
  });
}

function ended(report: Report): Guarded {
  return { report, exitStatus: exitStatusOf(report) };
}

function failedText([program]: readonly string[], { status, error }: ChildEnd): string {
  return error === undefined ? `${program} ended with exit status ${status}.` : `${program} could not be started: ${error}.`;
}

/** The gate over what the command deployed. */
function gateOf({ daemonSets, kubeconfig, context, timeoutMs, execPlugins, showValues, limits }: GuardInputs): Request & StatusRequest {
  const cluster = { kubeconfig, context, timeoutMs, execPlugins, notifications: undefined };
  return { command: 'status', ...cluster, daemonSets, expectedRevision: undefined, wait: true, showValues, limits };
}

const runGate: Parameters<typeof run>[2] = (request, step) => runCommand(request, step, () => {});

/** Restores what was recorded. The command ran, so it deployed, as far as anything was. */
async function restored(around: Surroundings, request: GuardInputs, recall: Recall): Promise<Report> {
  const { cancel } = around;
  const failed: GuardInputs = { ...request, deployed: true, jobStatus: cancel.aborted ? 'cancelled' : 'failure' };
  const signal = cancel.aborted ? new AbortController().signal : cancel;
  const { report } = await run(
    { ...around, cancel: signal },
    () => failed,
    (_request, step) => restore(failed, recall, step),
  );
  return report;
}

/** The records but those of DaemonSets that someone else changed after the command. */
function withoutSuperseded(recall: Recall, results: Report['results']): Recall {
  if (recall.kind === 'lost') return recall;
  const superseded = results.filter(({ outcome }) => outcome === 'superseded').map(({ daemonSet }) => full(daemonSet));
  return { ...recall, records: recall.records.filter(({ daemonSet }) => !superseded.includes(full(daemonSet))) };
}

/** The results of a gate, each with what was restored after it. */
function combined([first, ...others]: Report['results'], after: readonly Result[]): Report['results'] {
  const withRestored = (gate: Result): Result => {
    const back = after.find(({ daemonSet }) => full(daemonSet) === full(gate.daemonSet));
    if (!back) return gate;
    const rollback = { decision: { rollBack: true, because: 'guarded' } as const, result: back, gate };
    return { ...(back.changed ? withRollback(back, gate) : gate), rollback, notes: [...gate.notes, ...back.notes] };
  };
  return [withRestored(first), ...others.map(withRestored)];
}
