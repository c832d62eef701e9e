import { repoOf, type WorkflowRun } from '../ci/run.ts';
import type { Entry, Octokit, Rest } from './octokit.ts';

type Deployment = Pick<Entry<Rest['repos']['listDeployments']>, 'environment'> & { id: number };
type DeploymentStatus = Partial<Pick<Entry<Rest['repos']['listDeploymentStatuses']>, 'log_url' | 'target_url'>>;

/** A deployment that certainly belongs to this run. */
export interface OwnDeployment {
  id: Deployment['id'];
  environment: string;
  /** The deployment started the run, and nothing else sets its final status. */
  startedRun: boolean;
  /** The status that started the run. */
  state: string | undefined;
}

/** The newest deployments of a commit that are checked. */
const MOST_DEPLOYMENTS = 20;

/** The deployment that started this run, or that one of its jobs created by its `environment`. If there is not exactly one: why. @throws GitHubError */
export async function findDeployment(octokit: Octokit, run: WorkflowRun): Promise<OwnDeployment | string> {
  const { deployment, deployment_status, name, pull_request } = run.event;
  if (deployment) {
    const { id, environment = '' } = deployment;
    return { id, environment, startedRun: name === 'deployment', state: deployment_status?.state };
  }
  // A job of a pull request runs for the merge commit, and GitHub shows its deployment at the head commit.
  const shas = new Set([run.sha, ...(pull_request?.head?.sha === undefined ? [] : [pull_request.head.sha])]);
  const newest = new Map<string, Deployment>();
  for (const sha of shas) {
    for (const one of await deploymentsAt(octokit, run, sha)) {
      if (!newest.has(one.environment) && (await isOf(octokit, run, one))) newest.set(one.environment, one);
    }
    if (newest.size > 0) break;
  }
  return chooseDeployment([...newest.values()]);
}

/** @param all at most one of each environment. */
export function chooseDeployment(all: Deployment[]): OwnDeployment | string {
  const [only, ...others] = all;
  if (!only) return 'this run has none, because no deployment started it and none of its jobs has an environment';
  if (others.length > 0)
    return `this run has deployments to several environments (${all.map(({ environment }) => environment).join(', ')}), so it is not clear which one to update`;
  return { ...only, startedRun: false, state: undefined };
}

/** The newest first. */
async function deploymentsAt(octokit: Octokit, run: WorkflowRun, sha: string): Promise<Deployment[]> {
  const asked = { ...repoOf(run), sha, per_page: MOST_DEPLOYMENTS };
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/deployments', asked);
  return data.map(({ id, environment }) => ({ id: Number(id), environment }));
}

async function isOf(octokit: Octokit, run: WorkflowRun, { id }: Deployment): Promise<boolean> {
  const asked = { ...repoOf(run), deployment_id: id };
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', asked);
  return data.some((status) => leadsTo(status, run.pages));
}

/** Whether a status links to a run. Those of a job's own deployment link to the job: `…/actions/runs/RUN/job/JOB`. */
export function leadsTo({ log_url, target_url }: DeploymentStatus, pages: string): boolean {
  return [log_url, target_url].some((url) => `${url ?? ''}/`.toLowerCase().startsWith(`${pages}/`.toLowerCase()));
}

/** @throws GitHubError */
export async function setStatus(
  octokit: Octokit,
  run: WorkflowRun,
  { id }: OwnDeployment,
  { state, description }: { state: 'failure' | 'success'; description: string },
): Promise<void> {
  // By default a success would set the earlier deployments to inactive.
  const status = { state, description, log_url: run.link, auto_inactive: false };
  await octokit.request('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
    ...repoOf(run),
    deployment_id: id,
    ...status,
  });
}
