import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect } from '@jest/globals';
import { buildTools } from '../../testbed/build.ts';
import type { Testbed } from '../../testbed/testbed.ts';
import { printLine, processesOf, sharedTestbed } from './support.ts';

/** A step that ran; skipped steps are omitted. */
export interface RanStep {
  /** The post step of an action is called `Post NAME`. */
  name: string;
  result: string;
  /** The printed lines, without workflow commands. */
  lines: string[];
  /** Errors, warnings and notices: `error Title: message`. */
  annotations: string[];
  outputs: Record<string, string>;
  summary: string;
}

export interface RanJob {
  /** `job`, or with its number in a matrix `job-1`. */
  name: string;
  result: string;
  steps: RanStep[];
}

export interface WorkflowRun {
  code: number | null;
  jobs: RanJob[];
}

export interface RunningWorkflow {
  act: ChildProcess;
  /** The output of act so far. */
  log: () => string;
  /** The process of the step that runs the action now, or undefined. */
  action: () => number | undefined;
  done: Promise<WorkflowRun>;
}

export interface WorkflowOptions {
  event?: 'push' | 'workflow_dispatch';
  inputs?: Record<string, string>;
  runId?: number;
  /** Further files in the repository, and so in the workspace after a checkout: text by path. */
  files?: Record<string, string>;
  /** Environments, each with the kubeconfig of its own cluster as the secret KUBECONFIG. */
  environments?: Record<string, Testbed>;
  /** The folder of the action, if not this repository's own action.yml and dist/. */
  action?: string;
}

/**
 * Runs an unchanged workflow with act: jobs on this machine, `OWNER/rollback-daemonset@v1` from dist/, the test bed's
 * kubeconfig as the secret KUBECONFIG, kubectl on the PATH.
 */
export async function startWorkflow(workflow: string, options: WorkflowOptions = {}): Promise<RunningWorkflow> {
  const { event = 'workflow_dispatch', inputs = {}, runId = 1, files = {}, environments = {}, action: folder = '.' } = options;
  const { act } = await buildTools(['act'], printLine);
  const testbed = sharedTestbed();
  const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-act-'));
  const at = (...path: string[]): string => join(directory, ...path);
  const adapted = Object.keys(environments).length > 0 ? secretsByEnvironment(workflow) : workflow;
  for (const [path, text] of Object.entries({ ...files, '.github/workflows/workflow.yml': adapted })) {
    mkdirSync(dirname(at('repository', path)), { recursive: true });
    writeFileSync(at('repository', path), text);
  }
  const git = (...parameters: string[]): void => {
    execFileSync('git', ['-c', 'user.name=octo', '-c', 'user.email=octo@example.com', ...parameters], { cwd: at('repository') });
  };
  git('init', '--quiet', '--initial-branch=main');
  git('add', '.');
  git('commit', '--quiet', '--message=Workflow');
  git('remote', 'add', 'origin', 'https://github.com/octo/fleet.git');

  for (const path of ['action.yml', 'dist']) cpSync(resolve(folder, path), at('action', path), { recursive: true });
  mkdirSync(at('home'));
  const process_ = spawn(
    act,
    [
      event,
      '--json',
      '--platform=ubuntu-latest=-self-hosted',
      '--no-cache-server',
      `--action-cache-path=${at('cache')}`,
      `--env=GITHUB_RUN_ID=${runId}`,
      `--secret=KUBECONFIG=${kubeconfigOf(testbed)}`,
      ...Object.entries(environments).map(([name, of]) => `--secret=KUBECONFIG_${name}=${kubeconfigOf(of)}`),
      `--local-repository=OWNER/rollback-daemonset@v1=${at('action')}`,
      ...Object.entries(inputs).map(([name, value]) => `--input=${name}=${value}`),
    ],
    {
      cwd: at('repository'),
      env: { PATH: `${dirname(testbed.kubectl)}:${process.env['PATH']}`, HOME: at('home') },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  for (const stream of [process_.stdout, process_.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString('utf8');
    });
  }
  const done = new Promise<WorkflowRun>((end) => {
    process_.on('close', (code) => {
      rmSync(directory, { recursive: true, force: true });
      end({ code, jobs: jobsOf(log) });
    });
  });
  const action = (): number | undefined => processesOf(at('cache')).find((pid) => pid !== process_.pid);
  return { act: process_, log: () => log, action, done };
}

/** A kubeconfig on one line, as act accepts secrets. JSON is YAML. */
function kubeconfigOf({ kubectl, kubeconfig }: Testbed): string {
  return execFileSync(kubectl, ['--kubeconfig', kubeconfig, 'config', 'view', '--raw', '--output=jsonpath={@}'], { encoding: 'utf8' });
}

/** act has no environments, so the secret of each one gets its own name. */
function secretsByEnvironment(workflow: string): string {
  return workflow
    .split(/^(?= {2}[\w-]+:$)/m)
    .map((job) => {
      const [, expression, name] = /^ {4}environment: (?:\$\{\{ (.*) \}\}|(.*))$/m.exec(job) ?? [];
      return job.replaceAll('secrets.KUBECONFIG', `secrets[format('KUBECONFIG_{0}', ${expression ?? `'${name}'`})]`);
    })
    .join('');
}

export async function runWorkflow(workflow: string, options?: WorkflowOptions): Promise<WorkflowRun> {
  return (await startWorkflow(workflow, options)).done;
}

/** The used fields of a line of `act --json`. */
interface Entry {
  msg: string;
  job?: string;
  jobResult?: string;
  step?: string;
  stepID?: string[];
  stepResult?: string;
  stage?: string;
  raw_output?: boolean;
  command?: string;
  name?: string;
  arg?: string;
  content?: string;
  kvPairs?: Record<string, string>;
}

function jobsOf(log: string): RanJob[] {
  const jobs = new Map<string, RanJob & { byId: Map<string, RanStep> }>();
  for (const line of log.split('\n').filter((text) => text.startsWith('{'))) {
    const entry = JSON.parse(line) as Entry;
    if (!entry.job) continue;
    const name = entry.job.replace(/^.*\//, '').trim();
    const job = jobs.get(name) ?? { name, result: '', steps: [], byId: new Map<string, RanStep>() };
    jobs.set(name, job);
    if (entry.jobResult) job.result = entry.jobResult;
    const { stepID, stage } = entry;
    if (!stepID || (stage !== 'Main' && stage !== 'Post')) continue;
    const id = [stage, ...stepID].join('.');
    let step = job.byId.get(id);
    if (!step) {
      step = {
        name: `${stage === 'Post' ? 'Post ' : ''}${entry.step ?? ''}`,
        result: '',
        lines: [],
        annotations: [],
        outputs: {},
        summary: '',
      };
      job.byId.set(id, step);
      job.steps.push(step);
    }
    take(entry, step);
  }
  return [...jobs.values()].map(({ byId: _, steps, ...job }) => ({ ...job, steps: steps.filter(({ result }) => result !== 'skipped') }));
}

function take(entry: Entry, step: RanStep): void {
  const { command, arg = '', name = '', content = '', kvPairs, stepResult, raw_output: printed } = entry;
  if (stepResult) step.result = stepResult;
  if (printed) step.lines.push(entry.msg.trimEnd());
  else if (command === 'set-output') step.outputs[name] = arg;
  else if (command === 'summary') step.summary += content;
  else if (command === 'error' || command === 'warning' || command === 'notice') {
    step.annotations.push(`${command} ${kvPairs?.['title'] ?? ''}: ${arg}`);
  }
}

/** The step with this name in the job with this name. */
export function stepOf({ jobs }: WorkflowRun, job: string, step: string): RanStep | undefined {
  return jobs.find(({ name }) => name === job)?.steps.find(({ name }) => name === step);
}

/** The results of all jobs and steps: `{ job: [result, { step: result }] }`. */
export function resultsOf({ jobs }: WorkflowRun): Record<string, [string, Record<string, string>]> {
  return Object.fromEntries(
    jobs.map(({ name, result, steps }) => [name, [result, Object.fromEntries(steps.map((step) => [step.name, step.result]))]]),
  );
}

/** Compares the results. A difference shows everything that the steps printed. */
export function expectResults(run: WorkflowRun, expected: Record<string, [string, Record<string, string>]>): void {
  try {
    expect(resultsOf(run)).toEqual(expected);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n\n${JSON.stringify(run, null, 1)}`);
  }
}
