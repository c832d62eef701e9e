/** The command line: `rollback-daemonset`, and the kubectl plugin of the same name. */
import { rmSync } from 'node:fs';
import type { Environment } from './ci/environment.ts';
import { GitLab } from './ci/gitlab.ts';
import { recordsIn, saveRecordsAs } from './ci/guard-state.ts';
import { Plain, type PlainOptions } from './ci/plain.ts';
import { jobOf, systemOf } from './ci/systems.ts';
import type { Writer } from './ci/writer.ts';
import { guarded } from './guarded.ts';
import { commandIn, destinationsIn, labelOf, type Run, readArguments } from './inputs/arguments.ts';
import { UsageError } from './inputs/given.ts';
import { InputError, type Request, readInputs } from './inputs/parse.ts';
import { exitStatusOf } from './report/exit-status.ts';
import { followText } from './report/messages/follow.ts';
import type { Report } from './report/report.ts';
import { restore } from './restore.ts';
import { AbortReason } from './rollout/context.ts';
import { clusterOf, run, runCommand, type Surroundings } from './run.ts';

/** That of the package: the build sets it. */
declare const VERSION: string;

/** @returns the exit status. It never throws. */
export async function commandLine(argv: readonly string[], environment: Environment): Promise<number> {
  try {
    const invocation = readArguments(argv, environment);
    if (invocation.kind === 'run') return await runInvocation(invocation, environment);
    if (invocation.kind === 'version') process.stdout.write(`${VERSION}\n`);
    else {
      const { helpText } = await import('./inputs/help.ts');
      process.stdout.write(helpText(invocation.command, process.stdout.columns));
    }
    return argv.length === 0 ? 2 : 0;
  } catch (error) {
    if (error instanceof UsageError) return await refuseArguments(error, argv, environment);
    process.stderr.write(`error: this is a bug, please report it: ${(error as Error).message}\n`);
    return 1;
  }
}

/** Reports a mistake in the arguments: in one line, or in all that was asked for. */
async function refuseArguments({ message }: UsageError, argv: readonly string[], environment: Environment): Promise<number> {
  const { output, ...files } = destinationsIn(argv, environment);
  if (output === 'text' && Object.keys(files).length === 0) {
    process.stderr.write(`error: ${message}\n`);
    return 2;
  }
  const writer = new Plain({ output, ...files, debug: false, exitStatusOf });
  const surroundings = { environment, job: jobOf(environment, undefined, false), cancel: new AbortController().signal, writer };
  const refuse = (): Request => {
    throw new InputError([message]);
  };
  const { report } = await run(surroundings, refuse, async () => []);
  writer.write({ ...report, command: commandIn(argv) });
  return exitStatusOf(report);
}

/** How a run ended, and its exit status. */
interface Ended {
  report: Report;
  exitStatus: number;
}

async function runInvocation(invocation: Run, environment: Environment): Promise<number> {
  const { options, command } = invocation;
  const isTerminal = isTerminalFor(options.output, environment);
  const job = jobOf(environment, options.runId, isTerminal);
  const read = (): Request =>
    readInputs((name) => invocation.inputs[name], {
      isPrivate: job.isPrivate,
      label: labelOf(invocation),
      isRecorded: options.restore !== undefined,
    });
  let exitStatus: number | undefined;
  const plain: PlainOptions = {
    ...options,
    debug: environment['RUNNER_DEBUG'] === '1' || environment['CI_DEBUG_TRACE'] === 'true',
    exitStatusOf: (report) => exitStatus ?? exitStatusOf(report),
  };
  const asks = !options.yes && process.stdin.isTTY && (command === 'rollback' || command === 'release');
  // Most runs are not at a terminal, and start faster without it.
  const terminal = isTerminal
    ? new (await import('./ci/terminal.ts')).Terminal(plain, { asks, isLive: environment['TERM'] !== 'dumb' })
    : undefined;
  const writer: Writer = terminal ?? (systemOf(environment) === 'gitlab' ? new GitLab(plain) : new Plain(plain));
  const surroundings: Surroundings = {
    environment,
    job,
    cancel: cancelledBySignals(),
    writer,
    ...(options.as !== undefined && { as: options.as }),
    ...(terminal && { interaction: terminal }),
  };
  const ended = await runOne(invocation, surroundings, read);
  ({ exitStatus } = ended);
  writer.write(ended.report);
  const follow = followText(ended.report, invocation.inputs.kubeconfig);
  if (follow !== undefined) writer.info(follow);
  return exitStatus;
}

async function runOne({ options, child }: Run, surroundings: Surroundings, read: () => Request): Promise<Ended> {
  const { record: recordFile, restore: restoreFile, output } = options;
  const { by } = surroundings.job;
  if (child.length > 0) return guarded(surroundings, read, child, output === 'text' ? 'inherit' : process.stderr.fd);
  if (restoreFile !== undefined) {
    const { report } = await run(surroundings, read, async (request, step) =>
      request.command === 'guard' ? restore(request, recordsIn(restoreFile, by), step) : [],
    );
    const exitStatus = exitStatusOf(report);
    // It is of no more use then, and templates can contain secrets.
    if (exitStatus === 0) rmSync(restoreFile, { force: true });
    return { report, exitStatus };
  }
  const { report } = await run(surroundings, read, (request, step) =>
    runCommand(request, step, (records) => {
      if (recordFile !== undefined) saveRecordsAs(recordFile, records, by, clusterOf(step));
    }),
  );
  return { report, exitStatus: exitStatusOf(report) };
}

/** Whether a person watches: at a terminal, and not in a job whose runner has one. */
function isTerminalFor(output: Run['options']['output'], { CI = '' }: Environment): boolean {
  return process.stdout.isTTY && output === 'text' && ['', '0', 'false'].includes(CI);
}

/** Aborted by the first signal. A second one ends the process at once. */
function cancelledBySignals(): AbortSignal {
  const cancel = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (cancel.signal.aborted) process.exit(130);
      cancel.abort(new AbortReason('cancelled'));
    });
  return cancel.signal;
}
