/**
 * How many nodes a version that crashes has reached when each of several tools notices it: the third table of docs/performance.md, by
 * `npm run bench -- --broken`. It takes about fifteen minutes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../__tests__/helpers/fleet.ts';
import { markdownTable } from '../scripts/markdown-table.ts';
import { Api } from '../testbed/api.ts';
import { auditMark } from '../testbed/audit-log.ts';
import { buildTools } from '../testbed/build.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';
import { createFleet, writesSince } from './fleet.ts';
import { writeSection } from './report.ts';
import { attempt, gate, inCell, TIMEOUT, type Verdict, writeChart } from './verdict.ts';

const NODES = 100;
const GOOD = 'v1';
/** Without a readiness probe, its pods are ready for about a second after every start. */
const BAD = 'v2-crash';
const AT_ONCE = [1, '10%', '100%'];

interface Tool {
  name: string;
  /** What the table calls it. */
  what: string;
  /** Brings the good version to every node. */
  prepare: (fleet: Fleet) => Promise<unknown>;
  /** Deploys the bad version, and waits for the verdict. */
  judge: (fleet: Fleet) => Promise<Verdict>;
}

/** Times are in seconds after the bad version was written. */
interface Result {
  /** Its time is that of the end of the tool, or of the rollback that it writes. */
  verdict: Verdict;
  /** Nodes that had received the bad version by then. */
  nodes: number;
  /** After the end of the tool, if it wrote a rollback. */
  after?: { ended: number; nodes: number; restored: number | undefined };
}

interface PodEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: {
    metadata: { name: string };
    spec: { nodeName?: string; containers: { image: string }[] };
    status?: { conditions?: { type: string; status: string }[] };
  };
}

/** Which version each node runs, and has run. */
class Spread {
  readonly #api: Api;
  /** The nodes on which the good version is ready, by the name of the pod. */
  readonly #good = new Map<string, string>();
  /** When each node received the bad version, in milliseconds since the epoch. */
  readonly #received = new Map<string, number>();
  #stopped = false;
  #failure: unknown;
  /** Since when the good version is ready on every node. */
  restored: number | undefined;

  private constructor(testbed: Testbed) {
    this.#api = new Api(testbed.directory);
  }

  /** Watches until `stop`. */
  static of({ testbed, namespace }: Fleet): Spread {
    const spread = new Spread(testbed);
    void spread.#follow(`/api/v1/namespaces/${namespace}/pods?watch=true&timeoutSeconds=600`);
    return spread;
  }

  /** How many nodes had received the bad version at a time, in milliseconds since the epoch. */
  by(at: number): number {
    return [...this.#received.values()].filter((received) => received <= at).length;
  }

  /** Returns when the good version is ready on every node, or after `patience` seconds. */
  async restoration(patience: number): Promise<void> {
    for (const end = Date.now() + patience * 1_000; this.restored === undefined && Date.now() < end; ) await sleep(50);
  }

  /** @throws if the watch ended before. */
  stop(): void {
    this.#stopped = true;
    this.#api.close();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #follow(path: string): Promise<void> {
    try {
      for await (const event of this.#api.watch<PodEvent>(path)) this.#read(event);
      throw new Error('The watch of the pods has ended.');
    } catch (error) {
      if (!this.#stopped) this.#failure = error;
    }
  }

  #read({ type, object: { metadata, spec, status } }: PodEvent): void {
    const { nodeName } = spec;
    if (nodeName === undefined) return;
    const isBad = spec.containers.some(({ image }) => image.endsWith(`:${BAD}`));
    if (isBad && !this.#received.has(nodeName)) this.#received.set(nodeName, Date.now());
    const isReady = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true;
    if (!isBad && isReady && type !== 'DELETED') this.#good.set(metadata.name, nodeName);
    else this.#good.delete(metadata.name);
    const isEverywhere = new Set(this.#good.values()).size === NODES;
    this.restored = isEverywhere ? (this.restored ?? Date.now()) : undefined;
  }
}

function toolsWith(helm: string, folder: string): Tool[] {
  const flagsOf = ({ testbed, namespace }: Fleet): string[] => [
    `--kubeconfig=${testbed.kubeconfig}`,
    `--namespace=${namespace}`,
    `--timeout=${TIMEOUT}s`,
  ];
  const byHelm = (fleet: Fleet, tag: string, command: string, ...flags: string[]): Promise<Verdict> => {
    const chart = writeChart(join(folder, fleet.namespace), JSON.parse(fleet.manifest(tag)));
    return attempt(helm, [command, 'agent', chart, '--wait', ...flags, ...flagsOf(fleet)]);
  };
  const inputsOf = ({ testbed, namespace }: Fleet): Record<string, string> => ({
    kubeconfig: testbed.kubeconfig,
    daemonset: `${namespace}/agent`,
    timeout: `${TIMEOUT}s`,
  });
  /** The gate sets the good mark. */
  const rollOutAndMark = async (fleet: Fleet): Promise<void> => {
    await fleet.rollOut(GOOD);
    const { code, why } = await gate(inputsOf(fleet));
    if (code !== 0) throw new Error(`The gate does not accept ${GOOD}: ${why}`);
  };
  const deployAndGate = async (fleet: Fleet, inputs: Record<string, string> = {}): Promise<Verdict> => {
    await fleet.deploy(BAD);
    return gate({ ...inputsOf(fleet), ...inputs });
  };
  return [
    {
      name: 'kubectl',
      what: '`kubectl rollout status`',
      prepare: (fleet) => fleet.rollOut(GOOD),
      judge: async (fleet) => {
        await fleet.deploy(BAD);
        return attempt(fleet.testbed.kubectl, ['rollout', 'status', 'daemonset/agent', ...flagsOf(fleet)]);
      },
    },
    {
      name: 'helm',
      what: 'Helm 4, `upgrade --wait --rollback-on-failure`',
      prepare: (fleet) => byHelm(fleet, GOOD, 'install'),
      judge: (fleet) => byHelm(fleet, BAD, 'upgrade', '--rollback-on-failure'),
    },
    { name: 'gate', what: 'this action, `command: status`', prepare: rollOutAndMark, judge: deployAndGate },
    {
      name: 'rollback',
      what: 'this action, `rollback-on-failure: true`',
      prepare: rollOutAndMark,
      judge: (fleet) => deployAndGate(fleet, { 'rollback-on-failure': 'true' }),
    },
  ];
}

async function measure(testbed: Testbed, tool: Tool, maxUnavailable: number | string): Promise<Result> {
  const fleet = await createFleet(testbed, `${tool.name}-${parseInt(String(maxUnavailable), 10)}`, { maxUnavailable, probes: false });
  await tool.prepare(fleet);
  const spread = Spread.of(fleet);
  try {
    await spread.restoration(TIMEOUT);
    if (spread.restored === undefined) throw new Error(`${GOOD} does not run on every node.`);
    const mark = auditMark(testbed);
    const verdict = await tool.judge(fleet);
    const ended = Date.now();
    const [deployed, rolledBack] = writesSince(fleet, mark);
    if (deployed === undefined) throw new Error(`${tool.what} did not deploy ${BAD}.`);
    const seconds = (at: number): number => (at - deployed) / 1_000;
    if (rolledBack === undefined) return { verdict: { ...verdict, seconds: seconds(ended) }, nodes: spread.by(ended) };
    await spread.restoration(TIMEOUT);
    const { restored } = spread;
    return {
      verdict: { ...verdict, seconds: seconds(rolledBack) },
      nodes: spread.by(rolledBack),
      after: { ended: seconds(ended), nodes: spread.by(Date.now()), restored: restored === undefined ? undefined : seconds(restored) },
    };
  } finally {
    spread.stop();
    await fleet.kubectl(['delete', 'namespace', fleet.namespace]);
  }
}

function cells({ verdict, nodes, after }: Result): string[] {
  const restored = after?.restored === undefined ? '❌ no' : `✅ ${after.restored.toFixed(1)} s`;
  return [inCell(verdict, 1), String(nodes), after ? restored : 'no rollback'];
}

export async function compareOnBrokenVersion(): Promise<void> {
  const { helm } = await buildTools(['helm'], console.log);
  const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-bench-'));
  const testbed = await startTestbed({ nodes: NODES, log: console.log });
  try {
    const rows: string[][] = [];
    for (const maxUnavailable of AT_ONCE) {
      for (const tool of toolsWith(helm, folder)) {
        const result = await measure(testbed, tool, maxUnavailable);
        const row = [`\`${maxUnavailable}\``, tool.what, ...cells(result)];
        rows.push(row);
        const { after } = result;
        console.log(
          row.join(' | '),
          after ? `| ended after ${after.ended.toFixed(1)} s; ${after.nodes} nodes had received it in the end` : '',
        );
      }
    }
    const head = [
      '`maxUnavailable`',
      'tool',
      'verdict',
      `nodes with the new version by then, of ${NODES}`,
      'the old version is everywhere again after',
    ];
    const table = markdownTable(head, rows);
    writeSection('broken', table);
    console.log(table);
  } finally {
    await testbed.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
