/**
 * What a start of the command line costs beside kubectl's: the last table of docs/performance.md, by `npm run bench -- --command-line`. It
 * takes about a minute.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { markdownTable } from '../scripts/markdown-table.ts';
import { startTestbed } from '../testbed/testbed.ts';
import { createFleet } from './fleet.ts';
import { median, run, TIMED, timesIn } from './measure.ts';
import { writeSection } from './report.ts';

const PAIRS = 15;

interface Case {
  what: string;
  ours: string[];
  kubectl: string[];
}

const cases = (daemonSet: string): Case[] => [
  { what: 'print the version', ours: ['--version'], kubectl: ['version', '--client'] },
  { what: 'print the help of a command', ours: ['rollback', '--help'], kubectl: ['rollout', 'undo', '--help'] },
  { what: 'list the revisions', ours: ['history', daemonSet], kubectl: ['rollout', 'history', daemonSet] },
  {
    what: 'check a rollout that is complete',
    ours: ['status', daemonSet, '--stable-for=0'],
    kubectl: ['rollout', 'status', daemonSet],
  },
];

interface Cost {
  wall: number;
  cpu: number;
  /** In MB. */
  peak: number;
}

async function costOf(command: string[]): Promise<Cost> {
  const { printed } = await run([...TIMED, ...command]);
  const { peak } = await run(command);
  return { ...timesIn(printed), peak };
}

async function compare({ ours, kubectl }: Pick<Case, 'ours' | 'kubectl'>): Promise<string[]> {
  const pairs: [Cost, Cost][] = [];
  for (let pair = 0; pair <= PAIRS; pair++) {
    const one: [Cost, Cost] = [await costOf(ours), await costOf(kubectl)];
    // The first pair fills the caches of the system, and kubectl's discovery cache.
    if (pair > 0) pairs.push(one);
  }
  return (['wall', 'cpu', 'peak'] as const).map((of) => {
    const [our, their] = [0, 1].map((side) => median(pairs.map((pair) => (pair[side] as Cost)[of])));
    const unit = of === 'peak' ? 'MB' : 'ms';
    return `${Math.round(our as number)} ${unit} / ${Math.round(their as number)} ${unit}`;
  });
}

export async function compareCommandLine(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-bench-'));
  const testbed = await startTestbed({ nodes: 10, log: console.log });
  try {
    const program = installed(folder);
    const fleet = await createFleet(testbed, 'bench');
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
    const rows: string[][] = [];
    for (const { what, ours, kubectl } of cases(`daemonset/${fleet.name}`)) {
      const where = ['--kubeconfig', testbed.kubeconfig, '--namespace', fleet.namespace];
      const isLocal = !ours.includes(`daemonset/${fleet.name}`);
      rows.push([
        what,
        ...(await compare({
          ours: [program, ...ours, ...(isLocal ? [] : where)],
          kubectl: [testbed.kubectl, ...kubectl, ...(isLocal ? [] : [...where, '--cache-dir', join(folder, 'cache')])],
        })),
      ]);
      console.log(rows.at(-1)?.join(', '));
    }
    const table = markdownTable(['', 'time', 'CPU time', 'peak memory'], rows);
    writeSection('command-line', `${table}\n\nThe command line / kubectl: medians of ${PAIRS} pairs, Node ${process.version}.`);
  } finally {
    await testbed.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The program as npm installs it from the package. It starts the Node that runs this benchmark. */
function installed(folder: string): string {
  process.env['PATH'] = `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`;
  const npm = (...parameters: string[]): string => execFileSync('npm', parameters, { encoding: 'utf8' }).trim();
  const name = npm('pack', '--silent', `--pack-destination=${folder}`);
  npm('install', '--silent', '--global', `--prefix=${join(folder, 'prefix')}`, join(folder, name));
  return join(folder, 'prefix', 'bin', 'rollback-daemonset');
}
