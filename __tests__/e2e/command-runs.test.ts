/** Which run rolled back: a retried job of the same run resumes, and another run is refused, on each CI system. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectRan, type Ran, runCommand, variablesOf } from '../helpers/command.ts';
import { expectStep, Fleet, withFleet } from '../helpers/support.ts';

type Environment = Record<string, string>;

/** As each system documents its variables. `retried` is another job of the same run, `other` another run. */
interface System {
  first: Environment;
  retried: Environment;
  other: Environment;
  flags?: string[];
}

const gitlab = (pipeline: string, job: string): Environment => ({
  CI: 'true',
  GITLAB_CI: 'true',
  CI_SERVER_URL: 'https://gitlab.example',
  CI_PROJECT_PATH: 'octo/fleet',
  CI_PIPELINE_ID: pipeline,
  CI_PIPELINE_URL: `https://gitlab.example/octo/fleet/-/pipelines/${pipeline}`,
  CI_JOB_ID: job,
  CI_JOB_NAME: 'roll back',
});
const buildkite = (build: string, job: string): Environment => ({
  CI: 'true',
  BUILDKITE: 'true',
  BUILDKITE_ORGANIZATION_SLUG: 'octo',
  BUILDKITE_PIPELINE_SLUG: 'fleet',
  BUILDKITE_BUILD_ID: build,
  BUILDKITE_JOB_ID: job,
});
const jenkins = (build: string): Environment => ({
  JENKINS_URL: 'https://jenkins.example/',
  JOB_NAME: 'octo/fleet',
  BUILD_TAG: `jenkins-octo-fleet-${build}`,
});
const github = (run: string, attempt: string): Environment => ({
  CI: 'true',
  GITHUB_ACTIONS: 'true',
  GITHUB_SERVER_URL: 'https://github.com',
  GITHUB_REPOSITORY: 'octo/fleet',
  GITHUB_RUN_ID: run,
  GITHUB_RUN_ATTEMPT: attempt,
  GITHUB_JOB: 'deploy',
});
const runId = (id: string): Environment => ({ ROLLBACK_DAEMONSET_RUN_ID: id });

const SYSTEMS: [name: string, System][] = [
  ['GitLab', { first: gitlab('7', '70'), retried: gitlab('7', '71'), other: gitlab('8', '80') }],
  ['Buildkite', { first: buildkite('b-7', 'j-1'), retried: buildkite('b-7', 'j-2'), other: buildkite('b-8', 'j-3') }],
  ['Jenkins', { first: jenkins('7'), retried: jenkins('7'), other: jenkins('8') }],
  ['GitHub Actions', { first: github('7', '1'), retried: github('7', '2'), other: github('8', '1') }],
  ['--run-id', { first: runId('release-7'), retried: runId('release-7'), other: runId('release-8') }],
  [
    'GitLab with --run-id',
    { first: { ...gitlab('7', '70'), ...runId('x') }, retried: { ...gitlab('8', '80'), ...runId('x') }, other: gitlab('7', '71') },
  ],
];

async function rollBack(fleet: Fleet, environment: Environment, flags: string[] = []): Promise<Ran> {
  return runCommand(['rollback', `${fleet.namespace}/agent`, '-o', 'json', ...flags], variablesOf(fleet, environment));
}

const outcome = (code: number, reason: string): object => ({ code, stdout: expect.stringContaining(`"reason": "${reason}"`) });

test.concurrent.each(SYSTEMS)('%s: the same run resumes, another one is refused', (_name, { first, retried, other }) =>
  withFleet(async (fleet) => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { maxUnavailable: '100%' });
    expectRan(await rollBack(fleet, first), outcome(0, 'complete'));
    expectRan(await rollBack(fleet, retried), outcome(0, 'resumed'));
    expectRan(await rollBack(fleet, other), outcome(3, 'already-rolled-back'));
    expectRan(await rollBack(fleet, {}), outcome(3, 'already-rolled-back'));
    expect([await fleet.image(), fleet.writes()]).toEqual(['v1', 1]);
  }),
);

describe('a rollback by run 7 of octo/fleet on GitHub', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.create();
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { maxUnavailable: '100%' });
    expectStep(await fleet.rollback({}, { GITHUB_RUN_ID: '7' }), { code: 0 });
  });
  afterAll(() => fleet.remove());

  test('is that of the command line in the same run', async () => {
    expectRan(await rollBack(fleet, github('7', '2')), outcome(0, 'resumed'));
  });

  test.each([
    ['pipeline 7 of octo/fleet on GitLab', gitlab('7', '70')],
    ['build 7 of octo/fleet on Buildkite', buildkite('7', '70')],
    ['a build on Jenkins with the tag 7', { ...jenkins('7'), BUILD_TAG: '7' }],
    ['--run-id 7', runId('7')],
    ['no run', {}],
    ['variables of GitHub outside of GitHub', { ...github('7', '1'), GITHUB_ACTIONS: '' }],
  ])('is not that of %s', async (_what, environment) => {
    expectRan(await rollBack(fleet, environment), outcome(3, 'already-rolled-back'));
    expect(fleet.writes()).toBe(1);
  });
});

test('without a run, a rollback has none, and a second one is refused', () =>
  withFleet(async (fleet) => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { maxUnavailable: '100%' });
    expectRan(await rollBack(fleet, {}), outcome(0, 'complete'));
    const record = JSON.parse((await fleet.daemonSet()).metadata.annotations['rollback-daemonset/last-rollback']) as object;
    expect(Object.keys(record)).not.toEqual(expect.arrayContaining(['run']));
    expect(Object.keys(record)).not.toEqual(expect.arrayContaining(['repository']));
    expectRan(await rollBack(fleet, {}), outcome(3, 'already-rolled-back'));
    expect(fleet.writes()).toBe(1);
  }));

test('GitLab collapses what it shows as a section, and the log of a job without a folder has no warning about it', () =>
  withFleet(async (fleet) => {
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { maxUnavailable: '100%', annotations: {} });
    const environment = variablesOf(fleet, { ...gitlab('7', '70'), CI_PROJECT_DIR: '/builds/none' });
    const ran = await runCommand(['rollback', `${fleet.namespace}/agent`, '--dry-run'], environment);
    expectRan(ran, { code: 0 });
    const names = (kind: string): string[] =>
      [...ran.stdout.matchAll(new RegExp(`^\u001b\\[0Ksection_${kind}:\\d+:(\\w+)(?:\\[collapsed=true\\])?\\r\u001b\\[0K`, 'gm'))].map(
        ([, name = '']) => name,
      );
    expect(names('start').length).toBeGreaterThan(1);
    expect(names('end')).toEqual(names('start'));
    expect(new Set(names('start')).size).toBe(names('start').length);
    expect(`${ran.stdout}${ran.stderr}`).not.toMatch(/ledger/);
  }));
