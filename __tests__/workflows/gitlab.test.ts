/** Runs the GitLab components in templates/, in the pipelines of docs/any-ci.md, with gitlab-ci-local. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { load, loadAll } from 'js-yaml';
import { expectJobs, type GitLabJob, type Pipeline, type PipelineOptions, runPipeline } from '../helpers/gitlab.ts';
import { packedPackage } from '../helpers/package.ts';
import { snippetsIn } from '../helpers/readme.ts';
import { Workspace } from '../helpers/shell.ts';
import { type Any, Fleet } from '../helpers/support.ts';

/** Gates with less patience than a user would set, so that they end sooner. */
const IMPATIENT = { ROLLBACK_DAEMONSET_FAILURE_GRACE: '1s', ROLLBACK_DAEMONSET_STABLE_FOR: '1s' };
const FOLDER = 'rollback-daemonset';
/** What is left of a guarded deploy in the job's own folder: neither the record nor the installed package. */
const LEDGER = expect.stringMatching(/^rollback-daemonset-ledger-\w+\.jsonl$/);

/** A pipeline of the page, for the namespace of the test. */
function documented(heading: string, change: (text: string) => string = (text) => text): string {
  const [text = ''] = snippetsIn('docs/any-ci.md', heading, 'yaml');
  return change(text).replaceAll('logging/log-agent', `${fleet.namespace}/log-agent`);
}

/** The values of a kubeconfig that must not be printed: its key, its certificate. */
function secretsOf(kubeconfig: string): string[] {
  const { users } = load(readFileSync(kubeconfig, 'utf8')) as Any;
  const { 'client-key-data': key, 'client-certificate-data': certificate, token } = users[0].user;
  return [key, certificate, token].filter(Boolean);
}

/** The text in a template of the tests that only someone with access to the cluster knows. */
const HIDDEN = 'only-in-the-cluster';

async function run(text: string, options: PipelineOptions = {}): Promise<Pipeline> {
  const pipeline = await runPipeline(text, { ...options, variables: { ...IMPATIENT, ...options.variables } });
  const files = Object.values(pipeline.jobs).flatMap(({ artifacts, log }) => [...Object.values(artifacts), log]);
  const printed = [pipeline.log, ...files, ...Object.values(pipeline.own)];
  for (const secret of [...secretsOf(fleet.testbed.kubeconfig), HIDDEN]) {
    for (const part of printed) expect(part).not.toContain(secret);
  }
  return pipeline;
}

const job = ({ jobs }: Pipeline, name: string): GitLabJob => {
  const found = jobs[name];
  if (!found) throw new Error(`the job ${name} did not run`);
  return found;
};
const resultIn = (ran: GitLabJob, file: string): Any => JSON.parse(ran.artifacts[`${FOLDER}/${file}`] ?? 'null');

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create({ name: 'log-agent', defaults: { env: HIDDEN } });
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
});
afterEach(() => fleet.remove());

describe('rollback', () => {
  const byHand = (inputs: Record<string, string>): Promise<Pipeline> =>
    run(documented('Roll back by hand'), { inputs, variables: { CI_PIPELINE_SOURCE: 'web' } });

  test('does a dry run first, then rolls back, and refuses a revision that does not exist', async () => {
    const dry = await byHand({ 'to-revision': 'previous', 'dry-run': 'true' });
    expectJobs(dry, { 'roll-back-daemonset': 'success' });
    expect(job(dry, 'roll-back-daemonset').dotenv).toMatchObject({ ROLLBACK_OUTCOME: 'dry-run', ROLLBACK_TARGET_REVISION: '1' });
    expect(fleet.writes()).toBe(0);

    const rolledBack = await byHand({ 'to-revision': 'previous', 'dry-run': 'false' });
    expectJobs(rolledBack, { 'roll-back-daemonset': 'success' });
    const { dotenv, artifacts } = job(rolledBack, 'roll-back-daemonset');
    expect(dotenv).toMatchObject({ ROLLBACK_OUTCOME: 'rolled-back', ROLLBACK_NEW_REVISION: '3', ROLLBACK_EXIT_STATUS: '0' });
    expect(Object.keys(artifacts).sort()).toEqual(
      ['junit.xml', 'result.env', 'results.json', 'summary.md'].map((name) => `${FOLDER}/${name}`),
    );
    expect(artifacts[`${FOLDER}/summary.md`]).toMatch(/^## ✅ Rolled back/);
    expect(await fleet.history()).toEqual({ 2: 'v2', 3: 'v1' });

    const refused = await byHand({ 'to-revision': 'log-agent-missing', 'dry-run': 'false' });
    expectJobs(refused, { 'roll-back-daemonset': 'failed' });
    expect(resultIn(job(refused, 'roll-back-daemonset'), 'results.json')).toMatchObject({ outcome: 'refused', exitStatus: 3 });
    expect(fleet.writes()).toBe(1);
  });

  test('never runs an input as a shell command', async () => {
    const hostile = `x"; touch 'injected' "$(touch injected)\`touch injected\``;
    const pipeline = await byHand({ 'to-revision': hostile, 'dry-run': 'false' });
    expectJobs(pipeline, { 'roll-back-daemonset': 'failed' });
    expect(pipeline.created).toEqual([`${FOLDER}/`]);
    expect(fleet.writes()).toBe(0);
  });
});

describe('gate', () => {
  const gate = (): Promise<Pipeline> => run(`${documented('A gate after another deploy')}\ndeploy:\n  script: ['true']\n`);

  test('passes if every node runs the version', async () => {
    const pipeline = await gate();
    expectJobs(pipeline, { deploy: 'success', 'gate-daemonset': 'success' });
    const { dotenv, artifacts } = job(pipeline, 'gate-daemonset');
    expect(dotenv).toMatchObject({ ROLLBACK_OUTCOME: 'complete', ROLLBACK_CHANGED: 'false' });
    expect(artifacts[`${FOLDER}/junit.xml`]).toMatch(/<testcase /);
    expect(artifacts[`${FOLDER}/junit.xml`]).not.toMatch(/<failure/);
    expect(fleet.writes()).toBe(0);
  });

  test('fails with an explanation, and rolls back to the known-good version, if the version crashes', async () => {
    await gate();
    await fleet.getStuck('v3-crash');
    const pipeline = await gate();
    expectJobs(pipeline, { deploy: 'success', 'gate-daemonset': 'failed' });
    const failed = job(pipeline, 'gate-daemonset');
    expect(failed.dotenv).toMatchObject({ ROLLBACK_OUTCOME: 'failed', ROLLBACK_CHANGED: 'true', ROLLBACK_EXIT_STATUS: '7' });
    expect(failed.log).toMatch(/CrashLoopBackOff|exits|crash/i);
    expect(failed.artifacts[`${FOLDER}/junit.xml`]).toMatch(/<failure/);
    expect(failed.artifacts[`${FOLDER}/summary.md`]).toMatch(/^## ❌ /);
    expect(await fleet.image()).toBe('v2');
    expect(fleet.writes()).toBe(1);
  });
});

describe('guarded-deploy', () => {
  const deploy = (tag: string, script = '', variables: Record<string, string> = {}): Promise<Pipeline> =>
    run(
      documented('Deploy with a guard and a gate', (page) =>
        page.replace(/^( *)- kubectl apply .*\n/m, (line, indent: string) =>
          script === '' ? line : `${indent}- ${script.replace('APPLY', line.trim().slice(2))}\n`,
        ),
      ),
      { files: { 'log-agent.yaml': fleet.manifest(tag) }, variables },
    );
  const reported = (pipeline: Pipeline): string => job(pipeline, 'report').log;
  const restored = (pipeline: Pipeline): Any => resultIn(job(pipeline, 'deploy-daemonset'), 'restore.json');

  test('keeps a version that works, and passes its result on to a later job', async () => {
    const pipeline = await deploy('v3');
    expectJobs(pipeline, { 'deploy-daemonset': 'success', report: 'success' });
    expect(reported(pipeline)).toContain('The deploy ended as complete (');
    expect(Object.keys(job(pipeline, 'deploy-daemonset').artifacts).sort()).toEqual(
      ['gate.json', 'gate.md', 'gate.xml', 'result.env'].map((name) => `${FOLDER}/${name}`),
    );
    expect(await fleet.history()).toEqual({ 1: 'v1', 2: 'v2', 3: 'v3' });
    expect(fleet.writes()).toBe(0);
    expect(Object.keys(pipeline.own)).toEqual([LEDGER]);
  });

  test('restores what ran before if the script fails after kubectl apply', async () => {
    const pipeline = await deploy('v3', 'APPLY && false');
    expectJobs(pipeline, { 'deploy-daemonset': 'failed', report: 'success' });
    expect(reported(pipeline)).toContain('The deploy ended as rolled-back (');
    expect(restored(pipeline)).toMatchObject({ command: 'guard', outcome: 'rolled-back', changed: true });
    expect(job(pipeline, 'deploy-daemonset').artifacts).not.toHaveProperty(`${FOLDER}/gate.json`);
    expect(await fleet.image()).toBe('v2');
    expect(fleet.writes()).toBe(1);
    expect(Object.keys(pipeline.own)).toEqual([LEDGER]);
  });

  test('restores what ran before if the gate fails because the version crashes', async () => {
    const pipeline = await deploy('v3-crash');
    expectJobs(pipeline, { 'deploy-daemonset': 'failed', report: 'success' });
    const failed = job(pipeline, 'deploy-daemonset');
    expect(resultIn(failed, 'gate.json')).toMatchObject({ command: 'status', outcome: 'failed', exitStatus: 4 });
    expect(restored(pipeline)).toMatchObject({ outcome: 'rolled-back' });
    expect(failed.artifacts[`${FOLDER}/gate.xml`]).toMatch(/<failure/);
    expect(await fleet.history()).toEqual({ 1: 'v1', 3: 'v3-crash', 4: 'v2' });
    expect(fleet.writes()).toBe(1);
  });

  test('writes nothing if the script fails before it deploys', async () => {
    const pipeline = await deploy('v3', 'false; APPLY');
    expectJobs(pipeline, { 'deploy-daemonset': 'failed', report: 'success' });
    expect(restored(pipeline)).toMatchObject({ outcome: 'unchanged', changed: false });
    expect(await fleet.history()).toEqual({ 1: 'v1', 2: 'v2' });
    expect(fleet.writes()).toBe(0);
  });

  test('does not deploy, and restores nothing, if what runs cannot be recorded', async () => {
    const pipeline = await deploy('v3', '', { KUBECONFIG: '/nowhere' });
    expectJobs(pipeline, { 'deploy-daemonset': 'failed', report: 'success' });
    expect(await fleet.image()).toBe('v2');
    expect(job(pipeline, 'deploy-daemonset').log).not.toContain('--restore');
    expect(reported(pipeline)).toContain('The deploy ended as error (kubeconfig).');
    expect(Object.keys(job(pipeline, 'deploy-daemonset').artifacts)).toEqual([`${FOLDER}/result.env`]);
    expect(fleet.writes()).toBe(0);
  });

  test('keeps the record out of the project, readable only by its owner', async () => {
    const pipeline = await deploy(
      'v3',
      'APPLY && find "$CI_PROJECT_DIR.tmp" "$CI_PROJECT_DIR" -name "*record*" -exec stat -c "%a %n" {} +',
    );
    expectJobs(pipeline, { 'deploy-daemonset': 'success', report: 'success' });
    const found = [...job(pipeline, 'deploy-daemonset').log.matchAll(/^(\d+) (\/\S*\/record)$/gm)].map(([, mode, path]) => [mode, path]);
    expect(found).toEqual([['600', expect.stringMatching(/\/project\.tmp\/rollback-daemonset\/record$/)]]);
  });

  /** gitlab-ci-local ends with the job that it cancels, so the scripts of the component run here, in `sh`. */
  test.each([
    [true, 'v2', 'rolled-back'],
    [false, 'v3', 'cancelled'],
  ])('a job that is canceled, with rollback-on-cancel: %s, leaves %s', async (onCancel, tag, outcome) => {
    const [, component] = loadAll(readFileSync('templates/guarded-deploy.yml', 'utf8')) as Any[];
    const { variables, before_script: before, after_script: after } = component['$[[ inputs.job-name ]]'];
    const workspace = new Workspace({ 'log-agent.yaml': fleet.manifest('v3') });
    try {
      const inputs: Record<string, string> = {
        daemonset: `${fleet.namespace}/log-agent`,
        package: packedPackage(),
        'rollback-on-cancel': `${onCancel}`,
      };
      const given = Object.entries(variables as Record<string, string>).flatMap(([name, value]) => {
        const input = /^\$\[\[ inputs\.([\w-]+) \]\]$/.exec(value)?.[1];
        return input === undefined ? [[name, value]] : inputs[input] === undefined ? [] : [[name, inputs[input]]];
      });
      const gitLab = {
        GITLAB_CI: 'true',
        CI_PROJECT_DIR: workspace.project,
        CI_PIPELINE_ID: '1',
        CI_JOB_ID: '2',
        CI_SERVER_URL: 'https://gitlab.example.com',
      };
      const job = { ...IMPATIENT, ...gitLab, ...Object.fromEntries(given) };
      const script = [...before, 'touch "$CI_PROJECT_DIR.tmp/rollback-daemonset/deploying"', 'kubectl apply --filename log-agent.yaml'];
      expect(await workspace.run(script.join('\n'), job)).toMatchObject({ code: 0 });
      await workspace.run(after.join('\n'), { ...job, CI_JOB_STATUS: 'canceled' });
      expect(JSON.parse(readFileSync(join(workspace.project, FOLDER, 'restore.json'), 'utf8'))).toMatchObject({ outcome });
      expect(existsSync(`${workspace.project}.tmp/${FOLDER}`)).toBe(false);
      expect(await fleet.image()).toBe(tag);
    } finally {
      workspace.remove();
    }
  });
});
