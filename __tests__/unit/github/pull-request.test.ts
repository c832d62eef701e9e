import { describe, expect, test } from '@jest/globals';
import { choosePullRequest, isBy, type PullRequest, pullRequestOf } from '../../../src/github/pull-request.ts';

const sha = 'a'.repeat(40);
const pull = (
  number: number,
  changes: { merged?: boolean; mergeCommit?: string; head?: string; repository?: string } = {},
): PullRequest => ({
  number,
  merged_at: changes.merged ? '2026-01-01T00:00:00Z' : null,
  merge_commit_sha: changes.mergeCommit ?? null,
  head: { sha: changes.head ?? 'f'.repeat(40) },
  base: { repo: { full_name: changes.repository ?? 'octo/fleet' } },
});

describe('the pull request of a commit', () => {
  test.each<[string, PullRequest[], number | RegExp]>([
    ['none', [], /does not belong to a pull request/],
    ['the only one', [pull(7)], 7],
    ['in a different letter case', [pull(7, { repository: 'Octo/Fleet' })], 7],
    ['only one of another repository', [pull(7, { repository: 'upstream/fleet' })], /does not belong to a pull request/],
    ['a merged one before an open one', [pull(7, { head: sha }), pull(8, { merged: true })], 8],
    ['the one that the commit merged', [pull(7, { merged: true }), pull(8, { merged: true, mergeCommit: sha })], 8],
    ['the open one whose head is the commit', [pull(7), pull(8, { head: sha }), pull(9)], 8],
    ['several', [pull(7), pull(8)], /several pull requests \(#7, #8\)/],
    ['several that were merged', [pull(7, { merged: true }), pull(8, { merged: true }), pull(9, { head: sha })], /\(#7, #8\)/],
  ])('%s', (_, all, expected) => {
    const chosen = choosePullRequest(all, sha, 'octo/fleet');
    if (typeof expected === 'number') expect(chosen).toBe(expected);
    else expect(chosen).toMatch(expected);
  });

  test.each([
    [{ name: 'pull_request', pull_request: { number: 5 } }, 5],
    [{ name: 'issue_comment', issue: { number: 6, pull_request: {} } }, 6],
    [{ name: 'issue_comment', issue: { number: 6 } }, undefined],
    [{ name: 'push' }, undefined],
  ])('is taken from the event %j', (event, number) => {
    expect(pullRequestOf(event)).toBe(number);
  });
});

describe('a comment counts as our own', () => {
  const by = (login: string, type: string): { id: number; user: { login: string; type: string } } => ({ id: 1, user: { login, type } });
  test.each([
    [by('github-actions[bot]', 'Bot'), undefined, true],
    [by('mallory', 'User'), undefined, false],
    [{ id: 1, user: null }, undefined, false],
    [by('deployer', 'User'), 'deployer', true],
    [by('mallory', 'User'), 'deployer', false],
    [by('github-actions[bot]', 'Bot'), 'deployer', false],
    [{ id: 1, user: null }, 'deployer', false],
  ])('%j with a token of %s: %s', (comment, login, ours) => {
    expect(isBy(comment, login)).toBe(ours);
  });
});
