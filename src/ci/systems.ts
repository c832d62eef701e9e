/** The job that the command line runs in, by the variables that each CI system documents. */
import { existsSync } from 'node:fs';
import type { Environment } from './environment.ts';
import { type Job, type RecordedBy, recordedBy } from './job.ts';

/** The CI systems whose jobs are recognized. `none`: a terminal, or an unknown system. */
export type System = 'github' | 'gitlab' | 'buildkite' | 'jenkins' | 'none';

export function systemOf(environment: Environment): System {
  if (environment['GITLAB_CI'] === 'true') return 'gitlab';
  if (environment['GITHUB_ACTIONS'] === 'true') return 'github';
  if (environment['BUILDKITE'] === 'true') return 'buildkite';
  return environment['BUILD_TAG'] && environment['JENKINS_URL'] ? 'jenkins' : 'none';
}

/**
 * The job of this process.
 *
 * @param runId the flag `--run-id`: the id of the run, for systems that are not recognized, or instead of theirs.
 * @param isTerminal whether a person reads the log.
 */
export function jobOf(environment: Environment, runId: string | undefined, isTerminal: boolean): Job {
  const { by, url, folder, ...job } = JOBS[systemOf(environment)](environment, isTerminal);
  const id = runId ?? by.run;
  const named: RecordedBy = { ...by, run: id };
  // Each system numbers its runs by itself, so the repository names the server too; on GitHub, the action writes it without one.
  const exists = folder !== undefined && existsSync(folder);
  return {
    ...job,
    folder: exists ? folder : undefined,
    by: named,
    run: id === '' ? undefined : { repository: by.repository || 'command line', id, url },
  };
}

type Described = Omit<Job, 'run'> & { url: string };

const JOBS: Readonly<Record<System, (environment: Environment, isTerminal: boolean) => Described>> = {
  github: (environment) => {
    const by = recordedBy(environment);
    return {
      by,
      url: `${by.server}/${by.repository}/actions/runs/${by.run}`,
      folder: environment['RUNNER_TEMP'] || undefined,
      isPrivate: false,
    };
  },
  // docs.gitlab.com: "Predefined CI/CD variables reference". A retried job has another id in the same pipeline.
  gitlab: ({ CI_SERVER_URL = '', CI_PROJECT_PATH = '', CI_PIPELINE_ID = '', CI_JOB_ID = '', CI_JOB_NAME = '', ...others }) => ({
    by: {
      server: CI_SERVER_URL,
      repository: joined(hostOf(CI_SERVER_URL), CI_PROJECT_PATH),
      run: CI_PIPELINE_ID,
      attempt: CI_JOB_ID,
      job: CI_JOB_NAME,
    },
    url: others['CI_PIPELINE_URL'] ?? '',
    // The runner keeps variables of type file there. Without any, it can be missing.
    folder: others['CI_PROJECT_DIR'] ? `${others['CI_PROJECT_DIR']}.tmp` : undefined,
    isPrivate: others['CI_PROJECT_VISIBILITY'] === 'private' || others['CI_PROJECT_VISIBILITY'] === 'internal',
  }),
  // buildkite.com/docs/pipelines/configure/environment-variables
  buildkite: ({ BUILDKITE_ORGANIZATION_SLUG = '', BUILDKITE_PIPELINE_SLUG = '', BUILDKITE_BUILD_ID = '', ...others }) => ({
    by: {
      server: 'https://buildkite.com',
      repository: joined('buildkite.com', BUILDKITE_ORGANIZATION_SLUG, BUILDKITE_PIPELINE_SLUG),
      run: BUILDKITE_BUILD_ID,
      attempt: others['BUILDKITE_JOB_ID'] ?? '',
      job: others['BUILDKITE_STEP_KEY'] ?? '',
    },
    url: others['BUILDKITE_BUILD_URL'] ?? '',
    folder: undefined,
    isPrivate: false,
  }),
  // www.jenkins.io/doc/book/pipeline/jenkinsfile: "Using environment variables"
  jenkins: ({ JENKINS_URL = '', JOB_NAME = '', BUILD_TAG = '', ...others }) => ({
    by: { server: JENKINS_URL, repository: joined(hostOf(JENKINS_URL), JOB_NAME), run: BUILD_TAG, attempt: '', job: '' },
    url: others['BUILD_URL'] ?? '',
    // Jenkins names it, and leaves it to the job to create it.
    folder: others['WORKSPACE_TMP'] || undefined,
    isPrivate: false,
  }),
  none: (_environment, isTerminal) => ({
    by: { server: '', repository: '', run: '', attempt: '', job: '' },
    url: '',
    folder: undefined,
    isPrivate: isTerminal,
  }),
};

function joined(...parts: string[]): string {
  return parts.filter(Boolean).join('/');
}

function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host : '';
}
