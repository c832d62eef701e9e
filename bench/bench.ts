/**
 * Compares the action with `kubectl rollout undo` and `kubectl rollout status` on a test bed, and writes the table and the chart of
 * docs/performance.md: `npm run bench`. It takes about fifteen minutes. The times are meaningful only on an otherwise idle machine. With
 * `--real`, it compares verdicts on a real node instead (real.ts), with `--broken`, how far a broken version comes (broken.ts), and with
 * `--command-line`, what a start of the command line costs (command-line.ts).
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../__tests__/helpers/fleet.ts';
import { type Answer, answersSince, auditMark, inWords } from '../testbed/audit-log.ts';
import { type RunningStep, type Step, startStep } from '../testbed/step.ts';
import { startTestbed } from '../testbed/testbed.ts';
import { compareOnBrokenVersion } from './broken.ts';
import { compareCommandLine } from './command-line.ts';
import { createFleet, requestsSince, unmark } from './fleet.ts';
import { endOf, median, peakOf, run, TIMED, type Times, timesIn } from './measure.ts';
import { PassThrough } from './pass-through.ts';
import { compareOnRealNode } from './real.ts';
import { type Row, writeReport } from './report.ts';

const PAIRS = 15;
const AT_ONCE = 20;
/** For how many minutes the requests are counted while nothing changes. */
const MINUTES = 2;
const MB = 1e6;

const cache = mkdtempSync(join(tmpdir(), 'rollback-daemonset-bench-'));
const rows: Row[] = [];
const add = (row: Row): void => {
  rows.push(row);
  console.log(`${row.met ? 'met   ' : 'MISSED'} ${row.what}: ${row.ours}; kubectl ${row.kubectl} (goal ${row.goal})`);
};
const load = loadavg()[0] as number;
let runs = 0;

function start(fleet: Fleet, inputs: Record<string, string> = {}, through: string[] = []): RunningStep {
  // As soon as kubectl, which trusts the counters of one moment. The default has a row of its own.
  const all = {
    kubeconfig: fleet.testbed.kubeconfig,
    daemonset: `${fleet.namespace}/${fleet.name}`,
    timeout: '30m',
    'stable-for': '0',
    ...inputs,
  };
  runs += 1;
  return startStep(all, { GITHUB_RUN_ID: String(runs) }, () => {}, undefined, through);
}

function expectOutcome({ outputs, log }: Step, outcome: string): void {
  if (outputs['outcome'] !== outcome) throw new Error(`Expected the outcome ${outcome}, but it is ${outputs['outcome']}:\n${log}`);
}

/** `undo`, then `status`, in one shell. Discovery is cached in `into`. */
function undoAndStatus({ testbed, namespace, name }: Fleet, { kubeconfig = testbed.kubeconfig, into = cache } = {}): string[] {
  const kubectl = `"$0" --kubeconfig "$1" --namespace "$2" --cache-dir "$3" rollout`;
  const both = `${kubectl} undo daemonset/${name} && ${kubectl} status daemonset/${name}`;
  return ['bash', '-c', both, testbed.kubectl, kubeconfig, namespace, into];
}

/** The time of the last write of the status by the controller before the end, in milliseconds since the epoch. */
function lastAvailable(answers: Answer[], { namespace }: Fleet, ended: number): number {
  const statuses = answers.filter(
    ({ verb, objectRef }) =>
      verb === 'update' && objectRef?.resource === 'daemonsets' && objectRef.subresource === 'status' && objectRef.namespace === namespace,
  );
  return Math.max(...statuses.map(({ stageTimestamp }) => Date.parse(stageTimestamp)).filter((at) => at <= ended));
}

interface Pair extends Times {
  /** From the last node becoming available to the end, in milliseconds. */
  after: number;
}

/**
 * The action rolls back from v2 to v1, then kubectl from v1 to v2, in alternation, so that other load on the machine affects both.
 *
 * @param marked whether v1 already has the good mark.
 * @param cached whether kubectl has a discovery cache; on a fresh runner, it has none.
 */
async function inPairs(fleet: Fleet, { marked, cached }: { marked: boolean; cached: boolean }): Promise<[ours: number, kubectl: number][]> {
  const ours: Pair[] = [];
  const theirs: Pair[] = [];
  for (let pair = 0; pair <= PAIRS; pair++) {
    if (!marked) await unmark(fleet);
    let mark = auditMark(fleet.testbed);
    const { process, done } = start(fleet, {}, TIMED);
    const ended = await endOf(process);
    const step = await done;
    expectOutcome(step, 'rolled-back');
    const one = { ...timesIn(step.log), after: ended - lastAvailable(answersSince(fleet.testbed, mark), fleet, ended) };
    mark = auditMark(fleet.testbed);
    const into = cached ? cache : mkdtempSync(join(cache, 'fresh-'));
    const pairOfKubectl = await run([...TIMED, ...undoAndStatus(fleet, { into })]);
    const other = {
      ...timesIn(pairOfKubectl.printed),
      after: pairOfKubectl.ended - lastAvailable(answersSince(fleet.testbed, mark), fleet, pairOfKubectl.ended),
    };
    // The first pair fills the caches of the system, and kubectl's discovery cache.
    if (pair === 0) continue;
    ours.push(one);
    theirs.push(other);
  }
  const version = `${marked ? 'version already has the good mark' : 'version has no good mark yet'}${cached ? '' : ', fresh runner'}`;
  const ratio = (of: 'cpu' | 'wall'): number => median(ours.map((one, index) => one[of] / (theirs[index] as Pair)[of]));
  for (const [of, what] of [
    ['cpu', `CPU time (user and system), ${version}`],
    ['wall', `total time, ${version}`],
  ] as const) {
    add({
      what,
      goal: '≤ 1.0 × kubectl',
      ours: `${milliseconds(median(ours.map((one) => one[of])))}, ${ratio(of).toFixed(2)} ×`,
      kubectl: milliseconds(median(theirs.map((one) => one[of]))),
      met: ratio(of) <= 1,
    });
  }
  const after = median(ours.map((one) => one.after));
  add({
    what: `time from the last node becoming available to the end, ${version}`,
    goal: '≤ 100 ms',
    ours: milliseconds(after),
    kubectl: milliseconds(median(theirs.map((one) => one.after))),
    met: after <= 100,
  });
  return ours.map(({ cpu }, index) => [cpu, (theirs[index] as Pair).cpu]);
}

/** Counts what a rollback sends, to a version without and with a good mark, and what kubectl sends, without and with a discovery cache. */
async function counts(fleet: Fleet): Promise<void> {
  const through = await PassThrough.inFrontOf(fleet.testbed);
  const kubeconfig = join(cache, 'through');
  writeFileSync(kubeconfig, through.kubeconfig, { mode: 0o600 });
  const counted = async (program: 'rollback-daemonset' | 'kubectl', work: () => Promise<unknown>): Promise<Sent> => {
    const { connections, handshakes } = through;
    const mark = auditMark(fleet.testbed);
    await work();
    const requests = (await requestsSince(fleet.testbed, mark, program)).map(inWords);
    return { requests, connections: through.connections - connections, handshakes: through.handshakes - handshakes };
  };
  const rollback = async (): Promise<void> => expectOutcome(await start(fleet, { kubeconfig: through.kubeconfig }).done, 'rolled-back');
  const kubectl = (into: string) => () => run(undoAndStatus(fleet, { kubeconfig, into: join(cache, into) }));
  await unmark(fleet);
  const first = await counted('rollback-daemonset', rollback);
  const cold = await counted('kubectl', kubectl('cold'));
  const marked = await counted('rollback-daemonset', rollback);
  const warm = await counted('kubectl', kubectl('cold'));
  through.stop();
  const discovery = first.requests.filter((request) => request.startsWith('get /'));
  add({
    what: 'requests per rollback',
    goal: '≤ 8, no discovery',
    ours: `${marked.requests.length}; ${first.requests.length} without a good mark`,
    kubectl: `${warm.requests.length}; ${cold.requests.length} on a fresh runner`,
    met: marked.requests.length <= 8 && discovery.length === 0,
  });
  add({
    what: 'connections, TLS handshakes',
    goal: '≤ 2',
    ours: `${marked.connections}, ${marked.handshakes}; ${first.connections}, ${first.handshakes} without a good mark`,
    kubectl: `${warm.connections}, ${warm.handshakes}`,
    met: marked.connections <= 2 && marked.handshakes <= 2,
  });
}

interface Sent {
  requests: string[];
  connections: number;
  handshakes: number;
}

/**
 * Measures two gates: on a version that cannot start, how long after `failure-grace` it reports the failure; on a version that hangs, how
 * many requests it sends while it waits.
 */
async function waiting(fleet: Fleet): Promise<void> {
  const GRACE = 10_000;
  await fleet.deploy('v3-missing');
  let mark = auditMark(fleet.testbed);
  const gate = start(fleet, { command: 'status', 'failure-grace': `${GRACE}ms` });
  const ended = await endOf(gate.process);
  expectOutcome(await gate.done, 'failed');
  const pods = (await requestsSince(fleet.testbed, mark, 'rollback-daemonset')).find((answer) => inWords(answer) === 'list pods');
  if (!pods) throw new Error('The gate listed no pods.');
  const late = ended - Date.parse(pods.stageTimestamp) - GRACE;
  add({
    what: 'time from the end of `failure-grace` to the verdict',
    goal: '≤ 1 s',
    ours: milliseconds(late),
    kubectl: 'never',
    met: late <= 1_000,
  });

  await fleet.deploy('v4-hang');
  const hanging = start(fleet, { command: 'status', 'progress-deadline': '0' });
  // After this time, the gate has found everything that it can find.
  await sleep(75_000);
  const began = Date.now();
  mark = auditMark(fleet.testbed);
  await sleep(MINUTES * 60_000);
  // The log also contains watches that began before and ended since.
  const isNew = ({ requestReceivedTimestamp }: Answer): boolean => Date.parse(requestReceivedTimestamp) >= began;
  const asked = (await requestsSince(fleet.testbed, mark, 'rollback-daemonset')).filter(isNew).map(inWords);
  hanging.process.kill('SIGINT');
  await hanging.done;
  console.log(`requests while nothing changes: ${asked.join(', ')}`);
  add({
    what: 'requests per minute while nothing changes',
    goal: '≤ 1',
    ours: String(asked.length / MINUTES),
    kubectl: '0',
    met: asked.length / MINUTES <= 1,
  });
}

async function atOnce(fleet: Fleet): Promise<void> {
  const fleets = Array.from({ length: AT_ONCE }, (_, index) => fleet.beside(`agent-${index + 1}`));
  for (const tag of ['v1', 'v2']) await Promise.all(fleets.map((one) => one.rollOut(tag)));
  let mark = auditMark(fleet.testbed);
  const steps = fleets.map((one) => start(one).done);
  for (const step of await Promise.all(steps)) expectOutcome(step, 'rolled-back');
  const sent = (await requestsSince(fleet.testbed, mark, 'rollback-daemonset')).map(inWords);
  console.log(
    `requests of ${AT_ONCE} rollbacks at the same time: ${JSON.stringify(Object.fromEntries(Object.entries(Object.groupBy(sent, (one) => one)).map(([one, all = []]) => [one, all.length])))}`,
  );
  const ours = sent.length;
  mark = auditMark(fleet.testbed);
  await Promise.all(fleets.map((one) => run(undoAndStatus(one))));
  const theirs = (await requestsSince(fleet.testbed, mark, 'kubectl')).length;
  add({
    what: `requests of ${AT_ONCE} rollbacks at the same time, each of which sets a good mark`,
    goal: '9 each, as one alone',
    ours: String(ours),
    kubectl: String(theirs),
    met: ours <= 9 * AT_ONCE,
  });
}

/** Measures the peak memory of a rollback with healthy pods, and of a gate on a version that cannot start on any node. */
async function memory(fleet: Fleet, nodes: number, bare: number): Promise<void> {
  const { testbed, namespace } = fleet;
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
  let mark = auditMark(fleet.testbed);
  const rollback = start(fleet);
  const healthy = await peakOf(rollback.process);
  expectOutcome(await rollback.done, 'rolled-back');
  const asked = (await requestsSince(fleet.testbed, mark, 'rollback-daemonset')).map(inWords);
  const flags = ['--kubeconfig', testbed.kubeconfig, '--namespace', namespace, '--cache-dir', cache];
  await run([testbed.kubectl, ...flags, 'rollout', 'undo', 'daemonset/agent']);
  const { peak } = await run([testbed.kubectl, ...flags, 'rollout', 'status', 'daemonset/agent']);
  const lists = asked.filter((request) => request === 'list pods').length;
  const most = Math.ceil(nodes / 100);
  add({
    what: `peak memory above bare Node, ${nodes.toLocaleString('en')} nodes, all pods healthy`,
    goal: '≤ 100 MB, the pods listed once, in pages of 100',
    ours: `${megabytes(healthy - bare)}, ${lists} pages`,
    kubectl: `${megabytes(peak)} in total`,
    met: healthy - bare <= 100 && lists <= most,
  });

  await fleet.deploy('v3-missing');
  mark = auditMark(fleet.testbed);
  const gate = start(fleet, { command: 'status' });
  const broken = await peakOf(gate.process);
  expectOutcome(await gate.done, 'failed');
  const pages = (await requestsSince(fleet.testbed, mark, 'rollback-daemonset')).filter((answer) => inWords(answer) === 'list pods');
  const largest = Math.max(...pages.map(({ requestURI }) => Number(/[?&]limit=(\d+)/.exec(requestURI)?.[1] ?? Number.POSITIVE_INFINITY)));
  add({
    what: `peak memory above bare Node, ${nodes.toLocaleString('en')} nodes, all pods failing`,
    goal: '≤ 100 MB, pages of ≤ 250',
    ours: `${megabytes(broken - bare)}, pages of ${largest}`,
    kubectl: 'does not read pods',
    met: broken - bare <= 100 && largest <= 250,
  });
}

/** Measures what the default of `stable-for` adds to a rollback: no more than the youngest container lacks, and a second. */
async function stability(fleet: Fleet): Promise<void> {
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
  const { process, done } = start(fleet, { 'stable-for': 'auto' });
  const ended = await endOf(process);
  expectOutcome(await done, 'rolled-back');
  const { items } = JSON.parse(await fleet.kubectl(['get', 'pods', '--output=json'])) as { items: PodOfKubelet[] };
  const youngest = Math.max(...items.map(({ status }) => Date.parse(status.containerStatuses[0]?.state.running?.startedAt ?? '')));
  const seconds = (ended - youngest) / 1_000;
  add({
    what: 'time from the start of the youngest container to the end, `stable-for: auto`',
    goal: '≤ 10 s and 1 s',
    ours: `${seconds.toFixed(1)} s`,
    kubectl: 'does not check',
    // The start is cut to whole seconds.
    met: seconds <= 12,
  });
}

interface PodOfKubelet {
  status: { containerStatuses: { state: { running?: { startedAt: string } } }[] };
}

const milliseconds = (value: number): string => `${Math.round(value)} ms`;
const megabytes = (value: number): string => `${Math.round(value)} MB`;

try {
  if (process.argv.includes('--real')) await compareOnRealNode();
  else if (process.argv.includes('--broken')) await compareOnBrokenVersion();
  else if (process.argv.includes('--command-line')) await compareCommandLine();
  else await compareWithKubectl();
} finally {
  rmSync(cache, { recursive: true, force: true });
}

async function compareWithKubectl(): Promise<void> {
  let cpu: [ours: number, kubectl: number][];
  const small = await startTestbed({ nodes: 10, log: console.log });
  try {
    const fleet = await createFleet(small, 'bench');
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
    cpu = await inPairs(fleet, { marked: true, cached: true });
    await inPairs(fleet, { marked: true, cached: false });
    await inPairs(fleet, { marked: false, cached: true });
    await counts(fleet);
    await atOnce(await createFleet(small, 'bench-at-once'));
    await waiting(fleet);
    await stability(await createFleet(small, 'bench-stable'));
  } finally {
    await small.stop();
  }
  const bundle = statSync('dist/index.js').size;
  add({ what: 'bundle size', goal: '≤ 1.2 MB', ours: `${(bundle / MB).toFixed(2)} MB`, kubectl: '', met: bundle <= 1.2 * MB });

  const bare = (await run([process.execPath, '--eval', 'setTimeout(() => {}, 200)'])).peak;
  const circumstances = { pairs: PAIRS, load, bare, cpu };
  // Write the results so far, because the rest takes long.
  writeReport(rows, circumstances);
  const large = await startTestbed({ nodes: 1_000, log: console.log });
  try {
    const fleet = await createFleet(large, 'bench');
    await memory(fleet, 1_000, bare);
    await large.addNodes(1_000);
    await memory(fleet, 2_000, bare);
  } finally {
    await large.stop();
  }
  writeReport(rows, circumstances);
}
