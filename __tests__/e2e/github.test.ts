/** Notifications to the pull request and the deployment: steps on a real cluster, and a GitHub that validates requests by its API description. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import { type Fault, GitHub, startProxy, TOKEN } from '../helpers/github.ts';
import { Description } from '../helpers/openapi.ts';
import { eventually, expectStep, Fleet } from '../helpers/support.ts';

const COMMIT = 'a'.repeat(40);
const RUN = 'https://github.example/octo/fleet/actions/runs/77';
const LIST = 'GET /repos/{owner}/{repo}/issues/{issue_number}/comments';
const WRITE = 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments';
const UPDATE = 'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}';
const PULLS = 'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls';
const SET_STATUS = 'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses';

const fast = { maxUnavailable: '100%' };
const token = { 'github-token': TOKEN };
const comment = { ...token, comment: 'true' };
const status = { ...token, 'deployment-status': 'true' };
const gate = { command: 'status' };
const pullRequest = ['pull_request', { pull_request: { number: 5, head: { sha: 'b'.repeat(40) } } }] as const;

let github: GitHub;
let running: Fleet;
let steps: Step[] = [];

/** Records every step of these tests, to check that none of them reveals the token. */
async function run(of: Fleet, inputs: Record<string, string>, environment: Record<string, string>): Promise<Step> {
  const step = await of.rollback(inputs, environment);
  steps.push(step);
  return step;
}

/** The warnings about notifications that failed. */
const warnings = ({ log }: Step): string[] => log.split('\n').filter((line) => /^::warning::Could not notify /.test(line));

beforeAll(async () => {
  running = await Fleet.create();
  await running.rollOut('v1', fast);
});
afterAll(() => running.remove());
beforeEach(async () => {
  github = await GitHub.start();
  steps = [];
});
afterEach(() => {
  github.stop();
  expect(github.wrong).toEqual([]);
  expect(JSON.stringify([steps, github.comments, github.deployments])).not.toContain(TOKEN);
});

describe('a rollback', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.create();
    await fleet.rollOut('v1', fast);
    await fleet.getStuck('v2-crash');
  });
  afterEach(() => fleet.remove());

  test('writes one comment to the pull request; another attempt and a later run update it', async () => {
    const step = await run(fleet, comment, github.environment(...pullRequest));
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back', 'new-revision': '3' } });
    expect(warnings(step)).toEqual([]);
    expect(step.log).toMatch(/^Pull request #5: the comment is written\.$/m);
    expect(github.seen).toEqual([LIST, WRITE]);
    const [only] = github.comments;
    expect(only?.issue).toBe(5);
    const [marker, head] = only?.body.split('\n') ?? [];
    expect(marker).toMatch(/^<!-- rollback-daemonset [0-9a-f]{32} -->$/);
    expect(head).toBe(`### ✅ Rolled back: DaemonSet <code>${fleet.namespace}/agent</code>`);
    expect(only?.body).toContain(`href="${RUN}/attempts/1"`);
    expect(only?.body).toContain('registry.example/agent:v1');

    github.seen.length = 0;
    const again = await run(fleet, comment, github.environment(...pullRequest, { GITHUB_RUN_ATTEMPT: '2' }));
    expectStep(again, { code: 0, outputs: { outcome: 'rolled-back', reason: 'resumed' } });
    expect(github.seen).toEqual([LIST, 'GET /user', UPDATE]);
    const later = await run(fleet, { ...comment, ...gate }, github.environment(...pullRequest, { GITHUB_RUN_ID: '78' }));
    expectStep(later, { code: 0, outputs: { outcome: 'complete' } });
    expect(github.comments).toHaveLength(1);
    expect(github.comments[0]?.body).toMatch(/^### ✅ Rolled out: /m);
    expect(github.comments[0]?.body).toContain('/runs/78/attempts/1"');
  });

  test('sets the deployment that started the run to failure; a later gate sets it to success', async () => {
    github.deployments = [{ id: 9, sha: COMMIT, environment: 'production', statuses: [] }];
    const environment = github.environment('deployment', { deployment: { id: 9, environment: 'production' } });
    expectStep(await run(fleet, status, environment), { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(github.seen).toEqual([SET_STATUS]);
    const failure = {
      state: 'failure',
      description: 'Rolled back to revision 1 (registry.example/agent:v1)',
      log_url: `${RUN}/attempts/1`,
      auto_inactive: false,
    };
    expect(github.deployments[0]?.statuses).toEqual([failure]);
    expectStep(await run(fleet, { ...status, ...gate }, environment), { code: 0 });
    expect(github.deployments[0]?.statuses.map(({ state }) => state)).toEqual(['failure', 'success']);
  });

  test("sets only the deployment of the run's job to failure", async () => {
    const lead = (run: number): GitHub['deployments'][number]['statuses'] => [
      { state: 'in_progress', description: '', log_url: `https://github.example/octo/fleet/actions/runs/${run}/job/4` },
    ];
    github.deployments = [
      { id: 1, sha: COMMIT, environment: 'production', statuses: lead(77) },
      { id: 2, sha: COMMIT, environment: 'production', statuses: lead(77) },
      { id: 3, sha: COMMIT, environment: 'production', statuses: lead(778) },
      { id: 4, sha: COMMIT, environment: 'staging', statuses: lead(7) },
      { id: 5, sha: 'c'.repeat(40), environment: 'staging', statuses: lead(77) },
    ];
    expectStep(await run(fleet, status, github.environment('push', {})), { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(github.deployments.filter(({ statuses }) => statuses.length > 1)).toMatchObject([
      { id: 2, statuses: [{ state: 'in_progress' }, { state: 'failure' }] },
    ]);

    // With a second environment the deployment is ambiguous. A gate leaves a deployment that GitHub completes itself.
    github.deployments.push({ id: 6, sha: COMMIT, environment: 'staging', statuses: lead(77) });
    const unsure = await run(fleet, status, github.environment('push', {}));
    expect(unsure.log).toMatch(/^No deployment status is set: this run has deployments to several environments \(staging, production\)/m);
    github.deployments.pop();
    expectStep(await run(fleet, { ...status, ...gate }, github.environment('push', {})), { code: 0, outputs: { outcome: 'complete' } });
    expect(github.seen.filter((operation) => operation === SET_STATUS)).toHaveLength(1);
  });

  test('sends nothing for a dry run, for history, and without comment and deployment-status', async () => {
    const environment = github.environment('deployment', { deployment: { id: 9 }, pull_request: { number: 5 } });
    const dry = await run(fleet, { ...comment, ...status, 'dry-run': 'true' }, environment);
    expectStep(dry, { code: 0, outputs: { outcome: 'dry-run' } });
    expect(dry.log).toMatch(/^This is a dry run, so nothing is written to GitHub\.$/m);
    expectStep(await run(fleet, { ...comment, ...status, command: 'history' }, environment), { code: 0 });
    expectStep(await run(fleet, token, environment), { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(github.seen).toEqual([]);
  });

  test('of a cancelled job does not wait for GitHub longer than the runner allows', async () => {
    github.fault = () => 'hang';
    const waiting = fleet.start({ ...comment, 'to-revision': '2', ...gate }, github.environment(...pullRequest));
    await eventually('the wait', waiting.log, (log) => log.includes('Waiting for daemon set'));
    const cancelled = Date.now();
    waiting.process.kill('SIGINT');
    await github.asked(LIST);
    // The summary is written before the first request to GitHub.
    expect(waiting.log()).toMatch(/^Took /m);
    const step = await waiting.done;
    expect(Date.now() - cancelled).toBeLessThan(7_500);
    expectStep(step, { code: 1, outputs: { outcome: 'cancelled' } });
    expect(step.summary).toMatch(/^## ❌ Cancelled/);
    expect(warnings(step).join()).toContain('no answer from GitHub within 3 s');
  });
});

describe('the pull request', () => {
  test('of a push is the one that contains the commit; none or several are reported in a log line', async () => {
    github.pulls = { [COMMIT]: [12] };
    expectStep(await run(running, { ...comment, ...gate }, github.environment('push', {})), { code: 0 });
    expect(github.seen).toEqual([PULLS, LIST, WRITE]);
    expect(github.comments).toMatchObject([{ issue: 12 }]);
    for (const [pulls, said] of [
      [[], /^No comment is written: commit a+ does not belong to a pull request\.$/m],
      [[12, 13], /^No comment is written: commit a+ belongs to several pull requests \(#12, #13\)\.$/m],
    ] as const) {
      github.pulls = { [COMMIT]: [...pulls] };
      const step = await run(running, { ...comment, ...gate }, github.environment('push', {}));
      expect(step.log).toMatch(said);
      expect(warnings(step)).toEqual([]);
    }
    expect(github.comments).toHaveLength(1);
  });

  test('of a workflow_run is the one of the built commit, not of the default branch', async () => {
    const built = 'd'.repeat(40);
    github.pulls = { [COMMIT]: [1], [built]: [2] };
    await run(running, { ...comment, ...gate }, github.environment('workflow_run', { workflow_run: { head_sha: built } }));
    expect(github.comments).toMatchObject([{ issue: 2 }]);
  });
});

describe('the comment', () => {
  const runGate = (more: Record<string, string> = {}): Promise<Step> =>
    run(running, { ...comment, ...gate }, github.environment(...pullRequest, more));

  test('is separate for another job and for another DaemonSet of a matrix', async () => {
    const other = running.beside('other');
    await other.rollOut('v1', fast);
    await runGate();
    await runGate({ GITHUB_JOB: 'checks' });
    await runGate({ GITHUB_WORKFLOW: 'Nightly' });
    await run(other, { ...comment, ...gate }, github.environment(...pullRequest));
    expect(github.comments).toHaveLength(4);
    await runGate();
    expect(github.comments).toHaveLength(4);
  });

  test.each([
    { login: 'github-actions[bot]', type: 'Bot' },
    { login: 'deployer', type: 'User' },
  ] as const)('of another author is not changed, even with our marker: token of $login', async (viewer) => {
    github.viewer = viewer;
    await runGate();
    const [ours] = github.comments;
    const forged = {
      id: 1,
      issue: 5,
      body: `${ours?.body.split('\n')[0]}\nAll is well`,
      user: { login: 'mallory', type: 'User' as const },
    };
    const quoted = { id: 2, issue: 5, body: `> ${ours?.body}`, user: viewer };
    github.comments = [forged, quoted];
    await runGate();
    await runGate({ GITHUB_RUN_ID: '78' });
    expect(github.comments.map(({ body }) => body)).toEqual([forged.body, quoted.body, expect.stringContaining('/runs/78/')]);
    expect(github.comments[0]?.body).toMatch(/All is well$/);
  });

  test('is found among many comments', async () => {
    await runGate();
    const many = Array.from({ length: 250 }, (_, index) => ({
      id: index + 1,
      issue: 5,
      body: `talk ${index}`,
      user: { login: 'octocat', type: 'User' as const },
    }));
    github.comments.unshift(...many);
    github.seen.length = 0;
    await runGate();
    expect(github.seen).toEqual([LIST, LIST, LIST, 'GET /user', UPDATE]);
    expect(github.comments).toHaveLength(251);
  });
});

test('a next page on another server gets no request, and so no token', async () => {
  const other = await GitHub.start();
  try {
    github.comments = Array.from({ length: 100 }, (_, index) => ({
      id: index + 1,
      issue: 5,
      body: `talk ${index}`,
      user: { login: 'octocat', type: 'User' as const },
    }));
    github.pagesAt = new URL(other.url).origin;
    const step = await run(running, { ...comment, ...gate }, github.environment(...pullRequest));
    expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
    expect(warnings(step).join()).toContain('the next page is on another server');
    expect([other.seen, other.wrong]).toEqual([[], []]);
    expect(github.comments).toHaveLength(100);
  } finally {
    other.stop();
  }
});

test('a deployment status that is already set is not set again, so workflows do not trigger each other', async () => {
  const payload = { deployment: { id: 9, environment: 'production' }, deployment_status: { state: 'failure' } };
  github.deployments = [{ id: 9, sha: COMMIT, environment: 'production', statuses: [] }];
  const refused = await run(running, { ...status, 'to-revision': '7' }, github.environment('deployment_status', payload));
  expectStep(refused, { code: 1, outputs: { outcome: 'refused' } });
  expect(refused.log).toMatch(/^The deployment already has the status failure\.$/m);
  expect(github.seen).toEqual([]);
  const success = { ...payload, deployment_status: { state: 'success' } };
  await run(running, { ...status, 'to-revision': '7' }, github.environment('deployment_status', success));
  expect(github.deployments[0]?.statuses).toMatchObject([
    { state: 'failure', description: expect.stringMatching(/^Refused, nothing was written: .* \(revision-not-found\)$/) },
  ]);
  // A gate that a success status started does not set success again.
  await run(running, { ...status, ...gate }, github.environment('deployment_status', success));
  expect(github.deployments[0]?.statuses).toHaveLength(1);
});

describe('the step ends with the same outcome when GitHub answers with', () => {
  const integration = 'Resource not accessible by integration';
  const both = { ...comment, ...status, command: 'status', timeout: '60s' };
  const payload = { deployment: { id: 9, environment: 'production' }, pull_request: { number: 5 } };
  test.each<[string, Fault, RegExp]>([
    ['no permission', { status: 403, message: integration }, /403 \(Resource not .*permissions: (pull-requests|deployments): write"/],
    ['no permission, of a private repository', { status: 404, message: 'Not Found' }, /permissions: (pull-requests|deployments): write"/],
    ['an invalid token', { status: 401, message: 'Bad credentials' }, /github-token is not a valid token/],
    ['a rate limit', { status: 403, message: 'Wait.', headers: { 'retry-after': '60' } }, /rate limit is used up/],
    ['an error', { status: 500, message: 'Server Error' }, /GitHub answered 500 \(Server Error\)\.$/],
    [
      'a hostile message',
      { status: 500, message: 'x\r\n::error::y ##[error]z' },
      /GitHub answered 500 \(x.* : :error: :y ## \[error\]z\)\.$/,
    ],
    ['a locked pull request', { status: 403, message: 'Unable to create comment because issue is locked.' }, /issue is locked\.\)\.$/],
    ['a page instead of JSON', { html: 200 }, /answer is not JSON/],
    ['a page of a proxy', { html: 502 }, /GitHub answered 502\.$/],
    ['a redirect', { status: 301, message: 'Moved', headers: { location: 'https://127.0.0.1:1/' } }, /GitHub answered 301 \(Moved\)\.$/],
    ['a closed connection', 'close', /socket hang up\.$/],
    ['a switch of protocols', 'switch-protocols', /closed without an answer\.$/],
    ['an answer that does not end', 'endless', /the answer is longer than 10 MB\.$/],
    ['no answer', 'hang', /no answer from GitHub within 10 s\.$/],
  ])('%s', async (_, fault, said) => {
    github.deployments = [{ id: 9, sha: COMMIT, environment: 'production', statuses: [] }];
    const plain = await run(running, gate, github.environment('deployment', payload));
    github.fault = () => fault;
    const step = await run(running, both, github.environment('deployment', payload, { RUNNER_DEBUG: '1' }));
    const { 'duration-seconds': _took, ...outputs } = step.outputs;
    expectStep(step, { code: plain.code, outputs: { ...plain.outputs, 'duration-seconds': expect.any(String) } });
    expect(Object.keys(outputs)).toHaveLength(Object.keys(plain.outputs).length - 1);
    expect(step.summary).toMatch(/^## ✅ Rolled out: /);
    expect(warnings(step)).toHaveLength(2);
    for (const warning of warnings(step)) expect(warning).toMatch(said);
    expect([...github.comments, ...(github.deployments[0]?.statuses ?? [])]).toEqual([]);
  });

  test('a certificate that is not trusted', async () => {
    const environment = github.environment(...pullRequest);
    delete environment['NODE_EXTRA_CA_CERTS'];
    const step = await run(running, { ...comment, ...gate }, environment);
    expectStep(step, { code: 0 });
    expect(warnings(step).join()).toMatch(/certificate/);
  });

  test('an address without https, which gets no token', async () => {
    const step = await run(running, { ...comment, ...gate }, github.environment(...pullRequest, { GITHUB_API_URL: 'http://127.0.0.1:1' }));
    expectStep(step, { code: 0 });
    expect(warnings(step).join()).toContain('not https, so the token is not sent');
  });
});

test('the token is masked before anything else is printed', async () => {
  const started = running.start({ ...comment, ...gate }, github.environment(...pullRequest, { RUNNER_DEBUG: '1' }));
  steps.push(await started.done);
  const lines = started.log().split('\n');
  expect(lines.indexOf(`::add-mask::${TOKEN}`)).toBeLessThan(lines.findIndex((line) => line.startsWith('Server ')));
  expect(lines).toContain(`::add-mask::${TOKEN}`);
});

test('notifications reach GitHub Enterprise Server through a proxy', async () => {
  const enterprise = await GitHub.start('ghes-3.19');
  const proxy = await startProxy();
  try {
    enterprise.deployments = [{ id: 9, sha: COMMIT, environment: 'production', statuses: [] }];
    enterprise.pulls = { [COMMIT]: [12] };
    const environment = enterprise.environment(
      'deployment',
      { deployment: { id: 9, environment: 'production' } },
      { https_proxy: `http://octocat:s3cret-of-proxy@${proxy.url}` },
    );
    const step = await run(running, { ...comment, ...status, ...gate }, environment);
    expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
    expect(warnings(step)).toEqual([]);
    expect(enterprise.comments).toMatchObject([{ issue: 12 }]);
    expect(enterprise.deployments[0]?.statuses).toMatchObject([{ state: 'success' }]);
    const credentials = Buffer.from('octocat:s3cret-of-proxy').toString('base64');
    expect(new Set(proxy.seen)).toEqual(new Set([`${new URL(enterprise.url).host} Basic ${credentials}`]));
    const around = await run(running, { ...comment, ...gate }, { ...environment, no_proxy: '127.0.0.1' });
    expectStep(around, { code: 0 });
    expect(warnings(around)).toEqual([]);
    expect(enterprise.wrong).toEqual([]);
  } finally {
    enterprise.stop();
    proxy.stop();
  }
});

test.each([
  ['whose address is not valid', 'http://octocat:s3cret-of-proxy@nowhere:x', 'the address of the proxy is not valid'],
  ['that never answers', undefined, 'no answer from GitHub within 10 s'],
])('a proxy %s causes a warning without the password', async (_, address, said) => {
  const proxy = await startProxy({ hang: true });
  try {
    const environment = github.environment(...pullRequest, { https_proxy: address ?? `http://octocat:s3cret-of-proxy@${proxy.url}` });
    const step = await run(running, { ...comment, ...gate }, environment);
    expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
    expect(warnings(step).join()).toContain(said);
    expect(JSON.stringify(step)).not.toContain('s3cret-of-proxy');
  } finally {
    proxy.stop();
  }
});

test('a job that is cancelled while a proxy does not answer ends in time, with the same outcome', async () => {
  const proxy = await startProxy({ hang: true });
  try {
    const waiting = running.start({ ...comment, ...gate }, github.environment(...pullRequest, { https_proxy: `http://${proxy.url}` }));
    await eventually(
      'a connection',
      () => proxy.seen,
      (seen) => seen.length > 0,
    );
    const cancelled = Date.now();
    waiting.process.kill('SIGINT');
    const step = await waiting.done;
    expect(Date.now() - cancelled).toBeLessThan(7_500);
    expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
    expect(warnings(step).join()).toContain('the job was cancelled');
  } finally {
    proxy.stop();
  }
});

describe('the API description that validates the requests', () => {
  const description = new Description('api.github.com');
  const wrongIn = (method: string, path: string, body?: object): string[] => {
    const url = new URL(path, 'https://api.example');
    const operation = description.operation(method, url.pathname);
    return operation ? description.wrongIn(operation, url.searchParams, body) : ['no such operation'];
  };

  test.each<[string, string, object | undefined, RegExp | undefined]>([
    ['POST', '/repos/o/r/deployments/9/statuses', { state: 'failure', description: 'x'.repeat(140) }, undefined],
    ['POST', '/repos/o/r/deployments/9/statuses', { state: 'failure', description: 'x'.repeat(141) }, /longer than 140/],
    ['POST', '/repos/o/r/deployments/9/statuses', { state: 'failed' }, /body\/state must be equal to one of/],
    ['POST', '/repos/o/r/deployments/9/statuses', { description: 'x' }, /must have required property 'state'/],
    ['POST', '/repos/o/r/deployments/9/statuses', { state: 'failure', urls: 'x' }, /urls, which there is not/],
    ['POST', '/repos/o/r/deployments/nine/statuses', { state: 'failure' }, /deployment_id must be integer/],
    ['POST', '/repos/o/r/issues/5/comments', undefined, /body must be object/],
    ['GET', '/repos/o/r/issues/5/comments?per_page=100', undefined, undefined],
    ['GET', '/repos/o/r/issues/5/comments?per_page=101', undefined, /per_page is above 100/],
    ['GET', '/repos/o/r/issues/5/comments?size=100', undefined, /no query parameter size/],
    ['GET', '/repos/o/r/issues/5/comments', { body: 'x' }, /it has a body/],
    ['PUT', '/repos/o/r/issues/5/comments', { body: 'x' }, /no such operation/],
    ['GET', '/repos/o/r/commit/abc/pulls', undefined, /no such operation/],
  ])('%s %s %j', (method, path, body, expected) => {
    if (expected) expect(wrongIn(method, path, body).join('\n')).toMatch(expected);
    else expect(wrongIn(method, path, body)).toEqual([]);
  });
});
