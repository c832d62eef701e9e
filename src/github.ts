import { context } from '@actions/github';
import type { Run } from './daemonset/mark.ts';

/** The run of the workflow that this step belongs to, or undefined outside of GitHub Actions. */
export function currentRun(): Run | undefined {
  if (!Number.isSafeInteger(context.runId)) return undefined;
  try {
    const { owner, repo } = context.repo;
    return { repository: `${owner}/${repo}`, id: String(context.runId) };
  } catch {
    return undefined;
  }
}
