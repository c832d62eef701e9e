/** Runs the workflows in examples/ unchanged: those that deploy, with a version that works and with one that does not. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { expectResults, runWorkflow, startWorkflow, stepOf, type WorkflowOptions, type WorkflowRun } from '../helpers/act.ts';
import { eventually, Fleet, printLine, sharedTestbed } from '../helpers/support.ts';

const GATE = 'Wait until every node runs it';

/** An example, for the namespace of the test. Its gates have less patience than a user would set, so that they end sooner. */
function example(file: string): string {
  return readFileSync(`examples/${file}`, 'utf8')
    .replaceAll('logging/log-agent', `${fleet.namespace}/log-agent`)
    .replaceAll('command: status', 'command: status\n          failure-grace: 1s\n          stable-for: 1s');
}

let sequence = 100;

/** A push of a version: its manifest, and a smoke test that passes or fails. Each run has its own id. */
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

/** The history if v3 stays, and if v2 replaces another version. */
const kept = { 1: 'v1', 2: 'v2', 3: 'v3' };
const putBack = (tag: string): Record<number, string> => ({ 1: 'v1', 3: tag, 4: 'v2' });

describe('deploy-with-guard', () => {
  const deploy = (options: WorkflowOptions): Promise<WorkflowRun> => runWorkflow(example('deploy-with-guard.yml'), options);

  test('keeps a version that works', async () => {
    expectResults(await deploy(push('v3')), { Deploy: ['success', { ...deployed, 'Smoke test': 'success' }] });
    expect(await fleet.history()).toEqual(kept);
    expect(fleet.writes()).toBe(0);
  });

  test('rolls back a version that does not start', async () => {
    expectResults(await deploy(push('v3-crash')), { Deploy: ['failure', broken] });
    expect(await fleet.history()).toEqual(putBack('v3-crash'));
    expect(fleet.writes()).toBe(1);
  });

  test('rolls back a version that runs everywhere and fails the smoke test', async () => {
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

  test('does a dry run first, then rolls back, and refuses a revision that does not exist', async () => {
    const previous = { 'to-revision': 'previous' };
    expect(await byHand({ ...previous, 'dry-run': 'true' })).toMatchObject({ outcome: 'dry-run', 'target-revision': '1' });
    expect(fleet.writes()).toBe(0);
    expect(await byHand({ ...previous, 'dry-run': 'false' })).toMatchObject({ outcome: 'rolled-back', 'new-revision': '3' });
    expect(await fleet.history()).toEqual({ 2: 'v2', 3: 'v1' });
    expect(await byHand({ 'to-revision': '9', 'dry-run': 'false' })).toMatchObject({ outcome: 'refused', reason: 'revision-not-found' });
    expect(fleet.writes()).toBe(1);
  });
});

describe('rollback-and-hold, then release', () => {
  const start = (text: string, inputs: Record<string, string>): Promise<WorkflowRun> =>
    runWorkflow(text, {
      ...push('v2'),
      event: 'workflow_dispatch',
      inputs: { daemonset: `${fleet.namespace}/log-agent`, ...inputs },
    });
  const hold = async (): Promise<string | undefined> => (await fleet.daemonSet()).metadata.annotations['rollback-daemonset/hold'];

  test('holds the last known-good version with the incident as the reason, until the release', async () => {
    expect(await fleet.rollback({ command: 'status' })).toMatchObject({ code: 0 });
    await fleet.rollOut('v3');
    const run = await start(example('rollback-and-hold.yml'), { incident: 'INC-4711' });
    expectResults(run, { 'Roll back and hold': ['success', { 'Roll back and hold': 'success' }] });
    expect(await fleet.history()).toEqual(putBack('v3'));
    expect(await hold()).toContain('INC-4711');
    expect(fleet.writes()).toBe(1);

    const released = await start(example('release.yml'), {});
    expectResults(released, { Release: ['success', { Release: 'success' }] });
    expect(stepOf(released, 'Release', 'Release')?.outputs).toMatchObject({ outcome: 'released', changed: 'true' });
    expect(await hold()).toBeUndefined();
    expect(stepOf(await start(example('release.yml'), {}), 'Release', 'Release')?.outputs).toMatchObject({
      outcome: 'unchanged',
      reason: 'not-held',
    });
  });
});

/** Starts a workflow with an event and its payload, which act reads from its settings in the repository. */
function byEvent(event: string, payload: object): WorkflowOptions {
  const files = { 'event.json': JSON.stringify(payload), '.actrc': '--eventpath=event.json\n' };
  return { ...push('v2', { files }), event: event as 'push' };
}

describe('rollback-on-alert', () => {
  const alert = (payload: Record<string, string>): Promise<WorkflowRun> =>
    runWorkflow(example('rollback-on-alert.yml'), byEvent('repository_dispatch', { client_payload: payload }));
  const outputsOf = (run: WorkflowRun): Record<string, string> | undefined => stepOf(run, 'Roll back', 'Roll back')?.outputs;
  const daemonset = (): string => `${fleet.namespace}/log-agent`;

  test('rolls back to the last known-good version, and refuses when the alert repeats', async () => {
    expect(await fleet.rollback({ command: 'status' })).toMatchObject({ code: 0 });
    await fleet.rollOut('v3');
    const run = await alert({ daemonset: daemonset() });
    expectResults(run, { 'Roll back': ['success', { 'Check the request': 'success', 'Roll back': 'success' }] });
    expect(outputsOf(run)).toMatchObject({ outcome: 'rolled-back', 'target-revision': '2', 'new-revision': '4' });
    expect(outputsOf(await alert({ daemonset: daemonset() }))).toMatchObject({ outcome: 'refused', reason: 'already-rolled-back' });
    expect(await fleet.history()).toEqual(putBack('v3'));
  });

  test('leaves a newer revision than that of the alert alone', async () => {
    await fleet.rollOut('v3');
    const run = await alert({ daemonset: daemonset(), revision: '2' });
    expect(outputsOf(run)).toMatchObject({ outcome: 'refused', reason: 'unexpected-revision' });
    expect(fleet.writes()).toBe(0);
  });

  test('refuses a DaemonSet that is not in its list', async () => {
    const run = await alert({ daemonset: `${fleet.namespace}/other; true` });
    expectResults(run, { 'Roll back': ['failure', { 'Check the request': 'failure' }] });
    expect(fleet.requests()).toEqual([]);
  });
});

describe('rollback-by-comment', () => {
  let folder: string;
  const { PATH = '' } = process.env;
  /** A stand-in for GitHub's command line: it knows the permission of each user, and records the other calls. */
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-gh-'));
    const gh = `#!/bin/sh
case "$*" in
  'api repos/octo/fleet/collaborators/'*'/permission --jq .permission')
    name=\${2#*/collaborators/}
    case "\${name%/permission}" in maintainer) echo admin ;; developer) echo write ;; *) echo read ;; esac ;;
  'auth token') exit 1 ;; # act asks for one
  *) echo "$*" >> '${join(folder, 'calls')}' ;;
esac
`;
    writeFileSync(join(folder, 'gh'), gh);
    chmodSync(join(folder, 'gh'), 0o755);
    process.env['PATH'] = `${folder}:${PATH}`;
  });
  afterEach(() => {
    process.env['PATH'] = PATH;
    rmSync(folder, { recursive: true, force: true });
  });

  const comment = (login: string, body: string): Promise<WorkflowRun> => {
    const payload = { action: 'created', issue: { number: 7 }, comment: { id: 1, body, user: { login } } };
    return runWorkflow(example('rollback-by-comment.yml'), byEvent('issue_comment', payload));
  };
  const calls = (): string => (existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8') : '');
  const checked = { 'Check the permission of the commenter': 'success', 'Read the command': 'success' };

  test.each(['maintainer', 'developer'])('rolls back for a %s, and answers', async (login) => {
    const run = await comment(login, `/rollback ${fleet.namespace}/log-agent 1\r\n\r\nLogs are missing since noon.`);
    expectResults(run, {
      'Check the comment': ['success', checked],
      'Roll back': ['success', { 'Roll back': 'success', Answer: 'success' }],
    });
    expect(stepOf(run, 'Roll back', 'Roll back')?.outputs).toMatchObject({ outcome: 'rolled-back', 'target-revision': '1' });
    expect(calls()).toMatch(
      /^api repos\/octo\/fleet\/issues\/7\/comments --silent --raw-field body=t-\S+\/log-agent, rolled-back \(complete\)\./,
    );
    expect(await fleet.history()).toEqual({ 2: 'v2', 3: 'v1' });
  });

  test('restores the last known-good version if the comment names no revision', async () => {
    expect(await fleet.rollback({ command: 'status' })).toMatchObject({ code: 0 });
    await fleet.rollOut('v3');
    const run = await comment('developer', `/rollback ${fleet.namespace}/log-agent`);
    expect(stepOf(run, 'Roll back', 'Roll back')?.outputs).toMatchObject({ outcome: 'rolled-back', 'target-revision': '2' });
  });

  test('answers that a rollback was refused', async () => {
    const run = await comment('developer', `/rollback ${fleet.namespace}/log-agent 9`);
    expectResults(run, {
      'Check the comment': ['success', checked],
      'Roll back': ['failure', { 'Roll back': 'failure', Answer: 'success', 'Post Roll back': 'success' }],
    });
    expect(calls()).toContain('log-agent, refused (revision-not-found).');
  });

  test('does nothing for a commenter without write access', async () => {
    const run = await comment('stranger', `/rollback ${fleet.namespace}/log-agent 1`);
    expectResults(run, { 'Check the comment': ['failure', { 'Check the permission of the commenter': 'failure' }] });
    expect(calls()).toBe('');
    expect(fleet.requests()).toEqual([]);
  });

  test.each([
    '/rollback log-agent',
    '/rollback logging/log-agent 1 2',
    '/rollback logging/log-agent $(touch calls)',
    '/rollback logging/log-agent "; exit 0; "',
    '/rollback ../log-agent/x',
  ])('refuses the command %s, and does not run it', async (body) => {
    const run = await comment('developer', body);
    const { 'Read the command': _, ...before } = checked;
    expectResults(run, { 'Check the comment': ['failure', { ...before, 'Read the command': 'failure' }] });
    expect(fleet.requests()).toEqual([]);
  });

  test('ignores every other comment', async () => {
    const run = await comment('developer', `Please /rollback ${fleet.namespace}/log-agent`);
    expect(run).toMatchObject({ code: 0, jobs: [] });
    expect(fleet.requests()).toEqual([]);
  });
});

describe('deploy-daemonset, called by the workflow in its comment', () => {
  const call = (tag: string): Promise<WorkflowRun> => {
    const text = example('deploy-daemonset.yml');
    const shown = /^#\n((?:# {3}.*\n)+)#\n/m.exec(text)?.[1] ?? '';
    return runWorkflow(shown.replace(/^# {3}/gm, ''), push(tag, { files: { '.github/workflows/deploy-daemonset.yml': text } }));
  };

  test('keeps a version that works', async () => {
    expectResults(await call('v3'), { Deploy: ['success', deployed] });
    expect(await fleet.history()).toEqual(kept);
    expect(fleet.writes()).toBe(0);
  });

  test('rolls back a version that does not start', async () => {
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

  test('keeps a version that passes the test', async () => {
    expectResults(await deploy(push('v3')), { Deploy: ['success', deployed], 'Smoke test': tested('success') });
    expect(await fleet.history()).toEqual(kept);
    expect(fleet.writes()).toBe(0);
  });

  test('rolls back a version that fails the test, by the names that the jobs pass on', async () => {
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

  test('keeps a first version that fails the test, because there is nothing to restore', async () => {
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

  test('lets the guard roll back a version that does not start, and does not start the third job', async () => {
    expectResults(await deploy(push('v3-crash')), { Deploy: ['failure', broken] });
    expect(await fleet.history()).toEqual(putBack('v3-crash'));
    expect(fleet.writes()).toBe(1);
  });
});

describe('with two clusters', () => {
  let testbed: Testbed;
  let other: Fleet;
  beforeAll(async () => {
    testbed = await startTestbed({ nodes: 3, maxContainerRestartPeriod: '1s', log: printLine });
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

    test('deploys a version that works in staging to production', async () => {
      expectResults(await deploy('v3'), { Staging: ['success', withoutGuard], Production: ['success', deployed] });
      expect([await other.history(), await fleet.history()]).toEqual([kept, kept]);
      expect(other.writes() + fleet.writes()).toBe(0);
    });

    test('keeps a version that fails in staging there, and does not deploy it to production', async () => {
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

    test('keeps a version that works in all clusters', async () => {
      const run = await runWorkflow(example('fleet.yml'), push('v3', options()));
      expectResults(run, Object.fromEntries(jobs.map((job) => [job, ['success', deployed]])));
      expect([await other.history(), await fleet.history()]).toEqual([kept, kept]);
      expect(other.writes() + fleet.writes()).toBe(0);
    });

    test('rolls back a version that does not start in each cluster', async () => {
      const run = await runWorkflow(example('fleet.yml'), push('v3-crash', options()));
      expectResults(run, Object.fromEntries(jobs.map((job) => [job, ['failure', broken]])));
      for (const one of [other, fleet]) {
        expect(await one.history()).toEqual(putBack('v3-crash'));
        expect(one.writes()).toBe(1);
      }
    });

    // act does not cancel the other jobs of a matrix when one fails. A runner does, and sends this signal.
    test('also rolls back the clusters whose jobs are cancelled during the wait', async () => {
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
