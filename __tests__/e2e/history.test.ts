import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Any, expectStep, Fleet } from '../helpers/support.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
});
afterEach(() => fleet.remove());

test('history lists what kubectl lists, and outputs the current version for a later rollback', async () => {
  await fleet.rollOut('v1', { cause: '' });
  await fleet.rollOut('v2');
  const before = await fleet.history();
  const step = await fleet.rollback({ command: 'history' });
  const { items } = await fleet.json('get', 'controllerrevisions');
  const named = (number: number): Any => items.find(({ revision }: Any) => revision === number).metadata;
  expectStep(step, {
    code: 0,
    outputs: {
      outcome: 'listed',
      reason: 'listed',
      changed: 'false',
      'old-revision': '2',
      'controller-revision': named(2).name,
      available: '10',
    },
  });
  expect(JSON.parse(step.outputs['history'] ?? '')).toEqual(
    [2, 1].map((revision) => ({
      revision,
      name: named(revision).name,
      namespace: fleet.namespace,
      controller: 'DaemonSet/agent',
      current: revision === 2,
      created: named(revision).creationTimestamp,
      changeCause: revision === 2 ? 'deploy v2' : null,
      images: [`registry.example/agent:v${revision}`],
      pods: { ready: revision === 2 ? 10 : 0, total: revision === 2 ? 10 : 0 },
      good: null,
    })),
  );
  expect(step.log).toMatch(/^2 \(current\) +agent-\w+ +DaemonSet\/agent +\d+s +10\/10 +deploy v2 +registry\.example\/agent:v2$/m);
  expect(fleet.requests()).toEqual(['get daemonsets', 'list controllerrevisions', 'list pods']);

  // After a bad version is deployed, the earlier output restores the good one.
  await fleet.getStuck('v3-crash');
  const back = await fleet.rollback({ 'to-revision': step.outputs['controller-revision'] ?? '' });
  expectStep(back, { code: 0, outputs: { outcome: 'rolled-back', 'target-revision': '2', 'new-revision': '4' } });
  expect(await fleet.history()).toEqual({ 1: before[1], 3: 'v3-crash', 4: before[2] });
});

test('the version from the history is unchanged after a deploy that changed nothing, unlike "previous"', async () => {
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
  const { outputs } = await fleet.rollback({ command: 'history' });
  const step = await fleet.rollback({ 'to-revision': outputs['controller-revision'] ?? '' });
  expectStep(step, { code: 0, outputs: { outcome: 'unchanged', changed: 'false', 'new-revision': '2' } });
  expect(fleet.writes()).toBe(0);
});

test('history fails for a DaemonSet that does not exist', async () => {
  const step = await fleet.rollback({ command: 'history' });
  expectStep(step, { code: 1, outputs: { outcome: 'error', reason: 'not-found', history: '' } });
});

test('the first line names the target and the action; debug lines appear only with step debug logging', async () => {
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
  const dry = await fleet.rollback({ 'dry-run': 'true' });
  expect(dry.log.split('\n')[0]).toMatch(
    new RegExp(
      `^Server https://\\S+, context \\S+, namespace ${fleet.namespace}, DaemonSet agent: dry run, from the current revision to the previous version$`,
    ),
  );
  expect(dry.log).not.toContain('::debug::');
  expect(dry.log).toMatch(/^::group::Template: 2 differences\n@@ spec[\s\S]*?\n::endgroup::$/m);
  expect(dry.log).toMatch(/^::notice title=Dry run%3A DaemonSet t-[^:]+\/agent::dry-run \(validated\): The rollback would go/m);
  const debugged = await fleet.rollback({ 'dry-run': 'true', 'stable-for': 'auto' }, { RUNNER_DEBUG: '1' });
  expect(debugged.log.match(/^::debug::\S+ .*$/gm)).toHaveLength(5);
});
