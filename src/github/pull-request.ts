import { repoOf, type WorkflowRun } from '../ci/run.ts';
import { type Entry, GitHubError, type Octokit, type Rest } from './octokit.ts';

type ListedPullRequest = Entry<Rest['repos']['listPullRequestsAssociatedWithCommit']>;

/** The fields of a pull request that are used. */
export type PullRequest = Pick<ListedPullRequest, 'number' | 'merged_at' | 'merge_commit_sha'> & {
  head: Pick<ListedPullRequest['head'], 'sha'>;
  base: { repo: Pick<ListedPullRequest['base']['repo'], 'full_name'> };
};

type ListedComment = Entry<Rest['issues']['listComments']>;

/** The fields of a comment that are used. */
export type Comment = Pick<ListedComment, 'id' | 'body'> & {
  user: Pick<NonNullable<ListedComment['user']>, 'login' | 'type'> | null;
};

const PAGE = 100;
/** Pages of a pull request's comments that are read. */
const MOST_PAGES = 10;

/** The pull request of the run. If there is not exactly one: why. @throws GitHubError */
export async function findPullRequest(octokit: Octokit, run: WorkflowRun): Promise<number | string> {
  const given = pullRequestOf(run.event);
  if (given !== undefined) return given;
  const sha = run.event.workflow_run?.head_sha ?? run.sha;
  const asked = { ...repoOf(run), commit_sha: sha, per_page: PAGE };
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls', asked);
  return choosePullRequest(data, sha, run.repository);
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
  octokit: Octokit,
  run: WorkflowRun,
  number: number,
  marker: string,
  body: string,
): Promise<'written' | 'updated'> {
  const before = await findOurs(octokit, run, number, marker);
  if (before === undefined) {
    await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...repoOf(run), issue_number: number, body });
    return 'written';
  }
  await octokit.request('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', { ...repoOf(run), comment_id: before, body });
  return 'updated';
}

async function findOurs(octokit: Octokit, run: WorkflowRun, number: number, marker: string): Promise<number | undefined> {
  const asked = { ...repoOf(run), issue_number: number, per_page: PAGE };
  const marked: Comment[] = [];
  let pages = 0;
  for await (const { data } of octokit.paginate.iterator('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', asked)) {
    marked.push(...data.filter(({ body }) => body?.startsWith(marker)));
    pages += 1;
    if (pages === MOST_PAGES) break;
  }
  if (marked.length === 0) return undefined;
  const login = await loginOf(octokit);
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
async function loginOf(octokit: Octokit): Promise<string | undefined> {
  try {
    return (await octokit.request('GET /user')).data.login;
  } catch (error) {
    if (error instanceof GitHubError && error.failure === 'forbidden') return undefined;
    throw error;
  }
}
