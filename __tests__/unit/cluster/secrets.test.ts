import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { secretsIn, secretsInArguments, secretsOf } from '../../../src/cluster/kubeconfig-secrets.ts';
import { masksFor, Secrets } from '../../../src/cluster/secrets.ts';

describe('the secrets of a plugin', () => {
  test.each([
    [['--client-secret', 's3cr3t-value'], ['s3cr3t-value']],
    [['--oidc-client-secret=s3cr3t=value'], ['s3cr3t=value']],
    [['-token', 's3cr3t-value'], ['s3cr3t-value']],
    [['--password', 's3cr3t-value', '--username', 'someone'], ['s3cr3t-value']],
    [['--api-key=s3cr3t-value'], ['s3cr3t-value']],
    [['env', 'CLIENT_SECRET=s3cr3t-value', 'login'], ['s3cr3t-value']],
    [
      ['--proxy', 'http://me:s3cr3t-value@proxy.example'],
      ['s3cr3t-value', 'me:s3cr3t-value'],
    ],
    [['eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9.c2ln'], ['eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9.c2ln']],
    [['--region', 'eu-central-1', 'eks', 'get-token', '--cluster-name', 'production', '--output', 'json'], []],
    [['get-token', '--login', 'azurecli', '--server-id', '6dae42f8-4368-4678-94ff-3960e28e3630'], []],
    [['--token-cache-dir', '/tmp/cache', '--federated-token-file=/var/run/token', '--oidc-use-access-token', '--force-refresh'], []],
  ])('in the arguments %j', (args, secrets) => {
    expect(secretsInArguments(args)).toEqual(expect.arrayContaining(secrets));
    expect(secretsInArguments(args).length === 0).toBe(secrets.length === 0);
  });

  test('in its variables, but not a region or a profile, which messages contain', () => {
    const env = [
      { name: 'AWS_PROFILE', value: 'production' },
      { name: 'AWS_REGION', value: 'eu-central-1' },
      { name: 'OTHER', value: 's3cr3t-value' },
    ];
    expect(secretsOf({ exec: { command: 'aws', env } })).toEqual(['s3cr3t-value']);
  });
});

test('every secret of every user and cluster is found, also in fields that do not exist and in invalid entries', () => {
  const config = {
    clusters: [
      { name: 'c', cluster: { server: 'https://me:in-the-server@c.example', 'proxy-url': 'http://in-the-proxy@p.example' } },
      { name: 'd', cluster: null },
      7,
    ],
    users: [
      { name: 'a', user: { token: 'in-the-token', tokn: 'in-a-typo', 'client-key': 'Y29udGVudCBvZiBhIGtleQ==', tokenFile: '/run/token' } },
      { user: { 'auth-provider': { config: { 'access-token': 'in-the-provider' } }, password: 12_345_678 } },
      'not an entry',
    ],
  };
  const secrets = secretsIn(config);
  for (const expected of [
    'in-the-server',
    'in-the-proxy',
    'in-the-token',
    'in-a-typo',
    'Y29udGVudCBvZiBhIGtleQ==',
    'in-the-provider',
    '12345678',
  ])
    expect(secrets).toContain(expected);
  expect(secrets).not.toContain('/run/token');
});

describe('hide', () => {
  const hider = (...leaves: string[]): Secrets => {
    const secrets = new Secrets();
    secrets.add(leaves);
    return secrets;
  };

  test.each([
    ['base64 of a user and a password', ['me:pass-word'], `Basic ${Buffer.from('me:pass-word').toString('base64')}`],
    ['base64 without padding', ['pass-word'], Buffer.from('pass-word').toString('base64').replace(/=+$/, '')],
    ['JSON', ['pass"word\\1'], JSON.stringify({ a: 'pass"word\\1' })],
    ['JSON as Go writes it', ['a&b<c>d-secret'], '{"token":"a\\u0026b\\u003cc\\u003ed-secret"}'],
    ['a URL', ['pass/word+1'], `https://p.example?q=${encodeURIComponent('pass/word+1')}`],
  ])('finds a secret in %s', (_name, leaves, text) => {
    expect(hider(...leaves).hide(text)).toMatch(/^[^*]*\*\*\*[^*]*$/);
    expect(hider(...leaves).hide(text)).not.toMatch(/secret|word|cGFzcy13|OnBhc3M/);
  });

  test('overlapping secrets leave nothing', () => {
    expect(hider('abcdefgh', 'defghijk').hide('x abcdefghijk y')).toBe('x *** y');
    expect(hider('abcdef', 'abcdefghi').hide('abcdefghi abcdefgh')).toBe('*** ***gh');
    expect(hider('abcdef').hide('abcdefabcdef')).toBe('******');
  });

  test('replaces as replaceAll does, for any secrets that do not overlap', () => {
    const word = fc.stringMatching(/^[a-d]{6,9}$/);
    fc.assert(
      fc.property(word, fc.array(fc.oneof(word, fc.constant('SECRET-1')), { maxLength: 8 }), (secret, words) => {
        const text = words.join(' ');
        expect(hider(secret).hide(text).includes(secret)).toBe(false);
        expect(hider('SECRET-1').hide(text)).toBe(text.replaceAll('SECRET-1', '***'));
      }),
    );
  });

  test('a text that is cut keeps no part of a secret', () => {
    const secret = Array.from({ length: 20 }, (_, index) => `secret-${index}`).join('+');
    const secrets = hider(secret);
    // The last 2,000 characters begin inside of a secret; so does what was kept of the output.
    const text = `${secret}${'x'.repeat(1_900)}`;
    expect(secrets.hideEnd(text, 2_000, false)).toBe(`***${'x'.repeat(1_900)}`);
    const kept = `${secret.slice(30)}${secret.repeat(100)} the end`;
    expect(secrets.hideEnd(kept, 2_000, true)).not.toContain('secret');
    expect(secrets.hideEnd(kept, 2_000, true)).toMatch(/the end$/);
  });

  test.each([
    ['one secret of 100 kB', [`x${'ab'.repeat(50_000)}`]],
    ['a key of 20,000 lines', [Array.from({ length: 20_000 }, (_, index) => `line-of-the-key-${index}`).join('\n')]],
    ['10,000 secrets', Array.from({ length: 10_000 }, (_, index) => `secret-${index}`)],
    ['white space', [' \n'.repeat(50_000), `${' '.repeat(100_000)}!`, `a${' '.repeat(100_000)}=!`]],
  ])('a text of 1 MB is searched in linear time for %s', (_name, leaves) => {
    const began = performance.now();
    const secrets = hider(...leaves);
    for (const part of ['secret-', 'ab', 'line-of-the-key-1', ' ']) secrets.hide(part.repeat(1_000_000 / part.length));
    expect(performance.now() - began).toBeLessThan(20_000);
  });
});

test('a subscriber gets what must be masked, once, and not what is only hidden', () => {
  const secrets = new Secrets();
  const masked: string[] = [];
  secrets.add(['of-another-user'], { mask: false });
  secrets.add(['first-secret']);
  secrets.subscribe((forms) => void masked.push(...forms));
  secrets.add(['first-secret', 'second-secret']);
  expect(masked.filter((form) => form === 'first-secret')).toHaveLength(1);
  expect(masked).toContain('second-secret');
  expect(masked).not.toContain('of-another-user');
  expect(secrets.hide('of-another-user')).toBe('***');
  secrets.add(['of-another-user']);
  expect(masked).toContain('of-another-user');
});

test('masks of a base64 leaf contain the lines of its content', () => {
  const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n  MIIEvQIBADANBgkqhkiG9w0BAA\n-----END KEY-----\n';
  const wrapped = Buffer.from(key)
    .toString('base64')
    .replace(/(.{20})/g, '$1\n');
  expect(masksFor([wrapped])).toEqual(expect.arrayContaining(['MIIEvQIBADANBgkqhkiG9w0BAQ', 'MIIEvQIBADANBgkqhkiG9w0BAA']));
});
