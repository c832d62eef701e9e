import { readFileSync } from 'node:fs';
import { KubeConfig } from '@kubernetes/client-node';
import { ClusterError } from './cluster.ts';
import { type Entry, file, flag, isRecord, text, wrong } from './entry.ts';
import { type ExecConfig, ExecPlugins, type PluginPolicy } from './exec-plugin.ts';
import { impersonationOf } from './impersonation.ts';
import { proxyFor } from './proxy.ts';
import { passwordIn, Secrets, secretsOf } from './secrets.ts';
import { TokenFile } from './token-file.ts';

/** A chosen context with its credentials. */
export interface Connection {
  kubeConfig: KubeConfig;
  server: string;
  context: string;
  namespace: string;
  /** Goes with each request: as whom to act. */
  headers: Record<string, string | string[]>;
  plugins: ExecPlugins;
  /** What must never be printed. */
  secrets: Secrets;
  /** Loud words about what is dangerous here. */
  warnings: string[];
}

/** What a context consists of. */
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

/** The extension of a cluster that its users' plugins are told (client-go: clusterExtensionKey). */
const FOR_PLUGINS = 'client.authentication.k8s.io/exec';

/**
 * The connection that a context describes. Where kubectl says that a kubeconfig contradicts itself, so does this (client-go:
 * validateClusterInfo, validateAuthInfo).
 *
 * @throws ClusterError `kubeconfig`, or `credentials` where a plugin may not be started.
 */
export function connect({ cluster, server, user, context, namespace, policy, environment }: ContextParts): Connection {
  if (user['auth-provider'])
    throw wrong(
      user,
      'there is an auth-provider, which Kubernetes removed. Make the kubeconfig anew with an exec plugin (gke-gcloud-auth-plugin, kubelogin, kubectl oidc-login), or use the token of a service account.',
    );
  checkCluster(cluster, server);
  checkUser(user);
  const insecure = flag(cluster, 'insecure-skip-tls-verify');
  const plain = server.startsWith('http:');
  const warnings: string[] = [];
  if (insecure)
    warnings.push(
      `The kubeconfig switches off the verification of the server's certificate (insecure-skip-tls-verify): anybody between here and ${server} can take the credentials.`,
    );
  if (plain)
    warnings.push(
      `The API server is reached by plain http (${server}): anybody on the way can read and change everything. The credentials of the kubeconfig are not sent.`,
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
        // The library allows plain http only together with this; the warning above says it.
        skipTLSVerify: insecure || plain,
        caData: text(cluster, 'certificate-authority-data'),
        caFile: file(cluster, 'certificate-authority'),
        tlsServerName: text(cluster, 'tls-server-name'),
        proxyUrl,
      },
    ],
    users: [
      {
        // The library leaves out the authority where there is no user.
        name: user.name,
        certData: text(credentials, 'client-certificate-data'),
        certFile: file(credentials, 'client-certificate'),
        keyData: text(credentials, 'client-key-data'),
        keyFile: file(credentials, 'client-key'),
        ...(username !== undefined && { username, password: text(credentials, 'password') ?? '' }),
        // A token file wins over a token (client-go: NewBearerAuthWithRefreshRoundTripper).
        ...(provider ? { authProvider: { name: provider, config: {} } } : { token: text(credentials, 'token') }),
      },
    ],
    contexts: [{ name: context, cluster: cluster.name, user: user.name }],
    currentContext: context,
  });
  const headers = impersonationOf(credentials);
  return { kubeConfig, server, context, namespace: namespace ?? 'default', headers, plugins, secrets, warnings };
}

function checkCluster(cluster: Entry, server: string): void {
  const { username, password } = new URL(server);
  if (username !== '' || password !== '') throw wrong(cluster, 'the server URL holds credentials. Put them into the entry of the user.');
  onlyOne(cluster, 'certificate-authority', 'certificate-authority-data');
  if (flag(cluster, 'insecure-skip-tls-verify') && (text(cluster, 'certificate-authority') ?? text(cluster, 'certificate-authority-data')))
    throw wrong(
      cluster,
      'there is a certificate authority although insecure-skip-tls-verify says not to look at it. Take one of them away.',
    );
  const proxy = text(cluster, 'proxy-url');
  if (proxy !== undefined && !(URL.canParse(proxy) && /^(https?|socks5):$/.test(new URL(proxy).protocol)))
    throw wrong(cluster, 'proxy-url is no URL of a proxy (http, https or socks5).');
}

function checkUser(user: Entry): void {
  onlyOne(user, 'client-certificate', 'client-certificate-data');
  onlyOne(user, 'client-key', 'client-key-data');
  const certificate = text(user, 'client-certificate') ?? text(user, 'client-certificate-data');
  const key = text(user, 'client-key') ?? text(user, 'client-key-data');
  if (certificate !== undefined && key === undefined) throw wrong(user, 'there is a client certificate without its key.');
  const token = text(user, 'token');
  if (token !== undefined && (text(user, 'username') ?? text(user, 'password')) !== undefined)
    throw wrong(user, 'there are a token and a password; only one of them can be used.');
  if (token !== undefined && /[^\x21-\x7e]/.test(token))
    throw wrong(user, 'the token holds white space or other characters that no token has. Was it pasted with a line break?');
}

function onlyOne(entry: Entry, one: string, other: string): void {
  if (text(entry, one) !== undefined && text(entry, other) !== undefined)
    throw wrong(entry, `both ${one} and ${other} are given; kubectl refuses that too. Take one of them away.`);
}

/** The plugin, where it is needed: other credentials win over it (client-go: exec.Authenticator.UpdateTransportConfig). */
function execOf(user: Entry): ExecConfig | undefined {
  const { exec } = user;
  if (exec === undefined || exec === null) return undefined;
  if (!isRecord(exec)) throw wrong(user, 'exec is no exec plugin.');
  const others = ['token', 'tokenFile', 'username', 'client-certificate', 'client-certificate-data'];
  return others.some((key) => text(user, key) !== undefined) ? undefined : (exec as ExecConfig);
}

/** What a plugin may be told of the cluster (client-go: ConfigToExecCluster). */
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
    throw new ClusterError('kubeconfig', `The certificate authority ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, {
      cause,
    });
  }
}
