/**
 * The main job on a real control plane: a log agent over 10 nodes, a bad version, and the action that puts the good one back, run from
 * dist/ as a runner does it.
 *
 *     npm run demo                      on a test bed of its own
 *     npm run demo -- --context NAME    on a cluster that you have, in a namespace of its own that is removed again
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MissingGoError } from '../testbed/build.ts';
import { startTestbed } from '../testbed/testbed.ts';

const NAMESPACE = 'rollback-daemonset-demo';
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** A cluster to show it on. */
interface Stage {
  /** kubectl and its flags for this cluster. */
  kubectl: string[];
  inputs: Record<string, string>;
  /** The image of a version; a test bed plays what its tag says. */
  image: (version: string) => string;
  end: () => Promise<void> | void;
}

const { values } = parseArgs({ options: { context: { type: 'string' } } });
try {
  await demonstrate(values.context === undefined ? await onTestbed() : onCluster(values.context));
} catch (error) {
  console.error(error instanceof MissingGoError ? error.message : error);
  process.exitCode = 1;
}

async function onTestbed(): Promise<Stage> {
  say('Starting stock Kubernetes on this machine: 10 nodes');
  const testbed = await startTestbed({ nodes: 10, log: console.log });
  return {
    kubectl: [testbed.kubectl, '--kubeconfig', testbed.kubeconfig],
    inputs: { kubeconfig: testbed.kubeconfig },
    image: (version) => `registry.example/log-agent:${version === 'v3' ? 'v3-crash' : version}`,
    end: () => testbed.stop(),
  };
}

/** The consent to use an existing cluster is its context, written out. */
function onCluster(context: string): Stage {
  say(`Using the cluster of context ${context}, in the namespace ${NAMESPACE}`);
  return {
    kubectl: ['kubectl', '--context', context],
    inputs: { context, 'exec-plugins': 'any' },
    image: (version) =>
      ({ v1: 'registry.k8s.io/pause:3.9', v2: 'registry.k8s.io/pause:3.10' })[version] ?? 'registry.k8s.io/pause:3.10-missing',
    end: () => {},
  };
}

async function demonstrate({ kubectl, inputs, image, end }: Stage): Promise<void> {
  const [program = '', ...flags] = kubectl;
  const run = (parameters: string[], input = ''): string =>
    execFileSync(program, [...flags, ...(parameters.includes('namespace') ? [] : ['--namespace', NAMESPACE]), ...parameters], {
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  const interrupted = (): void => {
    void Promise.resolve(end()).finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted);
  run(['create', 'namespace', NAMESPACE]);
  try {
    for (const version of ['v1', 'v2']) {
      say(`Deploying ${version}`);
      run(['apply', '-f', '-'], manifest(version, image(version)));
      process.stdout.write(run(['rollout', 'status', 'daemonset/log-agent', '--timeout=5m']).trimEnd().split('\n').slice(-1)[0] ?? '');
      process.stdout.write('\n');
    }
    say('Deploying v3, which is broken');
    run(['apply', '-f', '-'], manifest('v3', image('v3')));
    await untilStuck(run);
    process.stdout.write(run(['get', 'daemonset,pods']));

    say('Rolling back with the action, as a runner starts it');
    const summary = await action({ daemonset: `${NAMESPACE}/log-agent`, 'to-revision': 'previous', timeout: '5m', ...inputs });
    say('The history now, by kubectl');
    process.stdout.write(run(['rollout', 'history', 'daemonset/log-agent']).trim());
    say('The job summary');
    console.log(readFileSync(summary, 'utf8'));
    console.log(`It is in ${summary}`);
  } finally {
    run(['delete', 'namespace', NAMESPACE, '--wait=false']);
    process.off('SIGINT', interrupted);
    await end();
  }
}

async function untilStuck(run: (parameters: string[]) => string): Promise<void> {
  for (let look = 0; look < 600; look++) {
    const { status } = JSON.parse(run(['get', 'daemonset/log-agent', '-o', 'json'])) as {
      status: { updatedNumberScheduled?: number; numberUnavailable?: number };
    };
    if ((status.updatedNumberScheduled ?? 0) > 0 && (status.numberUnavailable ?? 0) > 0) return;
    await new Promise((next) => setTimeout(next, 200));
  }
}

/** Runs dist/index.js with inputs and files in its environment; the path of the summary. */
async function action(inputs: Record<string, string>): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-demo-'));
  const files = { GITHUB_OUTPUT: join(directory, 'output'), GITHUB_STEP_SUMMARY: join(directory, 'summary.md') };
  for (const file of Object.values(files)) writeFileSync(file, '');
  const variables = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]));
  const child = spawn(process.execPath, [join(root, 'dist', 'index.js')], {
    env: { ...process.env, ...variables, ...files, GITHUB_REPOSITORY: 'octo/fleet', GITHUB_RUN_ID: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let rest = '';
  for await (const chunk of child.stdout) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    // The runner takes these lines away.
    for (const line of lines) if (!line.startsWith('::add-mask::')) console.log(line);
  }
  const code = child.exitCode ?? (await new Promise<number | null>((done) => child.once('exit', done)));
  if (code !== 0) throw new Error(`The action ended with exit code ${code}.`);
  return files.GITHUB_STEP_SUMMARY;
}

function manifest(version: string, image: string): string {
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'log-agent', annotations: { 'kubernetes.io/change-cause': `log-agent ${version}` } },
    spec: {
      selector: { matchLabels: { app: 'log-agent' } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 3 } },
      template: {
        metadata: { labels: { app: 'log-agent' } },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'log-agent', image, env: [{ name: 'VERSION', value: version }] }] },
      },
    },
  });
}

function say(what: string): void {
  console.log(`\n\u001b[1m▶ ${what}\u001b[0m`);
}
