import { readFileSync } from 'node:fs';
import { KubeConfig } from '@kubernetes/client-node';
import { ClusterError } from './cluster.ts';
import { type Entry, file, flag, isRecord, text, wrong } from './entry.ts';
import { type ExecConfig, ExecPlugins, type PluginPolicy } from './exec-plugin.ts';
import { impersonationOf } from './impersonation.ts';
import { proxyFor } from './proxy.ts';
import { passwordIn, Secrets, secretsOf } from './secrets.ts';
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
  /** An http or https URL. */
  server: string;
  user: Entry;
  context: string;
  namespace: string | undefined;
  policy: PluginPolicy;
  environment: Readonly<Record<string, string | undefined>>;
}

/** The cluster extension that is passed to credential plugins (client-go: clusterExtensionKey). */
const FOR_PLUGINS = 'client.authentication.k8s.io/exec';

/**
 * The connection that a context describes. Contradictory settings are rejected as in kubectl (client-go: validateClusterInfo,
 * validateAuthInfo).
 *
 * @throws ClusterError `kubeconfig`, or `credentials` if the plugin is not allowed.
 */
export function connect({ cluster, server, user, context, namespace, policy, environment }: ContextParts): Connection {
  if (user['auth-provider'])
    throw wrong(
      user,
      'auth-provider is set, which Kubernetes removed. Generate a kubeconfig with an exec plugin (gke-gcloud-auth-plugin, kubelogin, kubectl oidc-login), or use a service account token.',
    );
  checkCluster(cluster, server);
  checkUser(user);
  const insecure = flag(cluster, 'insecure-skip-tls-verify');
  const plain = server.startsWith('http:');
  const warnings: string[] = [];
  if (insecure)
    warnings.push(
      `The kubeconfig disables TLS certificate verification (insecure-skip-tls-verify). Anyone on the network path to ${server} can steal the credentials. Set certificate-authority-data instead.`,
    );
  if (plain)
    warnings.push(
      `The connection to the API server is not encrypted (${server}). Anyone on the network path can read and change the traffic. The credentials in the kubeconfig are not sent. Use an https URL.`,
    );

  const proxyUrl = text(cluster, 'proxy-url') ?? proxyFor(server, environment);
  const secrets = new Secrets();
  secrets.add([...secretsOf(user), ...passwordIn(proxyUrl ?? '')]);
  const credentials = plain ? { name: user.name } : user;
  const plugins = new ExecPlugins(execOf(credentials), clusterForPlugins(cluster, server), policy, environment, secrets);
  const kubeConfig = new KubeConfig();
  kubeConfig.addAuthenticator(plugins);
  const tokenFile = file(credentials, 'tokenFile');
  if (tokenFile !== undefined) kubeConfig.addAuthenticator(new TokenFile(tokenFile, secrets));
  const provider = tokenFile !== undefined ? TokenFile.PROVIDER : plugins.used ? ExecPlugins.PROVIDER : undefined;
  const username = text(credentials, 'username');
  kubeConfig.loadFromOptions({
    clusters: [
      {
        name: cluster.name,
        server: server.replace(/\/+$/, ''),
        // The library allows plain http only with this setting; the warning above covers it.
        skipTLSVerify: insecure || plain,
        caData: text(cluster, 'certificate-authority-data'),
        caFile: file(cluster, 'certificate-authority'),
        tlsServerName: text(cluster, 'tls-server-name'),
      },
    ],
    users: [
      {
        // The library ignores the certificate authority if there is no user.
        name: user.name,
        certData: text(credentials, 'client-certificate-data'),
        certFile: file(credentials, 'client-certificate'),
        keyData: text(credentials, 'client-key-data'),
        keyFile: file(credentials, 'client-key'),
        ...(username !== undefined && { username, password: text(credentials, 'password') ?? '' }),
        // A token file takes precedence over a token (client-go: NewBearerAuthWithRefreshRoundTripper).
        ...(provider ? { authProvider: { name: provider, config: {} } } : { token: text(credentials, 'token') }),
      },
    ],
    contexts: [{ name: context, cluster: cluster.name, user: user.name }],
    currentContext: context,
  });
  const headers = impersonationOf(credentials);
  return { kubeConfig, server, proxyUrl, context, namespace: namespace ?? 'default', headers, plugins, secrets, warnings };
}

function checkCluster(cluster: Entry, server: string): void {
  const { username, password } = new URL(server);
  if (username !== '' || password !== '') throw wrong(cluster, 'the server URL contains credentials. Move them to the user entry.');
  onlyOne(cluster, 'certificate-authority', 'certificate-authority-data');
  if (flag(cluster, 'insecure-skip-tls-verify') && (text(cluster, 'certificate-authority') ?? text(cluster, 'certificate-authority-data')))
    throw wrong(cluster, 'both a certificate authority and insecure-skip-tls-verify are set. Remove one of them.');
  const proxy = text(cluster, 'proxy-url');
  if (proxy !== undefined && !(URL.canParse(proxy) && /^(https?|socks5):$/.test(new URL(proxy).protocol)))
    throw wrong(cluster, 'proxy-url must be a URL with the scheme http, https or socks5.');
}

function checkUser(user: Entry): void {
  onlyOne(user, 'client-certificate', 'client-certificate-data');
  onlyOne(user, 'client-key', 'client-key-data');
  const certificate = text(user, 'client-certificate') ?? text(user, 'client-certificate-data');
  const key = text(user, 'client-key') ?? text(user, 'client-key-data');
  if (certificate !== undefined && key === undefined)
    throw wrong(user, 'a client certificate is set without its key. Add client-key-data or client-key.');
  const token = text(user, 'token');
  if (token !== undefined && (text(user, 'username') ?? text(user, 'password')) !== undefined)
    throw wrong(user, 'both a token and a username or password are set. Remove one of them.');
  if (token !== undefined && /[^\x21-\x7e]/.test(token))
    throw wrong(user, 'the token contains white space or other invalid characters. Check whether it was pasted with a line break.');
}

function onlyOne(entry: Entry, one: string, other: string): void {
  if (text(entry, one) !== undefined && text(entry, other) !== undefined)
    throw wrong(entry, `both ${one} and ${other} are set, which kubectl rejects too. Remove one of them.`);
}

/** The exec plugin, if it is used: other credentials take precedence over it (client-go: exec.Authenticator.UpdateTransportConfig). */
function execOf(user: Entry): ExecConfig | undefined {
  const { exec } = user;
  if (exec === undefined || exec === null) return undefined;
  if (!isRecord(exec)) throw wrong(user, 'exec must be an object with the fields of an exec plugin.');
  const others = ['token', 'tokenFile', 'username', 'client-certificate', 'client-certificate-data'];
  return others.some((key) => text(user, key) !== undefined) ? undefined : (exec as ExecConfig);
}

/** The cluster information that a plugin can receive (client-go: ConfigToExecCluster). */
function clusterForPlugins(cluster: Entry, server: string): object {
  const path = file(cluster, 'certificate-authority');
  const authority = path === undefined ? text(cluster, 'certificate-authority-data') : readBase64(path);
  const extensions = Array.isArray(cluster['extensions']) ? cluster['extensions'].filter(isRecord) : [];
  const extension = extensions.find(({ name }) => name === FOR_PLUGINS)?.['extension'];
  const known = {
    server,
    'tls-server-name': text(cluster, 'tls-server-name'),
    'insecure-skip-tls-verify': flag(cluster, 'insecure-skip-tls-verify') || undefined,
    'certificate-authority-data': authority,
    'proxy-url': text(cluster, 'proxy-url'),
    config: extension,
  };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
}

function readBase64(path: string): string {
  try {
    return readFileSync(path).toString('base64');
  } catch (cause) {
    throw new ClusterError(
      'kubeconfig',
      `Could not read the certificate authority ${path} (${(cause as NodeJS.ErrnoException).code}). Check the path and its permissions.`,
      {
        cause,
      },
    );
  }
}
