import type { Api } from './api.ts';
import type { TellingRun } from './run.ts';

/** Schema `deployment`. */
interface Deployment {
  id: number;
  environment: string;
}

/** Schema `deployment-status`. */
interface DeploymentStatus {
  log_url?: string;
  target_url?: string;
}

/** A deployment that is certainly this run's. */
export interface OwnDeployment {
  id: number;
  environment: string;
  /** The deployment itself started the run, and nobody else says how it ended. */
  startedRun: boolean;
  /** The status that started the run. */
  state: string | undefined;
}

/** Of the deployments of a commit, the newest. */
const MOST_DEPLOYMENTS = 20;

/** The deployment that this run is about, or that one of its jobs made by its `environment`. Without a single one, why. @throws GitHubError */
export async function findDeployment(api: Api, run: TellingRun): Promise<OwnDeployment | string> {
  const { deployment, deployment_status, name, pull_request } = run.event;
  if (deployment) {
    const { id, environment = '' } = deployment;
    return { id, environment, startedRun: name === 'deployment', state: deployment_status?.state };
  }
  // A job of a pull request runs for its merge commit, and GitHub shows its deployment at the head.
  const shas = new Set([run.sha, ...(pull_request?.head?.sha === undefined ? [] : [pull_request.head.sha])]);
  const newest = new Map<string, Deployment>();
  for (const sha of shas) {
    for (const one of await deploymentsAt(api, run, sha)) {
      if (!newest.has(one.environment) && (await isOf(api, run, one))) newest.set(one.environment, one);
    }
    if (newest.size > 0) break;
  }
  return chooseDeployment([...newest.values()]);
}

/** @param all at most one of each environment. */
export function chooseDeployment(all: Deployment[]): OwnDeployment | string {
  const [only, ...others] = all;
  if (!only) return 'this run has none: no deployment started it, and no job of it has an environment';
  if (others.length > 0)
    return `this run has deployments to several environments (${all.map(({ environment }) => environment).join(', ')}), and nothing tells which is meant`;
  return { ...only, startedRun: false, state: undefined };
}

/** The newest first. */
function deploymentsAt(api: Api, { repository }: TellingRun, sha: string): Promise<Deployment[]> {
  return api.json<Deployment[]>({
    method: 'GET',
    path: `/repos/${repository}/deployments`,
    query: { sha, per_page: String(MOST_DEPLOYMENTS) },
  });
}

async function isOf(api: Api, run: TellingRun, { id }: Deployment): Promise<boolean> {
  const statuses = await api.json<DeploymentStatus[]>({ method: 'GET', path: `/repos/${run.repository}/deployments/${id}/statuses` });
  return statuses.some((status) => leadsTo(status, run.pages));
}

/** Whether a status leads to a run. Those of a job's own deployment lead to the job: `…/actions/runs/RUN/job/JOB`. */
export function leadsTo({ log_url, target_url }: DeploymentStatus, pages: string): boolean {
  return [log_url, target_url].some((url) => `${url ?? ''}/`.toLowerCase().startsWith(`${pages}/`.toLowerCase()));
}

/** @throws GitHubError */
export async function setStatus(
  api: Api,
  { repository, link }: TellingRun,
  { id }: OwnDeployment,
  { state, description }: { state: 'failure' | 'success'; description: string },
): Promise<void> {
  await api.json({
    method: 'POST',
    path: `/repos/${repository}/deployments/${id}/statuses`,
    // By itself a success would make the deployments before it inactive, and it says nothing of them.
    body: { state, description, log_url: link, auto_inactive: false },
  });
}
