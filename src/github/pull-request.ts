import type { Api } from './api.ts';
import { GitHubError } from './api.ts';
import type { TellingRun } from './run.ts';

/** What GitHub says of a pull request, as far as it is looked at (schema `pull-request-simple`). */
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
/** Of the comments of a pull request. */
const MOST_PAGES = 10;

/** The pull request that the run is for. Without a single one, why. @throws GitHubError */
export async function findPullRequest(api: Api, run: TellingRun): Promise<number | string> {
  const given = pullRequestOf(run.event);
  if (given !== undefined) return given;
  const sha = run.event.workflow_run?.head_sha ?? run.sha;
  const path = `/repos/${run.repository}/commits/${encodeURIComponent(sha)}/pulls`;
  return choosePullRequest(await api.json<PullRequest[]>({ method: 'GET', path, query: { per_page: String(PAGE) } }), sha, run.repository);
}

/** The pull request that an event is about. */
export function pullRequestOf({ pull_request, issue }: TellingRun['event']): number | undefined {
  return pull_request?.number ?? (issue?.pull_request ? issue.number : undefined);
}

/**
 * The pull request that brought a commit: of those of this repository a merged one before an open one, and one that ends in the very
 * commit before one that merely has it.
 */
export function choosePullRequest(all: PullRequest[], sha: string, repository: string): number | string {
  const isHere = ({ base }: PullRequest): boolean => base.repo.full_name.toLowerCase() === repository.toLowerCase();
  const isMerged = ({ merged_at }: PullRequest): boolean => merged_at !== null;
  const endsThere = ({ merge_commit_sha, head }: PullRequest): boolean => merge_commit_sha === sha || head.sha === sha;
  let left = all.filter(isHere);
  for (const fits of [isMerged, endsThere]) if (left.some(fits)) left = left.filter(fits);
  const [only, ...others] = left;
  if (!only) return `commit ${sha} is of no pull request`;
  return others.length === 0
    ? only.number
    : `commit ${sha} is of several pull requests (${left.map(({ number }) => `#${number}`).join(', ')})`;
}

/** Writes a comment that begins with a marker, in the place of the one that was written before. @throws GitHubError */
export async function writeComment(
  api: Api,
  { repository }: TellingRun,
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
 * Whether whoever has the token wrote a comment. Anybody may write a comment with our marker, which must not be taken for ours: they could
 * change afterwards what it says.
 *
 * @param login of the token's user. An app, such as GitHub Actions itself, is not told its own (undefined): then a comment counts
 * that is by an app.
 */
export function isBy({ user }: Comment, login: string | undefined): boolean {
  return login === undefined ? user?.type === 'Bot' : user?.login === login;
}

/** The login of the token's user; undefined when the token is an app's, which may not ask. */
async function loginOf(api: Api): Promise<string | undefined> {
  try {
    return (await api.json<{ login: string }>({ method: 'GET', path: '/user' })).login;
  } catch (error) {
    if (error instanceof GitHubError && error.failure === 'forbidden') return undefined;
    throw error;
  }
}
