import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { expect } from '@jest/globals';
import { packedPackage } from './package.ts';
import { type Ended, endOf } from './shell.ts';
import { sharedTestbed } from './support.ts';

/** A job that ran. */
export interface GitLabJob {
  result: 'success' | 'failed';
  /** The printed lines, with the commands. */
  log: string;
  /** The artifacts: text by path in the project. */
  artifacts: Record<string, string>;
  /** The variables that later jobs get: `artifacts: reports: dotenv`. */
  dotenv: Record<string, string>;
}

export interface Pipeline {
  code: number | null;
  jobs: Record<string, GitLabJob>;
  /** All that was printed. */
  log: string;
  /** What the jobs left in their own folder beside the project: text by path. */
  own: Record<string, string>;
  /** The files and folders that they created in the project. */
  created: string[];
}

export interface PipelineOptions {
  /** Further files in the repository: text by path. */
  files?: Record<string, string>;
  /** Inputs of the pipeline, from the form that starts it. */
  inputs?: Record<string, string>;
  /** CI/CD variables of the project. */
  variables?: Record<string, string>;
  /** Jobs with `when: manual` that someone starts. */
  manual?: string[];
  pipelineId?: number;
}

/**
 * What gitlab-ci-local needs of rsync, which not every machine has: it copies artifacts with it. It also copies the project for containers, from `./`;
 * here are none.
 */
const RSYNC = `#!/bin/sh
list=
for argument; do
  case $argument in
    --files-from=*) list=\${argument#*=} ;;
    ./) exit 0 ;;
    ./?*) file=$argument ;;
  esac
  target=$argument
done
if [ "$list" ]; then xargs -r -d '\\n' -a "$list" cp -a --parents -t "$target"; else cp -a --parents "$file" "$target"; fi
`;

let sequence = 4_000;

/**
 * Runs a `.gitlab-ci.yml` with gitlab-ci-local: jobs on this machine, in a repository with the unchanged templates/, the test bed's kubeconfig as the
 * file variable KUBECONFIG, kubectl on the PATH. `OWNER/rollback-daemonset` is the component project: its components are those of templates/, and
 * their package is what \`npm pack\` makes of this repository.
 */
export async function runPipeline(text: string, options: PipelineOptions = {}): Promise<Pipeline> {
  sequence += 1;
  const { files = {}, inputs = {}, variables = {}, manual = [], pipelineId = sequence } = options;
  const testbed = sharedTestbed();
  const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-gitlab-'));
  const project = join(directory, 'project');
  try {
    for (const [path, content] of Object.entries({ ...files, '.gitlab-ci.yml': withLocalComponents(text) })) {
      mkdirSync(dirname(join(project, path)), { recursive: true });
      writeFileSync(join(project, path), content);
    }
    cpSync('templates', join(project, 'templates'), { recursive: true });
    commit(project);
    mkdirSync(join(directory, 'bin'));
    writeFileSync(join(directory, 'bin', 'rsync'), RSYNC);
    chmodSync(join(directory, 'bin', 'rsync'), 0o755);
    const given = {
      // With an image, gitlab-ci-local would name a folder in a container; and its GITLAB_CI is "false".
      CI_PROJECT_DIR: project,
      GITLAB_CI: 'true',
      CI_PIPELINE_ID: String(pipelineId),
      KUBECONFIG: testbed.kubeconfig,
      ...variables,
    };
    const { code, log } = await gitLab(project, directory, [
      ...Object.entries(given).map(([name, value]) => `--variable=${name}=${value}`),
      ...Object.entries(inputs).map(([name, value]) => `--input=${name}=${value}`),
      ...manual.map((job) => `--manual=${job}`),
    ]);
    const created = git(project, 'ls-files', '--others', '--directory', '--exclude=.gitlab-ci-local').split('\n').filter(Boolean);
    return { code, log, jobs: jobsOf(project, log), own: textsIn(`${project}.tmp`), created };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** gitlab-ci-local finds the components of the project itself at the current commit, and the package comes from this repository. */
function withLocalComponents(text: string): string {
  return text.replace(
    /^( *)- component: \$CI_SERVER_FQDN\/OWNER\/rollback-daemonset\/([\w-]+)@\S+\n\s*inputs:\n/gm,
    (_, indent: string, name: string) =>
      `${indent}- component: $CI_SERVER_FQDN/$CI_PROJECT_PATH/${name}@$CI_COMMIT_SHA\n${indent}  inputs:\n${indent}    package: ${packedPackage()}\n`,
  );
}

function git(project: string, ...parameters: string[]): string {
  return execFileSync('git', ['-c', 'user.name=octo', '-c', 'user.email=octo@example.com', ...parameters], {
    cwd: project,
    encoding: 'utf8',
  });
}

function commit(project: string): void {
  git(project, 'init', '--quiet', '--initial-branch=main');
  git(project, 'remote', 'add', 'origin', 'git@gitlab.example.com:octo/fleet.git');
  git(project, 'add', '.');
  git(project, 'commit', '--quiet', '--message=Pipeline');
}

function gitLab(project: string, directory: string, parameters: string[]): Promise<Ended> {
  const program = resolve('node_modules', 'gitlab-ci-local', 'dist', 'index.js');
  const { kubectl } = sharedTestbed();
  const child = spawn(process.execPath, [program, '--force-shell-executor', '--color=false', `--home=${directory}`, ...parameters], {
    cwd: project,
    env: { PATH: [join(directory, 'bin'), dirname(kubectl), process.env['PATH']].join(delimiter), HOME: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return endOf(child);
}

/** The files in a folder, by their paths in it. */
function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

function textsIn(folder: string): Record<string, string> {
  return Object.fromEntries(filesIn(folder).map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
}

/** The last lines of gitlab-ci-local list all jobs that ran: ` PASS  NAME` or ` FAIL  NAME`. */
function jobsOf(project: string, log: string): Record<string, GitLabJob> {
  const state = join(project, '.gitlab-ci-local');
  return Object.fromEntries(
    [...log.matchAll(/^ (PASS|FAIL) {2}(\S+) *$/gm)].map(([, result, name = '']) => {
      const files = Object.entries(textsIn(join(state, 'artifacts', name)));
      const isReport = (path: string): boolean => path.startsWith('.gitlab-ci-reports/');
      return [
        name,
        {
          result: result === 'PASS' ? 'success' : 'failed',
          log: readFileSync(join(state, 'output', `${name}.log`), 'utf8'),
          artifacts: Object.fromEntries(files.filter(([path]) => !isReport(path))),
          dotenv: Object.fromEntries(files.filter(([path]) => isReport(path)).flatMap(([, text]) => variablesOf(text))),
        },
      ];
    }),
  );
}

/** The variables in a dotenv file as GitLab reads it: no quotes, no comments, no empty lines. */
export function variablesOf(text: string): [name: string, value: string][] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
      if (name === '') throw new Error(`GitLab cannot read this line of a dotenv file: ${line}`);
      return [name, value];
    });
}

/** Compares the results of the jobs. A difference shows everything that was printed. */
export function expectJobs(pipeline: Pipeline, expected: Record<string, GitLabJob['result']>): void {
  try {
    expect(Object.fromEntries(Object.entries(pipeline.jobs).map(([name, { result }]) => [name, result]))).toEqual(expected);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n\n${pipeline.log}`);
  }
}
