import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { dump, load } from 'js-yaml';
import type { Step } from '../../testbed/step.ts';
import { addPolicy } from '../helpers/policy.ts';
import { type Any, eventually, expectStep, Fleet } from '../helpers/support.ts';

const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-e2e-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.create();
});
afterEach(() => fleet.remove());

/** A failure as a user sees it: one message, no stack trace, outputs and summary, nothing written. */
function expectFailure(step: Step, outcome: string, reason: string, message: RegExp): void {
  expectStep(step, { code: 1, outputs: { outcome, reason, changed: 'false' } });
  expect(step.log.match(/^::error .*$/gm)).toEqual([expect.stringMatching(message)]);
  expect(step.log).not.toMatch(/^\s+at /m);
  expect(step.log).not.toMatch(/node:internal|UnhandledPromise/);
  expect(step.summary).toMatch(/^## ❌ /);
  expect(fleet.writes()).toBe(0);
}

/** The admin kubeconfig with another user and cluster. */
function kubeconfig(user: object | undefined, cluster: object = {}): string {
  const config = load(readFileSync(fleet.testbed.kubeconfig, 'utf8')) as Any;
  Object.assign(config.clusters[0].cluster, cluster);
  if (user) config.users[0].user = user;
  return dump(config);
}

describe('each mistake has its own message:', () => {
  test('a missing DaemonSet, with those that exist', async () => {
    await fleet.rollOut('v1');
    expectFailure(
      await fleet.rollback({ daemonset: `${fleet.namespace}/agnet` }),
      'error',
      'not-found',
      /no DaemonSet "agnet" in namespace "t-.*The namespace has: agent\./,
    );
    expectFailure(await fleet.rollback({ daemonset: 'nowhere/agent' }), 'error', 'not-found', /namespace has no DaemonSets/);
  });

  test('a missing revision, with those that exist', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    expectFailure(
      await fleet.rollback({ 'to-revision': '9' }),
      'refused',
      'revision-not-found',
      /no revision 9 in the history\. Existing revisions: 2 \(agent-\w+: deploy v2\), 1 \(agent-\w+: deploy v1\)/,
    );
  });

  test('no previous revision', async () => {
    await fleet.rollOut('v1');
    expectFailure(
      await fleet.rollback(),
      'refused',
      'no-previous-revision',
      /no previous version to roll back to: the history has no other revision/,
    );
    await fleet.kubectl(['rollout', 'restart', 'daemonset/agent']);
    await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=60s']);
    expectFailure(await fleet.rollback(), 'refused', 'no-previous-revision', /changed only by "kubectl rollout restart"/);
  });

  test('invalid input, with all mistakes at once', async () => {
    expectFailure(
      await fleet.rollback({ timeout: 'soon', wait: 'yes' }),
      'error',
      'invalid-input',
      /Input timeout: "soon".*Input wait: "yes"|Input wait: "yes".*Input timeout: "soon"/,
    );
    expectFailure(await fleet.rollback({ kubeconfig: '' }), 'error', 'invalid-input', /Input kubeconfig: it is given but empty/);
    expectFailure(await fleet.rollback({ context: 'stage' }), 'error', 'kubeconfig', /no context "stage"\. Available contexts: testbed/);
  });

  test('an unreachable server', async () => {
    expectFailure(
      await fleet.rollback({ kubeconfig: kubeconfig(undefined, { server: 'https://127.0.0.1:1' }) }),
      'error',
      'unreachable',
      /Could not reach the API server https:\/\/127\.0\.0\.1:1: connection refused/,
    );
    expectFailure(
      await fleet.rollback({ kubeconfig: kubeconfig(undefined, { server: 'https://no-such-host.invalid' }) }),
      'error',
      'unreachable',
      /could not resolve the host name/,
    );
  });

  test('a certificate of another cluster', async () => {
    const other = await fleet.testbed.issueClientCertificate('someone');
    expectFailure(
      await fleet.rollback({
        kubeconfig: kubeconfig(undefined, { 'certificate-authority-data': Buffer.from(other.certificate).toString('base64') }),
      }),
      'error',
      'certificate',
      /Could not establish a trusted TLS connection to https/,
    );
    expectFailure(
      await fleet.rollback({ kubeconfig: kubeconfig(undefined, { 'tls-server-name': 'other.example' }) }),
      'error',
      'certificate',
      /Could not establish a trusted TLS connection/,
    );
  });

  test('401', async () => {
    const step = await fleet.rollback({ kubeconfig: kubeconfig({ token: 'not-a-token-of-this-cluster' }) });
    expectFailure(step, 'error', 'unauthorized', /rejected the credentials \(401/);
    expect(JSON.stringify(step)).not.toContain('not-a-token-of-this-cluster');
  });
});

test('a read-only account can plan with dry-run: true, and the step warns that the server did not check the plan', async () => {
  await fleet.rollOut('v1');
  await fleet.rollOut('v2');
  await fleet.kubectl(['create', 'serviceaccount', 'reader']);
  await fleet.kubectl(['create', 'rolebinding', 'reader', '--clusterrole=view', `--serviceaccount=${fleet.namespace}:reader`]);
  const token = (await fleet.kubectl(['create', 'token', 'reader'])).trim();
  const step = await fleet.rollback({ kubeconfig: kubeconfig({ token }), 'dry-run': 'true' });
  expectStep(step, { code: 0, outputs: { outcome: 'dry-run', reason: 'not-validated', 'target-revision': '1' } });
  expect(step.log).toMatch(/^::warning::.*verbs: \["patch"\]/m);
});

describe('credentials', () => {
  const token = async (): Promise<string> => {
    await fleet.kubectl(['create', 'serviceaccount', 'ci']);
    await fleet.kubectl(['create', 'rolebinding', 'ci', '--clusterrole=admin', `--serviceaccount=${fleet.namespace}:ci`]);
    return (await fleet.kubectl(['create', 'token', 'ci'])).trim();
  };

  test.each(['text', 'base64', 'path', 'auto'])('work with the kubeconfig as %s and a bearer token', async (how) => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    const secret = await token();
    const text = kubeconfig({ token: secret });
    const path = join(directory, `${fleet.namespace}.yaml`);
    writeFileSync(path, text);
    const source = { text, base64: Buffer.from(text).toString('base64'), path, auto: 'auto' }[how] ?? '';
    const step = await fleet.rollback({ kubeconfig: source }, how === 'auto' ? { KUBECONFIG: path } : {});
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(JSON.stringify(step)).not.toContain(secret);
  });

  test('come from an exec plugin that is allowed by name, gets KUBERNETES_EXEC_INFO but not the inputs, and has its token masked', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    const secret = await token();
    const plugin = join(directory, `login-${fleet.namespace}`);
    writeFileSync(
      plugin,
      `#!/bin/sh\nif grep -qz '^INPUT_' /proc/$$/environ; then echo "the inputs" >&2; exit 4; fi\ncase "$KUBERNETES_EXEC_INFO" in *'"server":"https://127.0.0.1'*) ;; *) echo "no cluster information" >&2; exit 3;; esac\nprintf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$TOKEN"\n`,
    );
    chmodSync(plugin, 0o755);
    const user = {
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: plugin,
        interactiveMode: 'Never',
        provideClusterInfo: true,
        env: [{ name: 'TOKEN', value: secret }],
      },
    };
    expectFailure(
      await fleet.rollback({ kubeconfig: kubeconfig(user) }),
      'error',
      'credentials',
      /runs the program ".*login-.*", which the input exec-plugins does not allow/,
    );
    const running = fleet.start({ kubeconfig: kubeconfig(user), 'exec-plugins': plugin });
    const step = await running.done;
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(JSON.stringify(step)).not.toContain(secret);
    expect(running.log()).toContain(`::add-mask::${secret}`);
    const broken = { exec: { ...user.exec, provideClusterInfo: false } };
    await fleet.deploy('v3');
    expectStep(await fleet.rollback({ kubeconfig: kubeconfig(broken), 'exec-plugins': 'any' }), {
      code: 1,
      outputs: { reason: 'credentials' },
      log: expect.stringMatching(/exit code 3\): no cluster information/),
    });
  });
});

test('a credential plugin that hangs does not delay a cancellation', async () => {
  const plugin = join(directory, 'hangs');
  writeFileSync(plugin, '#!/bin/sh\nexec sleep 100\n');
  chmodSync(plugin, 0o755);
  const running = fleet.start({
    kubeconfig: kubeconfig({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' } }),
    'exec-plugins': plugin,
  });
  await eventually('the step', running.log, (log) => log.includes('to the previous version'));
  const sent = Date.now();
  running.process.kill('SIGTERM');
  expectStep(await running.done, { code: 1, outputs: { outcome: 'cancelled', changed: 'false' } });
  expect(Date.now() - sent).toBeLessThan(2_000);
});

describe('the server rejects', () => {
  test('a template that is not valid', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    const { items } = await fleet.json('get', 'controllerrevisions');
    const [one] = items as Any[];
    const broken = structuredClone(one);
    broken.data.spec.template.spec.containers[0].name = 'Not A Name';
    await fleet.kubectl(
      ['create', '-f', '-'],
      JSON.stringify({
        ...broken,
        revision: 1,
        metadata: {
          name: 'agent-broken',
          ownerReferences: one.metadata.ownerReferences,
          labels: { app: 'agent', 'controller-revision-hash': 'broken' },
        },
      }),
    );
    expectFailure(
      await fleet.rollback({ 'to-revision': 'agent-broken' }),
      'error',
      'invalid-template',
      /rejected the template of this revision: spec\.template\.spec\.containers\[0\]\.name/,
    );
    expect(await fleet.image()).toBe('v2');
  });

  test('an admission policy', async () => {
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    await addPolicy(fleet, { expression: "!object.spec.template.spec.containers[0].image.endsWith(':v1')", message: 'v1 is banned' }, [
      'set',
      'image',
      'daemonset/agent',
      'agent=registry.example/agent:v1',
    ]);
    for (const inputs of [{}, { 'dry-run': 'true' }] as Record<string, string>[])
      expectFailure(await fleet.rollback(inputs), 'error', 'admission-denied', /v1 is banned/);
    // The second dry run shows that the annotations are not what the policy denies.
    expect(fleet.requests().filter((request) => request === 'patch daemonsets dryRun')).toHaveLength(4);
  });
});

test('text from the cluster neither runs workflow commands nor breaks out of the summary', async () => {
  const cause = 'x\n::error::owned\r::stop-commands::t ##[group]g </details><script>alert(1)</script> | @octocat ```';
  await fleet.rollOut('v1', { cause });
  await fleet.rollOut('v2', { cause: '' });
  const dry = await fleet.rollback({ 'to-revision': '9' });
  expect(dry.log.match(/^\s*::(?!error title=|notice title=|group::|endgroup::)/gm)).toBeNull();
  expect(dry.log).not.toContain('##[');
  const step = await fleet.rollback();
  expect(step.code).toBe(0);
  expect(step.summary).not.toContain('<script');
  // GitHub creates no mentions in code.
  expect(step.summary.replace(/<code>[^<]*<\/code>/g, '')).not.toContain('@octocat');
  expect(step.summary.match(/^<details/gm)).toHaveLength(step.summary.match(/^<\/details>$/gm)?.length ?? -1);
  expect(step.summary.match(/^```.*$/gm)).toEqual(['```diff', '```']);
});
