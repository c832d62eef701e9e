/**
 * 200 rollbacks in a row, and 20 at once, through a network with faults that a seed chooses; `TEST_SEED` repeats those of an earlier run.
 * Also a long wait through such a network.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Fault, FaultyProxy, type Kind } from '../helpers/proxy.ts';
import { expectStep, Fleet, LOG_WHEN_IDLE, printLine, processesOf } from '../helpers/support.ts';

type PodFailure = Exclude<ReturnType<Fault>, 'pass'>;

const busy: PodFailure = { status: 429, headers: { 'Retry-After': '1' } };
const gone: PodFailure = {
  status: 410,
  body: { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message: 'too old resource version' },
};
const anywhere: PodFailure[] = ['drop-answer', 'drop-request', busy, { status: 500 }, { status: 502 }, { status: 503 }, { status: 504 }];
const oneOf = (kind: Kind, failures: PodFailure[]): fc.Arbitrary<[Kind, PodFailure]> =>
  fc.tuple(fc.constant(kind), fc.constantFrom(...failures));
const failure = fc.oneof(
  ...(['get', 'list', 'dry-run', 'patch', 'mark'] as const).map((kind) => oneOf(kind, anywhere)),
  oneOf('watch', ['drop-request', busy, gone, { status: 503 }, { cutAfter: 20 }, { cutAfter: 200 }]),
);
/** The faults for one rollback: they affect the first requests of a kind, in this order. */
const failures = fc.array(failure, { maxLength: 3 });

const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const again = `TEST_SEED=${seed} npm run test:long -- soak`;

let fleet: Fleet;
let proxy: FaultyProxy;
let temp: string;
beforeAll(() => printLine(`The faults are those of the seed ${seed}: ${again}`));
beforeEach(async () => {
  temp = mkdtempSync(join(tmpdir(), 'rollback-daemonset-soak-'));
  fleet = await Fleet.create();
  proxy = await FaultyProxy.inFrontOf(fleet);
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { maxUnavailable: '100%' });
});
afterEach(async () => {
  proxy.stop();
  await fleet.remove();
});
afterAll(() => rmSync(temp, { recursive: true, force: true }));

/** Each fault affects one request. After that the network has no faults. */
function faultsOf(all: [Kind, PodFailure][]): Fault {
  const left = [...all];
  return (kind) => {
    const index = left.findIndex(([of]) => of === kind);
    return index < 0 ? 'pass' : (left.splice(index, 1)[0]?.[1] ?? 'pass');
  };
}

const inputs = (to: string): Record<string, string> => ({ kubeconfig: proxy.kubeconfig, 'to-revision': to, timeout: '60s' });

test('200 rollbacks in a row each write once, reach every node, and leave nothing behind', async () => {
  const names = [(await fleet.revision(1)).metadata.name, (await fleet.revision(2)).metadata.name] as string[];
  const runs = fc.sample(failures, { seed, numRuns: 200 });
  for (const [index, all] of runs.entries()) {
    proxy.fault = faultsOf(all);
    const step = await fleet.rollback(inputs(names[index % 2] ?? ''), {
      TMPDIR: temp,
      GITHUB_RUN_ID: String(index),
      NODE_OPTIONS: LOG_WHEN_IDLE,
    });
    const said = `rollback ${index + 1} through ${JSON.stringify(all)} (${again})`;
    try {
      expectStep(step, {
        code: 0,
        outputs: { outcome: 'rolled-back', changed: 'true', 'new-revision': String(index + 3), updated: '10', available: '10' },
      });
      expect(step.log).toMatch(/^nothing-is-open$/m);
      expect(await fleet.image()).toBe(index % 2 === 0 ? 'v1' : 'v2');
      expect(fleet.writes()).toBe(index + 1);
    } catch (error) {
      throw new Error(`${said}\n${(error as Error).message}`);
    }
  }
  expect(readdirSync(temp)).toEqual([]);
  expect(processesOf(temp)).toEqual([]);
}, 1_800_000);

test('20 rollbacks at once succeed through faults', async () => {
  const [runs] = fc.sample(fc.array(failures, { minLength: 20, maxLength: 20 }), { seed, numRuns: 1 });
  const many = Array.from({ length: 20 }, (_, index) => `agent-${index + 1}`);
  const apply = (tag: string): Promise<string> =>
    fleet.kubectl(
      ['apply', '-f', '-'],
      many.map((name) => fleet.manifest(tag, { maxUnavailable: '100%' }).replaceAll('"agent"', `"${name}"`)).join('\n---\n'),
    );
  for (const tag of ['v1', 'v2-missing']) {
    await apply(tag);
    if (tag === 'v1') for (const name of many) await fleet.kubectl(['rollout', 'status', `daemonset/${name}`, '--timeout=120s']);
  }
  // They share the proxy: a fault affects the first request of its kind.
  proxy.fault = faultsOf((runs ?? []).flat());
  const before = fleet.writes();
  const steps = await Promise.all(
    many.map((name) => fleet.rollback({ ...inputs('previous'), daemonset: `${fleet.namespace}/${name}` }, { TMPDIR: temp })),
  );
  for (const step of steps) expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', changed: 'true', available: '10' } });
  expect(fleet.writes() - before).toBe(20);
  expect(readdirSync(temp)).toEqual([]);
}, 600_000);

test('a wait with 400 changes and 40 closed connections leaks neither memory nor connections', async () => {
  await fleet.deploy('v3-hang');
  proxy.fault = (kind) => (kind === 'watch' ? { cutAfter: 1_000 } : 'pass');
  const { process: gate, done } = fleet.start({
    kubeconfig: proxy.kubeconfig,
    command: 'status',
    'progress-deadline': '0',
    timeout: '10m',
  });
  const held = (): { memory: number; open: number } => ({
    memory: Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${gate.pid}/status`, 'utf8'))?.[1]) / 1024,
    open: readdirSync(`/proc/${gate.pid}/fd`).length,
  });
  let changes = 0;
  const change = async (until: number, watches: number): Promise<void> => {
    while (changes < until || proxy.seen.filter((kind) => kind === 'watch').length < watches) {
      changes += 1;
      await fleet.kubectl(['annotate', 'daemonset/agent', `change=${changes}`, '--overwrite']);
    }
  };
  // By now the pods are watched too, and modules with deferred loading are loaded.
  await change(200, 20);
  const before = held();
  await change(400, 40);
  const after = held();
  gate.kill('SIGINT');
  expectStep(await done, { code: 1, outputs: { outcome: 'cancelled' } });
  printLine(`after ${changes} changes: ${JSON.stringify({ before, after })}`);
  expect(after.memory - before.memory).toBeLessThan(20);
  expect(after.open).toBeLessThanOrEqual(before.open + 2);
}, 600_000);
