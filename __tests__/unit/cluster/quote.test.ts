import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { looksLikePath, looksLikeSecret, quoteName } from '../../../src/cluster/quote.ts';

const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9.c2lnbmF0dXJl';
const PEM = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n';

/** What ends up where a path or a name belongs. */
const SECRETS = [
  JWT,
  JWT.slice(0, 30),
  PEM,
  Buffer.from(PEM).toString('base64'),
  PEM.split('\n')[1] ?? '',
  'abcdef.0123456789abcdef',
  'ya29.a0AfH6SMBx3kQ9vW2pLmN8rTsUvXyZ0123456789AbCdEf',
  'kubeconfig-user-x7k2p:Zx8Kq2Lm9Np4Rt6Vw8Yb3Dc5Fg7Hj',
  'apiVersion: v1\nclusters: []\n',
  'apiVersion: v1 clusters: [] users: [{user: {token: x}}]',
];

describe('a path is quoted in a message', () => {
  test.each([
    '/home/runner/.kube/config',
    './missing.yaml',
    'kubeconfig.yaml',
    'prod.kubeconfig',
    '~/.kube/config',
    'C:\\Users\\runner\\.kube\\config',
    '/tmp/rollback-daemonset-kubeconfig-AbC12x/row-Zz9/token',
    '/home/runner/work/_temp/3f2504e0-4f89-41d3-9a0c-0305e82c3301/kubeconfig',
    '/home/runner/work/app/app/gha-kubeconfig-1a2b3c4d5e6f7081',
    '/home/runner/work/MyRepo2/MyRepo2/kubeconfig',
    '/srv/jörg/kubeconfig (1).yaml',
  ])('%s', (path) => expect(looksLikePath(path)).toBe(true));

  test.each([
    ...SECRETS,
    'hunter2',
    'https://me:pass@proxy.example/x',
    'me:pass-word@proxy/x',
    `/${'x'.repeat(300)}`,
    '',
    'a\u0000/b',
    '/a\n/b',
  ])('not %j', (value) => expect(looksLikePath(value)).toBe(false));
});

describe('a name is quoted in a message', () => {
  test.each([
    'prod',
    'arn:aws:eks:eu-central-1:123456789012:cluster/production',
    'gke_my-project_europe-west3_production',
    'default/api-cluster-example-com:6443/kube:admin',
    'kubernetes-admin@kubernetes',
    'me@cluster.eu-west-1.eksctl.io',
    'context-c4dmytqmjqw',
    'EksStack-EksClusterFAB68BDB-1a2b3c4d5e6f7g8h9i0j1k2l3m4n5o6p',
    '/opt/company/bin/token',
  ])('%s', (name) => expect(quoteName(name)).toBe(`"${name}"`));

  test.each([...SECRETS, 'x'.repeat(300), ''])('not %j', (value) => expect(quoteName(value)).toBe('(not shown)'));
});

test('random base64 looks like a secret', () => {
  for (let round = 0; round < 200; round++) expect(looksLikeSecret(randomBytes(60).toString('base64'))).toBe(true);
});

test('a value of 1 MB is judged in linear time', () => {
  const began = performance.now();
  for (const text of ['a/', 'a.', 'eyJ', 'aB1', '-----', ':@', ' ']) {
    const long = text.repeat(1_000_000 / text.length);
    for (const judge of [looksLikePath, looksLikeSecret, quoteName]) judge(long);
  }
  expect(performance.now() - began).toBeLessThan(20_000);
});
