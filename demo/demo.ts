/**
 * Shows the main use case on a real control plane: a log agent on all nodes, a bad version, and the action that restores the good one. The
 * action runs from dist/, as on a runner.
 *
 *     npm run demo                      on a test bed with 10 nodes
 *     npm run demo -- --real            the same on a test bed with two real nodes, where a gate finds the bad version and rolls back
 *     npm run demo -- --context NAME    on a cluster of yours, in a temporary namespace
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Camera, findBrowser } from '../preview/browser.ts';
import { renderPage } from '../preview/page.ts';
import { MissingGoError } from '../testbed/build.ts';
import { behaviorOf, type Container } from '../testbed/manifest.ts';
import { startStep } from '../testbed/step.ts';
import { startTestbed } from '../testbed/testbed.ts';

const NAMESPACE = 'rollback-daemonset-demo';
const ROLLBACK = { 'to-revision': 'previous' };
/** A gate that shows why the rollout failed, with the log of a container, rolls back, and fails all the same. */
const GATE = { ...ROLLBACK, command: 'status', 'rollback-on-failure': 'true', 'failure-grace': '5s', 'log-lines': '10' };

/** A cluster to run the demo on. */
interface Stage {
  /** kubectl and its flags for this cluster. */
  kubectl: string[];
  /** Of the step, besides the DaemonSet and the timeout. */
  inputs: Record<string, string>;
  /** The exit status of the step. */
  code: number;
  /** The container of a version. */
  container: (version: string) => Container;
  end: () => Promise<void> | void;
}

const { values } = parseArgs({ options: { context: { type: 'string' }, real: { type: 'boolean', default: false } } });
try {
  await demonstrate(values.context === undefined ? await onTestbed(values.real) : onCluster(values.context));
} catch (error) {
  console.error(error instanceof MissingGoError ? error.message : error);
  process.exitCode = 1;
}

async function onTestbed(real: boolean): Promise<Stage> {
  say(`Starting stock Kubernetes with ${real ? 'two real nodes' : '10 simulated nodes'} on this machine`);
  const size = real ? { nodes: 0, realNodes: 2 } : { nodes: 10 };
  const testbed = await startTestbed({ ...size, maxContainerRestartPeriod: '1s', log: console.log });
  return {
    kubectl: [testbed.kubectl, '--kubeconfig', testbed.kubeconfig],
    inputs: { ...(real ? GATE : ROLLBACK), kubeconfig: testbed.kubeconfig },
    code: real ? 1 : 0,
    container: (version) => behaviorOf(version === 'v3' ? 'v3-crash' : version, { name: 'log-agent' }).container,
    end: () => testbed.stop(),
  };
}

/** The demo uses an existing cluster only if its context is given explicitly. */
function onCluster(context: string): Stage {
  say(`Using the cluster of context ${context}, in the temporary namespace ${NAMESPACE}`);
  return {
    kubectl: ['kubectl', '--context', context],
    inputs: { ...ROLLBACK, context, 'exec-plugins': 'any' },
    code: 0,
    container: (version) => ({
      name: 'log-agent',
      image: { v1: 'registry.k8s.io/pause:3.9', v2: 'registry.k8s.io/pause:3.10' }[version] ?? 'registry.k8s.io/pause:3.10-missing',
      env: [],
    }),
    end: () => {},
  };
}

async function demonstrate({ kubectl, inputs, code, container, end }: Stage): Promise<void> {
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
      run(['apply', '-f', '-'], manifest(version, container(version)));
      process.stdout.write(run(['rollout', 'status', 'daemonset/log-agent', '--timeout=5m']).trimEnd().split('\n').slice(-1)[0] ?? '');
      process.stdout.write('\n');
    }
    say('Deploying v3, which is broken');
    run(['apply', '-f', '-'], manifest('v3', container('v3')));
    await untilStuck(run);
    process.stdout.write(run(['get', 'daemonset,pods']));

    say(
      inputs['command'] === undefined
        ? 'Rolling back with the action, started as on a runner'
        : 'Checking the rollout with the action, started as on a runner',
    );
    const step = await startStep({ daemonset: `${NAMESPACE}/log-agent`, timeout: '5m', ...inputs }, process.env, console.log).done;
    say('The history that kubectl shows now');
    process.stdout.write(run(['rollout', 'history', 'daemonset/log-agent']).trim());
    say('The job summary');
    await show(step.summary);
    if (step.code !== code) throw new Error(`The action ended with exit code ${step.code} instead of ${code}.`);
    expectVersion('v2', run, container);
    say('Every node runs v2 again');
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

/** Writes the summary as an HTML page and, if there is a browser, takes a picture of it. In a workflow, also sets the job summary. */
async function show(summary: string): Promise<void> {
  const { GITHUB_STEP_SUMMARY } = process.env;
  if (GITHUB_STEP_SUMMARY) appendFileSync(GITHUB_STEP_SUMMARY, summary);
  const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-demo-'));
  const page = join(directory, 'summary.html');
  writeFileSync(page, await renderPage(summary, 'rollback summary'));
  console.log(`Rendered as on GitHub: ${page}`);
  const browser = findBrowser();
  if (!browser) return;
  const camera = await Camera.open(browser);
  const { png } = await camera.picture(page, { width: 900, scheme: 'light' });
  await camera.close();
  writeFileSync(join(directory, 'summary.png'), png);
  console.log(`Picture: ${join(directory, 'summary.png')}`);
}

/** Checks with kubectl that every pod runs the version. */
function expectVersion(version: string, run: (parameters: string[]) => string, container: Stage['container']): void {
  const { image } = container(version);
  run(['rollout', 'status', 'daemonset/log-agent', '--timeout=10s']);
  const images = new Set(run(['get', 'pods', '--output=jsonpath={.items[*].spec.containers[*].image}']).split(' '));
  if (images.size !== 1 || !images.has(image))
    throw new Error(`Expected every pod to run ${image}, but these images run: ${[...images].join(', ')}`);
}

function manifest(version: string, container: Container): string {
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'log-agent', annotations: { 'kubernetes.io/change-cause': `log-agent ${version}` } },
    spec: {
      selector: { matchLabels: { app: 'log-agent' } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 3 } },
      template: {
        metadata: { labels: { app: 'log-agent' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ ...container, env: [...container.env, { name: 'VERSION', value: version }] }],
        },
      },
    },
  });
}

function say(what: string): void {
  console.log(`\n\u001b[1m▶ ${what}\u001b[0m`);
}
