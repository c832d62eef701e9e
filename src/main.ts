import './fail-closed.ts';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import type { Environment } from './ci/environment.ts';
import { GitHubActions } from './ci/github-actions.ts';
import { keptFrom, loadRecords, removeRecords, saveRecords } from './ci/guard-state.ts';
import { recordedBy } from './ci/job.ts';
import { currentRun, documentation, isPrivateRepository } from './ci/run.ts';
import { isSuccess, worstOf } from './daemonset/outcome.ts';
import type { Result } from './daemonset/result.ts';
import { notify } from './github/notify.ts';
import { fromStep, type Request, readInputs } from './inputs/parse.ts';
import { lost, restore } from './restore.ts';
import { AbortReason } from './rollout/context.ts';
import { clusterOf, run, runCommand, type Step } from './run.ts';

/** How long connections that are still open may keep the process, once everything is reported. */
const LINGER_MS = 1_000;

const cancel = new AbortController();
// The runner cancels a job with SIGINT, and 7.5 s later with SIGTERM.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => cancel.abort(new AbortReason('cancelled')));

// The post step of a guard is the same program. It cannot set outputs.
const isPost = basename(process.argv[1] ?? '') === 'post.js';
const { GITHUB_OUTPUT: _none, ...withoutOutputs } = process.env;
// Not a top-level await: that would put the whole bundle into one function, which is parsed again and again.
void step(isPost ? post : main, isPost ? withoutOutputs : process.env).then((succeeded) => {
  // Anything that is still open must not delay the job.
  setTimeout(() => process.exit(), LINGER_MS).unref();
  if (succeeded) process.exitCode = 0;
});

type Work = (request: Request, step: ActionStep) => Promise<Result[]>;

/** A step of the action. */
interface ActionStep extends Step {
  writer: GitHubActions;
}

/** @returns whether the step succeeded. */
async function step(work: Work, environment: Environment): Promise<boolean> {
  const writer = new GitHubActions(environment);
  const isPrivate = isPrivateRepository();
  const job = { run: currentRun(), by: recordedBy(environment), folder: environment['RUNNER_TEMP'] || undefined, isPrivate };
  const { signal } = cancel;
  const { report, request } = await run(
    { environment, job, cancel: signal, writer },
    () => readInputs(fromStep(environment), { isPrivate }),
    (asked, started) => work(asked, { ...started, writer }),
  );
  const { outcome, reason } = worstOf(report.results);
  report.help = documentation(environment, `docs/troubleshooting.md#${reason}`);
  writer.write(report);
  if (request) await notify(request, report, { environment, cancel: signal, log: writer });
  return isSuccess(outcome, report.command);
}

function main(request: Request, step: ActionStep): Promise<Result[]> {
  return runCommand(request, step, (records) => {
    const { by } = step.job;
    const folder = folderOf(step);
    const kept = saveRecords(records, folder, by, clusterOf(step));
    try {
      step.writer.save('guard', kept);
    } catch (error) {
      removeRecords(kept, folder, by);
      throw error;
    }
  });
}

/** Restores what a guard recorded, after its job has failed. */
async function post(request: Request, step: ActionStep): Promise<Result[]> {
  // Only a guard leaves a state; for another command, some other step has set it.
  if (request.command !== 'guard') return [lost('not-ours')];
  const { by } = step.job;
  const folder = folderOf(step);
  const kept = keptFrom(step.environment['STATE_guard']);
  const recalled = loadRecords(kept, folder, by);
  if (kept) removeRecords(kept, folder, by);
  return restore(request, recalled, step);
}

/** A folder that exists as long as the job. */
function folderOf({ job }: Step): string {
  return job.folder ?? tmpdir();
}
