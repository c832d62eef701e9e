import { createHash } from 'node:crypto';
import type { Environment } from '../ci/environment.ts';
import { type WorkflowRun, workflowRun } from '../ci/run.ts';
import type { Notifications, Request } from '../inputs/parse.ts';
import { commentOf } from '../report/comment.ts';
import { type DeploymentStatus, deploymentStatusOf } from '../report/deployment-status.ts';
import type { Report } from '../report/report.ts';
import type { Log } from '../rollout/context.ts';
import { findDeployment, setStatus } from './deployment.ts';
import { connectOctokit, GitHubError, type Octokit } from './octokit.ts';
import { findPullRequest, writeComment } from './pull-request.ts';

/** How long all notifications together may take. A cancelled job is killed after 10 s. */
const LIMIT_MS = 10_000;
const LIMIT_WHEN_CANCELLED_MS = 3_000;

export interface Around {
  environment: Environment;
  /** Aborted if the job is cancelled. */
  cancel: AbortSignal;
  log: Log;
}

/**
 * Writes the conclusion to the pull request and the deployment, if the inputs ask for it. It comes last, does not change the conclusion, and never
 * throws: what cannot be written is a warning. A dry run and a history write nothing, because nothing has happened, and neither does a release, which changes
 * no version.
 */
export async function notify(request: Request, report: Report, { environment, cancel, log }: Around): Promise<void> {
  const { notifications } = request;
  if (!notifications || request.command === 'history' || request.command === 'release' || report.cluster === undefined) return;
  // A guard has only recorded so far.
  if (report.results.every(({ outcome }) => outcome === 'recorded' || outcome === 'absent')) return;
  if (request.command !== 'status' && request.dryRun) return log.info('This is a dry run, so nothing is written to GitHub.');
  const run = workflowRun();
  if (!run) return log.warning('This step is not part of a workflow run, so there is no pull request and no deployment to notify.');
  try {
    await send(notifications, request, report, run, { environment, cancel, log });
  } catch (error) {
    log.warning(`Could not notify GitHub: ${(error as Error).message}.`);
  }
}

async function send(
  { token, comment: isComment, deploymentStatus }: Notifications,
  request: Request,
  report: Report,
  run: WorkflowRun,
  { environment, cancel, log }: Around,
): Promise<void> {
  const { octokit, close } = connectOctokit({
    base: run.api,
    token,
    environment,
    ...(cancel.aborted ? { limitMs: LIMIT_WHEN_CANCELLED_MS } : { limitMs: LIMIT_MS, signal: cancel }),
    onAnswer: (text) => log.debug(text),
  });
  const status = deploymentStatus ? deploymentStatusOf(report) : undefined;
  try {
    await Promise.all([
      isComment && attempt(log, 'the pull request', 'pull-requests: write', () => comment(octokit, run, request, report, log)),
      status && attempt(log, 'the deployment', 'deployments: write', () => deployment(octokit, run, status, log)),
    ]);
  } finally {
    close();
  }
}

async function comment(octokit: Octokit, run: WorkflowRun, request: Request, report: Report, log: Log): Promise<void> {
  const found = await findPullRequest(octokit, run);
  if (typeof found === 'string') return log.info(`No comment is written: ${found}.`);
  const marker = markerFor(run, request, report.cluster);
  const done = await writeComment(octokit, run, found, marker, commentOf(report, marker, run));
  log.info(`Pull request #${found}: the comment is ${done}.`);
}

async function deployment(octokit: Octokit, run: WorkflowRun, status: DeploymentStatus, log: Log): Promise<void> {
  const { state } = status;
  const found = await findDeployment(octokit, run);
  if (typeof found === 'string') return log.info(`No deployment status is set: ${found}.`);
  // GitHub itself sets it for the deployment of a job's environment, at the end of the job.
  if (state === 'success' && !found.startedRun) return;
  // A status that starts another run of the same workflow must not repeat for ever.
  if (found.state === state) return log.info(`The deployment already has the status ${state}.`);
  await setStatus(octokit, run, found, status);
  log.info(`Set the status of the deployment to ${found.environment} to ${state}.`);
}

/** Identifies the comment: the same for each run of a job, and different for each job and for what the jobs of a matrix differ in. */
function markerFor({ workflow, job }: WorkflowRun, { daemonSets }: Request, cluster: Report['cluster']): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([workflow, job, daemonSets, cluster]))
    .digest('hex');
  return `<!-- rollback-daemonset ${digest.slice(0, 32)} -->`;
}

async function attempt(log: Log, what: string, permission: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.warning(`Could not notify ${what}: ${whyNot(error, permission)}`);
  }
}

function whyNot(error: unknown, permission: string): string {
  if (!(error instanceof GitHubError)) return `${(error as Error).message}.`;
  switch (error.failure) {
    case 'forbidden':
      return `${error.message}. The token is not allowed to do this. Give the job "permissions: ${permission}", or that right to the token's app or user. For a pull request from a fork, the token is read-only.`;
    case 'unauthorized':
      return `${error.message}. github-token is not a valid token, or has expired.`;
    default:
      return `${error.message}.`;
  }
}
