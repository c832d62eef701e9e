/**
 * Every fault at every request of a rollback, on real processes. What must hold for all of them is checked here; how each one ends stands
 * in docs/faults.md, which `FAULTS=write npm run test:e2e -- e2e/fault-table` writes anew.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { type Fault, FaultyProxy, type Kind } from './proxy.ts';
import { type Any, eventually, Fleet } from './support.ts';
import { obstruct } from './webhook.ts';

const STEPS = ['get', 'list', 'dry-run', 'patch', 'watch', 'mark'] as const satisfies Kind[];
type Step = (typeof STEPS)[number];

const TITLES: Record<Step, string> = {
  get: 'GET the DaemonSet',
  list: 'LIST its history',
  'dry-run': 'PATCH, dry run',
  patch: 'PATCH',
  watch: 'WATCH',
  mark: 'PATCH a mark',
};

interface NetworkFault {
  name: string;
  fault: ReturnType<Fault>;
  /** It strikes every request of the step, not only the first. */
  always?: boolean;
  timeout?: string;
  only?: Step[];
  /** The credential comes from a plugin, which must be asked again. */
  plugin?: boolean;
}

const expired = { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message: 'too old resource version' };
const NETWORK: NetworkFault[] = [
  { name: '429 with `Retry-After: 1`', fault: { status: 429, headers: { 'Retry-After': '1' } } },
  { name: '429, each time', fault: { status: 429 }, always: true, timeout: '9s' },
  ...[500, 502, 503, 504].map((status): NetworkFault => ({ name: `${status}`, fault: { status } })),
  { name: '503, each time', fault: { status: 503 }, always: true, timeout: '7s' },
  { name: 'reset before the server has it', fault: 'drop-request' },
  { name: 'the same, each time', fault: 'drop-request', always: true, timeout: '7s' },
  { name: 'reset after the server did it', fault: 'drop-answer', only: ['get', 'list', 'dry-run', 'patch', 'mark'] },
  { name: 'silence: the request goes nowhere', fault: 'swallow-request', timeout: '9s' },
  { name: 'silence: the answer goes nowhere', fault: 'swallow-answer', timeout: '9s' },
  { name: 'slow bytes', fault: 'drip' },
  { name: 'JSON cut in half', fault: 'cut-in-half' },
  { name: 'the same, each time', fault: 'cut-in-half', always: true, timeout: '7s' },
  { name: 'closed every second', fault: { cutAfter: 1_000 }, always: true, only: ['watch'] },
  { name: '410 as a status', fault: { status: 410, body: expired }, only: ['list', 'watch'] },
  { name: '410 as an event', fault: { status: 200, body: { type: 'ERROR', object: expired } }, only: ['watch'] },
  { name: '401, and a plugin to ask again', fault: { status: 401 }, plugin: true },
  { name: '401, each time', fault: { status: 401 }, always: true, timeout: '9s' },
];

/** One DaemonSet that is rolled back again and again, and the way to it. */
interface Lane {
  step: Step;
  fleet: Fleet;
  proxy: FaultyProxy;
  /** The names of its two ControllerRevisions, by the tags of their images. */
  revisions: Map<string, string>;
}

const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-faults-'));
let testbed: Testbed;
let lanes: Lane[];

beforeAll(async () => {
  testbed = await startTestbed({ nodes: 1 });
  lanes = await Promise.all(STEPS.map(makeLane));
});
afterAll(async () => {
  for (const { proxy } of lanes ?? []) proxy.stop();
  await testbed?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function makeLane(step: Step): Promise<Lane> {
  const fleet = await Fleet.create({ testbed });
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { maxUnavailable: 1 });
  const { items } = await fleet.json('get', 'controllerrevisions');
  const revisions = new Map<string, string>(
    items.map(({ metadata, data }: Any) => [data.spec.template.spec.containers[0].image.replace(/.*:/, ''), metadata.name]),
  );
  return { step, fleet, proxy: await FaultyProxy.inFrontOf(fleet), revisions };
}

/** The same way, with a plugin that hands out the token and counts how often it is asked. */
function withPlugin({ proxy, step }: Lane): { kubeconfig: string; plugin: string; asked: () => number } {
  const config = load(proxy.kubeconfig) as Any;
  const plugin = join(folder, step);
  const counter = `${plugin}.asked`;
  writeFileSync(counter, '');
  const status = JSON.stringify({ token: config.users[0].user.token });
  const credential = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":${status}}`;
  writeFileSync(plugin, `#!/bin/sh\necho >> '${counter}'\nprintf '%s' '${credential}'\n`);
  chmodSync(plugin, 0o700);
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' };
  config.users[0].user = { exec };
  return { kubeconfig: dump(config), plugin, asked: () => readFileSync(counter, 'utf8').length };
}

const OUTCOMES: Record<string, string> = { 'rolled-back': '✅ rolled back', 'timed-out': '⌛ timed out', error: '❌ error' };

/** One rollback to the version that does not run, and what may never be, whatever happens on the way. How it ended. */
async function attempt(lane: Lane, timeout: string, inputs: Record<string, string> = {}): Promise<string> {
  const { fleet, proxy, revisions } = lane;
  const before = await fleet.daemonSet();
  const [tag, name] = [...revisions].find(([one]) => !before.spec.template.spec.containers[0].image.endsWith(`:${one}`)) ?? [];
  // With a mark that is to be set, and none to be withdrawn.
  if (lane.step === 'mark') await fleet.kubectl(['annotate', 'controllerrevisions', '--all', 'rollback-daemonset/good-']);
  const running = fleet.start({ kubeconfig: proxy.kubeconfig, 'to-revision': name ?? '', timeout, ...inputs });
  await eventually('its first line', running.log, (log) => log !== '');
  const began = Date.now();
  const { code, log, outputs } = await running.done;
  const took = Date.now() - began;
  const after = await eventually(
    'the API server',
    () => fleet.daemonSet().catch(() => undefined),
    (read) => read !== undefined,
  );
  const writes = after.metadata.generation - before.metadata.generation;
  const { outcome = '', reason, changed } = outputs;
  const told = { lane: lane.step, outcome, reason, changed, log };

  expect({ ...told, limit: took <= Number.parseInt(timeout, 10) * 1_000 + 2_000 }).toEqual({ ...told, limit: true });
  expect({ ...told, writes: writes <= 1 }).toEqual({ ...told, writes: true });
  // Where it is not known whether it is written, it is said to be.
  expect({ ...told, honest: changed === 'true' || writes === 0 }).toEqual({ ...told, honest: true });
  expect(log).not.toMatch(/This is a bug|node:internal|Unhandled|^\s+at /m);
  expect(code === 0).toBe(outcome === 'rolled-back');
  if (outcome === 'rolled-back') {
    const { status, spec, metadata } = after;
    expect(spec.template.spec.containers[0].image).toBe(`registry.example/agent:${tag}`);
    expect(status).toMatchObject({
      observedGeneration: metadata.generation,
      updatedNumberScheduled: 1,
      numberAvailable: 1,
    });
  }
  const why = outcome === 'error' ? ` (\`${reason}\`)` : '';
  const written =
    outcome === 'rolled-back' ? '' : writes > 0 ? ', written' : changed === 'true' ? ', perhaps written' : ', nothing written';
  return `${OUTCOMES[outcome] ?? outcome}${why}${written}`;
}

async function struckBy({ fault, always = false, timeout = '30s', plugin = false }: NetworkFault, lane: Lane): Promise<string> {
  const { proxy, step } = lane;
  proxy.seen.length = 0;
  proxy.fault = (kind, count) => (kind === step && (always || count === 1) ? fault : 'pass');
  const login = plugin ? withPlugin(lane) : undefined;
  const end = await attempt(lane, timeout, login && { kubeconfig: login.kubeconfig, 'exec-plugins': login.plugin });
  expect(proxy.seen).toContain(step);
  if (login) expect(login.asked()).toBe(2);
  proxy.fault = () => 'pass';
  return end;
}

/** What all give, once all have ended: one that fails must not leave the others running into the next test. */
async function allOf<T>(promises: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

const NOTHING = '–';
const rows: [string, string[]][] = [];

test('faults of the network', async () => {
  const columns = await allOf(
    lanes.map(async (lane) => {
      const cells: string[] = [];
      for (const fault of NETWORK) cells.push((fault.only ?? STEPS).includes(lane.step as never) ? await struckBy(fault, lane) : NOTHING);
      return cells;
    }),
  );
  for (const [index, { name }] of NETWORK.entries()) rows.push([name, columns.map((cells) => cells[index] ?? '')]);
}, 600_000);

/** One rollback in each lane, all of which are at their step when something happens to the cluster. */
async function whileAtTheirSteps(
  timeout: string,
  happens: (release: () => void, ends: Promise<string>[]) => Promise<void>,
): Promise<string[]> {
  const held = new Set<Step>();
  let release = (): void => {};
  const released = new Promise<void>((go) => {
    release = go;
  });
  const ends = lanes.map((lane) => {
    lane.proxy.seen.length = 0;
    lane.proxy.before = async (kind, count) => {
      if (kind !== lane.step || count > 1) return;
      held.add(kind);
      await released;
    };
    return attempt(lane, timeout);
  });
  // Whatever is thrown before they are awaited is thrown again then.
  for (const end of ends) end.catch(() => {});
  try {
    await eventually(
      'all at their steps',
      () => held.size,
      (size) => size === lanes.length,
    );
    await happens(release, ends);
    return await allOf(ends);
  } finally {
    release();
    await Promise.allSettled(ends);
    for (const { proxy } of lanes) proxy.before = async () => {};
  }
}

test('the API server is killed, and started again once the first rollback has given up', async () => {
  const cells = await whileAtTheirSteps('60s', async (release) => {
    await testbed.kill('kube-apiserver');
    release();
    // Where nothing was ever reached, it is soon given up.
    await eventually(
      'the first rollback',
      () => lanes[0]?.proxy.seen.length ?? 0,
      (tries) => tries >= 5,
    );
    await testbed.start('kube-apiserver');
  });
  rows.push(['the API server is killed, and started again', cells]);
});

test('etcd stands still for 20 s', async () => {
  const cells = await whileAtTheirSteps('60s', async (release) => {
    await testbed.pause('etcd');
    release();
    await new Promise((next) => setTimeout(next, 20_000));
    await testbed.resume('etcd');
  });
  rows.push(['etcd stands still for 20 s', cells]);
});

test('the controller-manager stands still', async () => {
  const cells = await whileAtTheirSteps('20s', async (release, ends) => {
    await testbed.pause('kube-controller-manager');
    release();
    await Promise.allSettled(ends);
    await testbed.resume('kube-controller-manager');
  });
  rows.push(['the controller-manager stands still', cells]);
});

test.each(['deny', 'time-out'] as const)('an admission webhook: %s', async (how) => {
  const cells = await allOf(
    lanes.map(async (lane) => {
      if (lane.step !== 'dry-run' && lane.step !== 'patch') return NOTHING;
      await eventually(
        'an observed DaemonSet',
        () => lane.fleet.daemonSet(),
        ({ metadata, status }) => status.observedGeneration === metadata.generation,
      );
      await obstruct(lane.fleet, how, lane.step);
      const end = await attempt(lane, '30s');
      await lane.fleet.cleanUp();
      return end;
    }),
  );
  rows.push([`an admission webhook ${how === 'deny' ? 'denies' : 'does not answer'}`, cells]);
});

test('the table in the docs says how each one ended', () => {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  const header = ['fault', ...STEPS.map((step) => TITLES[step])];
  const table = [line(header), line(header.map(() => '---')), ...rows.map(([name, cells]) => line([name, ...cells]))].join('\n');
  const path = 'docs/faults.md';
  const page = readFileSync(path, 'utf8');
  const written = page.replace(/\| fault [\s\S]*\|(?=\n)/, () => table);
  if (process.env['FAULTS'] === 'write') writeFileSync(path, written);
  else expect(page).toBe(written);
});
