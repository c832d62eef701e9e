/** Replaces Octokit in the bundle. The real one is in a separate file, loaded only if the inputs ask for a notification. */
import type * as github from '@actions/github';

export const getOctokit: typeof github.getOctokit = (...parameters) =>
  (require('./octokit.cjs') as typeof github).getOctokit(...parameters);
