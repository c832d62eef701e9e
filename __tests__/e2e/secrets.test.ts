/** Whatever credentials a kubeconfig has, and whatever goes wrong with them: nothing that a step leaves behind contains them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import { type Step, startStep } from '../../testbed/step.ts';
import { Gateway, Tunnel } from '../helpers/gateway.ts';
import { type Any, Fleet } from '../helpers/support.ts';

let fleet: Fleet;
let echo: Gateway;
let tunnel: Tunnel;
let folder: string;
let authority: string;
let token: string;
let pair: { certificate: string; key: string };

beforeAll(async () => {
  fleet = await Fleet.create();
  for (const tag of ['v1', 'v2']) await fleet.rollOut(tag);
  await fleet.kubectl(['create', 'serviceaccount', 'ci']);
  await fleet.kubectl(['create', 'rolebinding', 'ci', '--clusterrole=admin', `--serviceaccount=${fleet.namespace}:ci`, '--user=alice']);
  token = (await fleet.kubectl(['create', 'token', 'ci'])).trim();
  pair = await fleet.testbed.issueClientCertificate('alice');
  const config = load(readFileSync(fleet.testbed.kubeconfig, 'utf8')) as Any;
  authority = config.clusters[0].cluster['certificate-authority-data'];
  folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-secrets-'));
  writeFileSync(join(folder, 'token'), `${token}\n`);
  writeFileSync(join(folder, 'tls.key'), pair.key);
  const credential = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":%s}';
  writeFileSync(join(folder, 'works'), `#!/bin/sh\nprintf '${credential}' "$STATUS"\n`, { mode: 0o700 });
  writeFileSync(join(folder, 'fails'), '#!/bin/sh\necho "cannot log in with $STATUS" >&2\nexit 1\n', { mode: 0o700 });
  const go =
    'printf \'{"error":"cannot log in with %s"}\\n\' "$(printf %s "$2" | sed \'s/&/\\\\u0026/; s/</\\\\u003c/; s/>/\\\\u003e/\')" >&2';
  writeFileSync(join(folder, 'prints'), `#!/bin/sh\n${go}\nexit 1\n`, { mode: 0o700 });
  writeFileSync(join(folder, 'pads'), `#!/bin/sh\nprintf %s "$1" >&2\nprintf 'x%.0s' $(seq 1 1950) >&2\nexit 1\n`, { mode: 0o700 });
  echo = await Gateway.open(fleet.testbed, { secure: true, echo: true });
  tunnel = await Tunnel.open(fleet.testbed);
});
afterAll(async () => {
  echo.close();
  tunnel.close();
  rmSync(folder, { recursive: true, force: true });
  await fleet.remove();
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plugin = (name: string, status: string): object => ({
  exec: {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: join(folder, name),
    interactiveMode: 'Never',
    env: [{ name: 'STATUS', value: status }],
  },
});
const certificate = (): object => ({ 'client-certificate-data': base64(pair.certificate) });

interface Kind {
  name: string;
  user: () => object;
  cluster?: () => object;
  /** The secret parts; by default the token. */
  secrets?: () => string[];
}

const LONG_SECRET = Array.from({ length: 30 }, (_, index) => `secret${index}`).join('-');
const PROXY_PASSWORD = 'p@ss/word of the proxy';

const KINDS: Kind[] = [
  { name: 'a token', user: () => ({ token }) },
  { name: 'a token file', user: () => ({ tokenFile: join(folder, 'token') }) },
  { name: 'a password', user: () => ({ username: 'me', password: 'correct horse/battery' }), secrets: () => ['correct horse/battery'] },
  { name: 'a key', user: () => ({ ...certificate(), 'client-key-data': base64(pair.key) }), secrets: () => linesOf(pair.key) },
  { name: 'a key file', user: () => ({ ...certificate(), 'client-key': join(folder, 'tls.key') }), secrets: () => linesOf(pair.key) },
  { name: 'a plugin that gives a token', user: () => plugin('works', JSON.stringify({ token })) },
  {
    name: 'a plugin that gives a certificate',
    user: () => plugin('works', JSON.stringify({ clientCertificateData: pair.certificate, clientKeyData: pair.key })),
    secrets: () => linesOf(pair.key),
  },
  {
    name: 'a plugin that prints its input, and fails',
    user: () => plugin('fails', 'secret-of-the-plugin'),
    secrets: () => ['secret-of-the-plugin'],
  },
  {
    name: 'a secret argument of a plugin that prints it in JSON',
    user: () => ({ exec: { ...(plugin('prints', 'x') as Any).exec, args: ['--client-secret', 'secret&argument<of>the-plugin'] } }),
    secrets: () => ['secret&argument<of>the-plugin', 'secret\\u0026argument'],
  },
  {
    name: 'a secret argument of a plugin that ends where the message is cut',
    user: () => ({ exec: { ...(plugin('pads', 'x') as Any).exec, args: [`--oidc-client-secret=${LONG_SECRET}`] } }),
    secrets: () => [LONG_SECRET, LONG_SECRET.slice(-40)],
  },
  {
    name: 'a token as the user name of a proxy',
    user: () => ({ token }),
    cluster: () => ({ 'proxy-url': tunnel.url.replace('//', '//token-of-the-proxy@') }),
    secrets: () => [token, 'token-of-the-proxy', base64('token-of-the-proxy:')],
  },
  {
    name: 'a key in the wrong field',
    user: () => ({ 'client-certificate': base64(pair.certificate), 'client-key': base64(pair.key) }),
    // Without the first characters, which every key has.
    secrets: () => [base64(pair.key).slice(104, 164), ...linesOf(pair.key)],
  },
  { name: 'a token in the wrong field', user: () => ({ tokenFile: token }), secrets: () => [token, token.slice(0, 60)] },
  {
    name: 'a password of a proxy',
    user: () => ({ token }),
    cluster: () => ({ 'proxy-url': tunnel.url.replace('//', `//me:${encodeURIComponent(PROXY_PASSWORD)}@`) }),
    secrets: () => [token, PROXY_PASSWORD],
  },
];

function linesOf(pem: string): string[] {
  return pem.split('\n').filter((line) => line.length > 10 && !line.startsWith('-----'));
}

/** The forms in which text can contain a secret. */
const forms = (secret: string): string[] => [secret, base64(secret), encodeURIComponent(secret), base64(`me:${secret}`)];

/** A summary as a person reads it, with characters instead of their numeric references. */
const readable = (summary: string): string => summary.replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)));

/** The command lines of all processes but plugins, whose arguments the kubeconfig chooses. */
function commandLines(): string {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .filter((line) => !line.includes(folder))
    .join('\n');
}

test.each(KINDS)('nothing reveals $name', async ({ user, cluster, secrets = () => [token] }) => {
  for (const server of [fleet.testbed.server, echo.url]) {
    const kubeconfig = JSON.stringify({
      clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': authority, ...cluster?.() } }],
      users: [{ name: 'u', user: user() }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'c',
    });
    for (const inputs of [{ 'dry-run': 'true' }, { command: 'guard' }, { command: 'history', revision: '9' }] as Record<string, string>[]) {
      const all = { daemonset: `${fleet.namespace}/agent`, timeout: '20s', 'exec-plugins': 'any', kubeconfig, ...inputs };
      let processes = '';
      const step: Step = await startStep(all, { RUNNER_DEBUG: '1', RUNNER_TEMP: folder }, () => {
        if (processes === '') processes = commandLines();
      }).done;
      expect(step.log).toMatch(/^::debug::|^::error /m);
      expect(step.log).not.toMatch(/This is a bug|node:internal/);
      const left = [step.log, readable(step.summary), JSON.stringify(step.outputs), JSON.stringify(step.state), processes].join('\n');
      // Not with a matcher, which would print the secret.
      const found = secrets()
        .flatMap(forms)
        .filter((form) => left.includes(form));
      expect(found.length).toBe(0);
    }
  }
});
