import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ExecPlugins } from '../../../src/cluster/exec-plugin.ts';
import type { ExecConfig } from '../../../src/cluster/exec-policy.ts';
import { secretsOf } from '../../../src/cluster/kubeconfig-secrets.ts';
import { Secrets } from '../../../src/cluster/secrets.ts';

const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-plugin-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const API_VERSION = 'client.authentication.k8s.io/v1';
const CREDENTIAL = `{"apiVersion":"${API_VERSION}","kind":"ExecCredential","status":{"token":"token-of-the-plugin"}}`;
let sequence = 0;

/** A plugin that is a shell script. */
function plugin(
  script: string,
  more: ExecConfig = {},
  environment: Record<string, string> = {},
): { plugins: ExecPlugins; secrets: Secrets } {
  const command = join(directory, `plugin-${sequence++}`);
  writeFileSync(command, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  const exec = { apiVersion: API_VERSION, interactiveMode: 'Never', command, ...more };
  const secrets = new Secrets();
  secrets.add(secretsOf({ exec }));
  return { plugins: new ExecPlugins(exec, {}, 'any', { PATH: process.env['PATH'], ...environment }, secrets), secrets };
}

async function run(plugins: ExecPlugins): Promise<{ headers?: Record<string, unknown> }> {
  const options = {};
  await plugins.applyAuthentication({}, options);
  return options;
}

const failure = async (plugins: ExecPlugins): Promise<string> =>
  run(plugins).then(
    () => 'it did not fail',
    (error: Error) => error.message,
  );

test('a plugin inherits the environment, but no inputs, state, tokens of the runner or command files', async () => {
  const kept = {
    AWS_ACCESS_KEY_ID: 'a',
    GITHUB_TOKEN: 't',
    GITHUB_REPOSITORY: 'octo/fleet',
    ACTIONS_ID_TOKEN_REQUEST_URL: 'https://id.example',
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'id',
    RUNNER_TEMP: '/tmp',
  };
  const withheld = [
    'INPUT_KUBECONFIG',
    'INPUT_GITHUB-TOKEN',
    'ROLLBACK_DAEMONSET_KUBECONFIG',
    'STATE_guard',
    'ACTIONS_RUNTIME_TOKEN',
    'ACTIONS_RUNTIME_URL',
    'ACTIONS_RESULTS_URL',
    'ACTIONS_CACHE_URL',
    ...['ENV', 'PATH', 'OUTPUT', 'STATE', 'STEP_SUMMARY'].map((name) => `GITHUB_${name}`),
  ];
  const file = join(directory, 'environment');
  const environment = { ...kept, ...Object.fromEntries(withheld.map((name) => [name, 'x'])) };
  const { plugins } = plugin(`tr '\\0' '\\n' < /proc/$$/environ > '${file}'\necho '${CREDENTIAL}'`, {}, environment);
  expect((await run(plugins)).headers).toEqual({ Authorization: 'Bearer token-of-the-plugin' });
  const names = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split('=')[0]);
  expect(names).toEqual(expect.arrayContaining([...Object.keys(kept), 'KUBERNETES_EXEC_INFO']));
  expect(names.filter((name) => withheld.includes(name ?? ''))).toEqual([]);
});

describe('a message does not contain', () => {
  const secret = 's3cr3t/of&the=plugin-0123456789';

  test.each([
    ['a secret argument', 'echo "cannot log in with $2" >&2; exit 1', ['--client-secret', secret]],
    ['a secret argument after an equals sign', 'echo "$1" >&2; exit 1', [`--client-secret=${secret}`]],
    ['a secret in JSON as Go escapes it', `echo '{"error":"${secret.replace('&', '\\u0026')}"}' >&2; exit 1`, ['--token', secret]],
    ['a half of a secret', `echo "$2$(printf 'x%.0s' $(seq 1 1985))" >&2; exit 1`, ['--token', secret]],
    [
      'a half of a secret where the output was cut',
      `head -c 65520 /dev/zero | tr '\\0' ' ' >&2; echo "$2" >&2; printf %65520s >&2; exit 1`,
      ['--token', secret],
    ],
    ['an argument that the system does not accept', 'exit 0', ['--token', `${secret}\0`]],
  ])('%s', async (_name, script, args) => {
    const message = await failure(plugin(script, { args }).plugins);
    expect(message).toMatch(/^The exec plugin "plugin-\d+" in the kubeconfig (failed \(exit code 1\)|could not be started)/);
    expect(message).not.toMatch(/s3cr|of&the|u0026|plugin-0123|56789$/);
    expect(message.length).toBeLessThan(2_200);
  });

  test('the end of the output is shown', async () => {
    expect(await failure(plugin(`printf 'y%.0s' $(seq 1 3000) >&2; echo "log in first" >&2; exit 7`).plugins)).toMatch(
      /exit code 7\): y{1900,}log in first$/,
    );
  });
});

test('endless output ends the plugin', async () => {
  expect(await failure(plugin('exec yes').plugins)).toMatch(/printed more than 1 MiB/);
  expect(await failure(plugin('yes >&2 & sleep 0.2; kill $!; exit 3').plugins)).toMatch(/exit code 3/);
});

describe('stop', () => {
  const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

  test('ends a plugin that is running, with its child processes', async () => {
    const file = join(directory, 'pid');
    const { plugins } = plugin(`sleep 100 & echo $! > '${file}'\nwait`);
    const ended = failure(plugins);
    while (!existsSync(file) || readFileSync(file, 'utf8') === '') await new Promise((next) => setTimeout(next, 20));
    const pid = Number(readFileSync(file, 'utf8'));
    plugins.stop();
    await ended;
    while (isAlive(pid)) await new Promise((next) => setTimeout(next, 20));
  });

  test('does nothing once the plugin has ended, because its process id can belong to another process', async () => {
    const killed: unknown[] = [];
    const { kill } = process;
    process.kill = (...parameters: unknown[]): true => {
      killed.push(parameters);
      return true;
    };
    try {
      const { plugins } = plugin(`echo '${CREDENTIAL}'`);
      await run(plugins);
      plugins.stop();
      expect(killed).toEqual([]);
    } finally {
      process.kill = kill;
    }
  });
});
