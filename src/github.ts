import { context } from '@actions/github';
import type { Run } from './daemonset/mark.ts';

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

/** Whether the repository is private, as far as the event that started the run tells; what is not known counts as public. */
export function isPrivateRepository(): boolean {
  return context.payload.repository?.['private'] === true;
}

/**
 * The address of a page in the repository that the action was taken from, in the version that runs (`uses: OWNER/NAME@REF`).
 * Undefined for an action from a local folder (`uses: ./`), and outside of GitHub Actions.
 */
export function documentation(environment: Readonly<Record<string, string | undefined>>, page: string): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_ACTION_REPOSITORY: repository, GITHUB_ACTION_REF: ref } = environment;
  return server && repository && ref ? `${server}/${repository}/blob/${ref}/${page}` : undefined;
}
