/** Runs the shell parts of the pipelines in docs/any-ci.md. gitlab.test.ts runs those for GitLab. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import { snippetsIn } from '../helpers/readme.ts';
import { type Ended, Workspace } from '../helpers/shell.ts';
import { type Any, Fleet } from '../helpers/support.ts';

/** Gates with less patience than a user would set, so that they end sooner. */
const IMPATIENT = { ROLLBACK_DAEMONSET_FAILURE_GRACE: '1s', ROLLBACK_DAEMONSET_STABLE_FOR: '1s' };

let fleet: Fleet;
let workspace: Workspace;
beforeEach(async () => {
  fleet = await Fleet.create({ name: 'log-agent' });
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
});
afterEach(async () => {
  workspace.remove();
  await fleet.remove();
});

/** A workspace with the manifest of a version. */
function push(tag: string): void {
  workspace = new Workspace({ 'log-agent.yaml': fleet.manifest(tag) });
}

const documented = (heading: string, language: string): string[] =>
  snippetsIn('docs/any-ci.md', heading, language).map((text) => text.replaceAll('logging/log-agent', `${fleet.namespace}/log-agent`));

const run = (script: string, variables: Record<string, string> = {}): Promise<Ended> =>
  workspace.run(script, { ...IMPATIENT, ...variables });

const file = (path: string): string => readFileSync(join(workspace.project, path), 'utf8');
const results = (): Any => JSON.parse(file('rollback-daemonset/results.json'));

/** The history if v2 replaces a version that crashes, or stays. */
const PUT_BACK = { 1: 'v1', 3: 'v3-crash', 4: 'v2' };
const KEPT = { 1: 'v1', 2: 'v2', 3: 'v3' };

describe('what is the same everywhere', () => {
  test('keeps a version that works, with four files', async () => {
    push('v3');
    const [deploy = '', then = ''] = documented('What is the same everywhere', 'sh');
    expect(await run(deploy)).toMatchObject({ code: 0 });
    expect(await run(then)).toMatchObject({ code: 0, log: '' });
    expect(results()).toMatchObject({ outcome: 'complete', exitStatus: 0 });
    expect(file('rollback-daemonset/junit.xml')).toMatch(/<testcase /);
    expect(file('rollback-daemonset/summary.md')).toMatch(/^## ✅ /);
    expect(await fleet.history()).toEqual(KEPT);
    expect(fleet.writes()).toBe(0);
  });

  test('restores what ran before, and ends with 7, if the version crashes', async () => {
    push('v3-crash');
    const [deploy = '', then = ''] = documented('What is the same everywhere', 'sh');
    expect(await run(deploy)).toMatchObject({ code: 7 });
    expect(await run(then)).toMatchObject({ code: 0, log: 'Revision 4 is current now.\n' });
    expect(await fleet.history()).toEqual(PUT_BACK);
    expect(fleet.writes()).toBe(1);
  });
});

describe('Jenkins', () => {
  /** The scripts of the stages and of a condition of `post`, and the variables of a declarative pipeline. */
  function partsOf(pipeline: string): { stages: string[]; post: (condition: string) => string[]; variables: Record<string, string> } {
    const scriptsIn = (text: string): string[] =>
      [...text.matchAll(/\bsh (?:'''([\s\S]*?)'''|'(.*)')/g)].map(([, long, short]) => long ?? short ?? '');
    const [stages = '', post = ''] = pipeline.split(/^ {2}post \{$/m);
    const given = [...stages.matchAll(/^ {4}(\w+) = '(.*)'$/gm), ...stages.matchAll(/name: '(\w+)', defaultValue: '?(.*?)'?,/g)];
    return {
      stages: scriptsIn(stages),
      post: (condition) => scriptsIn(new RegExp(`^ {4}${condition} \\{\\n([\\s\\S]*?)^ {4}\\}$`, 'm').exec(post)?.[1] ?? ''),
      variables: Object.fromEntries(given.map(([, name = '', value = '']) => [name, value])),
    };
  }

  /** Runs a pipeline as Jenkins does: a stage that fails ends it, and `post` follows. */
  async function build(index: number, parameters: Record<string, string> = {}): Promise<Ended> {
    const { stages, post, variables } = partsOf(documented('Jenkins', 'groovy')[index] ?? '');
    const own = {
      WORKSPACE_TMP: workspace.temporary,
      JENKINS_URL: 'https://jenkins.example.com/',
      JOB_NAME: 'log-agent',
      BUILD_TAG: `jenkins-log-agent-${index}`,
    };
    const all = { ...own, ...variables, ...parameters };
    let ended: Ended = { code: 0, log: '' };
    const next = async (script: string): Promise<number | null> => {
      const { code, log } = await run(script, all);
      ended = { code: ended.code || code, log: ended.log + log };
      return code;
    };
    for (const script of stages) if ((await next(script)) !== 0) break;
    const conditions = ended.code === 0 ? ['cleanup'] : ['unsuccessful', 'cleanup'];
    for (const script of conditions.flatMap(post)) await next(script);
    return ended;
  }

  test('has blocks that are closed', () => {
    push('v3');
    const pipelines = documented('Jenkins', 'groovy');
    expect(pipelines).toHaveLength(3);
    for (const text of pipelines) expect(text.match(/[{(['"]/g)?.length).toBeGreaterThan(10);
    for (const text of pipelines) {
      for (const [open, close] of ['{}', '()', '[]']) expect(text.split(open ?? '').length).toBe(text.split(close ?? '').length);
    }
  });

  test('restores what ran before if the version crashes', async () => {
    push('v3-crash');
    expect(await build(0)).toMatchObject({ code: 7 });
    expect(results()).toMatchObject({ exitStatus: 7, changed: true });
    expect(await fleet.history()).toEqual(PUT_BACK);
    expect(fleet.writes()).toBe(1);
  });

  test('keeps a version that works', async () => {
    push('v3');
    expect(await build(0)).toMatchObject({ code: 0 });
    expect(await build(1)).toMatchObject({ code: 0 });
    expect(await fleet.history()).toEqual(KEPT);
    expect(fleet.writes()).toBe(0);
  });

  test('restores in two parts, and removes the record', async () => {
    push('v3-crash');
    expect(await build(1)).toMatchObject({ code: 4, log: expect.stringMatching(/Revision 3 → 4, which restores revision 2/) });
    expect(existsSync(join(workspace.temporary, 'record'))).toBe(false);
    expect(await fleet.history()).toEqual(PUT_BACK);
    expect(fleet.writes()).toBe(1);
  });

  test('rolls back by hand, with a dry run first', async () => {
    push('v2');
    expect(await build(2)).toMatchObject({ code: 0 });
    expect(fleet.writes()).toBe(0);
    expect(await build(2, { ROLLBACK_DAEMONSET_DRY_RUN: 'false' })).toMatchObject({ code: 0 });
    expect(await fleet.history()).toEqual({ 2: 'v2', 3: 'v1' });
  });
});

describe('Tekton', () => {
  /** Runs the step of the Task with parameters. @returns its results too */
  async function runTask(given: Record<string, string>): Promise<Ended & { results: Record<string, string> }> {
    const { spec } = load(documented('Tekton', 'yaml')[0] ?? '') as Any;
    const defaults = spec.params.map(({ name, default: value }: Any) => [name, value]);
    const params: Record<string, string> = {
      ...Object.fromEntries(defaults),
      daemonset: `${fleet.namespace}/log-agent`,
      kubeconfig: fleet.testbed.kubeconfig,
      ...given,
    };
    const [step] = spec.steps;
    const value = (text: string): string =>
      text.replace(/\$\(params\.([\w-]+)\)/g, (_, name: string) => params[name] ?? '').replace('$(context.taskRun.uid)', 'a-task-run');
    const variables = Object.fromEntries(step.env.map((variable: Any) => [variable.name, value(variable.value)]));
    expect(step.script).not.toContain('$(params.');
    expect(spec.params.filter(({ name }: Any) => !JSON.stringify(step.env).includes(`$(params.${name})`))).toEqual([]);
    const script = step.script.replace(/\$\(results\.([\w-]+)\.path\)/g, (_: string, name: string) => join(workspace.temporary, name));
    const { HOME: home, ...others } = variables;
    expect(home).toBe(step.workingDir);
    const ended = await run(script, others);
    const written = spec.results.map(({ name }: Any) => [name, readFileSync(join(workspace.temporary, name), 'utf8')]);
    return { ...ended, results: Object.fromEntries(written) };
  }

  test('rolls back, and hands its results over', async () => {
    push('v2');
    expect(await runTask({})).toMatchObject({ code: 0, results: { outcome: 'rolled-back', 'new-revision': '3' } });
    expect(await fleet.history()).toEqual({ 2: 'v2', 3: 'v1' });
  });

  test('is a gate, which fails with its results', async () => {
    push('v2');
    expect(await runTask({ command: 'status' })).toMatchObject({ code: 0, results: { outcome: 'complete' } });
    await fleet.getStuck('v3-crash');
    expect(await runTask({ command: 'status' })).toMatchObject({ code: 4, results: { outcome: 'failed' } });
    expect(fleet.writes()).toBe(0);
  });

  test('hands results over if the parameters are wrong, and runs none of them', async () => {
    push('v2');
    const hostile = `'"; touch injected; $(touch injected)`;
    expect(await runTask({ 'to-revision': hostile })).toMatchObject({ code: 2, results: { outcome: 'error', 'new-revision': '' } });
    expect(existsSync(join(workspace.project, 'injected'))).toBe(false);
    expect(fleet.writes()).toBe(0);
  });
});

test('Buildkite: the command keeps a version that works', async () => {
  push('v3');
  const { steps } = load(documented('Buildkite', 'yaml')[0] ?? '') as Any;
  expect(steps[0].command).not.toContain('$');
  expect(await run(steps[0].command, steps[0].env)).toMatchObject({ code: 0 });
  expect(results()).toMatchObject({ outcome: 'complete' });
  expect(await fleet.history()).toEqual(KEPT);
});
