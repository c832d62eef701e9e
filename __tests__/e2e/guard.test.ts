/** A guard records what runs before a deploy, and restores it when the job fails. It writes nothing unless the change is certainly the job's. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import type { Step } from '../../testbed/step.ts';
import { Job } from '../helpers/job.ts';
import { FaultyProxy } from '../helpers/proxy.ts';
import { type Any, eventually, expectStep, type Fleet } from '../helpers/support.ts';

let job: Job;
let fleet: Fleet;
let temp: string;
beforeEach(async () => {
  job = await Job.create();
  ({ fleet, temp } = job);
});
afterEach(() => job.remove());

const fast = { maxUnavailable: '100%' };

const kept = ({ state }: Step): { path: string; sha256: string } => JSON.parse(state['guard'] ?? '') as { path: string; sha256: string };

describe('records', () => {
  test('what runs in a file that only its owner can read, and writes nothing to the cluster', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    const step = await job.guard();
    const { name } = (await fleet.revision(2)).metadata;
    expectStep(step, {
      code: 0,
      outputs: { outcome: 'recorded', reason: 'recorded', changed: 'false', 'old-revision': '2', 'controller-revision': name },
    });
    expect(step.summary).toMatch(/^## ✅ Recorded: DaemonSet /);
    // The last one checks that stable-for can be granted.
    expect(fleet.requests()).toEqual(['get daemonsets', 'list controllerrevisions', 'list pods']);
    const { path } = kept(step);
    expect(path.startsWith(temp)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { records, ...about } = JSON.parse(readFileSync(path, 'utf8')) as Any;
    expect(about).toEqual({
      by: { server: '', repository: 'octo/fleet', run: '1', attempt: '1', job: 'deploy' },
      in: { server: fleet.testbed.server, context: expect.any(String) },
    });
    const [recorded] = records;
    expect(recorded).toMatchObject({ kind: 'recorded', uid: (await fleet.daemonSet()).metadata.uid, templateGeneration: 2 });
    expect(recorded.revision.template).toEqual((await fleet.daemonSet()).spec.template);
    expect(JSON.stringify(step.state)).not.toContain('registry.example');
  });

  test('a version that is not rolled out, with a warning', async () => {
    await fleet.rollOut('v1');
    await fleet.getStuck('v2-crash');
    const step = await job.guard();
    expectStep(step, { code: 0, outputs: { outcome: 'recorded' } });
    expect(step.log).toMatch(/^::warning::The current version is not rolled out completely: \d+ of 10 nodes have it/m);
  });

  test('although deploy-outcome and expected-revision are still empty, since their steps have not run', async () => {
    await fleet.rollOut('v1');
    expectStep(await job.guard({ 'deploy-outcome': '', 'expected-revision': '' }), { code: 0, outputs: { outcome: 'recorded' } });
  });

  test('that the DaemonSet does not exist yet', async () => {
    const step = await job.guard();
    expectStep(step, { code: 0, outputs: { outcome: 'absent', reason: 'absent', 'old-revision': '' } });
    expect(step.log).toMatch(
      /^::warning title=No version to restore.*::absent \(absent\): There is no DaemonSet "agent".*If this job creates it/m,
    );
  });
});

describe('when the job has failed', () => {
  let before: Step;
  beforeEach(async () => {
    await fleet.rollOut('v1', fast);
    await fleet.rollOut('v2', fast);
    before = await job.guard();
  });

  test('restores exactly what was recorded, waits for it and reports it, and removes the file', async () => {
    const { spec } = await fleet.daemonSet();
    await fleet.deploy('v3-crash', fast);
    const step = await job.post(before);
    job.expectPost(
      step,
      /^::notice title=Rolled back%3A DaemonSet .*::rolled-back \(complete\): Revision 3 → 4, which restores revision 2\.$/m,
      1,
    );
    expect(step.code).toBe(0);
    expect(step.summary).toMatch(/^## ✅ Rolled back: DaemonSet /);
    expect((await fleet.daemonSet()).spec.template).toEqual(spec.template);
    expect(await fleet.history()).toEqual({ 1: 'v1', 3: 'v3-crash', 4: 'v2' });
    expect(existsSync(kept(before).path)).toBe(false);
    expect((await fleet.daemonSet()).metadata.annotations['kubernetes.io/change-cause']).toBe('deploy v2');
  });

  test('writes nothing if the job changed nothing, changed only other fields, or only restarted the pods', async () => {
    job.expectPost(await job.post(before), /unchanged \(not-changed\): Nothing was written: the DaemonSet still has the template/, 0);
    before = await job.guard();
    await fleet.kubectl(['patch', 'daemonset/agent', '--type=merge', '--patch={"spec":{"minReadySeconds":1}}']);
    job.expectPost(await job.post(before), /unchanged \(not-changed\)/, 0);
    before = await job.guard();
    await fleet.kubectl(['rollout', 'restart', 'daemonset/agent']);
    job.expectPost(await job.post(before), /unchanged \(not-changed\): Nothing was written: .*the pods were only restarted/, 0);
  });

  test('writes nothing after two changes, since one may be from someone else, unless rollback-if-ambiguous is set', async () => {
    await fleet.rollOut('v3', fast);
    await fleet.rollOut('v4', fast);
    const state = before.state;
    const content = readFileSync(kept(before).path);
    const step = await job.post({ state });
    job.expectPost(step, /superseded \(ambiguous-change\): .*The template changed 2 times.*guard recorded revision 2/, 0);
    expect(step.code).toBe(1);
    writeFileSync(kept(before).path, content, { mode: 0o600 });
    job.expectPost(await job.post({ state }, { 'rollback-if-ambiguous': 'true' }), /rolled-back \(complete\)/, 1);
    expect(await fleet.image()).toBe('v2');
  });

  test('restores after two changes if expected-revision from a later step matches the last one', async () => {
    await fleet.rollOut('v3', fast);
    await fleet.rollOut('v4', fast);
    const content = readFileSync(kept(before).path);
    const { name } = (await fleet.revision(3)).metadata;
    job.expectPost(await job.post(before, { 'expected-revision': name }), /superseded \(ambiguous-change\): .*expected-revision says/, 0);
    writeFileSync(kept(before).path, content, { mode: 0o600 });
    const { name: current } = (await fleet.revision(4)).metadata;
    job.expectPost(await job.post(before, { 'expected-revision': current }), /rolled-back \(complete\)/, 1);
  });

  test('restores the recorded template even if its ControllerRevision was pruned', async () => {
    await fleet.deploy('v3-crash', fast);
    await fleet.kubectl(['patch', 'daemonset/agent', '--type=merge', '--patch={"spec":{"revisionHistoryLimit":0}}']);
    await eventually(
      'the old revisions to be pruned',
      () => fleet.history(),
      (history) => history[1] === undefined && history[2] === undefined,
    );
    job.expectPost(await job.post(before), /rolled-back \(complete\)/, 1);
    expect(await fleet.image()).toBe('v2');
  });

  test('leaves a newer change by someone else', async () => {
    await fleet.deploy('v3-crash', fast);
    await fleet.observed();
    await fleet.deploy('v4', fast);
    job.expectPost(await job.post(before), /superseded \(ambiguous-change\)/, 0);
    expect(await fleet.image()).toBe('v4');
  });

  test('writes nothing if the DaemonSet was deleted, or deleted and created again', async () => {
    await fleet.kubectl(['delete', 'daemonset/agent']);
    const content = readFileSync(kept(before).path);
    job.expectPost(await job.post(before), /deleted \(deleted\): The DaemonSet was deleted since/, 0);
    await fleet.rollOut('v3', fast);
    writeFileSync(kept(before).path, content, { mode: 0o600 });
    job.expectPost(await job.post(before, { 'rollback-if-ambiguous': 'true' }), /refused \(recreated\)/, 0);
    expect(await fleet.image()).toBe('v3');
  });

  test('leaves a cancelled job’s change without reading the cluster, unless rollback-on-cancel is set', async () => {
    await fleet.deploy('v3-crash', fast);
    const content = readFileSync(kept(before).path);
    const requests = fleet.requests().length;
    const step = await job.post(before, { 'job-status': 'cancelled', kubeconfig: 'gone' });
    job.expectPost(step, /cancelled \(cancelled\): .*rollback-on-cancel is not set.*guard recorded revision 2/, 0);
    expect(fleet.requests()).toHaveLength(requests);
    writeFileSync(kept(before).path, content, { mode: 0o600 });
    const back = await job.post(before, { 'job-status': 'cancelled', 'rollback-on-cancel': 'true', timeout: '1h' });
    job.expectPost(back, /rolled-back \(complete\)/, 1);
    // The runner leaves five minutes for everything after a cancellation.
    expect(back.log).toContain('the job was cancelled, which leaves at most 4m 00s: restore what was recorded');
  });

  test('writes nothing if its record is missing or was changed', async () => {
    await fleet.deploy('v3-crash', fast);
    const { path } = kept(before);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('agent:v2', 'agent:evil'));
    job.expectPost(await job.post(before), /refused \(record-lost\)/, 0);
    job.expectPost(await job.post(before), /refused \(record-lost\)/, 0);
  });

  describe('writes nothing, and deletes nothing, if its state', () => {
    const record = (): string => readFileSync(kept(before).path, 'utf8');
    /** A state that names a file with a record, whose template is another one. */
    function forge(path: string, content = record().replaceAll('agent:v2', 'agent:evil')): Step['state'] {
      writeFileSync(path, content, { mode: 0o600 });
      return { guard: JSON.stringify({ path, sha256: createHash('sha256').update(content).digest('hex') }) };
    }
    const name = 'rollback-daemonset-01234567-89ab-cdef-0123-456789abcdef.json';

    test.each<[string, () => Step['state'], Record<string, string>, RegExp]>([
      ['names a file in another folder', () => forge(join(tmpdir(), name)), {}, /does not name a record that a guard can have written/],
      ['names another file', () => forge(join(temp, 'kubeconfig')), {}, /does not name a record that a guard can have written/],
      ['is not one', () => ({ guard: 'x' }), {}, /does not name a record that a guard can have written/],
      ['is that of another run', () => before.state, { GITHUB_RUN_ID: '2' }, /is from another job, run or attempt/],
      ['is that of another attempt', () => before.state, { GITHUB_RUN_ATTEMPT: '2' }, /is from another job, run or attempt/],
      ['is that of another job', () => before.state, { GITHUB_JOB: 'other' }, /is from another job, run or attempt/],
    ])('%s', async (_name, stateOf, environment, why) => {
      await fleet.deploy('v3-crash', fast);
      const state = stateOf();
      const { path = kept(before).path } = state['guard'] === 'x' ? {} : (JSON.parse(state['guard'] ?? '') as { path: string });
      const step = await job.post({ state }, {}, environment);
      job.expectPost(step, /refused \(record-lost\)/, 0);
      expect(step.log).toMatch(why);
      expect(step.code).toBe(1);
      expect(existsSync(path)).toBe(true);
      if (path.startsWith(join(tmpdir(), name))) rmSync(path);
      expect(await fleet.image()).toBe('v3-crash');
    });

    test('belongs to a step without a guard', async () => {
      const step = await job.post(before, { command: 'status' });
      expect(step.log).toMatch(/refused \(record-lost\): This step does not name a record/);
      expect(existsSync(kept(before).path)).toBe(true);
    });

    test('is about another cluster than the kubeconfig selects now', async () => {
      await fleet.deploy('v3-crash', fast);
      const config = load(readFileSync(fleet.testbed.kubeconfig, 'utf8')) as Any;
      config.contexts.push({ ...config.contexts[0], name: 'other' });
      const step = await job.post(before, { kubeconfig: JSON.stringify(config), context: 'other' });
      job.expectPost(step, /refused \(record-lost\)/, 0);
      expect(step.log).toMatch(
        /is about another cluster than the one that the kubeconfig selects now.*To restore it, roll back with to-revision/,
      );
    });
  });

  test('guards a re-run of a failed job like the first attempt', async () => {
    for (const attempt of [1, 2]) {
      if (attempt > 1) before = await job.guard();
      await fleet.deploy('v3-crash', fast);
      job.expectPost(await job.post(before), /rolled-back \(complete\)/, attempt);
      expect(await fleet.image()).toBe('v2');
    }
    job.expectPost(await job.post(await job.guard()), /unchanged \(not-changed\)/, 2);
  });

  test('only reports what it would do in a dry run', async () => {
    await fleet.deploy('v3-crash', fast);
    job.expectPost(
      await job.post(before, { 'dry-run': 'true' }),
      /dry-run \(validated\): The rollback would go from revision 3 to revision 2/,
      0,
    );
  });
});

test('a DaemonSet that the job created is reported and not deleted', async () => {
  const { state } = await job.guard();
  await fleet.deploy('v1-crash');
  const step = await job.post({ state });
  job.expectPost(step, /absent \(created\): The DaemonSet did not exist before this job.*kubectl delete daemonset\/agent/, 0);
  expect(await fleet.image()).toBe('v1-crash');
});

test('several DaemonSets are handled separately: one is restored, one was not changed, one is new', async () => {
  const names = ['one', 'two', 'three'];
  const several = names.map((name) => `${fleet.namespace}/${name}`).join('\n');
  const apply = (name: string, tag: string): Promise<string> =>
    fleet.kubectl(['apply', '-f', '-'], fleet.manifest(tag, fast).replaceAll('agent', name).replaceAll(`/${name}:`, '/agent:'));
  for (const name of ['one', 'two']) {
    await apply(name, 'v1');
    await fleet.kubectl(['rollout', 'status', `daemonset/${name}`, '--timeout=60s']);
  }
  const before = await job.guard({ daemonset: several });
  expectStep(before, { code: 0, outputs: { outcome: 'absent' } });
  await apply('one', 'v2-crash');
  await apply('three', 'v2');
  const step = await job.post(before);
  expectStep(step, { code: 0 });
  for (const [name, end] of [
    ['one', 'rolled-back (complete)'],
    ['two', 'unchanged (not-changed)'],
    ['three', 'absent (created)'],
  ])
    expect(step.log).toContain(`${fleet.namespace}/${name}: ${end}`);
  expect(fleet.writes()).toBe(1);
});

test('a step without a guard leaves no state for its post step, which does nothing', async () => {
  await fleet.rollOut('v1');
  const { state } = await fleet.start({ command: 'status' }).done;
  expect(state).toEqual({});
  const post = await job.post({ state: {} }, { kubeconfig: 'gone' });
  expectStep(post, { code: 0 });
  expect(post.log).toBe('');
});

describe('an API server that does not answer when the job has failed', () => {
  let proxy: FaultyProxy;
  let before: Step;
  beforeEach(async () => {
    await fleet.rollOut('v1', fast);
    proxy = await FaultyProxy.inFrontOf(fleet);
    before = await job.guard({ kubeconfig: proxy.kubeconfig });
    await fleet.deploy('v2-crash', fast);
  });
  afterEach(() => proxy.stop());
  const command =
    /The guard recorded revision 1 \(agent-\w+\)\. To restore it, .*kubectl rollout undo daemonset\/agent -n t-\S+ --to-revision=1/;

  test('is tried again until the timeout of the guard', async () => {
    const back = Date.now() + 15_000;
    proxy.fault = () => (Date.now() < back ? 'drop-request' : 'pass');
    job.expectPost(await job.post(before, { kubeconfig: proxy.kubeconfig, timeout: '90s' }), /rolled-back \(complete\)/, 1);
    expect(Date.now()).toBeGreaterThan(back);
    expect(await fleet.image()).toBe('v1');
  });

  test('is given up at the timeout, with the recorded revision and the command to restore it', async () => {
    proxy.stop();
    const step = await job.post(before, { kubeconfig: proxy.kubeconfig, timeout: '6s' });
    expectStep(step, { code: 1, outputs: {} });
    expect(step.log).toMatch(/^::error .*timed-out \(timeout\): .*Nothing was written\. /m);
    expect(step.log).toMatch(command);
  });

  test('and a kubeconfig that is gone: the message has the same', async () => {
    const step = await job.post(before, { kubeconfig: join(temp, 'gone') });
    expectStep(step, { code: 1, outputs: {} });
    expect(step.log).toMatch(/^::error .*error \(kubeconfig\): /m);
    expect(step.log).toMatch(command);
  });
});
