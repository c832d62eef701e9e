/**
 * Every way in which an answer can end, at every request of every command, on real processes. The test checks what must hold for all of
 * them. How each one ends is listed in docs/faults.md, which `FAULTS=write npm run test:faults` regenerates.
 */

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { dump, load } from 'js-yaml';
import pLimit from 'p-limit';
import { markdownTable } from '../../scripts/markdown-table.ts';
import { OUTCOMES } from '../../src/daemonset/outcome.ts';
import type { RunningStep, Step } from '../../testbed/step.ts';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { type Fault, FaultyProxy, type Kind, type Reply } from '../helpers/proxy.ts';
import { type Any, eventually, Fleet } from '../helpers/support.ts';
import { obstruct } from '../helpers/webhook.ts';

/** The requests of each command, in their order. `post` is the post step of a guard whose job has failed. */
const REQUESTS = {
  rollback: ['get', 'list', 'dry-run', 'admission', 'patch', 'watch', 'pods', 'mark'],
  status: ['get', 'list', 'watch', 'pods', 'mark'],
  guard: ['get', 'list'],
  post: ['get', 'list', 'dry-run', 'admission', 'patch', 'watch', 'pods'],
  history: ['get', 'list', 'pods'],
} as const satisfies Record<string, Kind[]>;
type Command = keyof typeof REQUESTS;
const COMMANDS = Object.keys(REQUESTS) as Command[];

const TITLES: Partial<Record<Kind, string>> = {
  get: 'GET the DaemonSet',
  list: 'LIST its history',
  pods: 'LIST its pods',
  'dry-run': 'PATCH, dry run',
  admission: 'POST a pod, dry run',
  patch: 'PATCH',
  watch: 'WATCH',
  mark: 'PATCH a good mark',
};

/** How a command ends if it succeeds. */
const SUCCESS: Record<Command, string> = {
  rollback: 'rolled-back',
  status: 'complete',
  guard: 'recorded',
  post: 'rolled-back',
  history: 'listed',
};

interface NetworkFault {
  name: string;
  fault: ReturnType<Fault>;
  /** It affects every request of its kind, not only the first. */
  always?: boolean;
  timeout?: string;
  only?: Kind[];
  /** The credential comes from a plugin, which must run again. */
  plugin?: boolean;
}

/** A Status of the API server. */
const status = (code: number, reason: string, message: string, more: object = {}): Reply => ({
  status: code,
  body: { reason, message, ...more },
});
/** An answer that is not from an API server. */
const page = (code: number): Reply => ({ status: code, body: `<html><title>${code}</title><h1>Answer ${code} of a gateway</h1></html>` });

const EXPIRED = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 410, reason: 'Expired', message: 'too old resource version' };
const NOT_FOUND = { details: { name: 'agent', group: 'apps', kind: 'daemonsets' } };
const FORBIDDEN =
  'daemonsets.apps "agent" is forbidden: User "ci" cannot get resource "daemonsets" in API group "apps" in the namespace "x"';

const NETWORK: NetworkFault[] = [
  // no answer
  { name: 'the connection is refused for a second', fault: 'refuse' },
  { name: 'the connection is reset', fault: 'reset' },
  { name: 'the connection is closed without an answer', fault: 'drop-request' },
  { name: 'closed without an answer, each time', fault: 'drop-request', always: true, timeout: '7s' },
  {
    name: 'closed after the server has processed it',
    fault: 'drop-answer',
    only: ['get', 'list', 'pods', 'dry-run', 'admission', 'patch', 'mark'],
  },
  { name: 'silence: the request is lost', fault: 'swallow-request', timeout: '7s' },
  { name: 'silence: the answer is lost', fault: 'swallow-answer', timeout: '7s' },
  { name: '101 Switching Protocols', fault: 'switch-protocols' },
  { name: '101, each time', fault: 'switch-protocols', always: true, timeout: '7s' },
  // half an answer
  { name: 'slow bytes', fault: 'drip' },
  { name: 'a truncated answer', fault: 'truncate' },
  { name: 'incomplete JSON', fault: 'cut-in-half' },
  { name: 'incomplete JSON, each time', fault: 'cut-in-half', always: true, timeout: '7s' },
  { name: 'closed every second', fault: { cutAfter: 1_000 }, always: true, only: ['watch'] },
  // an answer of something else
  { name: 'HTML with 200', fault: page(200) },
  { name: 'HTML with 200, each time', fault: page(200), always: true, timeout: '7s' },
  { name: 'another kind of object with 200', fault: { status: 200, body: { kind: 'Service', apiVersion: 'v1', metadata: {} } } },
  { name: 'a redirect', fault: { ...page(302), headers: { Location: 'https://login.example' } } },
  ...[401, 403, 404, 409, 410, 500, 502].map((code): NetworkFault => ({ name: `${code}, HTML`, fault: page(code) })),
  { name: '404, HTML, each time', fault: page(404), always: true, timeout: '7s' },
  // an answer of the API server
  { name: '401', fault: status(401, 'Unauthorized', 'Unauthorized') },
  { name: '401, and a plugin that gives another token', fault: status(401, 'Unauthorized', 'Unauthorized'), plugin: true },
  { name: '403 by RBAC', fault: status(403, 'Forbidden', FORBIDDEN) },
  {
    name: '404',
    fault: status(404, 'NotFound', 'daemonsets.apps "agent" not found', NOT_FOUND),
    // For a DaemonSet that is read again afterwards, this is a contradiction.
    only: ['get', 'list', 'pods', 'dry-run', 'watch', 'mark'],
  },
  { name: '409', fault: status(409, 'Conflict', 'the object has been modified') },
  { name: '410', fault: { status: 410, body: EXPIRED } },
  { name: '410 as an event', fault: { status: 200, body: { type: 'ERROR', object: EXPIRED } }, only: ['watch'] },
  { name: '429 with `Retry-After: 1`', fault: { ...status(429, 'TooManyRequests', 'slow down'), headers: { 'Retry-After': '1' } } },
  { name: '429, each time', fault: { status: 429, body: 'Too many requests, please try again later.' }, always: true, timeout: '7s' },
  ...[500, 502, 503, 504].map((code): NetworkFault => ({ name: `${code}`, fault: status(code, 'InternalError', 'it failed') })),
  { name: '503, each time', fault: status(503, 'ServiceUnavailable', 'starting'), always: true, timeout: '7s' },
];

/** One DaemonSet on which one command runs again and again, with a fault at one of its requests. */
interface Lane {
  command: Command;
  step: Kind;
  fleet: Fleet;
  proxy: FaultyProxy;
  /** The names of its two ControllerRevisions, by the tags of their images. */
  revisions: Map<string, string>;
  folder: string;
}

const root = mkdtempSync(join(tmpdir(), 'rollback-daemonset-faults-'));
/** Processes at a time, so that each has the time that it needs. */
const limit = pLimit(8);
let testbed: Testbed;
let lanes: Lane[];
const lanesOf = (command: Command): Lane[] => lanes.filter((lane) => lane.command === command);

beforeAll(async () => {
  testbed = await startTestbed({ nodes: 1 });
  lanes = await Promise.all(COMMANDS.flatMap((command) => REQUESTS[command].map((step) => limit(() => makeLane(command, step)))));
}, 300_000);
afterAll(async () => {
  for (const { proxy } of lanes ?? []) proxy.stop();
  await testbed?.stop();
  rmSync(root, { recursive: true, force: true });
});

async function makeLane(command: Command, step: Kind): Promise<Lane> {
  const fleet = await Fleet.create({ testbed });
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, { maxUnavailable: 1 });
  const { items } = await fleet.json('get', 'controllerrevisions');
  const revisions = new Map<string, string>(items.map(({ metadata, data }: Any) => [tagOf(data.spec.template), metadata.name]));
  const folder = join(root, `${command}-${step}`);
  mkdirSync(folder);
  return { command, step, fleet, proxy: await FaultyProxy.inFrontOf(fleet), revisions, folder };
}

function tagOf(template: Any): string {
  return template.spec.containers[0].image.replace(/.*:/, '');
}

/** The same kubeconfig, with a plugin that prints the token and counts how often it runs. */
function withPlugin({ proxy, folder }: Lane): { kubeconfig: string; plugin: string; runs: () => number } {
  const config = load(proxy.kubeconfig) as Any;
  const plugin = join(folder, 'plugin');
  const counter = `${plugin}.runs`;
  writeFileSync(counter, '');
  const token = JSON.stringify({ token: config.users[0].user.token });
  const credential = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":${token}}`;
  writeFileSync(plugin, `#!/bin/sh\necho >> '${counter}'\nprintf '%s' '${credential}'\n`);
  chmodSync(plugin, 0o700);
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' };
  config.users[0].user = { exec };
  return { kubeconfig: dump(config), plugin, runs: () => readFileSync(counter, 'utf8').length };
}

/** A run of a command that is ready to start, and the tag that runs everywhere if it succeeds. */
interface Prepared {
  tag: string;
  start: (timeout: string, inputs: Record<string, string>) => RunningStep;
}

async function prepare(lane: Lane): Promise<Prepared> {
  const { command, step, fleet, proxy, revisions, folder } = lane;
  const { kubeconfig } = proxy;
  // Then the only list of pods is the one that verifies the counters.
  const stable = step === 'pods' ? { 'stable-for': '0' } : {};
  const current = tagOf((await fleet.daemonSet()).spec.template);
  const other = [...revisions.keys()].find((tag) => tag !== current) as string;
  // So that there is a mark to set, and none to remove.
  if (step === 'mark') await fleet.kubectl(['annotate', 'controllerrevisions', '--all', 'rollback-daemonset/good-']);
  switch (command) {
    case 'rollback':
      return {
        tag: other,
        start: (timeout, inputs) =>
          fleet.start({ kubeconfig, 'to-revision': revisions.get(other) as string, timeout, ...stable, ...inputs }),
      };
    case 'status':
      // It takes two seconds, so that it is watched.
      if (step === 'watch') await fleet.deploy(other, { maxUnavailable: 1, spec: { minReadySeconds: 2 } });
      return {
        tag: step === 'watch' ? other : current,
        start: (timeout, inputs) => fleet.start({ command, kubeconfig, timeout, ...stable, ...inputs }),
      };
    case 'post': {
      await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
      // Each is a run of its own.
      const environment = { RUNNER_TEMP: folder, GITHUB_RUN_ID: String(Date.now()) };
      const { state } = await fleet.start({ command: 'guard', kubeconfig, ...stable }, environment).done;
      await fleet.rollOut(other, { maxUnavailable: 1 });
      proxy.seen.length = 0;
      return { tag: current, start: (timeout, inputs) => fleet.post(state, { kubeconfig, timeout, ...stable, ...inputs }, environment) };
    }
    default:
      return {
        tag: current,
        start: (timeout, inputs) => fleet.start({ command, kubeconfig, timeout, ...inputs }, { RUNNER_TEMP: folder }),
      };
  }
}

/** The outcome and its reason. A post step has no outputs, and reports them in the log only. */
function endOf({ outputs, log }: Step, command: Command): { outcome: string; reason: string } {
  const { outcome = '', reason = '' } = outputs;
  if (command !== 'post') return { outcome, reason };
  const ends = [...log.matchAll(/\b([a-z-]+) \(([a-z-]+)\)/g)].filter(([, one]) => (OUTCOMES as readonly string[]).includes(one ?? ''));
  const [, last = '', why = ''] = ends.at(-1) ?? [];
  return { outcome: last, reason: why };
}

const SIGNS: Record<string, string> = { 'timed-out': '⌛ timed out', error: '❌ error', refused: '❌ refused', deleted: '❌ deleted' };

/** One run of a command, and what must hold however it ends. How it ended. */
async function attempt(lane: Lane, timeout: string, inputs: Record<string, string> | undefined, { tag, start }: Prepared): Promise<string> {
  const { command, step, fleet } = lane;
  const before = await fleet.daemonSet();
  const running = start(timeout, inputs ?? {});
  await eventually('its first line', running.log, (log) => log !== '');
  const began = Date.now();
  const ended = await running.done;
  const took = Date.now() - began;
  const after = await eventually(
    'the API server',
    () => fleet.daemonSet().catch(() => undefined),
    (read) => read !== undefined,
  );
  const { code, log, outputs, summary } = ended;
  const { outcome, reason } = endOf(ended, command);
  const { changed } = outputs;
  const writes = after.metadata.generation - before.metadata.generation;
  const seen = { command, step, code, outcome, reason, changed, log };

  expect({ ...seen, inTime: took <= Number.parseInt(timeout, 10) * 1_000 + 2_000 }).toEqual({ ...seen, inTime: true });
  const mayWrite = command === 'rollback' || command === 'post';
  expect({ ...seen, writes: writes <= (mayWrite ? 1 : 0) }).toEqual({ ...seen, writes: true });
  // If it is unknown whether it is written, the step says that it is.
  if (command !== 'post') expect({ ...seen, honest: changed === 'true' || writes === 0 }).toEqual({ ...seen, honest: true });
  expect(log).not.toMatch(/This should not happen|node:internal|Unhandled|^\s+at /m);
  expect({ ...seen, reported: OUTCOMES.includes(outcome as never) && reason !== '' }).toEqual({ ...seen, reported: true });
  expect({ ...seen, summary: summary.startsWith('## ') }).toEqual({ ...seen, summary: true });
  // A guard records that there is no DaemonSet, if the API server says so.
  const succeeded = outcome === SUCCESS[command] || (command === 'guard' && outcome === 'absent');
  expect({ ...seen, zero: code === 0 }).toEqual({ ...seen, zero: succeeded });
  if (succeeded && command !== 'guard' && command !== 'history') {
    expect({ ...seen, tag: tagOf(after.spec.template) }).toEqual({ ...seen, tag });
    expect(after.status).toMatchObject({ observedGeneration: after.metadata.generation, updatedNumberScheduled: 1, numberAvailable: 1 });
  }
  if (succeeded && command === 'guard') expect(ended.state['guard']).toBeDefined();
  if (succeeded) return `✅ ${outcome.replace('-', ' ')}`;
  const why = outcome === 'error' || outcome === 'refused' ? ` (\`${reason}\`)` : '';
  const written = !mayWrite ? '' : writes > 0 ? ', written' : changed === 'true' ? ', perhaps written' : ', nothing written';
  return `${SIGNS[outcome] ?? outcome}${why}${written}`;
}

async function withFault({ fault, always = false, timeout = '30s', plugin = false }: NetworkFault, lane: Lane): Promise<string> {
  const { proxy, step } = lane;
  const prepared = await prepare(lane);
  proxy.seen.length = 0;
  proxy.fault = (kind, count) => (kind === step && (always || count === 1) ? fault : 'pass');
  try {
    const login = plugin ? withPlugin(lane) : undefined;
    const end = await attempt(lane, timeout, login && { kubeconfig: login.kubeconfig, 'exec-plugins': login.plugin }, prepared);
    expect(proxy.seen).toContain(step);
    if (login) expect(login.runs()).toBe(2);
    return end;
  } finally {
    proxy.fault = () => 'pass';
  }
}

/** The results of all promises, after all have ended: one that fails must not leave the others running during the next test. */
async function allOf<T>(promises: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

const NOTHING = '–';
const failures: string[] = [];

/** A cell whose checks fail does not hide the others. */
function failed(error: Error, where: string): string {
  failures.push(`${where}: ${error.message}`);
  return '💥';
}

const tables = Object.fromEntries(COMMANDS.map((command) => [command, [] as [string, string[]][]])) as Record<
  Command,
  [string, string[]][]
>;

/** A table of a command's requests: a column for each lane, its cells one after the other. */
async function fill(command: Command): Promise<void> {
  const columns = await allOf(
    lanesOf(command).map(async (lane) => {
      const cells: string[] = [];
      for (const fault of NETWORK) {
        const applies = (fault.only ?? [lane.step]).includes(lane.step);
        const run = (): Promise<string> =>
          withFault(fault, lane).catch((error: Error) => failed(error, `${command}, ${lane.step}, ${fault.name}`));
        cells.push(applies ? await limit(run) : NOTHING);
      }
      return cells;
    }),
  );
  for (const [index, { name }] of NETWORK.entries()) tables[command].push([name, columns.map((cells) => cells[index] ?? '')]);
}

test('answers that end in every way: each command, each request', async () => {
  await allOf(COMMANDS.map(fill));
  expect(failures).toEqual([]);
}, 900_000);

/** One rollback in each lane, which all reach their request before something happens to the cluster. */
async function whileAtTheirSteps(
  timeout: string,
  happens: (release: () => void, ends: Promise<string>[]) => Promise<void>,
): Promise<string[]> {
  const held = new Set<Kind>();
  const rollbacks = lanesOf('rollback');
  let release = (): void => {};
  const released = new Promise<void>((go) => {
    release = go;
  });
  const prepared = new Map(await Promise.all(rollbacks.map(async (lane) => [lane, await prepare(lane)] as const)));
  const ends = rollbacks.map((lane) => {
    lane.proxy.seen.length = 0;
    lane.proxy.before = async (kind, count) => {
      if (kind !== lane.step || count > 1) return;
      held.add(kind);
      await released;
    };
    return attempt(lane, timeout, {}, prepared.get(lane) as Prepared);
  });
  // An exception before they are awaited is thrown when they are.
  for (const end of ends) end.catch(() => {});
  try {
    await eventually(
      'all at their requests',
      () => held.size,
      (size) => size === rollbacks.length,
    );
    await happens(release, ends);
    return await allOf(ends);
  } finally {
    release();
    await Promise.allSettled(ends);
    for (const { proxy } of rollbacks) proxy.before = async () => {};
  }
}

test('the API server is killed, and started again once the first rollback has given up', async () => {
  const cells = await whileAtTheirSteps('60s', async (release) => {
    await testbed.kill('kube-apiserver');
    release();
    // A server that was never reached is soon given up.
    await eventually(
      'the first rollback',
      () => lanesOf('rollback')[0]?.proxy.seen.length ?? 0,
      (tries) => tries >= 5,
    );
    await testbed.start('kube-apiserver');
  });
  tables.rollback.push(['the API server is killed, and started again', cells]);
});

test('etcd stands still for 20 s', async () => {
  const cells = await whileAtTheirSteps('60s', async (release) => {
    await testbed.pause('etcd');
    release();
    await new Promise((next) => setTimeout(next, 20_000));
    await testbed.resume('etcd');
  });
  tables.rollback.push(['etcd stands still for 20 s', cells]);
});

test('the controller-manager stands still', async () => {
  const cells = await whileAtTheirSteps('20s', async (release, ends) => {
    // What is written before is rolled out before.
    for (const { fleet, step } of lanesOf('rollback'))
      if (['watch', 'pods', 'mark'].includes(step)) await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
    await testbed.pause('kube-controller-manager');
    release();
    await Promise.allSettled(ends);
    await testbed.resume('kube-controller-manager');
  });
  tables.rollback.push(['the controller-manager stands still', cells]);
});

test.each(['deny', 'time-out'] as const)('an admission webhook: %s', async (how) => {
  const cells = await allOf(
    lanesOf('rollback').map(async (lane) => {
      if (lane.step !== 'dry-run' && lane.step !== 'patch') return NOTHING;
      await eventually(
        'an observed DaemonSet',
        () => lane.fleet.daemonSet(),
        ({ metadata, status }) => status.observedGeneration === metadata.generation,
      );
      await obstruct(lane.fleet, how, lane.step);
      try {
        return await attempt(lane, '30s', {}, await prepare(lane));
      } finally {
        await lane.fleet.cleanUp();
      }
    }),
  );
  tables.rollback.push([`an admission webhook ${how === 'deny' ? 'denies' : 'does not answer'}`, cells]);
});

test('the tables in the docs list how each one ended', () => {
  const path = 'docs/faults.md';
  const current = readFileSync(path, 'utf8');
  let written = current;
  for (const command of COMMANDS) {
    const header = ['fault', ...REQUESTS[command].map((step) => TITLES[step] ?? step)];
    const table = markdownTable(
      header,
      tables[command].map(([name, cells]) => [name, ...cells]),
    );
    const place = new RegExp(`(<!-- ${command} -->\\n)[\\s\\S]*?(\\n<!-- end -->)`);
    expect(written).toMatch(place);
    written = written.replace(place, (_, begin: string, end: string) => `${begin}\n${table}\n${end}`);
  }
  if (process.env['FAULTS'] === 'write') writeFileSync(path, written);
  else expect(current).toBe(written);
});
