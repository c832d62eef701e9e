import type { Run } from '../daemonset/rollback-record.ts';
import type { Environment } from './environment.ts';

/** The attempt of a job that a file belongs to. In a terminal, its fields are empty. */
export interface RecordedBy {
  /** The address of the CI server. */
  server: string;
  /** The repository, project or pipeline. */
  repository: string;
  run: string;
  attempt: string;
  job: string;
}

/** The job that a step belongs to. */
export interface Job {
  /** All attempts of a run have the same one, so that a re-run resumes. Undefined in a terminal. */
  run: Run | undefined;
  by: RecordedBy;
  /** A folder that exists as long as the job, and that only the job uses. Undefined if there is none. */
  folder: string | undefined;
  /** Whether only the members of a private project, or the person at the terminal, can read the log. Unknown counts as false. */
  isPrivate: boolean;
}

/** The attempt of a job of GitHub Actions, by its environment. */
export function recordedBy(environment: Environment): RecordedBy {
  const of = (name: string): string => environment[name] ?? '';
  return {
    server: of('GITHUB_SERVER_URL'),
    repository: of('GITHUB_REPOSITORY'),
    run: of('GITHUB_RUN_ID'),
    attempt: of('GITHUB_RUN_ATTEMPT'),
    job: of('GITHUB_JOB'),
  };
}
