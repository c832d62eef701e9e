/** The workflows in examples/, run as they are: with a deploy that succeeds, and with one that breaks. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { eventually, Fleet, sharedTestbed, tell } from '../e2e/support.ts';
import { expectResults, runWorkflow, startWorkflow, stepOf, type WorkflowOptions, type WorkflowRun } from './act.ts';

const GATE = 'Wait until every node runs it';

/** An example, for the namespace of the test. Its gates do not wait as long as a user would for a deploy that breaks. */
function example(file: string): string {
  return readFileSync(`examples/${file}`, 'utf8')
    .replaceAll('logging/log-agent', `${fleet.namespace}/log-agent`)
    .replaceAll('command: status', 'command: status\n          failure-grace: 1s');
}

let sequence = 100;

/** Pushes a version: its manifest, and a smoke test that passes or does not. Each run has an id of its own. */
function push(tag: string, { works = true, ...options }: WorkflowOptions & { works?: boolean } = {}): WorkflowOptions {
  sequence += 1;
  const smokeTest = works ? 'echo "Logs arrive."' : 'echo "No logs arrive." && false';
  const files = { 'log-agent.yaml': fleet.manifest(tag), 'smoke-test.sh': smokeTest, ...options.files };
  return { event: 'push', runId: sequence, ...options, files };
}

const prepared = { 'actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1': 'success', 'Log in to the cluster': 'success' };
const deployed = { ...prepared, Guard: 'success', Deploy: 'success', [GATE]: 'success' };
const broken = { ...deployed, [GATE]: 'failure', [`Post ${GATE}`]: 'success', 'Post Guard': 'success' };

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create({ name: 'log-agent' });
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
});
afterEach(() => fleet.remove());

/** What is there when nothing was put back, and when v2 was put back in the place of another version. */
const kept = { 1: 'v1', 2: 'v2', 3: 'v3' };
const putBack = (tag: string): Record<number, string> => ({ 1: 'v1', 3: tag, 4: 'v2' });

describe('deploy-with-guard', () => {
  const deploy = (options: WorkflowOptions): Promise<WorkflowRun> => runWorkflow(example('deploy-with-guard.yml'), options);

  test('a version that works stays', async () => {
    expectResults(await deploy(push('v3')), { Deploy: ['success', { ...deployed, 'Smoke test': 'success' }] });
    expect(await fleet.history()).toEqual(kept);
    expect(fleet.writes()).toBe(0);
  });

  test('a version that breaks goes', async () => {
    expectResults(await deploy(push('v3-crash')), { Deploy: ['failure', broken] });
    expect(await fleet.history()).toEqual(putBack('v3-crash'));
    expect(fleet.writes()).toBe(1);
  });

  test('so does one that runs everywhere, and does not do its work', async () => {
    const run = await deploy(push('v3', { works: false }));
    const { [`Post ${GATE}`]: gate, ...others } = broken;
    expectResults(run, { Deploy: ['failure', { ...others, [GATE]: 'success', 'Smoke test': 'failure', [`Post ${GATE}`]: gate }] });
    expect(await fleet.history()).toEqual(putBack('v3'));
    expect(fleet.writes()).toBe(1);
  });
});

describe('rollback-by-hand', () => {
  const byHand = async (inputs: Record<string, string>): Promise<Record<string, string> | undefined> => {
    const daemonset = `${fleet.namespace}/log-agent`;
    const run = await runWorkflow(example('rollback-by-hand.yml'), {
      ...push('v2'),
      event: 'workflow_dispatch',
      inputs: { daemonset, ...inputs },
    });
    return stepOf(run, 'Roll back', 'Roll back')?.outputs;
  };

  test('first dry, then in earnest; a revision that is not there is refused', async () => {
    const previous = { 'to-revision': 'previous' };
    expect(await byHand({ ...previous, 'dry-run': 'true' })).toMatchObject({ outcome: 'dry-run', 'target-revision': '1' });
    expect(fleet.writes()).toBe(0);
    expect(await byHand({ ...previous, 'dry-run': 'false' })).toMatchObject({ outcome: 'rolled-back', 'new-revision': '3' });
    expect(await fleet.history()).toEqual({ 2: 'v2', 3: 'v1' });
    expect(await byHand({ 'to-revision': '9', 'dry-run': 'false' })).toMatchObject({ outcome: 'refused', reason: 'revision-not-found' });
    expect(fleet.writes()).toBe(1);
  });
});

describe('deploy-daemonset, by the workflow that its first lines show', () => {
  const call = (tag: string): Promise<WorkflowRun> => {
    const text = example('deploy-daemonset.yml');
    const shown = /^#\n((?:# {3}.*\n)+)#\n/m.exec(text)?.[1] ?? '';
    return runWorkflow(shown.replace(/^# {3}/gm, ''), push(tag, { files: { '.github/workflows/deploy-daemonset.yml': text } }));
  };

  test('a version that works stays', async () => {
    expectResults(await call('v3'), { Deploy: ['success', deployed] });
    expect(await fleet.history()).toEqual(kept);
    expect(fleet.writes()).toBe(0);
  });

  test('a version that breaks goes', async () => {
    const run = await call('v3-crash');
    expect(run.code).not.toBe(0);
    expectResults(run, { Deploy: ['failure', broken] });
    expect(await fleet.history()).toEqual(putBack('v3-crash'));
    expect(fleet.writes()).toBe(1);
  });
});

describe('smoke-test', () => {
  const deploy = (options: WorkflowOptions): Promise<WorkflowRun> => runWorkflow(example('smoke-test.yml'), options);
  const tested = (result: string): [string, Record<string, string>] => {
    const { 'Log in to the cluster': _, ...checkout } = prepared;
    return [result, { ...checkout, 'Smoke test': result }];
  };

  test('a version that passes stays', async () => {
    expectResults(await deploy(push('v3')), { Deploy: ['success', deployed], 'Smoke test': tested('success') });
    expect(await fleet.history()).toEqual(kept);
    expect(fleet.writes()).toBe(0);
  });

  test('one that does not pass goes, by the names that the jobs hand over', async () => {
    const run = await deploy(push('v3', { works: false }));
    expectResults(run, {
      Deploy: ['success', deployed],
      'Smoke test': tested('failure'),
      'Roll back': ['success', { 'Roll back': 'success' }],
    });
    expect(stepOf(run, 'Roll back', 'Roll back')?.outputs).toMatchObject({
      'old-revision': '3',
      'target-revision': '2',
      'new-revision': '4',
    });
    expect(await fleet.history()).toEqual(putBack('v3'));
    expect(fleet.writes()).toBe(1);
  });

  test('a first one that does not pass stays: there is nothing to go back to', async () => {
    await fleet.kubectl(['delete', 'daemonset/log-agent']);
    const run = await deploy(push('v1', { works: false }));
    expectResults(run, {
      Deploy: ['success', deployed],
      'Smoke test': tested('failure'),
      'Roll back': ['failure', { 'Roll back': 'failure', 'Post Roll back': 'success' }],
    });
    expect(stepOf(run, 'Roll back', 'Roll back')?.annotations).toEqual([
      expect.stringMatching(/^error .*Input to-revision: it is given but empty/),
    ]);
    expect(await fleet.history()).toEqual({ 1: 'v1' });
    expect(fleet.writes()).toBe(0);
  });

  test('one that is not rolled out is put back by the guard, and the third job does not start', async () => {
    expectResults(await deploy(push('v3-crash')), { Deploy: ['failure', broken] });
    expect(await fleet.history()).toEqual(putBack('v3-crash'));
    expect(fleet.writes()).toBe(1);
  });
});

describe('with two clusters,', () => {
  let testbed: Testbed;
  let other: Fleet;
  beforeAll(async () => {
    testbed = await startTestbed({ nodes: 3, log: tell });
  });
  afterAll(() => testbed?.stop());
  beforeEach(async () => {
    other = await Fleet.create({ testbed, namespace: fleet.namespace, name: 'log-agent' });
    for (const tag of ['v1', 'v2']) await other.rollOut(tag);
  });
  afterEach(() => other.remove());

  describe('staging-then-production', () => {
    const deploy = (tag: string): Promise<WorkflowRun> =>
      runWorkflow(example('staging-then-production.yml'), push(tag, { environments: { staging: testbed, production: sharedTestbed() } }));
    const { Guard: _, ...withoutGuard } = deployed;

    test('a version that works in staging goes to production', async () => {
      expectResults(await deploy('v3'), { Staging: ['success', withoutGuard], Production: ['success', deployed] });
      expect([await other.history(), await fleet.history()]).toEqual([kept, kept]);
      expect(other.writes() + fleet.writes()).toBe(0);
    });

    test('one that breaks there stays there, and never comes to production', async () => {
      const steps = { ...withoutGuard, [GATE]: 'failure', [`Post ${GATE}`]: 'success' };
      expectResults(await deploy('v3-crash'), { Staging: ['failure', steps] });
      expect(await other.history()).toEqual({ 1: 'v1', 2: 'v2', 3: 'v3-crash' });
      expect(await fleet.history()).toEqual({ 1: 'v1', 2: 'v2' });
      expect(fleet.requests()).toEqual([]);
    });
  });

  describe('fleet', () => {
    const options = (): WorkflowOptions => ({ environments: { berlin: testbed, oslo: sharedTestbed() } });
    const jobs = ['Deploy to berlin-1', 'Deploy to oslo-2'] as const;

    test('a version that works stays in all', async () => {
      const run = await runWorkflow(example('fleet.yml'), push('v3', options()));
      expectResults(run, Object.fromEntries(jobs.map((job) => [job, ['success', deployed]])));
      expect([await other.history(), await fleet.history()]).toEqual([kept, kept]);
      expect(other.writes() + fleet.writes()).toBe(0);
    });

    test('one that breaks goes from each', async () => {
      const run = await runWorkflow(example('fleet.yml'), push('v3-crash', options()));
      expectResults(run, Object.fromEntries(jobs.map((job) => [job, ['failure', broken]])));
      for (const one of [other, fleet]) {
        expect(await one.history()).toEqual(putBack('v3-crash'));
        expect(one.writes()).toBe(1);
      }
    });

    // act does not stop the others of a matrix when one fails; what the runner then does to them is this.
    test('those that are cancelled in the midst of it go back too', async () => {
      const running = await startWorkflow(example('fleet.yml'), push('v3-hang', options()));
      for (const one of [other, fleet]) {
        await eventually(
          'the wait',
          () => one.requests(),
          (requests) => requests.filter((request) => request === 'watch daemonsets').length === 1,
        );
      }
      running.act.kill('SIGINT');
      const run = await running.done;
      for (const job of jobs)
        expect(stepOf(run, job, 'Post Guard')).toMatchObject({ result: 'success', summary: expect.stringMatching(/^## ✅ Rolled back/) });
      for (const one of [other, fleet]) {
        expect(await one.history()).toEqual(putBack('v3-hang'));
        expect(one.writes()).toBe(1);
      }
    });
  });
});
