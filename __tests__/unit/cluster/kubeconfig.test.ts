import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { selectorText } from '../../../src/cluster/client.ts';
import { ClusterError } from '../../../src/cluster/cluster.ts';
import { connectionFrom } from '../../../src/cluster/kubeconfig.ts';
import { credentialsIn, secretsOf } from '../../../src/cluster/kubeconfig-secrets.ts';
import { proxyFor } from '../../../src/cluster/proxy.ts';
import { masksFor, Secrets } from '../../../src/cluster/secrets.ts';

const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-unit-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Parts {
  cluster?: object;
  user?: object;
  context?: object;
  name?: string;
  current?: string | undefined;
}

function config({ cluster, user, context, name = 'prod', current = name }: Parts = {}): string {
  return JSON.stringify({
    apiVersion: 'v1',
    clusters: [{ name, cluster: { server: `https://${name}.example:6443`, ...cluster } }],
    users: [{ name, user: { token: 'secret-token', ...user } }],
    contexts: [{ name, context: { cluster: name, user: name, ...context } }],
    'current-context': current,
  });
}

function put(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
}

const connect = (
  source: string,
  more: { context?: string; environment?: Record<string, string>; plugins?: 'any' | string[] } = {},
): ReturnType<typeof connectionFrom> =>
  connectionFrom({ source, context: more.context, plugins: more.plugins ?? [], environment: more.environment ?? {} });

function failure(act: () => unknown): ClusterError {
  try {
    act();
  } catch (error) {
    if (error instanceof ClusterError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('where it comes from', () => {
  const file = put('config', config());

  test.each([
    ['a path', file, {}],
    ['JSON text', config(), {}],
    [
      'YAML text',
      'clusters:\n- {name: prod, cluster: {server: "https://prod.example:6443"}}\ncontexts:\n- {name: prod, context: {cluster: prod}}\ncurrent-context: prod\n',
      {},
    ],
    ['base64', Buffer.from(config()).toString('base64'), {}],
    ['auto by $KUBECONFIG', 'auto', { KUBECONFIG: file }],
    ['auto by a list with a missing file', 'auto', { KUBECONFIG: ['/nonexistent/one', file].join(delimiter) }],
  ])('%s', (_name, source, environment) => {
    expect(connect(source, { environment: environment as Record<string, string> })).toMatchObject({
      server: 'https://prod.example:6443',
      context: 'prod',
      namespace: 'default',
    });
  });

  test('auto by the home directory', () => {
    mkdirSync(join(directory, '.kube'), { recursive: true });
    put('.kube/config', config({ context: { namespace: 'logging' } }));
    expect(connect('auto', { environment: { HOME: directory } })).toMatchObject({ namespace: 'logging' });
  });

  test('files are merged, the first wins', () => {
    const other = put('other', config({ name: 'stage' }));
    const again = put('again', config({ cluster: { server: 'https://wrong.example' } }));
    const KUBECONFIG = [file, other, again].join(delimiter);
    expect(connect('auto', { environment: { KUBECONFIG } })).toMatchObject({ context: 'prod', server: 'https://prod.example:6443' });
    expect(connect('auto', { environment: { KUBECONFIG }, context: 'stage' })).toMatchObject({
      context: 'stage',
      server: 'https://stage.example:6443',
    });
  });

  test.each([
    ['auto without any', 'auto', {}, /no kubeconfig was found/],
    [
      'auto with $KUBECONFIG that is missing',
      'auto',
      { KUBECONFIG: '/nonexistent/c', HOME: directory },
      /\/nonexistent\/c, which does not exist/,
    ],
    ['in-cluster outside of one', 'in-cluster', {}, /is not running in a pod/],
    ['a path that is missing', './missing.yaml', {}, /the file \.\/missing\.yaml does not exist/],
    ['a cut-off secret', 'c2VjcmV0LXRva2Vu!', {}, /is not an existing file, YAML/],
    ['YAML that is none', 'clusters: [\ntoken: very-secret-value', {}, /not valid YAML/],
    ['a token that YAML takes for an alias', 'clusters: []\ntoken: *very-secret-value\n', {}, /not valid YAML \(line 2\)/],
    ['a token that YAML takes for a tag', 'clusters: []\ntoken: !very-secret-value x\n', {}, /not valid YAML \(line 2/],
    ['YAML of something else', 'a: 1\nb: 2', {}, /is not a kubeconfig/],
  ])('%s is refused', (_name, source, environment, message) => {
    const error = failure(() => connect(source, { environment: environment as Record<string, string> }));
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/very-secret-value|c2VjcmV0/);
  });
});

describe('what is in it', () => {
  const plugin = { apiVersion: 'client.authentication.k8s.io/v1', command: 'aws', interactiveMode: 'Never' };

  test.each([
    [config({ current: '' }), undefined, /does not set current-context.*one of: prod/],
    [config(), 'stage', /no context "stage".*Available contexts: prod/],
    [config({ context: { cluster: 'gone' } }), undefined, /refers to the cluster "gone"/],
    [config({ cluster: { server: 'prod:6443' } }), undefined, /no valid server URL/],
    [
      config({ cluster: { 'certificate-authority': '/nonexistent/ca.crt' } }),
      undefined,
      /the file \/nonexistent\/ca\.crt \(certificate-authority\) does not exist/,
    ],
    [config({ user: { 'auth-provider': { name: 'gcp' } } }), undefined, /auth-provider is set, which Kubernetes removed/],
    [
      config({ user: { token: null, exec: { ...plugin, command: 'curl' } } }),
      undefined,
      /runs the program "curl", which the input exec-plugins does not allow/,
    ],
  ])('is refused where it cannot work: %#', (source, context, message) => {
    expect(failure(() => connect(source, context === undefined ? {} : { context })).message).toMatch(message);
  });

  test.each([
    'PATH',
    'LD_PRELOAD',
    'NODE_OPTIONS',
    'ld_library_path',
    'BASH_FUNC_aws%%',
    'PYTHONSTARTUP',
    'CLOUDSDK_PYTHON',
    'GIT_SSH_COMMAND',
  ])('a plugin is not allowed to set %s', (name) => {
    const source = config({ user: { token: null, exec: { ...plugin, env: [{ name, value: 'x' }] } } });
    expect(failure(() => connect(source, { plugins: 'any' })).message).toContain(`environment variable "${name}"`);
  });

  test('the authority counts without a user too', async () => {
    const source = JSON.stringify({
      clusters: [
        {
          name: 'c',
          cluster: { server: 'https://c.example', 'certificate-authority-data': Buffer.from(rootCertificates[0] ?? '').toString('base64') },
        },
      ],
      contexts: [{ name: 'c', context: { cluster: 'c' } }],
      'current-context': 'c',
    });
    const options: { ca?: Buffer } = {};
    await connect(source).kubeConfig.applyToHTTPSOptions(options as never);
    expect(String(options.ca)).toBe(rootCertificates[0]);
  });

  test('what is dangerous is warned of', () => {
    expect(connect(config({ cluster: { 'insecure-skip-tls-verify': true } })).warnings).toHaveLength(1);
    expect(connect(config({ cluster: { server: 'http://prod.example' } })).warnings).toHaveLength(1);
    expect(connect(config()).warnings).toEqual([]);
  });

  test('any text gives a connection or a ClusterError that does not quote it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          connect(`SECRETSECRET: "${text}\n${text}`);
        } catch (error) {
          expect(error).toBeInstanceOf(ClusterError);
          expect((error as Error).message).not.toContain('SECRETSECRET');
        }
      }),
    );
  });
});

describe('secrets', () => {
  test('every leaf, its base64 and what its base64 holds; no certificate, nothing tiny', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END KEY-----\n';
    const leaves = secretsOf({
      token: 'tok-123456',
      password: 'abc',
      'client-key-data': Buffer.from(key).toString('base64'),
      'client-certificate-data': 'UFVCTElD',
      exec: { env: [{ name: 'A', value: 'plugin-secret' }] },
    });
    const secrets = masksFor(leaves);
    for (const expected of [
      'tok-123456',
      Buffer.from('tok-123456').toString('base64'),
      Buffer.from(key).toString('base64'),
      'MIIEvQIBADANBgkqhkiG9w0BAQ',
      'plugin-secret',
    ])
      expect(secrets).toContain(expected);
    expect(secrets).not.toContain('abc');
    expect(secrets.some((secret) => secret.includes('BEGIN') || secret === 'UFVCTElD')).toBe(false);
  });

  test('masks are single lines of at least 6 characters', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (leaves) => {
        for (const mask of masksFor(leaves)) expect(mask.length >= 6 && !mask.includes('\n')).toBe(true);
      }),
    );
  });
});

describe('what is hidden', () => {
  test('is found in a text in every form, whenever it was added, and passed to a subscriber that masks it', () => {
    const secrets = new Secrets();
    const masked: string[] = [];
    secrets.add(['first/secret+value']);
    secrets.subscribe((forms) => void masked.push(...forms));
    secrets.add(['second-secret-value', 'second-secret']);
    const forms = ['first/secret+value', encodeURIComponent('first/secret+value'), Buffer.from('second-secret-value').toString('base64')];
    expect(secrets.hide(`a ${forms.join(' b ')} second-secret-value.`)).toBe('a *** b *** b *** ***.');
    expect(masked).toEqual(expect.arrayContaining(forms));
  });

  test.each([
    ['http://me:p%40ss-word@proxy.example', ['p%40ss-word', 'p@ss-word', 'me:p@ss-word']],
    ['http://some-token@proxy.example:8080', ['some-token', 'some-token:']],
    ['http://me:pa#ss/word@proxy.example', ['pa#ss/word', 'me:pa#ss/word']],
    ['http://proxy.example/path@x', []],
    ['http://proxy.example', []],
    ['', []],
  ])('the credentials in %j', (url, credentials) => {
    expect(credentialsIn(url)).toEqual(expect.arrayContaining(credentials));
    expect(credentialsIn(url).length === 0).toBe(credentials.length === 0);
  });
});

describe('the proxy of the environment', () => {
  const server = 'https://api.example.test:6443';
  test.each([
    [server, { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
    [server, { https_proxy: 'p:1' }, 'http://p:1'],
    [server, { HTTPS_PROXY: '', https_proxy: 'p:1' }, 'http://p:1'],
    [server, { HTTP_PROXY: 'p:1' }, undefined],
    ['http://api.example.test', { HTTP_PROXY: 'p:1' }, 'http://p:1'],
    ['https://127.0.0.1:6443', { HTTPS_PROXY: 'p:1' }, undefined],
    ['https://localhost:6443', { HTTPS_PROXY: 'p:1' }, undefined],
    ['https://[::1]:6443', { HTTPS_PROXY: 'p:1' }, undefined],
  ])('for %s of %j is %s', (url, environment, proxy) => {
    expect(proxyFor(url, environment as Record<string, string>)).toBe(proxy);
  });

  test.each([
    ['*', server, true],
    ['example.test', server, true],
    ['.example.test', server, true],
    ['*.example.test', server, true],
    ['api.example.test', server, true],
    ['.api.example.test', server, false],
    ['EXAMPLE.test', server, true],
    ['ample.test', server, false],
    ['example.test:6443', server, true],
    ['example.test:443', server, false],
    ['other.test, example.test', server, true],
    ['10.1.2.3', 'https://10.1.2.3', true],
    ['10.1.2.3:443', 'https://10.1.2.3', true],
    ['10.1.0.0/16', 'https://10.1.2.3', true],
    ['10.1.0.0/99', 'https://10.1.2.3', false],
    ['10.2.0.0/16', 'https://10.1.2.3', false],
    ['fd00::/8', 'https://[fd00::1]', true],
    ['fd00::1', 'https://[fd00::1]', true],
    ['[fd00::1]:443', 'https://[fd00::1]', true],
    ['fd00::/8', server, false],
    ['', server, false],
  ])('NO_PROXY %j spares %s: %s', (rules, url, spared) => {
    expect(proxyFor(url, { HTTPS_PROXY: 'p:1', NO_PROXY: rules }) === undefined).toBe(spared);
  });
});

test('a label selector as the API takes it', () => {
  const matchExpressions = [
    { key: 'a', operator: 'In', values: ['1', '2'] },
    { key: 'b', operator: 'NotIn', values: ['3'] },
    { key: 'c', operator: 'Exists' },
    { key: 'd', operator: 'DoesNotExist' },
  ];
  expect(selectorText({ matchLabels: { app: 'x' }, matchExpressions })).toBe('app=x,a in (1,2),b notin (3),c,!d');
});
