import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ClusterError } from '../../../src/cluster/cluster.ts';
import { connectionFrom } from '../../../src/cluster/kubeconfig.ts';
import { credentialsIn, secretsOf } from '../../../src/cluster/kubeconfig-secrets.ts';
import { selectorText } from '../../../src/cluster/paths.ts';
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

  test.each([
    [{ server: 'https://prod.example/?a=b' }, /server URL has a query or a fragment/],
    [{ server: 'https://prod.example/#a' }, /server URL has a query or a fragment/],
    [{ server: 'https://prod.example/?' }, /server URL has a query or a fragment/],
    [{ server: ' https://prod.example' }, /server starts or ends with white space/],
    [{ server: 'https://prod.example\n' }, /server starts or ends with white space/],
    [{ server: 'https://prod.example/a b' }, /no valid server URL/],
    [{ server: 'https:prod.example' }, /no valid server URL/],
    [{ server: 'https://me:pass-word@prod.example' }, /server URL contains credentials/],
    [{ 'proxy-url': ' http://p.example' }, /proxy-url starts or ends with white space/],
    [{ 'proxy-url': 'http://' }, /proxy-url must be a URL/],
    [{ 'tls-server-name': 'a ' }, /tls-server-name starts or ends with white space/],
    [{ 'certificate-authority-data': 'not base64!' }, /certificate-authority-data is not valid base64/],
    [{ 'certificate-authority-data': Buffer.from('nothing').toString('base64') }, /certificate authority contains no certificate/],
    [{ 'certificate-authority': put('ca.crt', 'nothing') }, /certificate authority contains no certificate/],
  ])('of a cluster is refused before the first request: %j', (cluster, message) => {
    const error = failure(() => connect(config({ cluster }))).message;
    expect(error).toMatch(message);
    expect(error).not.toContain('pass-word');
  });

  test.each(['..', '.', 'a/b', 'Prod', ' prod', 'prod ', 'a b', 'x'.repeat(64), '?a'])('the namespace %j is refused', (namespace) => {
    expect(failure(() => connect(config({ context: { namespace } }))).message).toMatch(
      /in the entry "prod", (the namespace|namespace starts)/,
    );
  });

  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const certificate = rootCertificates[0] ?? '';
  const keyOf = (options: object = {}): string => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return privateKey.export({ type: 'pkcs8', format: 'pem', ...options }) as string;
  };
  test.each([
    ['another key', certificate, keyOf(), /the client key belongs to another certificate/],
    ['no certificate', 'nothing', keyOf(), /the client certificate is not a certificate/],
    ['a key as the certificate', keyOf(), keyOf(), /the client certificate is not a certificate/],
    ['no key', certificate, 'nothing', /the client key is not an unencrypted private key/],
    [
      'an encrypted key',
      certificate,
      keyOf({ cipher: 'aes-256-cbc', passphrase: 'x' }),
      /the client key is not an unencrypted private key/,
    ],
  ])('a client certificate with %s is refused before the first request', (_name, cert, key, message) => {
    const asData = { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) };
    const asFiles = { 'client-certificate': put('tls.crt', cert), 'client-key': put('tls.key', key) };
    for (const user of [asData, asFiles])
      expect(failure(() => connect(config({ user: { token: null, ...user } }))).message).toMatch(message);
  });

  test.each([
    [{}, {}, true],
    [{}, { NODE_TLS_REJECT_UNAUTHORIZED: '0' }, true],
    [{ 'insecure-skip-tls-verify': true }, {}, false],
  ])('verification is set by the kubeconfig %j, whatever the environment is: %j', async (cluster, environment, expected) => {
    const connection = connect(config({ cluster }), { environment });
    const options: { rejectUnauthorized?: boolean } = {};
    await connection.kubeConfig.applyToHTTPSOptions(options as never);
    expect(options.rejectUnauthorized).toBe(expected);
    expect(connection.warnings.join()).toMatch(
      'NODE_TLS_REJECT_UNAUTHORIZED' in environment ? /NODE_TLS_REJECT_UNAUTHORIZED is 0/ : /^((?!NODE_TLS).)*$/,
    );
  });

  test('a proxy of the environment that is not a URL is refused, without its password', () => {
    const error = failure(() => connect(config(), { environment: { HTTPS_PROXY: 'ftp://me:pass-word@proxy.example' } })).message;
    expect(error).toMatch(/proxy of the environment \(HTTPS_PROXY\) is not a URL/);
    expect(error).not.toContain('pass-word');
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

describe('a secret in the wrong place is neither quoted nor left unmasked:', () => {
  const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9.c2lnbmF0dXJl';
  const PEM = `-----BEGIN PRIVATE KEY-----\n${'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg'}\n-----END PRIVATE KEY-----\n`;
  const plugin = { apiVersion: 'client.authentication.k8s.io/v1', command: 'aws', interactiveMode: 'Never' };
  const places: [string, (secret: string) => string, string?][] = [
    ['the input', (secret) => secret],
    ...['client-key', 'client-certificate', 'tokenFile', 'client-key-data', 'client-certificate-data'].map(
      (field): [string, (secret: string) => string] => [
        field,
        (secret) => config({ user: { token: null, 'client-certificate': '/dev/null', 'client-key': '/dev/null', [field]: secret } }),
      ],
    ),
    ...['certificate-authority', 'certificate-authority-data', 'server', 'proxy-url', 'tls-server-name'].map(
      (field): [string, (secret: string) => string] => [field, (secret) => config({ cluster: { [field]: `${secret} ` } })],
    ),
    ...['cluster', 'user', 'namespace'].map((field): [string, (secret: string) => string] => [
      `the context's ${field}`,
      (secret) => config({ context: { [field]: `${secret}!` } }),
    ]),
    ['current-context', (secret) => config({ current: secret })],
    ['the names of contexts', (secret) => config({ name: secret, current: '' })],
    ['the input context', () => config(), 'as the context'],
    ['exec.command', (secret) => config({ user: { token: null, exec: { ...plugin, command: secret } } })],
    ['exec.args', (secret) => config({ user: { token: null, exec: { ...plugin, args: [secret] } } })],
    ['a flag', (secret) => config({ user: { token: null, exec: { ...plugin, args: ['eks', 'get-token', `--${secret}`] } } })],
    ['the name of a variable', (secret) => config({ user: { token: null, exec: { ...plugin, env: [{ name: secret, value: 'x' }] } } })],
    ['apiVersion', (secret) => config({ user: { token: null, exec: { ...plugin, apiVersion: secret } } })],
    ['a list', (secret) => JSON.stringify({ clusters: [], users: secret, contexts: [] })],
    ['a broken line', (secret) => `clusters: []\ntoken: ${secret}\n  x: [`],
    ['a tag', (secret) => `clusters: []\ntoken: !${secret}\n`],
    ['an alias', (secret) => `clusters: []\ntoken: *${secret}\n`],
  ];

  test.each(places)('%s', (...[, source, asContext]) => {
    for (const secret of [JWT, PEM, PEM.split('\n')[1] ?? '', Buffer.from(PEM).toString('base64'), 'abcdef.0123456789abcdef']) {
      let message = '';
      try {
        connect(source(secret), { plugins: ['known'], ...(asContext !== undefined && { context: secret }) });
      } catch (error) {
        message = String((error as Error).stack);
        expect(error).toBeInstanceOf(ClusterError);
        expect((error as Error).cause).toBeUndefined();
      }
      for (const line of secret.split('\n').filter((one) => !one.startsWith('-----') && one !== ''))
        expect(message.includes(line.slice(0, 20))).toBe(false);
    }
  });

  test('what $KUBECONFIG contains', () => {
    for (const secret of [JWT, PEM, config({ user: { token: JWT } })])
      expect(failure(() => connect('auto', { environment: { KUBECONFIG: secret } })).message).not.toMatch(/eyJ|MIGH/);
  });

  test('secrets are registered before a kubeconfig is refused', () => {
    const secrets = new Secrets();
    const masked: string[] = [];
    secrets.subscribe((forms) => void masked.push(...forms));
    const source = config({ context: { cluster: 'gone' }, user: { token: 'secret-token', tokn: 'secret-in-a-typo' } });
    expect(failure(() => connectionFrom({ source, context: undefined, plugins: [], environment: {}, secrets })).message).toContain(
      '"gone"',
    );
    expect(masked).toEqual(expect.arrayContaining(['secret-token', 'secret-in-a-typo']));
  });

  test('a message that quotes a secret is cleaned', () => {
    const source = config({ name: 'secret-token', current: 'other' });
    expect(failure(() => connect(source)).message).toMatch(/no context "other"\. Available contexts: \*\*\*\./);
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
