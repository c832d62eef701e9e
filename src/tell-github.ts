import { createHash } from 'node:crypto';
import { Api, GitHubError } from './github/api.ts';
import { findDeployment, setStatus } from './github/deployment.ts';
import { findPullRequest, writeComment } from './github/pull-request.ts';
import { type TellingRun, tellingRun } from './github/run.ts';
import type { Request } from './inputs.ts';
import { commentOf } from './report/comment.ts';
import { type DeploymentStatus, deploymentStatusOf } from './report/deployment-status.ts';
import type { Report } from './report/report.ts';
import type { Log } from './rollback/world.ts';

/** How long all of it may take, in milliseconds; a cancelled job has 10 s in all until it is killed. */
const LIMIT = 10_000;
const LIMIT_WHEN_CANCELLED = 3_000;

export interface Around {
  environment: Readonly<Record<string, string | undefined>>;
  /** Aborted when the job is cancelled. */
  cancel: AbortSignal;
  log: Log;
}

/**
 * Tells the pull request and the deployment how it ended, where that is asked for. It comes last, changes nothing of how the step ends, and
 * never throws: what cannot be told is a warning. A dry run and a history are not told: nothing has happened.
 */
export async function tellGitHub(request: Request, report: Report, { environment, cancel, log }: Around): Promise<void> {
  const { telling } = request;
  if (!telling || request.command === 'history' || report.cluster === undefined) return;
  // A guard has only looked yet.
  if (report.results.every(({ outcome }) => outcome === 'recorded' || outcome === 'absent')) return;
  if (request.command !== 'status' && request.dryRun) return log.info('A dry run: GitHub is told nothing.');
  const run = tellingRun();
  if (!run) return log.warning('There is no run of a workflow around this step, so there is no pull request and no deployment to tell.');
  const api = new Api({
    base: run.api,
    token: telling.token,
    environment,
    ...(cancel.aborted ? { limit: LIMIT_WHEN_CANCELLED } : { limit: LIMIT, signal: cancel }),
    onAnswer: (text) => log.debug(text),
  });
  const status = telling.deploymentStatus ? deploymentStatusOf(report) : undefined;
  try {
    await Promise.all([
      telling.comment && attempt(log, 'The pull request', 'pull-requests: write', () => comment(api, run, request, report, log)),
      status && attempt(log, 'The deployment', 'deployments: write', () => deployment(api, run, status, log)),
    ]);
  } finally {
    api.close();
  }
}

async function comment(api: Api, run: TellingRun, request: Request, report: Report, log: Log): Promise<void> {
  const found = await findPullRequest(api, run);
  if (typeof found === 'string') return log.info(`No pull request is told: ${found}.`);
  const marker = markerFor(run, request, report.cluster);
  const done = await writeComment(api, run, found, marker, commentOf(report, marker, run));
  log.info(`Pull request #${found}: the comment is ${done}.`);
}

async function deployment(api: Api, run: TellingRun, status: DeploymentStatus, log: Log): Promise<void> {
  const { state } = status;
  const found = await findDeployment(api, run);
  if (typeof found === 'string') return log.info(`No deployment is told: ${found}.`);
  // A job's own deployment gets it from GitHub, at the job's end.
  if (state === 'success' && !found.startedRun) return;
  // A status that starts a run of the same workflow must not go on for ever.
  if (found.state === state) return log.info(`The deployment has the status ${state} already.`);
  await setStatus(api, run, found, status);
  log.info(`Deployment to ${found.environment}: the status is ${state} now.`);
}

/** By this the comment is found again: the same for each run of a job, and another for each job and whatever the jobs of a matrix differ in. */
function markerFor({ workflow, job }: TellingRun, { daemonSets }: Request, cluster: Report['cluster']): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([workflow, job, daemonSets, cluster]))
    .digest('hex');
  return `<!-- rollback-daemonset ${digest.slice(0, 32)} -->`;
}

async function attempt(log: Log, what: string, permission: string, tell: () => Promise<void>): Promise<void> {
  try {
    await tell();
  } catch (error) {
    log.warning(`${what} could not be told how it ended: ${whyNot(error, permission)}`);
  }
}

function whyNot(error: unknown, permission: string): string {
  if (!(error instanceof GitHubError)) return `${(error as Error).message}.`;
  switch (error.failure) {
    case 'forbidden':
      return `${error.message}. The token may not do this: give the job "permissions: ${permission}", or the token's app or user that right. For a pull request from a fork, a token can only read.`;
    case 'unauthorized':
      return `${error.message}. github-token is no valid token, or not any more.`;
    default:
      return `${error.message}.`;
  }
}
