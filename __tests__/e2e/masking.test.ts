/** What is hidden in the log of a step is hidden in everything that it leaves behind, on a runner and elsewhere. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import { renderMarkdown, visibleText } from '../../preview/page.ts';
import { behaviorOf } from '../../testbed/manifest.ts';
import type { Step } from '../../testbed/step.ts';
import { type Any, eventually, Fleet } from '../helpers/support.ts';

/** Values that the workflow has registered as secrets, and that people put into a manifest all the same. */
const SECRETS = ['registry.corp.example:5000', 'Tr0ub4dor-3.x', 'p*ss_w|rd`[x](y)', 'octo @octocat #1', 'key:://value ##x'] as const;
const [registry, ...others] = SECRETS;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.create();
  const version = (tag: string): object => ({
    cause: `deploy ${tag} with ${others.join(' and ')}`,
    annotations: { 'meta.helm.sh/release-name': others.join(';') },
    podSpec: {
      containers: [
        {
          ...behaviorOf(tag).container,
          image: `${registry}/agent:${tag}`,
          env: SECRETS.map((value, index) => ({ name: `V${index}`, value: `${value} ${tag}` })),
        },
      ],
    },
  });
  await fleet.rollOut('v1', version('v1'));
  await fleet.getStuck('v2-crash', version('v2-crash'));
  const isCrashed = ({ status }: Any): boolean => status.containerStatuses?.[0]?.restartCount > 0;
  const { items } = await eventually(
    'all five to crash',
    () => fleet.json('get', 'pods'),
    ({ items }) => items.filter(isCrashed).length === 5,
  );
  for (const { metadata } of items.filter(isCrashed)) {
    const involvedObject = { apiVersion: 'v1', kind: 'Pod', namespace: fleet.namespace, name: metadata.name, uid: metadata.uid };
    const time = new Date(Date.now() + 60_000).toISOString().replace(/\.\d+/, '');
    const event = (type: string, reason: string, message: string): object => ({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${reason.toLowerCase()}-${metadata.name}` },
      involvedObject,
      type,
      reason,
      message,
      source: { component: 'kubelet' },
      count: 9,
      firstTimestamp: time,
      lastTimestamp: time,
    });
    const quoted = `Get "http://10.0.0.1/healthz?token=hunter-query": ${others.join(' ')} hunter-body`;
    const items = [
      event('Warning', 'Unhealthy', `Liveness probe failed: ${quoted}`),
      event('Normal', 'Killing', 'Container agent failed liveness probe, will be restarted'),
    ];
    await fleet.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  }
});
afterAll(() => fleet.remove());

/** A log or a summary as the runner keeps it: each registered value is replaced in each line. */
function masked(text: string): string {
  return text
    .split('\n')
    .map((line) => SECRETS.reduce((rest, secret) => rest.replaceAll(secret, '***'), line))
    .join('\n');
}

const COMMANDS: [string, Record<string, string>][] = [
  ['history', { command: 'history' }],
  ['a template', { command: 'history', revision: '1', 'show-values': 'true' }],
  ['a refusal', { 'to-revision': '9' }],
  ['a dry run', { 'dry-run': 'true', 'show-values': 'true' }],
  ['a gate', { command: 'status', 'failure-grace': '1s', timeout: '60s', 'log-lines': '5' }],
];

describe('a secret that only the runner knows', () => {
  test.each(COMMANDS)('is hidden in the summary, like in the log: %s', async (_name, inputs) => {
    const step = await fleet.rollback(inputs);
    const found = SECRETS.filter((secret) => step.log.includes(secret) || step.summary.includes(secret));
    expect(found).toContain(registry);
    const summary = visibleText(await renderMarkdown(masked(step.summary)));
    const log = masked(step.log).replace(/^::(error|warning|notice).*$/gm, '');
    for (const secret of SECRETS) expect([secret, summary.includes(secret), log.includes(secret)]).toEqual([secret, false, false]);
  });
});

describe('a secret of the kubeconfig', () => {
  /** A kubeconfig whose token is one of the values in the manifest. */
  const kubeconfig = (token: string): string => {
    const config = load(readFileSync(fleet.testbed.kubeconfig, 'utf8')) as Any;
    config.users[0].user.token = token;
    return JSON.stringify(config);
  };

  test.each(others)('is nowhere in what a step writes: %s', async (token) => {
    for (const [, inputs] of COMMANDS) {
      const step = await fleet.rollback({ ...inputs, kubeconfig: kubeconfig(token) });
      const all = [step.log, step.summary, visibleText(await renderMarkdown(step.summary)), ...Object.values(step.outputs)];
      expect(all.filter((text) => text.includes(token) || text.includes(JSON.stringify(token).slice(1, -1)))).toEqual([]);
    }
  });

  test.each([{ GITHUB_ACTIONS: '' }, { GITHUB_ACTIONS: 'false', CI: 'true' }])(
    'is not printed to register it where nothing removes that: %j',
    async (environment) => {
      const [token = ''] = others;
      const running = fleet.start({ command: 'history', kubeconfig: kubeconfig(token) }, environment);
      await running.done;
      expect(running.log()).toContain('REVISION');
      expect(running.log()).not.toMatch(/add-mask/);
      expect(running.log().includes(token)).toBe(false);
      const onRunner = fleet.start({ command: 'history', kubeconfig: kubeconfig(token) });
      await onRunner.done;
      expect(onRunner.log()).toContain(`::add-mask::${token}`);
    },
  );
});

describe('what a container printed', () => {
  const everything = ({ log, summary, outputs }: Step): string => [log, summary, ...Object.values(outputs)].join('\n');
  const gate = { command: 'status', 'failure-grace': '1s', timeout: '60s' };

  test('is nowhere with log-lines: 0, also if a probe or Kubernetes quotes it', async () => {
    const step = await fleet.rollback({ ...gate, 'log-lines': '0' });
    expect(step.outputs).toMatchObject({ outcome: 'failed', reason: 'probe-failed' });
    expect(everything(step)).toContain('Liveness probe failed');
    expect(everything(step)).not.toMatch(/hunter-(body|query)|cannot open the log directory/);
  });

  test('is shown with log-lines, but for the query of a probe', async () => {
    const text = everything(await fleet.rollback({ ...gate, 'log-lines': '5' }));
    expect(text).toMatch(/healthz\?<hidden>.* hunter-body/);
    expect(text).toContain('cannot open the log directory');
    expect(text).not.toContain('hunter-query');
  });
});
