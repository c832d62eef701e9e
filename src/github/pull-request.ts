import type { Api } from './api.ts';
import { GitHubError } from './api.ts';
import type { WorkflowRun } from './run.ts';

/** The fields of a pull request that are used (schema `pull-request-simple`). */
export interface PullRequest {
  number: number;
  merged_at: string | null;
  merge_commit_sha: string | null;
  head: { sha: string };
  base: { repo: { full_name: string } };
}

/** Schema `issue-comment`. */
export interface Comment {
  id: number;
  body?: string;
  user: { login: string; type: string } | null;
}

const PAGE = 100;
/** Pages of a pull request's comments that are read. */
const MOST_PAGES = 10;

/** The pull request of the run. If there is not exactly one: why. @throws GitHubError */
export async function findPullRequest(api: Api, run: WorkflowRun): Promise<number | string> {
  const given = pullRequestOf(run.event);
  if (given !== undefined) return given;
  const sha = run.event.workflow_run?.head_sha ?? run.sha;
  const path = `/repos/${run.repository}/commits/${encodeURIComponent(sha)}/pulls`;
  return choosePullRequest(await api.json<PullRequest[]>({ method: 'GET', path, query: { per_page: String(PAGE) } }), sha, run.repository);
}

/** The pull request that an event is about. */
export function pullRequestOf({ pull_request, issue }: WorkflowRun['event']): number | undefined {
  return pull_request?.number ?? (issue?.pull_request ? issue.number : undefined);
}

/**
 * The pull request that brought a commit: in this repository, a merged one before an open one, and one whose head or merge commit it is
 * before one that merely contains it.
 */
export function choosePullRequest(all: PullRequest[], sha: string, repository: string): number | string {
  const isHere = ({ base }: PullRequest): boolean => base.repo.full_name.toLowerCase() === repository.toLowerCase();
  const isMerged = ({ merged_at }: PullRequest): boolean => merged_at !== null;
  const endsThere = ({ merge_commit_sha, head }: PullRequest): boolean => merge_commit_sha === sha || head.sha === sha;
  let left = all.filter(isHere);
  for (const fits of [isMerged, endsThere]) if (left.some(fits)) left = left.filter(fits);
  const [only, ...others] = left;
  if (!only) return `commit ${sha} does not belong to a pull request`;
  return others.length === 0
    ? only.number
    : `commit ${sha} belongs to several pull requests (${left.map(({ number }) => `#${number}`).join(', ')})`;
}

/** Writes a comment that begins with a marker, or updates the one that was written before. @throws GitHubError */
export async function writeComment(
  api: Api,
  { repository }: WorkflowRun,
  number: number,
  marker: string,
  body: string,
): Promise<'written' | 'updated'> {
  const before = await findOurs(api, repository, number, marker);
  if (before === undefined) {
    await api.json({ method: 'POST', path: `/repos/${repository}/issues/${number}/comments`, body: { body } });
    return 'written';
  }
  await api.json({ method: 'PATCH', path: `/repos/${repository}/issues/comments/${before}`, body: { body } });
  return 'updated';
}

async function findOurs(api: Api, repository: string, number: number, marker: string): Promise<number | undefined> {
  const path = `/repos/${repository}/issues/${number}/comments`;
  const marked: Comment[] = [];
  for (let page = 1; page <= MOST_PAGES; page++) {
    const comments = await api.json<Comment[]>({ method: 'GET', path, query: { per_page: String(PAGE), page: String(page) } });
    marked.push(...comments.filter(({ body }) => body?.startsWith(marker)));
    if (comments.length < PAGE) break;
  }
  if (marked.length === 0) return undefined;
  const login = await loginOf(api);
  return marked.find((comment) => isBy(comment, login))?.id;
}

/**
 * Whether the owner of the token wrote a comment. Anyone can write a comment with our marker, and could change it afterwards.
 *
 * @param login the token's user. An app, such as GitHub Actions itself, cannot ask for its own (undefined): then a comment by any app counts.
 */
export function isBy({ user }: Comment, login: string | undefined): boolean {
  return login === undefined ? user?.type === 'Bot' : user?.login === login;
}

/** The login of the token's user; undefined if the token belongs to an app, which is not allowed to ask. */
async function loginOf(api: Api): Promise<string | undefined> {
  try {
    return (await api.json<{ login: string }>({ method: 'GET', path: '/user' })).login;
  } catch (error) {
    if (error instanceof GitHubError && error.failure === 'forbidden') return undefined;
    throw error;
  }
}
