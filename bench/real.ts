/**
 * Which versions several tools take for a success on a node with a real kubelet, and after how long: the second table of
 * docs/performance.md, by `npm run bench -- --real`. It takes about six minutes, and needs root on Linux.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { markdownTable } from '../scripts/markdown-table.ts';
import { buildTools } from '../testbed/build.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';
import { writeSection } from './report.ts';
import { attempt, gate, inCell, TIMEOUT, type Verdict, writeChart } from './verdict.ts';

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

async function inNamespace(testbed: Testbed, name: string, work: (kubectl: string[]) => Promise<Verdict>): Promise<Verdict> {
  const flags = ['--kubeconfig', testbed.kubeconfig];
  await attempt(testbed.kubectl, [...flags, 'create', 'namespace', name]);
  // The controller creates it a moment later, and pods need it.
  await attempt(testbed.kubectl, [...flags, '-n', name, 'wait', 'serviceaccount/default', '--for=create', '--timeout=30s']);
  try {
    return await work([...flags, '--namespace', name]);
  } finally {
    await attempt(testbed.kubectl, [...flags, 'delete', 'namespace', name, '--wait=false']);
  }
}

async function measure(
  testbed: Testbed,
  helm: string,
  folder: string,
  one: Case,
  index: number,
): Promise<Record<'kubectl' | 'helm' | 'ours', Verdict>> {
  const text = (namespace: string): string => JSON.stringify(manifest(namespace, one));
  const [kubectl, byHelm, ours] = await Promise.all([
    inNamespace(testbed, `kubectl-${index}`, async (flags) => {
      await attempt(testbed.kubectl, [...flags, 'apply', '-f', '-'], text(`kubectl-${index}`));
      return attempt(testbed.kubectl, [...flags, 'rollout', 'status', 'daemonset/agent', `--timeout=${TIMEOUT}s`]);
    }),
    inNamespace(testbed, `helm-${index}`, async (flags) => {
      const chart = writeChart(join(folder, `chart-${index}`), manifest(`helm-${index}`, one));
      return attempt(helm, ['install', 'agent', chart, ...flags, '--wait', `--timeout=${TIMEOUT}s`]);
    }),
    inNamespace(testbed, `ours-${index}`, async (flags) => {
      await attempt(testbed.kubectl, [...flags, 'apply', '-f', '-'], text(`ours-${index}`));
      return gate({ kubeconfig: testbed.kubeconfig, daemonset: `ours-${index}/agent` });
    }),
  ]);
  return { kubectl, helm: byHelm, ours };
}

export async function compareOnRealNode(): Promise<void> {
  const { helm } = await buildTools(['helm'], console.log);
  const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-bench-'));
  const testbed = await startTestbed({ nodes: 0, realNodes: 1, log: console.log });
  try {
    const limit = pLimit(AT_ONCE);
    const results = await Promise.all(cases.map((one, index) => limit(() => measure(testbed, helm, folder, one, index))));
    const rows = cases.map(({ what, right }, index) => {
      const { kubectl, helm: byHelm, ours } = results[index] as (typeof results)[number];
      return [what, inCell(kubectl, right), inCell(byHelm, right), inCell(ours, right)];
    });
    const table = markdownTable(
      ['the new version', '`kubectl rollout status`', 'Helm 4, `install --wait`', 'this action, `command: status`'],
      rows,
    );
    writeSection('real', table);
    console.log(table);
  } finally {
    await testbed.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
