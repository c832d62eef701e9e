/** Several DaemonSets in one step: all are planned before the first write, patched together, followed in parallel, reported in one table. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions } from '../helpers/support.ts';

/** Two namespaces: `here` has the DaemonSets `agent` and `exporter`, `there` has `agent`. */
let here: Fleet;
let exporter: Fleet;
let there: Fleet;
let fast: ManifestOptions;
/** The inputs that select all three. */
let everywhere: Record<string, string>;

beforeEach(async () => {
  [here, there] = await Promise.all([Fleet.create(), Fleet.create()]);
  exporter = here.beside('exporter');
  fast = { maxUnavailable: '100%', labels: { set: here.namespace } };
  everywhere = { daemonset: '', selector: `set=${here.namespace}`, namespace: '*' };
});
afterEach(() => Promise.all([here.remove(), there.remove()]));

async function rollOut(...tags: string[]): Promise<void> {
  for (const tag of tags) await Promise.all([here, exporter, there].map((fleet) => fleet.rollOut(tag, fast)));
}

const images = (): Promise<string[]> => Promise.all([here, exporter, there].map((fleet) => fleet.image()));
const resultsOf = (step: Step): Any[] => JSON.parse(step.outputs['results'] ?? '') as Any[];

test('a selector in all namespaces plans all before the first write, and reports one table with an entry for each', async () => {
  await rollOut('v1', 'v2');
  const step = await here.rollback(everywhere);
  expectStep(step, {
    code: 0,
    outputs: { outcome: 'rolled-back', reason: 'complete', changed: 'true', 'old-revision': '', images: '', desired: '' },
  });
  expect(await images()).toEqual(['v1', 'v1', 'v1']);
  const entry = { outcome: 'rolled-back', oldRevision: 2, targetRevision: 1, newRevision: 3, available: 10, renewed: true };
  expect(resultsOf(step)).toEqual(
    [here, exporter, there]
      .sort((a, b) => a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name))
      .map(({ namespace, name }) => expect.objectContaining({ namespace, name, ...entry })),
  );
  const patches = here.requests(there).filter((request) => request.startsWith('patch'));
  expect(patches.slice(0, 6)).toEqual([...Array(3).fill('patch daemonsets dryRun'), ...Array(3).fill('patch daemonsets')]);
  expect(patches.slice(6)).toEqual(Array(3).fill('patch controllerrevisions'));
  expect(step.summary).toMatch(/^## ✅ Rolled back: 3 DaemonSets\n/);
  expect(step.summary.match(/^<tr><td>✅ <code>/gm)).toHaveLength(3);
  expect(step.log.split('\n')[0]).toMatch(
    /, all namespaces, DaemonSets that match set=t-\S+: from the current revision to the previous version$/,
  );
  expect(step.log).toContain(`${there.namespace}/agent: daemon set "agent" successfully rolled out`);
});

test('names select each DaemonSet once, even if it is named twice and in two ways', async () => {
  await rollOut('v1', 'v2');
  const names = `agent, ${here.namespace}/agent\n${there.namespace}/agent`;
  const step = await here.rollback({ daemonset: names, namespace: here.namespace });
  expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
  expect(resultsOf(step).map(({ namespace }) => namespace)).toEqual([here.namespace, there.namespace]);
  expect(await images()).toEqual(['v1', 'v2', 'v1']);
  expect([here.writes(), there.writes()]).toEqual([1, 1]);
});

test('one that cannot be rolled back refuses all, whatever the reason', async () => {
  await rollOut('v1', 'v2');
  const missing = await here.rollback({ daemonset: `${here.namespace}/agent, ${there.namespace}/agnet` });
  expectStep(missing, { code: 1, outputs: { outcome: 'error', reason: 'not-found', changed: 'false' } });
  expect(resultsOf(missing).map(({ outcome, reason }) => [outcome, reason])).toEqual([
    ['refused', 'another-refused'],
    ['error', 'not-found'],
  ]);
  const guarded = await here.rollback({ ...everywhere, 'expected-revision': (await here.revision(2)).metadata.name });
  expectStep(guarded, { code: 1, outputs: { outcome: 'refused', changed: 'false' } });
  expect(new Set(resultsOf(guarded).map(({ reason }) => reason))).toEqual(new Set(['another-refused', 'unexpected-revision']));
  expect(here.requests(there)).not.toContain('patch daemonsets');
  expect(await images()).toEqual(['v2', 'v2', 'v2']);
});

test('a selector that matches nothing fails, in one namespace and in all', async () => {
  for (const namespace of [here.namespace, '*']) {
    const step = await here.rollback({ daemonset: '', selector: 'app=agnet', namespace });
    expectStep(step, { code: 1, outputs: { outcome: 'error', reason: 'not-found', results: expect.stringContaining('"changed":false') } });
    expect(step.log).toMatch(/::error .*No DaemonSet (in namespace "t-|in any namespace).* matches the selector "app=agnet"/);
  }
  const mistaken = await here.rollback({ daemonset: '', selector: 'app in agent', namespace: '*' });
  expectStep(mistaken, { code: 1, outputs: { outcome: 'error', reason: 'invalid-input' } });
});

test('a partial success reports which are done and which are not, and a re-run finishes the rest', async () => {
  await Promise.all([here.rollOut('v1', fast), there.rollOut('v1', fast)]);
  await exporter.deploy('v1-hang', fast);
  await rollOut('v2');
  const step = await here.rollback({ ...everywhere, timeout: '8s' });
  expectStep(step, { code: 1, outputs: { outcome: 'timed-out', reason: 'timeout', changed: 'true' } });
  expect(Object.fromEntries(resultsOf(step).map(({ namespace, name, outcome }) => [`${namespace}/${name}`, outcome]))).toEqual({
    [`${here.namespace}/agent`]: 'rolled-back',
    [`${here.namespace}/exporter`]: 'timed-out',
    [`${there.namespace}/agent`]: 'rolled-back',
  });
  expect(step.summary).toMatch(/^## ❌ Timed out: 1 of 3 DaemonSets\n/);
  const errors = step.log.match(/^::error .*$/gm) ?? [];
  expect(errors[0]).toMatch(/title=Timed out%3A DaemonSet t-[^:]+\/exporter::timed-out \(timeout\): The rollout did not complete in time/);
  expect(errors.at(-1)).toMatch(/::timed-out \(timeout\): Rolled back: .*\/agent, .*\/agent\. Timed out: .*\/exporter\.$/);

  const again = await here.rollback({ ...everywhere, timeout: '8s' }, { GITHUB_RUN_ATTEMPT: '2' });
  expect(
    resultsOf(again)
      .map(({ outcome, reason }) => `${outcome} ${reason}`)
      .sort(),
  ).toEqual(['rolled-back resumed', 'rolled-back resumed', 'timed-out timeout']);
  expect([here.writes(), there.writes()]).toEqual([2, 1]);
});

test('the others continue when one is deleted', async () => {
  await Promise.all([here.rollOut('v1', fast), there.rollOut('v1', fast)]);
  await exporter.deploy('v1-hang', fast);
  await rollOut('v2');
  const running = here.start(everywhere);
  await eventually('the wait', running.log, (log) => log.includes('exporter" rollout to finish: 0 of 10 updated'));
  await exporter.kubectl(['delete', 'daemonset/exporter']);
  const step = await running.done;
  expectStep(step, { code: 1, outputs: { outcome: 'deleted' } });
  expect(
    resultsOf(step)
      .map(({ outcome }) => outcome)
      .sort(),
  ).toEqual(['deleted', 'rolled-back', 'rolled-back']);
});

test('a dry run plans those that can be rolled back beside the one that cannot, and writes nothing', async () => {
  await rollOut('v1');
  await Promise.all([here.rollOut('v2', fast), there.rollOut('v2', fast)]);
  const versions = async (): Promise<string[]> =>
    Promise.all([here, exporter, there].map(async (fleet) => (await fleet.daemonSet()).metadata.resourceVersion as string));
  const before = await versions();
  const step = await here.rollback({ ...everywhere, 'dry-run': 'true' });
  expectStep(step, { code: 1, outputs: { outcome: 'refused', reason: 'no-previous-revision', changed: 'false' } });
  expect(
    resultsOf(step)
      .map(({ outcome }) => outcome)
      .sort(),
  ).toEqual(['dry-run', 'dry-run', 'refused']);
  expect(step.summary.match(/- registry\.example\/agent:v2\n\+ registry\.example\/agent:v1/g)).toHaveLength(2);
  expect(await versions()).toEqual(before);
});

test('status and history accept several DaemonSets', async () => {
  await rollOut('v1');
  const status = await here.rollback({ ...everywhere, command: 'status' });
  expectStep(status, { code: 0, outputs: { outcome: 'complete' } });
  expect(status.summary).toMatch(/^## ✅ Rolled out: 3 DaemonSets\n/);
  const history = await here.rollback({ ...everywhere, command: 'history' });
  expectStep(history, { code: 0, outputs: { outcome: 'listed' } });
  expect((JSON.parse(history.outputs['history'] ?? '') as Any[]).map(({ controller }) => controller).sort()).toEqual([
    'DaemonSet/agent',
    'DaemonSet/agent',
    'DaemonSet/exporter',
  ]);
});
