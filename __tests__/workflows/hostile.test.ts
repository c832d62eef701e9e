/** A cluster full of hostile text, in a workflow on a real runner, and on the page that a person sees. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { dump } from 'js-yaml';
import { renderMarkdown } from '../../preview/page.ts';
import { behaviorOf } from '../../testbed/manifest.ts';
import { type RanStep, runWorkflow, stepOf } from '../helpers/act.ts';
import { type Any, eventually, Fleet } from '../helpers/support.ts';

const HOSTILE =
  'x\n::error::owned\r::set-output name=owned::1\n::add-path::/owned\n::stop-commands::owned ##[error]owned </code></td></details><script>alert(1)</script><img src=x onerror=alert(1)> | @octocat #1 [a](https://evil.example) https://evil.example ``` ` y';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.create();
});
afterAll(() => fleet.remove());

const expression = (text: string): string => `\${{ ${text} }}`;

/** Steps with the action, and one that shows the state of the job after them. */
function workflow(): string {
  const step = (name: string, inputs: object): object => ({
    name,
    id: name,
    'continue-on-error': true,
    uses: 'OWNER/rollback-daemonset@v1',
    with: { kubeconfig: expression('secrets.KUBECONFIG'), daemonset: `${fleet.namespace}/agent`, ...inputs },
  });
  const after = [
    'echo "path $PATH"',
    'echo "::notice::commands are still taken"',
    `echo "owned ${expression('steps.history.outputs.owned')}${expression('steps.gate.outputs.owned')}."`,
  ];
  const steps = [
    step('history', { command: 'history' }),
    step('one', { command: 'history', revision: '1', 'show-values': 'true' }),
    step('refused', { 'to-revision': '9' }),
    step('dry', { 'dry-run': 'true' }),
    step('gate', { command: 'status', 'failure-grace': '1s', 'stable-for': '1s', timeout: '60s', 'log-lines': '5' }),
    { name: 'after', run: after.join('\n') },
  ];
  return dump({ name: 'Hostile', on: 'workflow_dispatch', permissions: {}, jobs: { job: { 'runs-on': 'ubuntu-latest', steps } } });
}

test('hostile text stays text in the log, in the outputs and on the page', async () => {
  const image = (tag: string): object => ({
    containers: [
      {
        ...behaviorOf(tag).container,
        image: `registry.example/agent ${HOSTILE.replaceAll('\r', ' ')}:${tag}`,
        command: [HOSTILE],
        env: [{ name: 'VERSION', value: `${HOSTILE} ${tag}` }],
      },
    ],
  });
  const cause = HOSTILE;
  const annotations = { 'meta.helm.sh/release-name': HOSTILE, 'argocd.argoproj.io/tracking-id': HOSTILE };
  await fleet.rollOut('v1', { cause, annotations, podSpec: image('v1') });
  await fleet.getStuck('v2-crash', { cause, annotations, podSpec: image('v2-crash') });
  const { items } = await eventually(
    'a crash',
    () => fleet.json('get', 'pods'),
    ({ items }) => items.some(({ status }: Any) => status.containerStatuses?.[0]?.restartCount > 0),
  );
  const { metadata } = items.find(({ status }: Any) => status.containerStatuses?.[0]?.restartCount > 0);
  for (const reason of ['Failed', 'FailedMount']) {
    const involvedObject = { apiVersion: 'v1', kind: 'Pod', namespace: fleet.namespace, name: metadata.name, uid: metadata.uid };
    const event = { apiVersion: 'v1', kind: 'Event', metadata: { name: `hostile-${reason.toLowerCase()}` }, involvedObject, reason };
    const time = new Date().toISOString().replace(/\.\d+/, '');
    const said = {
      type: 'Warning',
      message: HOSTILE,
      source: { component: 'kubelet' },
      count: 9,
      firstTimestamp: time,
      lastTimestamp: time,
    };
    await fleet.kubectl(['create', '-f', '-'], JSON.stringify({ ...event, ...said }));
  }

  const run = await runWorkflow(workflow());
  const steps = ['history', 'one', 'refused', 'dry', 'gate'].map((name) => stepOf(run, 'job', name) as RanStep);
  expect(steps.map((step) => step?.outputs['outcome'])).toEqual(['listed', 'listed', 'refused', 'dry-run', 'failed']);
  for (const { outputs, annotations, lines, summary } of steps) {
    expect(outputs).not.toHaveProperty('owned');
    expect(annotations.filter((annotation) => /^\w+ : owned/.test(annotation))).toEqual([]);
    expect(lines.filter((line) => line.includes('##['))).toEqual([]);
    const html = await renderMarkdown(summary);
    // The page of a step links only to its run and to the documentation.
    expect(html.match(/<(img|script|iframe|form)\b/g)).toBeNull();
    expect(html).not.toMatch(/href="[^"]*evil/);
    // GitHub creates no mentions in code.
    expect(html.replace(/<(code|pre)\b.*?<\/\1>/gs, '')).not.toMatch(/@\w/);
    expect(html.match(/<details/g)?.length).toBe(html.match(/<\/details>/g)?.length);
    expect(html.match(/<table/g)?.length).toBe(html.match(/<\/table>/g)?.length);
  }
  // The text is shown in each step.
  expect(steps.map(({ lines, summary }) => /owned/.test(lines.join('\n') + summary))).toEqual(steps.map(() => true));
  const after = stepOf(run, 'job', 'after');
  expect(after?.annotations).toEqual(['notice : commands are still taken']);
  expect(after?.lines).toEqual([expect.stringMatching(/^path (?!.*\/owned)/), 'owned .']);
});
