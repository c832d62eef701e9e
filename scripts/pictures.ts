/** Takes the pictures of the docs on a test bed: `npm run pictures`. They go to docs/pictures/. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Camera, ensureBrowser } from '../preview/browser.ts';
import { renderPage } from '../preview/page.ts';
import { startStep } from '../testbed/step.ts';
import { startTestbed } from '../testbed/testbed.ts';

const FOLDER = 'docs/pictures';
const browser = ensureBrowser(console.log);
const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-pictures-'));
const testbed = await startTestbed({ nodes: 10, log: console.log });
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
  // Gates: what a version has that cannot start, one that never gets ready, and one that takes longer.
  deploy('v4-crash');
  await take('failed', ['light', 'dark'], { command: 'status', 'log-lines': '20' });
  await take('gate', ['light', 'dark'], { command: 'status', 'rollback-on-failure': 'true', 'failure-grace': '5s', 'log-lines': '20' });
  deploy('v5-hang');
  await take('stalled', ['light', 'dark'], { command: 'status', 'progress-deadline': '20s' });
  rollOut('v6');
  deploy('v7-slow', 1);
  await take('timed-out', ['light', 'dark'], { command: 'status', timeout: '30s' });
} finally {
  await camera.close();
  await testbed.stop();
  rmSync(directory, { recursive: true, force: true });
}

/** Runs a step, and takes a picture of its summary in each scheme: `NAME-SCHEME.png`. */
async function take(name: string, schemes: ('light' | 'dark')[], inputs: Record<string, string>): Promise<void> {
  const { summary } = await startStep(
    { daemonset: 'logging/log-agent', kubeconfig: testbed.kubeconfig, ...inputs },
    {
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_ACTION_REPOSITORY: 'OWNER/rollback-daemonset',
      GITHUB_ACTION_REF: 'v1',
    },
  ).done;
  const page = join(directory, `${name}.html`);
  writeFileSync(page, await renderPage(summary, 'rollback summary'));
  for (const scheme of schemes) {
    const path = join(FOLDER, `${name}-${scheme}.png`);
    writeFileSync(path, (await camera.picture(page, { width: 800, scheme })).png);
    console.log(path);
  }
}

function deploy(tag: string, maxUnavailable = 4): void {
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
          spec: {
            terminationGracePeriodSeconds: 0,
            containers: [{ name: 'log-agent', image: `registry.example/log-agent:${tag}`, env: [{ name: 'VERSION', value: tag }] }],
          },
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
