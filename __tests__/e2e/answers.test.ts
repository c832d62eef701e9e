/** What a cluster stores comes back to the letter, or is left out with a warning; it never blocks the rest. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Any, expectStep, Fleet } from '../helpers/support.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
});
afterEach(() => fleet.remove());

test('an integer above 2^53 is restored to the letter, and a dry run and the history show it', async () => {
  const apply = (tag: string, seconds: string): Promise<string> => {
    const tolerations = `"tolerations":[{"key":"gone","operator":"Exists","effect":"NoExecute","tolerationSeconds":${seconds}}],"containers"`;
    return fleet.kubectl(['apply', '-f', '-'], fleet.manifest(tag).replace('"containers"', tolerations));
  };
  const stored = (): Promise<string> => fleet.kubectl(['get', 'daemonset/agent', '-o', 'json']);
  await apply('v1', '9007199254740993');
  await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
  await apply('v2', '9007199254740995');
  await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
  expect(await stored()).toContain('"tolerationSeconds": 9007199254740995');
  const dry = await fleet.rollback({ 'dry-run': 'true' });
  expect(dry.log).toMatch(/^- 9007199254740995\n\+ 9007199254740993$/m);
  expectStep(await fleet.rollback({ command: 'history', revision: '1' }), { code: 0, log: expect.stringContaining('9007199254740993') });
  expectStep(await fleet.rollback(), {
    code: 0,
    outputs: { outcome: 'rolled-back', 'controller-revision': expect.stringMatching(/^agent-/) },
  });
  expect(await stored()).toContain('"tolerationSeconds": 9007199254740993');
});

test('a guard restores such an integer to the letter as well', async () => {
  const tolerations =
    '"tolerations":[{"key":"gone","operator":"Exists","effect":"NoExecute","tolerationSeconds":9007199254740993}],"containers"';
  await fleet.kubectl(['apply', '-f', '-'], fleet.manifest('v1').replace('"containers"', tolerations));
  await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
  const { state } = await fleet.rollback({ command: 'guard' });
  await fleet.deploy('v2-crash');
  expectStep(await fleet.post(state).done, { code: 0 });
  expect(await fleet.kubectl(['get', 'daemonset/agent', '-o', 'json'])).toContain('"tolerationSeconds": 9007199254740993');
});

test('a ControllerRevision that is nested 3,000 levels deep is left out with a warning, and blocks neither a rollback nor a guard', async () => {
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
  const like = await fleet.revision(1);
  const { ownerReferences, labels } = like.metadata;
  const deep = `${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)}`;
  const head = JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: { name: 'agent-deep', ownerReferences, labels: { ...labels, 'controller-revision-hash': 'deep' } },
    revision: 9,
  } satisfies Any);
  await fleet.kubectl(['create', '-f', '-'], `${head.slice(0, -1)},"data":${deep}}`);
  const warning = /^::warning::.*agent-deep.*nested/m;
  const guard = await fleet.rollback({ command: 'guard' });
  expectStep(guard, { code: 0, outputs: { outcome: 'recorded', 'old-revision': '2' }, log: expect.stringMatching(warning) });
  expectStep(await fleet.rollback({ command: 'history' }), { code: 0, log: expect.stringMatching(warning) });
  expectStep(await fleet.rollback({ 'to-revision': '1' }), {
    code: 0,
    outputs: { outcome: 'rolled-back' },
    log: expect.stringMatching(warning),
  });
  expect(await fleet.image()).toBe('v1');
});
