/** Valid and broken kubeconfigs: real kubectl and the action get the same file, and must end with the same result as the same user. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { answersSince, auditMark } from '../../testbed/audit-log.ts';
import { type Step, startStep } from '../../testbed/step.ts';
import { Gateway, Tunnel } from '../helpers/gateway.ts';
import { type Any, eventually, execute, Fleet } from '../helpers/support.ts';

let fleet: Fleet;
let plain: Gateway;
let redirecting: Gateway;
let tunnel: Tunnel;
/** The values that the rows are built from. */
let known: { server: string; ca: string; cert: string; key: string; token: string; otherToken: string; folder: string };

beforeAll(async () => {
  fleet = await Fleet.create();
  await fleet.rollOut('v1');
  const { testbed, namespace } = fleet;
  const accounts = ['ci', 'other'].map((name) => `--serviceaccount=${namespace}:${name}`);
  for (const name of ['ci', 'other']) await fleet.kubectl(['create', 'serviceaccount', name]);
  await fleet.kubectl(['create', 'rolebinding', 'all', '--clusterrole=admin', '--user=alice', '--user=jane', '--group=ops', ...accounts]);
  const rules = ['', 'authentication.k8s.io'].map((group) => ({ apiGroups: [group], resources: ['*'], verbs: ['impersonate'] }));
  const impersonator = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: namespace }, rules };
  await fleet.kubectl(['create', '-f', '-'], JSON.stringify(impersonator));
  await fleet.kubectl(['create', 'clusterrolebinding', namespace, `--clusterrole=${namespace}`, `--serviceaccount=${namespace}:ci`]);
  fleet.onRemove(async () => {
    for (const kind of ['clusterrole', 'clusterrolebinding']) await fleet.kubectl(['delete', kind, namespace]);
  });
  const { certificate, key } = await testbed.issueClientCertificate('alice');
  const config = load(readFileSync(testbed.kubeconfig, 'utf8')) as Any;
  known = {
    server: testbed.server,
    ca: Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64').toString(),
    cert: certificate,
    key,
    token: (await fleet.kubectl(['create', 'token', 'ci'])).trim(),
    otherToken: (await fleet.kubectl(['create', 'token', 'other'])).trim(),
    folder: mkdtempSync(join(tmpdir(), 'rollback-daemonset-kubeconfig-')),
  };
  plain = await Gateway.open(testbed, { secure: false });
  redirecting = await Gateway.open(testbed, { secure: true, redirectTo: plain });
  tunnel = await Tunnel.open(testbed);
});
afterAll(async () => {
  for (const one of [plain, redirecting, tunnel]) one.close();
  rmSync(known.folder, { recursive: true, force: true });
  await fleet.remove();
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');

interface Parts {
  cluster?: object | null;
  user?: object | null;
  context?: object;
  current?: string;
}

/** A kubeconfig with the certificate authority as data and, by default, the service account's token. */
function config({ cluster = {}, user = { token: known.token }, context = {}, current = 'c' }: Parts = {}): Any {
  const whole = { server: known.server, 'certificate-authority-data': base64(known.ca), ...cluster };
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': current,
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u', namespace: fleet.namespace, ...context } }],
    clusters: [{ name: 'c', cluster: Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== null)) }],
    users: user === null ? [] : [{ name: 'u', user }],
  };
}

/** A plugin that prints a credential, and stores the KUBERNETES_EXEC_INFO that it gets. */
const plugin = (more: object = {}): object => ({
  apiVersion: 'client.authentication.k8s.io/v1',
  command: './bin/login',
  interactiveMode: 'Never',
  env: [{ name: 'CREDENTIAL', value: known.token }],
  ...more,
});
const LOGIN = `#!/bin/sh
printf '%s' "$KUBERNETES_EXEC_INFO" > "$(dirname "$0")/exec-info"
printf '{"apiVersion":"%s","kind":"ExecCredential","status":{"token":"%s"}}' "\${ANSWERS:-client.authentication.k8s.io/v1}" "$CREDENTIAL"
`;

interface Row {
  name: string;
  /** One kubeconfig, or those that KUBECONFIG lists. */
  files: () => Any | Any[];
  /** What else is in the folder of the kubeconfig. */
  beside?: () => Record<string, string>;
  environment?: () => Record<string, string>;
  /** The user of the requests; for a kubeconfig that is rejected, the message of the action. */
  is: string | RegExp;
  /** The host that is requested from the proxy. */
  through?: string;
}

const CI = 'serviceaccount ci';
const OTHER = 'serviceaccount other';
const named = { server: 'https://api.example.test:6443', 'tls-server-name': 'localhost' };
const proxied =
  (more: Record<string, string> = {}) =>
  (): Record<string, string> => ({ HTTPS_PROXY: tunnel.url, ...more });

/** Encodings and the parts of YAML in which parsers differ. */
function yamlRows(): Row[] {
  const yaml = (): string => dump(config());
  const utf16 = (): Buffer => Buffer.from(`\uFEFF${yaml()}`, 'utf16le');
  const withField = (line: string): string => yaml().replace(/^( +)server:/m, `$1${line}\n$&`);
  return [
    { name: 'UTF-8 with a byte order mark', files: () => `\uFEFF${yaml()}`, is: CI },
    { name: 'UTF-16', files: utf16, is: CI },
    { name: 'UTF-16, big endian', files: () => utf16().swap16(), is: CI },
    { name: 'UTF-16 without a byte order mark', files: () => utf16().subarray(2), is: /not valid YAML|is not a kubeconfig/ },
    { name: 'CRLF', files: () => yaml().replaceAll('\n', '\r\n'), is: CI },
    { name: 'indented text', files: () => yaml().replace(/^(?=.)/gm, '  '), is: CI },
    { name: 'two documents', files: () => `${yaml()}---\n${yaml().replace(known.token, known.otherToken)}`, is: CI },
    { name: 'two documents, the second of which is invalid', files: () => `${yaml()}---\na: [\n`, is: CI },
    { name: 'a duplicate key', files: () => withField('server: https://127.0.0.1:1'), is: CI },
    { name: 'a boolean as no', files: () => withField('insecure-skip-tls-verify: no'), is: CI },
    { name: 'a boolean as yes', files: () => withField('insecure-skip-tls-verify: yes'), is: /insecure-skip-tls-verify are set/ },
    { name: 'a boolean in quotes', files: () => withField('insecure-skip-tls-verify: "no"'), is: /must be true or false/ },
    { name: 'a namespace as no', files: () => yaml().replace(/namespace: .*/, 'namespace: no'), is: /namespace must be a string/ },
    { name: 'a merge key', files: () => `${yaml().replace('user:\n', 'user: &user\n')}  - name: other\n    user: {<<: *user}\n`, is: CI },
    { name: 'an alias bomb', files: () => `${bomb()}${yaml()}`, is: /not valid YAML|too many values/ },
    { name: 'a tab', files: () => yaml().replace(/^ +server/m, '\tserver'), is: /not valid YAML \(line \d+/ },
    { name: 'another kind', files: () => yaml().replace('kind: Config', 'kind: Pod'), is: /its kind must be Config/ },
    {
      name: 'two users of one name',
      files: () => yaml().replace('users:\n', 'users:\n  - name: u\n    user: {}\n'),
      is: /two entries with the name "u"/,
    },
    {
      name: 'a number as a name',
      files: () => yaml().replace('- name: u\n', '- name: 7\n'),
      is: /its name is not a string|refers to the user/,
    },
    {
      name: 'white space around the server',
      files: () => config({ cluster: { server: ` ${known.server}` } }),
      is: /starts or ends with white space/,
    },
  ];
}

const bomb = (): string =>
  Array.from(
    { length: 9 },
    (_, level) =>
      `x${level}: &x${level} [${Array(10)
        .fill(level === 0 ? 'x' : `*x${level - 1}`)
        .join()}]\n`,
  ).join('');

const ROWS: Row[] = [
  { name: 'a bearer token', files: () => config(), is: CI },
  {
    name: 'a client certificate as data',
    files: () => config({ user: { 'client-certificate-data': base64(known.cert), 'client-key-data': base64(known.key) } }),
    is: 'alice',
  },
  {
    name: 'files beside the kubeconfig, by relative paths',
    files: () =>
      config({
        cluster: { 'certificate-authority-data': null, 'certificate-authority': 'pki/ca.crt' },
        user: { 'client-certificate': './pki/tls.crt', 'client-key': 'pki/tls.key' },
      }),
    beside: () => ({ 'pki/ca.crt': known.ca, 'pki/tls.crt': known.cert, 'pki/tls.key': known.key }),
    is: 'alice',
  },
  {
    name: 'tokenFile with a line break at its end',
    files: () => config({ user: { tokenFile: 'token' } }),
    beside: () => ({ token: `${known.token}\n` }),
    is: CI,
  },
  {
    name: 'tokenFile takes precedence over token',
    files: () => config({ user: { token: known.otherToken, tokenFile: 'token' } }),
    beside: () => ({ token: known.token }),
    is: CI,
  },
  {
    name: 'a token beside a client certificate',
    files: () =>
      config({
        user: { token: known.token, 'client-certificate-data': base64(known.cert), 'client-key-data': base64(known.key) },
      }),
    is: 'alice',
  },
  {
    name: 'an empty tokenFile',
    files: () => config({ user: { tokenFile: 'token' } }),
    beside: () => ({ token: '' }),
    is: /token file .* is empty/,
  },
  { name: 'a tokenFile that is missing', files: () => config({ user: { tokenFile: 'token' } }), is: /token \(tokenFile\) does not exist/ },
  {
    name: 'a client certificate as data and as a file',
    files: () =>
      config({
        user: { 'client-certificate-data': base64(known.cert), 'client-certificate': 'tls.crt', 'client-key-data': base64(known.key) },
      }),
    beside: () => ({ 'tls.crt': known.cert }),
    is: /both client-certificate and client-certificate-data/,
  },
  {
    name: 'the authority as data and as a file',
    files: () => config({ cluster: { 'certificate-authority': 'ca.crt' } }),
    beside: () => ({ 'ca.crt': known.ca }),
    is: /both certificate-authority and certificate-authority-data/,
  },
  {
    name: 'a client certificate without a key',
    files: () => config({ user: { 'client-certificate-data': base64(known.cert) } }),
    is: /client certificate is set without its key/,
  },
  {
    name: 'the key of another certificate',
    files: () => config({ user: { 'client-certificate-data': base64(known.ca), 'client-key-data': base64(known.key) } }),
    is: /the client key belongs to another certificate/,
  },
  {
    name: 'a certificate authority that is not a certificate',
    files: () => config({ cluster: { 'certificate-authority-data': base64('nothing') } }),
    is: /the certificate authority contains no certificate/,
  },
  {
    name: 'a certificate authority that is not base64',
    files: () => config({ cluster: { 'certificate-authority-data': known.ca } }),
    is: /certificate-authority-data is not valid base64/,
  },
  {
    name: 'base64 with line breaks in a field',
    files: () => config({ cluster: { 'certificate-authority-data': base64(known.ca).replace(/(.{76})/g, '$1\n') } }),
    is: CI,
  },
  {
    name: 'the authority of another cluster',
    files: () => config({ cluster: { 'certificate-authority-data': base64(known.cert) } }),
    is: /Could not establish a trusted TLS connection/,
  },
  {
    name: 'no authority',
    files: () => config({ cluster: { 'certificate-authority-data': null } }),
    is: /Could not establish a trusted TLS connection/,
  },
  {
    name: 'insecure-skip-tls-verify without an authority',
    files: () => config({ cluster: { 'certificate-authority-data': null, 'insecure-skip-tls-verify': true } }),
    is: CI,
  },
  {
    name: 'insecure-skip-tls-verify with an authority',
    files: () => config({ cluster: { 'insecure-skip-tls-verify': true } }),
    is: /both a certificate authority and insecure-skip-tls-verify/,
  },
  { name: 'tls-server-name of the server', files: () => config({ cluster: { 'tls-server-name': 'localhost' } }), is: CI },
  {
    name: 'tls-server-name of another',
    files: () => config({ cluster: { 'tls-server-name': 'other.test' } }),
    is: /Could not establish a trusted TLS connection/,
  },
  { name: 'a slash at the end of the server', files: () => config({ cluster: { server: `${known.server}/` } }), is: CI },
  { name: 'plain http', files: () => config({ cluster: { server: plain.url } }), is: /User "system:anonymous"/ },
  { name: 'as another user', files: () => config({ user: { token: known.token, as: 'jane' } }), is: 'jane' },
  {
    name: 'as another user with groups, a uid and extra fields',
    files: () =>
      config({
        user: { token: known.token, as: 'eve', 'as-groups': ['ops', 'dev'], 'as-uid': '7', 'as-user-extra': { scopes: ['a', 'b'] } },
      }),
    is: 'eve of dev,ops,system:authenticated, 7, {"scopes":["a","b"]}',
  },
  {
    name: 'as groups without a user',
    files: () => config({ user: { token: known.token, 'as-groups': ['ops'] } }),
    is: /is set without as/,
  },
  {
    name: 'a token and a password',
    files: () => config({ user: { token: known.token, username: 'a', password: 'b' } }),
    is: /both a token and a username or password/,
  },
  {
    name: 'a password, which API servers no longer accept',
    files: () => config({ user: { username: 'a', password: 'b' } }),
    is: /User "system:anonymous"/,
  },
  { name: 'a token of another cluster', files: () => config({ user: { token: 'of-another-cluster' } }), is: /401/ },
  {
    name: 'a number as a password',
    files: () => config({ user: { username: 'a', password: 12_345_678 } }),
    is: /password must be a string/,
  },
  { name: 'a number as the namespace', files: () => config({ context: { namespace: 7 } }), is: /namespace must be a string/ },
  { name: 'a user that is not defined', files: () => config({ user: null }), is: /refers to the user "u", which is not defined/ },
  { name: 'a cluster that is not defined', files: () => config({ context: { cluster: 'gone' } }), is: /refers to the cluster "gone"/ },
  { name: 'a context that is not defined', files: () => config({ current: 'gone' }), is: /no context "gone"/ },
  {
    name: 'no user',
    files: () => config({ user: null, context: { user: '' } }),
    is: /User "system:anonymous"/,
  },
  {
    name: 'an auth-provider',
    files: () => config({ user: { 'auth-provider': { name: 'gcp' } } }),
    is: /auth-provider is set, which Kubernetes removed.*exec plugin/,
  },
  ...yamlRows(),
  { name: 'text that is not YAML', files: () => 'clusters: [\n', is: /not valid YAML/ },
  { name: 'YAML of something else', files: () => ['a', 'list'].map((name) => `- ${name}`).join('\n'), is: /is not a kubeconfig/ },
  {
    name: 'an exec plugin beside the kubeconfig',
    files: () => config({ user: { exec: plugin() } }),
    beside: () => ({ 'bin/login': LOGIN }),
    is: CI,
  },
  {
    name: 'a token takes precedence over an exec plugin',
    files: () => config({ user: { token: known.otherToken, exec: plugin() } }),
    beside: () => ({ 'bin/login': LOGIN }),
    is: OTHER,
  },
  {
    name: 'an exec plugin without an apiVersion',
    files: () => config({ user: { exec: plugin({ apiVersion: undefined }) } }),
    beside: () => ({ 'bin/login': LOGIN }),
    is: /apiVersion must be one of/,
  },
  {
    name: 'an exec plugin without an interactiveMode',
    files: () => config({ user: { exec: plugin({ interactiveMode: undefined }) } }),
    beside: () => ({ 'bin/login': LOGIN }),
    is: /interactiveMode is missing/,
  },
  {
    name: 'an exec plugin of v1beta1 that answers with v1',
    files: () => config({ user: { exec: plugin({ apiVersion: 'client.authentication.k8s.io/v1beta1' }) } }),
    beside: () => ({ 'bin/login': LOGIN }),
    is: /did not print an ExecCredential of client\.authentication\.k8s\.io\/v1beta1/,
  },
  {
    name: 'an exec plugin of v1beta1',
    files: () =>
      config({
        user: {
          exec: plugin({
            apiVersion: 'client.authentication.k8s.io/v1beta1',
            env: [
              { name: 'CREDENTIAL', value: known.token },
              { name: 'ANSWERS', value: 'client.authentication.k8s.io/v1beta1' },
            ],
          }),
        },
      }),
    beside: () => ({ 'bin/login': LOGIN }),
    is: CI,
  },
  {
    name: 'an exec plugin that needs user input',
    files: () => config({ user: { exec: plugin({ interactiveMode: 'Always' }) } }),
    beside: () => ({ 'bin/login': LOGIN }),
    is: /a CI runner is not interactive/,
  },
  {
    name: 'an exec plugin that fails',
    files: () => config({ user: { exec: plugin() } }),
    beside: () => ({ 'bin/login': '#!/bin/sh\necho "log in first" >&2\nexit 7\n' }),
    is: /exit code 7\): log in first/,
  },
  {
    name: 'an exec plugin that is missing',
    files: () => config({ user: { exec: plugin() } }),
    is: /exec plugin ".*bin\/login" in the kubeconfig does not exist on this runner/,
  },
  {
    name: 'several files: the first one that defines a name takes precedence',
    files: () => [
      config({ user: { token: known.token }, cluster: null }),
      config({ user: { token: known.otherToken, as: 'jane' }, cluster: { server: 'https://127.0.0.1:1' } }),
    ],
    is: CI,
  },
  {
    name: 'several files: what the first one does not define comes from the others',
    files: () => [{ apiVersion: 'v1', kind: 'Config', clusters: [], users: [{ name: 'u', user: { token: known.otherToken } }] }, config()],
    is: OTHER,
  },
  { name: 'several files, one of which is not YAML', files: () => [config(), 'clusters: [\n'], is: /not valid YAML/ },
  { name: 'proxy-url', files: () => config({ cluster: { ...named, 'proxy-url': tunnel.url } }), is: CI, through: 'api.example.test:6443' },
  {
    name: 'proxy-url applies to localhost too',
    files: () => config({ cluster: { 'proxy-url': tunnel.url } }),
    is: CI,
    through: '127.0.0.1',
  },
  {
    name: 'proxy-url with a user and a password',
    files: () => config({ cluster: { ...named, 'proxy-url': tunnel.url.replace('//', '//me:pass-word@') } }),
    is: CI,
    through: 'me:pass-word at api.example.test:6443',
  },
  { name: 'an invalid proxy-url', files: () => config({ cluster: { 'proxy-url': 'ftp://x' } }), is: /proxy-url must be a URL/ },
  {
    name: 'HTTPS_PROXY',
    files: () => config({ cluster: named }),
    environment: proxied(),
    is: CI,
    through: 'api.example.test:6443',
  },
  {
    name: 'HTTPS_PROXY does not apply to localhost',
    files: () => config(),
    environment: () => ({ HTTPS_PROXY: 'http://127.0.0.1:1' }),
    is: CI,
  },
  {
    name: 'https_proxy, and NO_PROXY of other hosts',
    files: () => config({ cluster: named }),
    environment: () => ({ https_proxy: tunnel.url, NO_PROXY: 'example.org,api.example.test:443,10.0.0.0/8' }),
    is: CI,
    through: 'api.example.test:6443',
  },
  {
    name: 'NO_PROXY of the domain: such a host is not found without the proxy',
    files: () => config({ cluster: named }),
    environment: proxied({ NO_PROXY: 'a.org, .example.test' }),
    is: /could not resolve the host name/,
  },
  {
    name: 'proxy-url takes precedence over HTTPS_PROXY',
    files: () => config({ cluster: { ...named, 'proxy-url': tunnel.url } }),
    environment: () => ({ HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '*' }),
    is: CI,
    through: 'api.example.test:6443',
  },
  {
    name: 'a server URL with a password',
    files: () => config({ cluster: { server: known.server.replace('//', '//me:pass-word@') } }),
    is: /server URL contains credentials/,
  },
  {
    name: 'a server without https://',
    files: () => config({ cluster: { server: known.server.slice(8) } }),
    is: /no valid server URL/,
  },
];

/** The users of a program's requests for a DaemonSet, from the audit log. */
function usersOf(agent: string, since: number): string[] {
  const isRelevant = (line: string): boolean => line.includes(`"userAgent":"${agent}`) && line.includes(`"namespace":"${fleet.namespace}"`);
  const answers = answersSince(fleet.testbed, since, isRelevant).filter(
    ({ verb, objectRef }) => verb === 'get' && objectRef?.resource === 'daemonsets',
  );
  return [...new Set(answers.map(({ user, impersonatedUser }) => nameOf(impersonatedUser ?? user)))];
}

function nameOf({ username, groups = [], uid, extra }: Any): string {
  const account = /^system:serviceaccount:.*:(.*)$/.exec(username)?.[1];
  if (account) return `serviceaccount ${account}`;
  return groups.includes('ops') ? `${username} of ${[...groups].sort().join()}, ${uid}, ${JSON.stringify(extra)}` : username;
}

describe('kubectl and the action treat a kubeconfig alike:', () => {
  test.each(ROWS)('$name', async ({ files, beside, environment, is, through }) => {
    const folder = mkdtempSync(join(known.folder, 'row-'));
    const all = ([] as Any[]).concat(files());
    const paths = all.map((_, index) => join(folder, `config-${index}`));
    for (const [index, one] of all.entries())
      writeFileSync(paths[index] ?? '', typeof one === 'string' || Buffer.isBuffer(one) ? one : JSON.stringify(one));
    for (const [name, text] of Object.entries(beside?.() ?? {})) {
      const path = join(folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      chmodSync(path, 0o700);
    }
    const since = auditMark(fleet.testbed);
    const variables = { PATH: '/usr/bin:/bin', KUBECONFIG: paths.join(':'), ...environment?.() };
    const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    tunnel.asked = [];
    const theirs = await execute('env', [
      '-i',
      ...assignments,
      `HOME=${folder}`,
      fleet.testbed.kubectl,
      ...['get', 'daemonset', 'agent', '--namespace', fleet.namespace, '--request-timeout=10s'],
    ]);
    const theirHosts = [...new Set(tunnel.asked)];
    tunnel.asked = [];
    const inputs = { command: 'history', daemonset: `${fleet.namespace}/agent`, timeout: '20s', 'exec-plugins': join(folder, 'bin/login') };
    const ours = await startStep(inputs, variables).done;

    const letIn = !(is instanceof RegExp);
    expect(ours.log.match(/^::error .*$/gm)?.join('\n') ?? '').toMatch(letIn ? /^$/ : is);
    expect(ours.log).not.toMatch(/This is a bug|node:internal/);
    expect([theirs.code === 0, ours.code === 0]).toEqual([letIn, letIn]);
    if (letIn) {
      const users = await eventually(
        'the audit log',
        () => [usersOf('kubectl', since), usersOf('rollback-daemonset', since)],
        (both) => both.every((one) => one.length > 0),
      );
      expect(users).toEqual([[is], [is]]);
    }
    const host = through === '127.0.0.1' ? new URL(known.server).host : through;
    expect([theirHosts, [...new Set(tunnel.asked)]]).toEqual(host === undefined ? [[], []] : [[host], [host]]);
  });
});

const history = (kubeconfig: Any, environment: Record<string, string> = {}): Promise<Step> =>
  fleet.rollback({ command: 'history', kubeconfig: JSON.stringify(kubeconfig), timeout: '20s' }, environment);

test('sends no credentials over plain http, and warns', async () => {
  plain.seen.length = 0;
  const step = await history(config({ cluster: { server: plain.url } }));
  expect(step.log).toMatch(/^::warning::The connection to the API server is not encrypted .*are not sent/m);
  expect(plain.seen.map(({ authorization }) => authorization)).toEqual([undefined]);
});

test('does not follow a redirect, so the token is not sent elsewhere', async () => {
  plain.seen.length = 0;
  const step = await history(config({ cluster: { server: redirecting.url } }));
  expect(step).toMatchObject({ code: 1, outputs: { outcome: 'error', reason: 'unreachable' } });
  expect(step.log).toMatch(/^::error .*not from a Kubernetes API server \(302\)/m);
  expect(new Set(redirecting.seen.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${known.token}`]));
  expect(plain.seen).toEqual([]);
});

test('warns of insecure-skip-tls-verify', async () => {
  const step = await history(config({ cluster: { 'certificate-authority-data': null, 'insecure-skip-tls-verify': true } }));
  expect(step).toMatchObject({ code: 0, log: expect.stringMatching(/^::warning::The kubeconfig disables TLS certificate verification/m) });
});

describe('the environment does not weaken the verification:', () => {
  test('NODE_TLS_REJECT_UNAUTHORIZED=0, of which the step warns', async () => {
    const given = config({ cluster: { 'certificate-authority-data': null } });
    const step = await history(given, { NODE_TLS_REJECT_UNAUTHORIZED: '0' });
    expect(step).toMatchObject({ code: 1, outputs: { outcome: 'error', reason: 'certificate' } });
    expect(step.log).toMatch(/^::warning::NODE_TLS_REJECT_UNAUTHORIZED is 0.*verifies as the kubeconfig says/m);
  });

  test('NODE_TLS_REJECT_UNAUTHORIZED=0, also through a proxy', async () => {
    const given = config({ cluster: { ...named, 'certificate-authority-data': null, 'proxy-url': tunnel.url } });
    const step = await history(given, { NODE_TLS_REJECT_UNAUTHORIZED: '0' });
    expect(step).toMatchObject({ code: 1, outputs: { outcome: 'error', reason: 'certificate' } });
  });

  test('NODE_EXTRA_CA_CERTS, if the kubeconfig has a certificate authority', async () => {
    const file = join(known.folder, 'extra.crt');
    writeFileSync(file, known.ca);
    const given = config({ cluster: { 'certificate-authority-data': base64(known.cert) } });
    const step = await history(given, { NODE_EXTRA_CA_CERTS: file });
    expect(step).toMatchObject({ code: 1, outputs: { outcome: 'error', reason: 'certificate' } });
    // It works as documented where the kubeconfig has none.
    const without = config({ cluster: { 'certificate-authority-data': null } });
    expect(await history(without, { NODE_EXTRA_CA_CERTS: file })).toMatchObject({ code: 0 });
  });
});

describe('the input kubeconfig', () => {
  const run = (kubeconfig: string, environment: Record<string, string> = {}): Promise<Step> =>
    fleet.rollback({ command: 'history', kubeconfig, timeout: '20s' }, environment);

  test('is base64 as the program base64 prints it', async () => {
    const { stdout } = await execute('base64', [], JSON.stringify(config()));
    expect(stdout.trim()).toContain('\n');
    expect(await run(stdout)).toMatchObject({ code: 0 });
  });

  test('is a text that is indented in the workflow', async () => {
    expect(await run(`\n${dump(config()).replace(/^(?=.)/gm, '    ')}`)).toMatchObject({ code: 0 });
  });

  test.each(['~/config', '$HOME/config'])('is %s', async (path) => {
    writeFileSync(join(known.folder, 'config'), JSON.stringify(config()));
    expect(await run(path, { HOME: known.folder })).toMatchObject({ code: 0 });
  });

  test('is a named pipe or a device that never ends: refused at once', async () => {
    const pipe = join(known.folder, 'pipe');
    expect((await execute('mkfifo', [pipe])).code).toBe(0);
    for (const path of [pipe, '/dev/zero']) {
      const began = Date.now();
      expect(await run(path)).toMatchObject({
        code: 1,
        outputs: { reason: 'kubeconfig' },
        log: expect.stringMatching(/it is not a regular file/),
      });
      expect(Date.now() - began).toBeLessThan(5_000);
    }
  });

  test('is "auto" with a $KUBECONFIG that is empty, or that contains a kubeconfig', async () => {
    for (const KUBECONFIG of ['', JSON.stringify(config())]) {
      const step = await run('auto', { KUBECONFIG });
      expect(step).toMatchObject({ code: 1, outputs: { reason: 'kubeconfig' } });
      expect(step.log).toMatch(/\$KUBECONFIG is set/);
      expect(step.log.includes(known.token)).toBe(false);
    }
  });
});

test('a file that is missing or invalid is reported without a request', async () => {
  plain.seen.length = 0;
  for (const user of [{ tokenFile: '/nonexistent/token' }, { 'client-certificate-data': base64('x'), 'client-key-data': base64('y') }]) {
    const step = await history(config({ cluster: { server: redirecting.url }, user }));
    expect(step).toMatchObject({ code: 1, outputs: { reason: 'kubeconfig' } });
  }
  expect(plain.seen).toEqual([]);
});

describe('a plugin', () => {
  test('gets the cluster information, with the authority from its file and the extension for exec plugins', async () => {
    const folder = mkdtempSync(join(known.folder, 'exec-info-'));
    writeFileSync(join(folder, 'ca.crt'), known.ca);
    mkdirSync(join(folder, 'bin'));
    const login = join(folder, 'bin', 'login');
    writeFileSync(login, LOGIN, { mode: 0o700 });
    const cluster = {
      'certificate-authority-data': null,
      'certificate-authority': join(folder, 'ca.crt'),
      extensions: [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'fleet' } }],
    };
    const given = config({ cluster, user: { exec: plugin({ command: login, provideClusterInfo: true }) } });
    const execInfo = (): Any => JSON.parse(readFileSync(join(folder, 'bin', 'exec-info'), 'utf8'));
    writeFileSync(join(folder, 'config'), JSON.stringify(given));
    const get = ['--kubeconfig', join(folder, 'config'), 'get', 'daemonset', 'agent'];
    expect((await execute(fleet.testbed.kubectl, get)).code).toBe(0);
    const theirs = execInfo();
    expect(await fleet.rollback({ command: 'history', kubeconfig: JSON.stringify(given), 'exec-plugins': login })).toMatchObject({
      code: 0,
    });
    expect(execInfo()).toEqual(theirs);
    expect(theirs.spec.cluster.config).toEqual({ audience: 'fleet' });
  });

  test('that hangs, with a child process that hangs, is ended at the timeout', async () => {
    const folder = mkdtempSync(join(known.folder, 'hangs-'));
    const login = join(folder, 'login');
    writeFileSync(login, `#!/bin/sh\nsleep 100 & echo $! > '${folder}/pid'\nwait\n`, { mode: 0o700 });
    const began = Date.now();
    const step = await fleet.rollback({
      timeout: '2s',
      kubeconfig: JSON.stringify(config({ user: { exec: plugin({ command: login }) } })),
      'exec-plugins': login,
    });
    expect(step).toMatchObject({ code: 1, outputs: { outcome: 'timed-out', changed: 'false' } });
    expect(Date.now() - began).toBeLessThan(4_000);
    const pid = readFileSync(join(folder, 'pid'), 'utf8').trim();
    await eventually(
      'its end',
      () => existsSync(`/proc/${pid}`),
      (alive) => !alive,
    );
  });
});
