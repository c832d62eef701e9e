/** Which job the command line runs in, by the variables that each CI system documents. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Environment } from '../../../src/ci/environment.ts';
import { jobOf, type System, systemOf } from '../../../src/ci/systems.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-systems-'));
  mkdirSync(join(folder, 'fleet.tmp'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const GITHUB: Environment = {
  CI: 'true',
  GITHUB_ACTIONS: 'true',
  GITHUB_SERVER_URL: 'https://github.com',
  GITHUB_REPOSITORY: 'octo/fleet',
  GITHUB_RUN_ID: '7',
  GITHUB_RUN_ATTEMPT: '2',
  GITHUB_JOB: 'deploy',
};
const GITLAB: Environment = {
  CI: 'true',
  GITLAB_CI: 'true',
  CI_SERVER_URL: 'https://gitlab.example:8443/git',
  CI_PROJECT_PATH: 'octo/fleet',
  CI_PIPELINE_ID: '7',
  CI_PIPELINE_URL: 'https://gitlab.example:8443/git/octo/fleet/-/pipelines/7',
  CI_JOB_ID: '70',
  CI_JOB_NAME: 'deploy',
};
const BUILDKITE: Environment = {
  CI: 'true',
  BUILDKITE: 'true',
  BUILDKITE_ORGANIZATION_SLUG: 'octo',
  BUILDKITE_PIPELINE_SLUG: 'fleet',
  BUILDKITE_BUILD_ID: '7',
  BUILDKITE_BUILD_URL: 'https://buildkite.com/octo/fleet/builds/1',
  BUILDKITE_JOB_ID: '70',
  BUILDKITE_STEP_KEY: 'deploy',
};
const JENKINS: Environment = {
  JENKINS_URL: 'https://jenkins.example/',
  JOB_NAME: 'octo/fleet',
  BUILD_TAG: 'jenkins-octo-fleet-7',
  BUILD_URL: 'https://jenkins.example/job/octo/job/fleet/7/',
};

const SYSTEMS: [System, Environment, run: object | undefined, by: object][] = [
  [
    'github',
    GITHUB,
    { repository: 'octo/fleet', id: '7', url: 'https://github.com/octo/fleet/actions/runs/7' },
    { server: 'https://github.com', repository: 'octo/fleet', run: '7', attempt: '2', job: 'deploy' },
  ],
  [
    'gitlab',
    GITLAB,
    { repository: 'gitlab.example:8443/octo/fleet', id: '7', url: GITLAB['CI_PIPELINE_URL'] },
    { server: GITLAB['CI_SERVER_URL'], repository: 'gitlab.example:8443/octo/fleet', run: '7', attempt: '70', job: 'deploy' },
  ],
  [
    'buildkite',
    BUILDKITE,
    { repository: 'buildkite.com/octo/fleet', id: '7', url: BUILDKITE['BUILDKITE_BUILD_URL'] },
    { server: 'https://buildkite.com', repository: 'buildkite.com/octo/fleet', run: '7', attempt: '70', job: 'deploy' },
  ],
  [
    'jenkins',
    JENKINS,
    { repository: 'jenkins.example/octo/fleet', id: 'jenkins-octo-fleet-7', url: JENKINS['BUILD_URL'] },
    { server: 'https://jenkins.example/', repository: 'jenkins.example/octo/fleet', run: 'jenkins-octo-fleet-7', attempt: '', job: '' },
  ],
  ['none', { CI: 'true' }, undefined, { server: '', repository: '', run: '', attempt: '', job: '' }],
];

describe.each(SYSTEMS)('%s', (system, environment, run, by) => {
  test('is recognized, with its run, its job and its attempt', () => {
    expect(systemOf(environment)).toBe(system);
    expect(jobOf(environment, undefined, false)).toEqual({ run, by, folder: undefined, isPrivate: false });
  });

  test('has the run that --run-id names', () => {
    const job = jobOf(environment, 'release-7', false);
    expect(job.run).toMatchObject({ repository: (run as { repository?: string })?.repository ?? 'command line', id: 'release-7' });
    expect(job.by).toEqual({ ...by, run: 'release-7' });
  });

  test('has no run if the system does not give its id', () => {
    const ids = /^(GITHUB_RUN_ID|CI_PIPELINE_ID|BUILDKITE_BUILD_ID|BUILD_TAG)$/;
    const without = Object.fromEntries(Object.entries(environment).filter(([name]) => !ids.test(name)));
    expect(jobOf(without, undefined, false).run).toBeUndefined();
  });
});

test('no two systems have the same run, although path and number are the same', () => {
  const runs = SYSTEMS.map(([, environment]) => jobOf(environment, '7', false).run).map((run) => `${run?.repository} ${run?.id}`);
  expect(new Set(runs).size).toBe(SYSTEMS.length);
});

test.each<[string, Environment, System]>([
  ['variables of GitLab without GITLAB_CI', { ...GITLAB, GITLAB_CI: '' }, 'none'],
  ['GITHUB_ACTIONS that is not true', { ...GITHUB, GITHUB_ACTIONS: 'false' }, 'none'],
  ['BUILD_TAG without JENKINS_URL', { BUILD_TAG: 'x' }, 'none'],
  ['JENKINS_URL without BUILD_TAG', { JENKINS_URL: 'https://jenkins.example/' }, 'none'],
  ['a Jenkins server that GitLab started', { ...GITLAB, ...JENKINS }, 'gitlab'],
  ['nothing', {}, 'none'],
])('%s', (_what, environment, system) => {
  expect(systemOf(environment)).toBe(system);
});

test('the folder of a job is one that exists', () => {
  const folderOf = (environment: Environment): string | undefined => jobOf(environment, undefined, false).folder;
  const gitlab = (path: string): Environment => ({ ...GITLAB, CI_PROJECT_DIR: path });
  expect(folderOf(gitlab(join(folder, 'fleet')))).toBe(join(folder, 'fleet.tmp'));
  expect(folderOf(gitlab(join(folder, 'other')))).toBeUndefined();
  expect(folderOf({ ...GITHUB, RUNNER_TEMP: folder })).toBe(folder);
  expect(folderOf({ ...GITHUB, RUNNER_TEMP: '' })).toBeUndefined();
  expect(folderOf({ ...JENKINS, WORKSPACE_TMP: folder })).toBe(folder);
  expect(folderOf({ ...JENKINS, WORKSPACE_TMP: join(folder, 'none') })).toBeUndefined();
  expect(folderOf({ ...BUILDKITE, TMPDIR: folder })).toBeUndefined();
});

test.each<[string, Environment, boolean, boolean]>([
  ['a private project of GitLab', { ...GITLAB, CI_PROJECT_VISIBILITY: 'private' }, false, true],
  ['an internal project of GitLab', { ...GITLAB, CI_PROJECT_VISIBILITY: 'internal' }, false, true],
  ['a public project of GitLab', { ...GITLAB, CI_PROJECT_VISIBILITY: 'public' }, false, false],
  ['an unknown project', GITHUB, false, false],
  ['a terminal', {}, true, true],
  ['a pipe', {}, false, false],
])('whether the log of %s is private', (_what, environment, isTerminal, expected) => {
  expect(jobOf(environment, undefined, isTerminal).isPrivate).toBe(expected);
});
