/**
 * Which versions several tools take for a success on a node with a real kubelet, and after how long: the second table of
 * docs/performance.md, by `npm run bench -- --real`. It takes about six minutes, and needs root on Linux.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { buildTools } from '../testbed/build.ts';
import { startStep } from '../testbed/step.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';
import { writeSection } from './report.ts';

/** For kubectl and Helm, in seconds. They end sooner only with a success. */
const TIMEOUT = 60;
/** Cases at a time, each with all tools. They mostly wait. */
const AT_ONCE = 3;

interface Case {
  what: string;
  container: object;
  pod?: object;
  /** The exit status that says what happens. */
  right: 0 | 1;
}

const volume = (source: object): object => ({ volumes: [{ name: 'data', ...source }] });
const mounted = { volumeMounts: [{ name: 'data', mountPath: '/data' }] };
const cases: Case[] = [
  { what: 'healthy', container: {}, right: 0 },
  { what: 'crashes at once', container: { args: ['crash'] }, right: 1 },
  { what: 'crashes after 5 s', container: { args: ['crash', '1', '5'] }, right: 1 },
  { what: 'exits with 0', container: { args: ['exit'] }, right: 1 },
  { what: 'out of memory', container: { args: ['oom'], resources: { limits: { memory: '48Mi' } } }, right: 1 },
  { what: 'liveness probe with a wrong port', container: { livenessProbe: { httpGet: { path: '/', port: 9 } } }, right: 1 },
  { what: 'no such image', container: { image: 'registry.example/agent:v2-missing' }, right: 1 },
  {
    what: 'ConfigMap is missing',
    container: { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'gone', key: 'a' } } }] },
    right: 1,
  },
  { what: 'Secret of a volume is missing', container: mounted, pod: volume({ secret: { secretName: 'gone' } }), right: 1 },
  {
    what: 'crashes once, then runs',
    container: { image: 'registry.example/agent:v2-flaky', volumeMounts: [{ name: 'data', mountPath: '/state' }] },
    pod: volume({ emptyDir: {} }),
    right: 0,
  },
];

interface Result {
  code: number;
  seconds: number;
  /** What it says besides. */
  why: string;
}

const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-bench-'));

function manifest(namespace: string, { container, pod }: Case): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'agent', namespace },
    spec: {
      selector: { matchLabels: { app: 'agent' } },
      template: {
        metadata: { labels: { app: 'agent' } },
        spec: {
          nodeSelector: { type: 'real' },
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'agent', image: 'registry.example/agent:v2', ...container }],
          ...pod,
        },
      },
    },
  };
}

/** Runs a program; its exit status and its time count. */
function run(program: string, parameters: string[], input = ''): Promise<Result> {
  const began = performance.now();
  return new Promise((done) => {
    const child = execFile(program, parameters, (error) =>
      done({ code: error ? 1 : 0, seconds: (performance.now() - began) / 1_000, why: '' }),
    );
    child.stdin?.on('error', () => {}).end(input);
  });
}

async function inNamespace(testbed: Testbed, name: string, work: (kubectl: string[]) => Promise<Result>): Promise<Result> {
  const flags = ['--kubeconfig', testbed.kubeconfig];
  await run(testbed.kubectl, [...flags, 'create', 'namespace', name]);
  // The controller creates it a moment later, and pods need it.
  await run(testbed.kubectl, [...flags, '-n', name, 'wait', 'serviceaccount/default', '--for=create', '--timeout=30s']);
  try {
    return await work([...flags, '--namespace', name]);
  } finally {
    await run(testbed.kubectl, [...flags, 'delete', 'namespace', name, '--wait=false']);
  }
}

async function measure(testbed: Testbed, helm: string, one: Case, index: number): Promise<Record<'kubectl' | 'helm' | 'ours', Result>> {
  const text = (namespace: string): string => JSON.stringify(manifest(namespace, one));
  const [kubectl, byHelm, ours] = await Promise.all([
    inNamespace(testbed, `kubectl-${index}`, async (flags) => {
      await run(testbed.kubectl, [...flags, 'apply', '-f', '-'], text(`kubectl-${index}`));
      return run(testbed.kubectl, [...flags, 'rollout', 'status', 'daemonset/agent', `--timeout=${TIMEOUT}s`]);
    }),
    inNamespace(testbed, `helm-${index}`, async (flags) => {
      const chart = join(folder, `chart-${index}`);
      mkdirSync(join(chart, 'templates'), { recursive: true });
      writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: agent\nversion: 1.0.0\n');
      writeFileSync(join(chart, 'templates', 'daemonset.yaml'), text(`helm-${index}`));
      return run(helm, ['install', 'agent', chart, ...flags, '--wait', `--timeout=${TIMEOUT}s`]);
    }),
    inNamespace(testbed, `ours-${index}`, async (flags) => {
      await run(testbed.kubectl, [...flags, 'apply', '-f', '-'], text(`ours-${index}`));
      const began = performance.now();
      const inputs = { kubeconfig: testbed.kubeconfig, daemonset: `ours-${index}/agent`, command: 'status' };
      const { code, outputs } = await startStep(inputs, {}).done;
      const reason = outputs['reason'] ?? '';
      return { code: code === 0 ? 0 : 1, seconds: (performance.now() - began) / 1_000, why: reason === 'complete' ? '' : reason };
    }),
  ]);
  return { kubectl, helm: byHelm, ours };
}

function cell({ code, seconds, why }: Result, right: number): string {
  const said = code === 0 ? 'success' : why === '' ? (seconds >= TIMEOUT - 1 ? 'timeout' : 'failure') : `\`${why}\``;
  return `${code === right ? '✅' : '❌'} ${said}, ${seconds.toFixed(1)} s`;
}

export async function compareOnRealNode(): Promise<void> {
  const { helm } = await buildTools(['helm'], console.log);
  const testbed = await startTestbed({ nodes: 0, realNodes: 1, log: console.log });
  try {
    const limit = pLimit(AT_ONCE);
    const results = await Promise.all(cases.map((one, index) => limit(() => measure(testbed, helm, one, index))));
    const rows = cases.map(({ what, right }, index) => {
      const { kubectl, helm: byHelm, ours } = results[index] as (typeof results)[number];
      return [what, cell(kubectl, right), cell(byHelm, right), cell(ours, right)];
    });
    const table = [
      ['the new version', '`kubectl rollout status`', 'Helm 4, `install --wait`', 'this action, `command: status`'],
      ['---', '---', '---', '---'],
      ...rows,
    ];
    writeSection('real', table.map((row) => `| ${row.join(' | ')} |`).join('\n'));
    for (const row of table) console.log(row.join(' | '));
  } finally {
    await testbed.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
