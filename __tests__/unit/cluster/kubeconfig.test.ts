import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { selectorText } from '../../../src/cluster/client.ts';
import { ClusterError } from '../../../src/cluster/cluster.ts';
import { explainStatus } from '../../../src/cluster/errors.ts';
import { connectionFrom } from '../../../src/cluster/kubeconfig.ts';
import { masksFor, secretsOf } from '../../../src/cluster/secrets.ts';

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
    ['in-cluster outside of one', 'in-cluster', {}, /does not run in a pod/],
    ['a path that is missing', './missing.yaml', {}, /no file \.\/missing\.yaml/],
    ['a cut-off secret', 'c2VjcmV0LXRva2Vu!', {}, /neither an existing file/],
    ['YAML that is none', 'clusters: [\ntoken: very-secret-value', {}, /not valid YAML/],
    ['YAML of something else', 'a: 1\nb: 2', {}, /no kubeconfig/],
  ])('%s is refused', (_name, source, environment, message) => {
    const error = failure(() => connect(source, { environment: environment as Record<string, string> }));
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/very-secret-value|c2VjcmV0/);
  });
});

describe('what is in it', () => {
  test.each([
    [config({ current: '' }), undefined, /no current-context.*one of: prod/],
    [config(), 'stage', /no context "stage".*It has: prod/],
    [config({ context: { cluster: 'gone' } }), undefined, /names the cluster "gone"/],
    [config({ cluster: { server: 'prod:6443' } }), undefined, /no usable server URL/],
    [
      config({ cluster: { 'certificate-authority': '/nonexistent/ca.crt' } }),
      undefined,
      /certificate-authority \/nonexistent\/ca\.crt, which does not exist/,
    ],
    [config({ user: { 'auth-provider': { name: 'gcp' } } }), undefined, /auth-provider, which Kubernetes removed/],
    [config({ user: { exec: { command: 'curl' } } }), undefined, /wants to start the program "curl"/],
  ])('is refused where it cannot work: %#', (source, context, message) => {
    expect(failure(() => connect(source, context === undefined ? {} : { context })).message).toMatch(message);
  });

  test.each(['PATH', 'LD_PRELOAD', 'NODE_OPTIONS', 'ld_library_path'])('a plugin may not set %s', (name) => {
    const source = config({ user: { exec: { command: 'aws', env: [{ name, value: 'x' }] } } });
    expect(failure(() => connect(source, { plugins: 'any' })).message).toContain(`environment variable ${name}`);
  });

  test('data wins over files, and is what is sent', async () => {
    const pem = (text: string): string => Buffer.from(text).toString('base64');
    const ca = put('ca.crt', 'CA FILE');
    const { kubeConfig } = connect(config({ cluster: { 'certificate-authority': ca, 'certificate-authority-data': pem('CA DATA') } }));
    const options: { ca?: Buffer; headers?: Record<string, string> } = {};
    await kubeConfig.applyToHTTPSOptions(options as never);
    expect(String(options.ca)).toBe('CA DATA');
    expect(options.headers).toEqual({ Authorization: 'Bearer secret-token' });
  });

  test('the authority counts without a user too', async () => {
    const source = JSON.stringify({
      clusters: [
        { name: 'c', cluster: { server: 'https://c.example', 'certificate-authority-data': Buffer.from('CA').toString('base64') } },
      ],
      contexts: [{ name: 'c', context: { cluster: 'c' } }],
      'current-context': 'c',
    });
    const options: { ca?: Buffer } = {};
    await connect(source).kubeConfig.applyToHTTPSOptions(options as never);
    expect(String(options.ca)).toBe('CA');
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
    const secrets = secretsOf({
      token: 'tok-123456',
      password: 'abc',
      'client-key-data': Buffer.from(key).toString('base64'),
      'client-certificate-data': 'UFVCTElD',
      exec: { env: [{ name: 'A', value: 'plugin-secret' }] },
    });
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

test('a label selector as the API takes it', () => {
  const matchExpressions = [
    { key: 'a', operator: 'In', values: ['1', '2'] },
    { key: 'b', operator: 'NotIn', values: ['3'] },
    { key: 'c', operator: 'Exists' },
    { key: 'd', operator: 'DoesNotExist' },
  ];
  expect(selectorText({ matchLabels: { app: 'x' }, matchExpressions })).toBe('app=x,a in (1,2),b notin (3),c,!d');
});

describe('what an HTTP status means', () => {
  const explain = (code: number, status: object | string): ClusterError =>
    explainStatus(
      code,
      typeof status === 'string' ? status : JSON.stringify(status),
      { method: 'PATCH', path: '/apis/apps/v1/namespaces/logging/daemonsets/agent' },
      'https://c.example',
    );

  test.each([
    [401, '', 'unauthorized', /renew the kubeconfig/],
    [
      403,
      {
        message:
          'daemonsets.apps "agent" is forbidden: User "u" cannot patch resource "daemonsets" in API group "apps" in the namespace "logging"',
      },
      'forbidden',
      /Role in namespace logging.*resources: \["daemonsets"\], verbs: \["patch"\]/,
    ],
    [403, { message: 'admission policy says no' }, 'admission-denied', /admission policy says no/],
    [400, { message: 'admission webhook "w" does not support dry run' }, 'dry-run-unsupported', /w/],
    [400, { message: 'admission webhook "w" denied the request: no' }, 'admission-denied', /denied the request: no/],
    [422, { message: 'the server rejected our request', details: {} }, 'conflict', /rejected/],
    [422, { details: { causes: [{ field: 'spec.x', message: 'Required value' }] } }, 'invalid-template', /spec\.x: Required value/],
    [410, {}, 'expired', /too old/],
    [500, '<html>', 'api', /status 500/],
    [503, 'null', 'api', /status 503/],
  ])('%d %j is %s', (code, body, kind, message) => {
    expect(explain(code, body)).toMatchObject({ failure: kind, message: expect.stringMatching(message) });
  });
});
