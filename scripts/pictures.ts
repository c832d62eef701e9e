/**
 * Takes the pictures of the docs on a test bed, and writes them to docs/pictures/: `npm run pictures`. With `npm run pictures -- FOLDER`, it
 * also writes pictures of every outcome to the folder for review: light, dark and narrow.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTerminal } from '../__tests__/helpers/terminal.ts';
import { Camera, ensureBrowser } from '../preview/browser.ts';
import { renderPage } from '../preview/page.ts';
import { pictureOfTerminal } from '../preview/terminal.ts';
import { behaviorOf, podOf } from '../testbed/manifest.ts';
import { type RunningStep, type Step, startStep } from '../testbed/step.ts';
import { startTestbed } from '../testbed/testbed.ts';

const FOLDER = 'docs/pictures';
/** The folder for the pictures to review, if one is given. */
const [review] = process.argv.slice(2);
const browser = ensureBrowser(console.log);
const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-pictures-'));
const testbed = await startTestbed({ nodes: 12, maxContainerRestartPeriod: '1s', log: console.log });
const camera = await Camera.open(browser);
const kubectl = (parameters: string[], input = ''): string =>
  execFileSync(testbed.kubectl, ['--kubeconfig', testbed.kubeconfig, ...parameters], { input, encoding: 'utf8' });

try {
  kubectl(['create', 'namespace', 'logging']);
  for (const tag of ['v1', 'v2']) rollOut(tag);
  deploy('v3-crash');
  await untilStuck();
  await take('dry-run', ['light'], { 'dry-run': 'true' });
  await take('rolled-back', ['light', 'dark'], {});
  // Gates: on a version that cannot start, on one that never becomes ready, and on one that takes longer than the timeout.
  deploy('v4-crash');
  await take('failed', ['light', 'dark'], { command: 'status', 'log-lines': '20' });
  await take('gate', ['light', 'dark'], { command: 'status', 'rollback-on-failure': 'true', 'failure-grace': '5s', 'log-lines': '20' });
  deploy('v5-hang');
  await take('stalled', ['light', 'dark'], { command: 'status', 'progress-deadline': '20s' });
  rollOut('v6');
  deploy('v7-slow', 1);
  await take('timed-out', ['light', 'dark'], { command: 'status', timeout: '30s' });
  await takeLive();
  if (review) await takeOthers(review);
} finally {
  await camera.close();
  await testbed.stop();
  rmSync(directory, { recursive: true, force: true });
}

/** Takes pictures of the live view of a rollback, while a pod on one node cannot be replaced because it does not end. */
async function takeLive(): Promise<void> {
  for (const tag of ['v8-slow', 'v9']) rollOut(tag);
  const [pod = ''] = kubectl([
    'get',
    'pods',
    '--namespace=logging',
    '--output=jsonpath={.items[?(@.spec.nodeName=="node-7")].metadata.name}',
  ]).split(' ');
  const finalizers = (value: string): string =>
    kubectl(['patch', 'pod', pod, '--namespace=logging', '--type=merge', `--patch={"metadata":{"finalizers":${value}}}`]);
  finalizers('["example.com/drain"]');
  const size = { columns: 97, rows: 20 };
  const command = ['dist/cli.js', 'rollback', 'ds/log-agent', '--namespace', 'logging', '--yes', '--stable-for', '8s'];
  const terminal = startTerminal(process.execPath, command, { ...size, env: { KUBECONFIG: testbed.kubeconfig } });
  const isMiddle = (row: string): boolean => /[3-6]\/12 stable/.test(row);
  await terminal.until('the middle of the rollout', () => terminal.screen().some(isMiddle));
  const html = terminal.html(terminal.screen().findIndex((row) => row.startsWith('logging/log-agent  ')));
  finalizers('null');
  await terminal.done;
  for (const scheme of ['light', 'dark'] as const) {
    const path = join(FOLDER, `live-${scheme}.png`);
    await pictureOfTerminal(camera, html, { path, columns: size.columns, scheme });
    console.log(path);
  }
}

/** Runs a step, and takes a picture of its summary for each color scheme: `NAME-SCHEME.png`. */
async function take(name: string, schemes: ('light' | 'dark')[], inputs: Record<string, string>): Promise<void> {
  const { summary } = await start(inputs).done;
  const page = join(directory, `${name}.html`);
  writeFileSync(page, await renderPage(summary, 'rollback summary'));
  for (const scheme of schemes) await picture(page, FOLDER, name, scheme, 800);
  if (review) await pictureForReview(page, review, name);
}

function start(inputs: Record<string, string>, left?: Step['state']): RunningStep {
  return startStep(
    { daemonset: 'logging/log-agent', kubeconfig: testbed.kubeconfig, ...inputs },
    {
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_ACTION_REPOSITORY: 'OWNER/rollback-daemonset',
      GITHUB_ACTION_REF: 'v1',
    },
    () => {},
    left,
  );
}

async function picture(page: string, folder: string, name: string, scheme: 'light' | 'dark', width: number): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}-${scheme}.png`);
  writeFileSync(path, (await camera.picture(page, { width, scheme })).png);
  console.log(path);
}

async function pictureForReview(page: string, folder: string, name: string): Promise<void> {
  for (const scheme of ['light', 'dark'] as const) await picture(page, folder, name, scheme, 800);
  await picture(page, folder, `${name}-narrow`, 'light', 390);
}

/** Takes pictures of the outcomes that the docs do not show. */
async function takeOthers(folder: string): Promise<void> {
  const review = async (
    name: string,
    inputs: Record<string, string>,
    during?: (running: RunningStep) => void,
    left?: Step['state'],
  ): Promise<Step> => {
    const running = start(inputs, left);
    if (during) {
      while (!running.log().includes('rollout to finish')) await new Promise((next) => setTimeout(next, 100));
      during(running);
    }
    const step = await running.done;
    const page = join(directory, `${name}.html`);
    writeFileSync(page, await renderPage(step.summary, 'rollback summary'));
    writeFileSync(join(folder, `${name}.log`), step.log);
    await pictureForReview(page, folder, name);
    return step;
  };
  const post = { command: 'guard', 'job-status': 'failure' };
  mkdirSync(folder, { recursive: true });
  rollOut('v8');
  await review('complete', { command: 'status' });
  await review('listed', { command: 'history' });
  await review('listed-one', { command: 'history', revision: '1' });
  await review('refused', { 'to-revision': '99' });
  await review('error', { timeout: 'soon', daemonset: '' });
  await review('not-found', { daemonset: 'logging/log-agnet' });
  await review('unchanged', {
    'to-revision': kubectl([
      'get',
      'controllerrevisions',
      '--namespace=logging',
      '--sort-by=.revision',
      '--output=jsonpath={.items[-1:].revision}',
    ]),
  });
  const { state } = await review('recorded', { command: 'guard' });
  deploy('v9-crash');
  await review('guard-restored', post, undefined, state);
  const { state: again } = await start({ command: 'guard' }).done;
  for (const tag of ['v10', 'v11']) rollOut(tag);
  await review('guard-ambiguous', post, undefined, again);
  deploy('v12-missing');
  await review('superseded', { command: 'status' }, () => deploy('v13-missing'));
  await review('cancelled', { command: 'status' }, (running) => void running.process.kill('SIGINT'));
  await review('pending', { wait: 'false' });
  await review('already-rolled-back', {});
  kubectl(['create', 'configmap', 'log-agent-7h2k9m4c', '--namespace=logging', '--from-literal=level=info']);
  const envFrom = [{ configMapRef: { name: 'log-agent-7h2k9m4c' } }];
  deploy('v14', 10, { initContainers: [{ name: 'setup', image: 'registry.example/setup:v1', envFrom }] });
  kubectl(['rollout', 'status', 'daemonset/log-agent', '--namespace=logging', '--timeout=60s']);
  deploy('v15-missing');
  await review('held', { hold: 'true', 'change-cause': 'incident 4711', wait: 'false' });
  await review('refused-held', { 'to-revision': '1' });
  await review('released', { command: 'release' });
  rollOut('v16');
  kubectl(['delete', 'configmap', 'log-agent-7h2k9m4c', '--namespace=logging']);
  const { items } = JSON.parse(kubectl(['get', 'controllerrevisions', '--namespace=logging', '--output=json']));
  const [old] = items.filter(({ data }: { data: { spec: { template: { spec: object } } } }) => 'initContainers' in data.spec.template.spec);
  await review('refused-would-not-start', { 'to-revision': old.metadata.name });
  await review('listed-would-not-start', { command: 'history', revision: old.metadata.name });
  deploy('v17-missing');
  await review('deleted', { command: 'status' }, () => void kubectl(['delete', 'daemonset/log-agent', '--namespace=logging']));
}

function deploy(tag: string, maxUnavailable = 4, podSpec: object = {}): void {
  const behavior = behaviorOf(tag, { name: 'log-agent' });
  behavior.container.env.push({ name: 'VERSION', value: tag });
  kubectl(
    ['apply', '--filename=-'],
    JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'log-agent', namespace: 'logging', annotations: { 'kubernetes.io/change-cause': `log-agent ${tag}` } },
      spec: {
        selector: { matchLabels: { app: 'log-agent' } },
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable } },
        template: {
          metadata: { labels: { app: 'log-agent' } },
          spec: { terminationGracePeriodSeconds: 0, ...podOf([behavior]), ...podSpec },
        },
      },
    }),
  );
}

function rollOut(tag: string): void {
  deploy(tag);
  kubectl(['rollout', 'status', 'daemonset/log-agent', '--namespace=logging', '--timeout=60s']);
}

async function untilStuck(): Promise<void> {
  const unavailable = (): string =>
    kubectl([
      'get',
      'daemonset/log-agent',
      '--namespace=logging',
      '--output=jsonpath={.status.updatedNumberScheduled} {.status.numberUnavailable}',
    ]);
  while (unavailable() !== '4 4') await new Promise((next) => setTimeout(next, 200));
}
