import { X509Certificate } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import { createSecureContext } from 'node:tls';
import { KubeConfig } from '@kubernetes/client-node';
import type { Environment } from '../ci/environment.ts';
import { isObject } from '../daemonset/json.ts';
import { ClusterError } from './cluster.ts';
import { ExecPlugins } from './exec-plugin.ts';
import type { ExecConfig, PluginPolicy } from './exec-policy.ts';
import { impersonationOf } from './impersonation.ts';
import { booleanField, dataContent, type Entry, fileContent, invalid, stringField } from './kubeconfig-fields.ts';
import { credentialsIn, secretsOf } from './kubeconfig-secrets.ts';
import { isProxy, proxyFor } from './proxy.ts';
import { quoteName } from './quote.ts';
import type { Secrets } from './secrets.ts';
import { TokenFile } from './token-file.ts';

/** The selected context with its credentials. */
export interface Connection {
  kubeConfig: KubeConfig;
  server: string;
  /** The proxy for the server: http, https or socks5. */
  proxyUrl: string | undefined;
  context: string;
  namespace: string;
  /** Impersonation headers, sent with each request. */
  headers: Record<string, string | string[]>;
  plugins: ExecPlugins;
  /** The secrets that must never be printed. */
  secrets: Secrets;
  /** Warnings about insecure settings. */
  warnings: string[];
}

/** The parts of a context. */
export interface ContextParts {
  cluster: Entry;
  user: Entry;
  context: string;
  /** The entry that sets the namespace. */
  namespace: Entry;
  policy: PluginPolicy;
  environment: Environment;
  secrets: Secrets;
}

/** The cluster extension that is passed to credential plugins (client-go: clusterExtensionKey). */
const FOR_PLUGINS = 'client.authentication.k8s.io/exec';

/** The library leaves this to NODE_TLS_REJECT_UNAUTHORIZED unless the kubeconfig disables the verification. */
class VerifyingKubeConfig extends KubeConfig {
  override async applyToHTTPSOptions(options: RequestOptions): Promise<void> {
    await super.applyToHTTPSOptions(options);
    options.rejectUnauthorized = this.getCurrentCluster()?.skipTLSVerify !== true;
  }
}

/**
 * The connection that a context describes. Contradictory settings are rejected as in kubectl (client-go: validateClusterInfo,
 * validateAuthInfo), and files that are missing or invalid are found here, before the first request.
 *
 * @throws ClusterError `kubeconfig`, or `credentials` if the plugin is not allowed. Its message can contain secrets.
 */
export function connect({ cluster, user, context, namespace, policy, environment, secrets }: ContextParts): Connection {
  secrets.add(secretsOf(user));
  refuseAuthProvider(user);
  const server = serverOf(cluster);
  const authority = authorityOf(cluster);
  checkUser(user);
  const insecure = booleanField(cluster, 'insecure-skip-tls-verify');
  const plain = server.startsWith('http:');
  const proxyUrl = stringField(cluster, 'proxy-url') ?? proxyFor(server, environment);
  secrets.add(credentialsIn(proxyUrl ?? ''));
  if (proxyUrl !== undefined && !isProxy(proxyUrl))
    throw new ClusterError(
      'kubeconfig',
      `The proxy of the environment (${plain ? 'HTTP_PROXY' : 'HTTPS_PROXY'}) is not a URL with the scheme http, https or socks5. Correct the variable, or add the API server to NO_PROXY.`,
    );
  const credentials = plain ? { name: user.name } : user;
  const token = fileContent(credentials, 'tokenFile');
  const key = fileContent(credentials, 'client-key');
  secrets.add([token, key].filter((content) => content !== undefined).map(String));
  checkCertificate(credentials, key);
  const plugins = new ExecPlugins(execOf(credentials), clusterForPlugins(cluster, server, authority), policy, environment, secrets);
  const kubeConfig = new VerifyingKubeConfig();
  kubeConfig.addAuthenticator(plugins);
  const tokenFile = stringField(credentials, 'tokenFile');
  if (tokenFile !== undefined) kubeConfig.addAuthenticator(new TokenFile(tokenFile, secrets));
  const provider = tokenFile !== undefined ? TokenFile.PROVIDER : plugins.used ? ExecPlugins.PROVIDER : undefined;
  kubeConfig.loadFromOptions({
    // The library allows plain http only with this setting; the warning covers it.
    clusters: [clusterForLibrary(cluster, server, insecure || plain)],
    users: [userForLibrary(credentials, provider)],
    contexts: [{ name: context, cluster: cluster.name, user: user.name }],
    currentContext: context,
  });
  return {
    kubeConfig,
    server,
    proxyUrl,
    context,
    namespace: namespaceOf(namespace),
    headers: impersonationOf(credentials),
    plugins,
    secrets,
    warnings: warningsAbout(server, insecure, environment),
  };
}

function refuseAuthProvider(user: Entry): void {
  if (user['auth-provider'])
    throw invalid(
      user,
      'auth-provider is set, which Kubernetes removed. Generate a kubeconfig with an exec plugin (gke-gcloud-auth-plugin, kubelogin, kubectl oidc-login), or use a service account token.',
    );
}

/** The cluster, in the names of the client library. */
function clusterForLibrary(cluster: Entry, server: string, skipTLSVerify: boolean): object {
  return {
    name: cluster.name,
    server: server.replace(/\/+$/, ''),
    skipTLSVerify,
    caData: stringField(cluster, 'certificate-authority-data'),
    caFile: stringField(cluster, 'certificate-authority'),
    tlsServerName: stringField(cluster, 'tls-server-name'),
  };
}

/** The user, in the names of the client library, which ignores the certificate authority if there is none. */
function userForLibrary(credentials: Entry, provider: string | undefined): object {
  const username = stringField(credentials, 'username');
  return {
    name: credentials.name,
    certData: stringField(credentials, 'client-certificate-data'),
    certFile: stringField(credentials, 'client-certificate'),
    keyData: stringField(credentials, 'client-key-data'),
    keyFile: stringField(credentials, 'client-key'),
    ...(username !== undefined && { username, password: stringField(credentials, 'password') ?? '' }),
    // A token file takes precedence over a token (client-go: NewBearerAuthWithRefreshRoundTripper).
    ...(provider ? { authProvider: { name: provider, config: {} } } : { token: stringField(credentials, 'token') }),
  };
}

function warningsAbout(server: string, insecure: boolean, environment: ContextParts['environment']): string[] {
  const warnings: string[] = [];
  if (insecure)
    warnings.push(
      `The kubeconfig disables TLS certificate verification (insecure-skip-tls-verify). Anyone on the network path to ${server} can steal the credentials. Set certificate-authority-data instead.`,
    );
  if (server.startsWith('http:'))
    warnings.push(
      `The connection to the API server is not encrypted (${server}). Anyone on the network path can read and change the traffic. The credentials in the kubeconfig are not sent. Use an https URL.`,
    );
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    warnings.push(
      'NODE_TLS_REJECT_UNAUTHORIZED is 0, which disables TLS certificate verification for other programs of this job. This action ignores it for the API server, and verifies as the kubeconfig says. Remove the variable.',
    );
  return warnings;
}

/** The URL of a cluster's server. */
function serverOf(cluster: Entry): string {
  const server = stringField(cluster, 'server');
  if (!server || !URL.canParse(server) || !/^https?:\/\//i.test(server) || /\s/.test(server))
    throw invalid(cluster, 'there is no valid server URL. Set server to https://HOST:PORT.');
  const { username, password, search, hash } = new URL(server);
  if (username !== '' || password !== '') throw invalid(cluster, 'the server URL contains credentials. Move them to the user entry.');
  if (search !== '' || hash !== '' || /[?#]/.test(server)) throw invalid(cluster, 'the server URL has a query or a fragment. Remove it.');
  return server;
}

/** The certificate authority of a cluster. */
function authorityOf(cluster: Entry): Buffer | undefined {
  onlyOne(cluster, 'certificate-authority', 'certificate-authority-data');
  const authority = fileContent(cluster, 'certificate-authority') ?? dataContent(cluster, 'certificate-authority-data');
  if (booleanField(cluster, 'insecure-skip-tls-verify') && authority)
    throw invalid(cluster, 'both a certificate authority and insecure-skip-tls-verify are set. Remove one of them.');
  if (authority && !hasCertificate(authority.toString()))
    throw invalid(cluster, 'the certificate authority contains no certificate in PEM format. Copy it again from the cluster.');
  const proxy = stringField(cluster, 'proxy-url');
  if (proxy !== undefined && !isProxy(proxy)) throw invalid(cluster, 'proxy-url must be a URL with the scheme http, https or socks5.');
  return authority;
}

function hasCertificate(pem: string): boolean {
  const [begin, end] = ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----'];
  return pem
    .split(begin)
    .slice(1)
    .some((block) => block.includes(end) && isCertificate(`${begin}${block}`));
}

function isCertificate(pem: string | Buffer): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

function checkUser(user: Entry): void {
  onlyOne(user, 'client-certificate', 'client-certificate-data');
  onlyOne(user, 'client-key', 'client-key-data');
  const certificate = stringField(user, 'client-certificate') ?? stringField(user, 'client-certificate-data');
  const key = stringField(user, 'client-key') ?? stringField(user, 'client-key-data');
  if (certificate !== undefined && key === undefined)
    throw invalid(user, 'a client certificate is set without its key. Add client-key-data or client-key.');
  const token = stringField(user, 'token');
  if (token !== undefined && (stringField(user, 'username') ?? stringField(user, 'password')) !== undefined)
    throw invalid(user, 'both a token and a username or password are set. Remove one of them.');
  if (token !== undefined && /[^\x21-\x7e]/.test(token))
    throw invalid(user, 'the token contains white space or other invalid characters. Check whether it was pasted with a line break.');
}

/** Checks a client certificate and its key. TLS would report a mistake only while it connects. */
function checkCertificate(user: Entry, keyFile: Buffer | undefined): void {
  const cert = fileContent(user, 'client-certificate') ?? dataContent(user, 'client-certificate-data');
  const key = keyFile ?? dataContent(user, 'client-key-data');
  if (!cert || !key) return;
  if (!isCertificate(cert)) throw invalid(user, 'the client certificate is not a certificate in PEM format. Copy it again.');
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw invalid(
      user,
      code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'
        ? 'the client key belongs to another certificate than the client certificate. Copy both again.'
        : 'the client key is not an unencrypted private key in PEM format. Copy it again.',
    );
  }
}

/** The namespace that an entry sets; `default` if it sets none. */
function namespaceOf(entry: Entry): string {
  const namespace = stringField(entry, 'namespace') ?? 'default';
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace))
    throw invalid(entry, `the namespace ${quoteName(namespace)} is not valid. Use lower-case letters, digits and "-", at most 63.`);
  return namespace;
}

function onlyOne(entry: Entry, one: string, other: string): void {
  if (stringField(entry, one) !== undefined && stringField(entry, other) !== undefined)
    throw invalid(entry, `both ${one} and ${other} are set, which kubectl rejects too. Remove one of them.`);
}

/** The exec plugin, if it is used: other credentials take precedence over it (client-go: exec.Authenticator.UpdateTransportConfig). */
function execOf(user: Entry): ExecConfig | undefined {
  const { exec } = user;
  if (exec === undefined || exec === null) return undefined;
  if (!isObject(exec)) throw invalid(user, 'exec must be an object with the fields of an exec plugin.');
  const others = ['token', 'tokenFile', 'username', 'client-certificate', 'client-certificate-data'];
  return others.some((key) => stringField(user, key) !== undefined) ? undefined : (exec as ExecConfig);
}

/** The cluster information that a plugin can receive (client-go: ConfigToExecCluster). */
function clusterForPlugins(cluster: Entry, server: string, authority: Buffer | undefined): object {
  const extensions = Array.isArray(cluster['extensions']) ? cluster['extensions'].filter(isObject) : [];
  const extension = extensions.find(({ name }) => name === FOR_PLUGINS)?.['extension'];
  const known = {
    server,
    'tls-server-name': stringField(cluster, 'tls-server-name'),
    'insecure-skip-tls-verify': booleanField(cluster, 'insecure-skip-tls-verify') || undefined,
    'certificate-authority-data': authority?.toString('base64'),
    'proxy-url': stringField(cluster, 'proxy-url'),
    config: extension,
  };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
}
