import { context } from '@actions/github';
import type { Run } from '../daemonset/rollback-record.ts';
import type { Environment } from './environment.ts';

/** The run of the workflow that this step belongs to, or undefined outside of GitHub Actions. */
export function currentRun(): Run | undefined {
  if (!Number.isSafeInteger(context.runId)) return undefined;
  try {
    const { owner, repo } = context.repo;
    const repository = `${owner}/${repo}`;
    return { repository, id: String(context.runId), url: `${context.serverUrl}/${repository}/actions/runs/${context.runId}` };
  } catch {
    return undefined;
  }
}

/** Whether the repository is private, by the event that started the run. Unknown counts as public. */
export function isPrivateRepository(): boolean {
  return context.payload.repository?.['private'] === true;
}

/** The repository of a run, as Octokit's requests name it. */
export function repoOf({ repository }: Run): { owner: string; repo: string } {
  const [owner = '', repo = ''] = repository.split('/');
  return { owner, repo };
}

/** A run, with what notifications need. */
export interface WorkflowRun extends Run {
  /** The address of the REST API: `https://api.github.com`, `https://HOST/api/v3`. */
  api: string;
  /** The page of this attempt of the run, and of all its attempts. */
  link: string;
  pages: string;
  workflow: string;
  /** The job's key in the workflow; the jobs of a matrix share it. */
  job: string;
  /** The commit of the run. */
  sha: string;
  event: Event;
}

/** The fields of the event that started the run that are used (docs: "Webhook events and payloads"). */
export interface Event {
  name: string;
  pull_request?: { number: number; head?: { sha?: string } };
  /** An issue that has `pull_request` is a pull request. */
  issue?: { number: number; pull_request?: object };
  workflow_run?: { head_sha?: string };
  deployment?: { id: number; environment?: string };
  deployment_status?: { state?: string };
}

/** The current run, or undefined outside of GitHub Actions. */
export function workflowRun(): WorkflowRun | undefined {
  const run = currentRun();
  if (!run) return undefined;
  const { apiUrl, serverUrl, runAttempt, eventName, payload } = context;
  // Runners other than GitHub's omit some of them.
  const { workflow = '', job = '', sha = '' } = context;
  const pages = `${serverUrl}/${run.repository}/actions/runs/${run.id}`;
  const link = Number.isSafeInteger(runAttempt) ? `${pages}/attempts/${runAttempt}` : pages;
  return { ...run, api: apiUrl, link, pages, workflow, job, sha, event: { ...(payload as Omit<Event, 'name'>), name: eventName ?? '' } };
}

/**
 * The address of a page in the action's repository, in the version that runs (`uses: OWNER/NAME@REF`).
 * Undefined for an action from a local folder (`uses: ./`), and outside of GitHub Actions.
 */
export function documentation(environment: Environment, page: string): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_ACTION_REPOSITORY: repository, GITHUB_ACTION_REF: ref } = environment;
  return server && repository && ref ? `${server}/${repository}/blob/${ref}/${page}` : undefined;
}
