/**
 * Wherever a job runs and whatever credentials its kubeconfig has: nothing that it prints or writes contains them, also where the cluster quotes
 * them, and no text from the cluster is a command of a CI system.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import { behaviorOf } from '../../testbed/manifest.ts';
import { startStep } from '../../testbed/step.ts';
import { expectRan, type Ran, runCommand, variablesOf } from '../helpers/command.ts';
import { Tunnel } from '../helpers/gateway.ts';
import { type Any, eventually, Fleet, type ManifestOptions } from '../helpers/support.ts';

const PROXY_PASSWORD = 'p@ss/word of the proxy';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

let fleet: Fleet;
/** A DaemonSet whose template has no secret. */
let clean: Fleet;
let tunnel: Tunnel;
let folder: string;
let token: string;
let pluginToken: string;
let pair: { certificate: string; key: string };
/** Each secret as the cluster quotes it. */
let quoted: string[];

/** What the log of some CI system executes, or takes for the start of a section. */
const HOSTILE = [
  'deploy',
  '::hostile::x',
  '  ::hostile title=x::y',
  '##[hostile]x',
  'x ##vso[hostile a=b]c',
  "##teamcity[hostile 'x']",
  '\u001b[0Ksection_start:1700000000:hostile[collapsed=true]\r\u001b[0Khostile',
  'section_end:1700000000:hostile\r\u001b[0K',
  '--- hostile',
  '+++ hostile',
  '~~~ hostile',
  '^^^ +++',
  '\u001b_bk;t=1700000000\u0007\u001b]1338;url=x\u0007',
  '\u009b31mhostile\r::hostile::y\u2028::hostile::z',
];

/** The lines of a key, without those that each key has. */
const linesOf = (pem: string): string[] => pem.split('\n').filter((line) => line.length > 10 && !line.startsWith('-----'));

function version(tag: string): ManifestOptions {
  const { container } = behaviorOf(tag);
  return {
    maxUnavailable: '100%',
    cause: [...HOSTILE, ...quoted, tag].join('\n'),
    podSpec: {
      containers: [
        {
          ...container,
          image: `registry.example/${token}/${pluginToken}/${linesOf(pair.key)[0]}/agent:${tag}`,
          env: [...quoted, ...HOSTILE].map((value, index) => ({ name: `V${index}`, value: `${value} ${tag}` })),
        },
      ],
    },
  };
}

/** Events that quote what the containers were given. */
async function createEvents(): Promise<void> {
  const isCrashed = ({ status }: Any): boolean => status.containerStatuses?.[0]?.restartCount > 0;
  const { items } = await eventually(
    'all to crash',
    () => fleet.json('get', 'pods', '-l', 'app=agent'),
    ({ items }) => items.filter(isCrashed).length === 10,
  );
  const time = new Date(Date.now() + 60_000).toISOString().replace(/\.\d+/, '');
  const event = (pod: Any, reason: string, type: string, message: string): object => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${reason.toLowerCase()}-${pod.metadata.name}` },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace: fleet.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
    type,
    reason,
    message,
    source: { component: 'kubelet' },
    count: 9,
    firstTimestamp: time,
    lastTimestamp: time,
  });
  const events = items.flatMap((pod: Any) => [
    event(pod, 'Unhealthy', 'Warning', `Liveness probe failed: ${HOSTILE.join('\n')}`),
    event(pod, 'BackOff', 'Warning', quoted.join(' ')),
    event(pod, 'Killing', 'Normal', 'Container agent failed liveness probe, will be restarted'),
  ]);
  await fleet.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: events }));
}

beforeAll(async () => {
  fleet = await Fleet.create();
  clean = fleet.beside('clean');
  const accounts = ['ci', 'plugin'];
  for (const name of accounts) await fleet.kubectl(['create', 'serviceaccount', name]);
  const subjects = accounts.map((name) => `--serviceaccount=${fleet.namespace}:${name}`);
  await fleet.kubectl(['create', 'rolebinding', 'ci', '--clusterrole=admin', '--user=alice', ...subjects]);
  token = (await fleet.kubectl(['create', 'token', 'ci'])).trim();
  pluginToken = (await fleet.kubectl(['create', 'token', 'plugin'])).trim();
  pair = await fleet.testbed.issueClientCertificate('alice');
  quoted = [token, pluginToken, base64(token), ...linesOf(pair.key), base64(pair.key), PROXY_PASSWORD, encodeURIComponent(PROXY_PASSWORD)];
  tunnel = await Tunnel.open(fleet.testbed);
  folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-ci-secrets-'));
  const credential = JSON.stringify({
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    status: { token: pluginToken },
  });
  writeFileSync(join(folder, 'credential'), credential);
  writeFileSync(join(folder, 'plugin'), `#!/bin/sh\nenv > '${folder}/environment'\ncat '${folder}/credential'\n`, { mode: 0o700 });
  await clean.rollOut('v1', { maxUnavailable: '100%' });
  await fleet.rollOut('v1', version('v1'));
  await fleet.rollOut('v2', version('v2'));
  await fleet.getStuck('v3-crash', version('v3-crash'));
  await createEvents();
});
afterAll(async () => {
  tunnel.close();
  rmSync(folder, { recursive: true, force: true });
  await fleet.remove();
});

interface Kubeconfig {
  user: () => object;
  cluster?: () => object;
  secrets: () => string[];
  /** What the cluster quotes as well, and is not a secret of this kubeconfig. */
  shown: () => string;
}

const KUBECONFIGS: Record<string, Kubeconfig> = {
  'a token': { user: () => ({ token }), secrets: () => [token], shown: () => PROXY_PASSWORD },
  'a client key': {
    user: () => ({ 'client-certificate-data': base64(pair.certificate), 'client-key-data': base64(pair.key) }),
    secrets: () => [...linesOf(pair.key), pair.key],
    shown: () => PROXY_PASSWORD,
  },
  'the token of a plugin': {
    user: () => ({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: join(folder, 'plugin'), interactiveMode: 'Never' } }),
    secrets: () => [pluginToken],
    shown: () => PROXY_PASSWORD,
  },
  'the password of a proxy': {
    user: () => ({ token }),
    cluster: () => ({ 'proxy-url': tunnel.url.replace('//', `//me:${encodeURIComponent(PROXY_PASSWORD)}@`) }),
    secrets: () => [token, PROXY_PASSWORD],
    shown: () => pluginToken,
  },
};

function kubeconfigOf({ user, cluster }: Kubeconfig): string {
  const config = load(readFileSync(fleet.testbed.kubeconfig, 'utf8')) as Any;
  Object.assign(config.clusters[0].cluster, cluster?.());
  config.users[0].user = user();
  return JSON.stringify(config);
}

/** The forms in which text can contain a secret. */
const formsOf = (secret: string): string[] => [
  secret,
  base64(secret),
  base64(secret).replace(/=+$/, ''),
  encodeURIComponent(secret),
  JSON.stringify(secret).slice(1, -1),
  base64(`me:${secret}`),
];

/** How many forms of the secrets a text has. Not the forms themselves: a failure must not print them. */
function found(text: string, secrets: string[]): number {
  return secrets.flatMap(formsOf).filter((form) => text.includes(form)).length;
}

const GITLAB = {
  GITLAB_CI: 'true',
  CI: 'true',
  CI_SERVER_URL: 'https://gitlab.example',
  CI_PROJECT_PATH: 'octo/fleet',
  CI_PIPELINE_ID: '7',
  CI_JOB_ID: '70',
  CI_JOB_NAME: 'deploy',
  CI_DEBUG_TRACE: 'true',
};
const PLACES: Record<string, { environment: Record<string, string>; flags?: string[] }> = {
  'a plain log': { environment: { RUNNER_DEBUG: '1' } },
  GitLab: { environment: GITLAB },
  Buildkite: { environment: { CI: 'true', BUILDKITE: 'true', BUILDKITE_BUILD_ID: '7', RUNNER_DEBUG: '1' } },
  Jenkins: { environment: { JENKINS_URL: 'https://jenkins.example/', BUILD_TAG: 'jenkins-7', RUNNER_DEBUG: '1' } },
  JSON: { environment: { RUNNER_DEBUG: '1' }, flags: ['--output', 'json'] },
  YAML: { environment: { RUNNER_DEBUG: '1' }, flags: ['--output', 'yaml'] },
};

/** Runs with much text of the cluster: what it must contain, so that the test sees what it checks. */
const RUNS: [parameters: string[], code: number, shows: RegExp][] = [
  [['history', 'ds/agent', '--show-values', '--revision', '2'], 0, /hostile/],
  [['rollback', 'ds/agent', '--to-revision', '1', '--dry-run', '--show-values', '--preflight=warn'], 0, /hostile/],
  [['rollback', 'ds/agent', '--to-revision', '9'], 3, /hostile/],
  [['status', 'ds/agent', '--failure-grace', '1s', '--log-lines', '5', '--timeout', '60s'], 4, /Liveness probe failed/],
];

const FILES = ['--env-file', 'x.env', '--results', 'x.json', '--junit', 'x.xml', '--summary', 'x.md'];

/** A log without the markers that the program itself writes for GitLab. */
function withoutMarkers(log: string): string {
  return log.replaceAll(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: GitLab's markers have them
    /^\u001b\[0Ksection_(start|end):\d+:rollback_daemonset_\d+_\d+(\[collapsed=true\])?\r\u001b\[0K/gm,
    '',
  );
}

/** Fails if a line of a log is a command or a section of any CI system. */
function expectHarmless(log: string): void {
  const lines = withoutMarkers(log).split('\n');
  expect(lines.filter((line) => /^\s*::|##[a-z]*\[|^(---|\+\+\+|~~~|\^\^\^)|[\p{Cc}\u2028\u2029]/iu.test(line))).toEqual([]);
}

const everything = ({ stdout, stderr, files }: Ran): string => [stdout, stderr, ...Object.values(files)].join('\n');

/** A summary as a person reads it, with characters instead of their numeric references. */
const readable = (summary: string): string => summary.replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)));

describe.each(Object.entries(KUBECONFIGS))('with %s', (_kind, kubeconfig) => {
  const variables = (environment: Record<string, string>): Record<string, string> =>
    variablesOf(fleet, {
      ...environment,
      KUBECONFIG: '',
      ROLLBACK_DAEMONSET_KUBECONFIG: kubeconfigOf(kubeconfig),
      ROLLBACK_DAEMONSET_EXEC_PLUGINS: 'any',
      ROLLBACK_DAEMONSET_NAMESPACE: fleet.namespace,
    });

  test.concurrent.each(Object.entries(PLACES))(
    'nothing in %s has a secret or starts a command',
    async (_place, { environment, flags = [] }) => {
      for (const [parameters, code, shows] of RUNS) {
        const ran = await runCommand([...parameters, ...flags, ...FILES], variables(environment));
        expect(found(everything(ran), kubeconfig.secrets())).toBe(0);
        expectRan(ran, { code });
        expect(Object.keys(ran.files).sort()).toEqual(['x.env', 'x.json', 'x.md', 'x.xml']);
        expect(everything(ran)).toMatch(shows);
        expect(everything(ran)).toContain('***');
        expect(ran.stdout + ran.stderr).not.toMatch(/This is a bug|node:internal/);
        expectHarmless(ran.stdout);
        expectHarmless(ran.stderr);
        for (const text of Object.values(ran.files)) expect(text).not.toMatch(/[\p{Cc}](?<!\n)/u);
      }
    },
  );

  test.concurrent('nothing that the action leaves has a secret or starts a command', async () => {
    for (const inputs of [
      { command: 'history', revision: '2', 'show-values': 'true' },
      { 'dry-run': 'true', 'to-revision': '1', 'show-values': 'true', preflight: 'warn' },
      { command: 'status', 'failure-grace': '1s', 'log-lines': '5' },
    ] as Record<string, string>[]) {
      const all = {
        daemonset: `${fleet.namespace}/agent`,
        timeout: '60s',
        'exec-plugins': 'any',
        kubeconfig: kubeconfigOf(kubeconfig),
        ...inputs,
      };
      const step = await startStep(all, { RUNNER_DEBUG: '1', RUNNER_TEMP: folder }).done;
      const left = [step.log, readable(step.summary), ...Object.values(step.outputs), ...Object.values(step.state)].join('\n');
      expect(found(left, kubeconfig.secrets())).toBe(0);
      expect(left).toMatch(/hostile/);
      expect(left).toContain('***');
      expect(step.log.split('\n').filter((line) => /^\s*::hostile|##[a-z]*\[|[\p{Cc}\u2028\u2029]/iu.test(line))).toEqual([]);
    }
  });

  test.concurrent('neither a record nor the environment of a command has a secret that was not there', async () => {
    const work = mkdtempSync(join(tmpdir(), 'rollback-daemonset-ci-guard-'));
    try {
      writeFileSync(join(work, 'kubeconfig'), kubeconfigOf(kubeconfig));
      const { ROLLBACK_DAEMONSET_KUBECONFIG: _, ...others } = variables({ RUNNER_DEBUG: '1' });
      const environment = { ...others, KUBECONFIG: join(work, 'kubeconfig') };
      const around = await runCommand(
        ['guard', 'ds/clean', ...FILES, '--', 'sh', '-c', 'env > child; tr "\\0" " " < /proc/$PPID/cmdline > parent'],
        environment,
      );
      expectRan(around, { code: 0 });
      expect(around.files['child']).toContain('ROLLBACK_DAEMONSET_STABLE_FOR=1s\n');
      expect(found(everything(around), kubeconfig.secrets())).toBe(0);
      const record = await runCommand(['guard', 'ds/clean', '--record', 'guard.json'], environment);
      expectRan(record, { code: 0, files: { 'guard.json': expect.stringContaining('registry.example/agent:v1') } });
      expect(found(everything(record), kubeconfig.secrets())).toBe(0);
      // A template that has a secret can only be restored with it.
      const path = join(work, 'own.json');
      const own = await runCommand(['guard', 'ds/agent', '--record', path], environment);
      expectRan(own, { code: 0 });
      expect(found(everything(own), kubeconfig.secrets())).toBe(0);
      expect(statSync(path).mode & 0o777).toBe(0o600);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
});

test('a plugin does not inherit the variables of flags, which can have the kubeconfig', async () => {
  const kubeconfig = kubeconfigOf(KUBECONFIGS['the token of a plugin'] as Kubeconfig);
  const environment = { ...variablesOf(fleet), KUBECONFIG: '', ROLLBACK_DAEMONSET_KUBECONFIG: kubeconfig, OF_THE_JOB: 'x' };
  expectRan(await runCommand(['history', `${fleet.namespace}/clean`, '--exec-plugins=any'], environment), { code: 0 });
  const inherited = readFileSync(join(folder, 'environment'), 'utf8');
  expect(inherited).toContain('OF_THE_JOB=x\n');
  expect(inherited).not.toContain('ROLLBACK_DAEMONSET_');
});
