import { existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { load, YAMLException } from 'js-yaml';
import { ClusterError } from './cluster.ts';
import { type ExecConfig, ExecPlugins, type PluginPolicy } from './exec-plugin.ts';
import { secretsOf } from './secrets.ts';

/** Everything that kubeconfig resolution may look at. */
export interface KubeconfigRequest {
  /** A path, YAML or JSON text, its base64, `auto` or `in-cluster`. Never empty. */
  source: string;
  /** Undefined: the current context. */
  context: string | undefined;
  plugins: PluginPolicy;
  environment: Readonly<Record<string, string | undefined>>;
}

/** A chosen context with its credentials. */
export interface Connection {
  kubeConfig: KubeConfig;
  server: string;
  context: string;
  namespace: string;
  plugins: ExecPlugins;
  /** What must never be printed. */
  secrets: string[];
  /** Loud words about what is dangerous here. */
  warnings: string[];
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Entries of a kubeconfig file (client-go's v1 Config), unverified. */
interface Entry {
  name: string;
  [key: string]: unknown;
}
interface Document {
  clusters: Entry[];
  users: Entry[];
  contexts: Entry[];
  currentContext: string | undefined;
}

/**
 * Finds the credentials and chooses the context.
 *
 * Files are merged as kubectl merges them: the first to name a thing wins, relative paths are relative to their file.
 * Never falls through to another cluster than the one that was asked for.
 *
 * @throws ClusterError `kubeconfig`, with what was found and what to do. It never quotes the document.
 */
export function connectionFrom({ source, context, plugins, environment }: KubeconfigRequest): Connection {
  if (source === 'in-cluster') return inCluster(environment, plugins);
  const { documents, origin } = read(source, environment);
  return choose(merge(documents), context, origin, plugins, environment);
}

function read(source: string, environment: KubeconfigRequest['environment']): { documents: Document[]; origin: string } {
  if (source === 'auto') return readAuto(environment);
  if (source.includes('\n') || source.startsWith('{'))
    return { documents: [parse(source, 'the kubeconfig text', '')], origin: 'the kubeconfig text' };
  if (existsSync(source) && statSync(source).isFile()) return { documents: [readFile(source)], origin: source };
  const decoded = decodeBase64(source);
  if (decoded !== undefined) return { documents: [parse(decoded, 'the base64 kubeconfig', '')], origin: 'the base64 kubeconfig' };
  throw new ClusterError(
    'kubeconfig',
    looksLikePath(source)
      ? `Input kubeconfig: there is no file ${source}.`
      : 'Input kubeconfig is neither an existing file, nor YAML or JSON text, nor the base64 of one. Give one of these, or "auto" or "in-cluster".',
  );
}

/** A value that is no path may be a broken secret: it is not quoted. */
function looksLikePath(source: string): boolean {
  return source.length < 256 && /^[\w.~/\\:@ -]+$/.test(source) && /[./\\]/.test(source);
}

function readAuto(environment: KubeconfigRequest['environment']): { documents: Document[]; origin: string } {
  const listed = (environment['KUBECONFIG'] ?? '').split(delimiter).filter(Boolean);
  const home = environment['HOME'] ?? environment['USERPROFILE'];
  const files = listed.length > 0 ? listed : home ? [join(home, '.kube', 'config')] : [];
  const found = files.filter((file) => existsSync(file));
  if (found.length === 0) {
    const where =
      listed.length > 0
        ? `$KUBECONFIG names ${listed.join(', ')}, which does not exist`
        : `$KUBECONFIG is not set and ${files[0] ?? '~/.kube/config'} does not exist`;
    throw new ClusterError(
      'kubeconfig',
      `Input kubeconfig is "auto", but no kubeconfig was found: ${where}. Give the input kubeconfig (such as a secret), or run a login action before this step. To use the service account of the pod that the runner runs in, set kubeconfig: in-cluster.`,
    );
  }
  return { documents: found.map(readFile), origin: found.join(delimiter) };
}

function readFile(path: string): Document {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ClusterError('kubeconfig', `The kubeconfig ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, { cause });
  }
  return parse(text, path, dirname(path));
}

function decodeBase64(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/_-]{16,}={0,2}$/.test(text)) return undefined;
  const decoded = Buffer.from(text, 'base64').toString('utf8');
  return /clusters|apiVersion/.test(decoded) ? decoded : undefined;
}

function parse(text: string, origin: string, directory: string): Document {
  let config: unknown;
  try {
    config = load(text);
  } catch (error) {
    // The exception's own message quotes the document, secrets included.
    const at = error instanceof YAMLException && error.mark ? ` (line ${error.mark.line + 1}: ${error.reason})` : '';
    throw new ClusterError(
      'kubeconfig',
      `Input kubeconfig: ${origin} is not valid YAML${at}. Was it cut off or pasted without its line breaks?`,
    );
  }
  if (!isRecord(config) || !('clusters' in config)) {
    throw new ClusterError('kubeconfig', `Input kubeconfig: ${origin} is no kubeconfig: it has no "clusters".`);
  }
  const current = config['current-context'];
  return {
    clusters: entries(config, 'clusters', 'cluster', origin, ['certificate-authority'], directory),
    users: entries(config, 'users', 'user', origin, ['client-certificate', 'client-key', 'tokenFile'], directory),
    contexts: entries(config, 'contexts', 'context', origin, [], directory),
    currentContext: typeof current === 'string' && current !== '' ? current : undefined,
  };
}

function entries(config: Record<string, unknown>, list: string, key: string, origin: string, files: string[], directory: string): Entry[] {
  const all = config[list] ?? [];
  if (!Array.isArray(all)) throw new ClusterError('kubeconfig', `Input kubeconfig: "${list}" in ${origin} is not a list.`);
  return all.map((entry: unknown, index) => {
    if (!isRecord(entry) || typeof entry['name'] !== 'string') {
      throw new ClusterError('kubeconfig', `Input kubeconfig: ${list}[${index}] in ${origin} has no name.`);
    }
    const body = isRecord(entry[key]) ? { ...entry[key] } : {};
    for (const file of files) {
      const path = body[file];
      if (typeof path === 'string' && path !== '' && !isAbsolute(path)) body[file] = join(directory, path);
    }
    return { ...body, name: entry['name'] };
  });
}

/** As client-go merges: the first file to name a cluster, user, context or current context wins. */
function merge(documents: Document[]): Document {
  const first = (list: 'clusters' | 'users' | 'contexts'): Entry[] => {
    const byName = new Map<string, Entry>();
    for (const entry of documents.flatMap((document) => document[list])) if (!byName.has(entry.name)) byName.set(entry.name, entry);
    return [...byName.values()];
  };
  return {
    clusters: first('clusters'),
    users: first('users'),
    contexts: first('contexts'),
    currentContext: documents.find(({ currentContext }) => currentContext)?.currentContext,
  };
}

function choose(
  document: Document,
  asked: string | undefined,
  origin: string,
  policy: PluginPolicy,
  environment: KubeconfigRequest['environment'],
): Connection {
  const name = asked ?? document.currentContext;
  const contexts = document.contexts.map((context) => context.name).join(', ') || 'none';
  if (name === undefined) {
    throw new ClusterError(
      'kubeconfig',
      `The kubeconfig (${origin}) has no current-context. Set the input context to one of: ${contexts}.`,
    );
  }
  const context = document.contexts.find((entry) => entry.name === name);
  if (!context)
    throw new ClusterError('kubeconfig', `Input context: the kubeconfig (${origin}) has no context "${name}". It has: ${contexts}.`);
  const cluster = document.clusters.find((entry) => entry.name === context['cluster']);
  if (!cluster)
    throw new ClusterError(
      'kubeconfig',
      `Context "${name}" of the kubeconfig (${origin}) names the cluster "${String(context['cluster'] ?? '')}", which it does not define.`,
    );
  const server = text(cluster, 'server');
  if (!server || !URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw new ClusterError(
      'kubeconfig',
      `Cluster "${cluster.name}" of the kubeconfig (${origin}) has no usable server URL (https://HOST:PORT).`,
    );
  }
  const user: Entry = document.users.find((entry) => entry.name === context['user']) ?? { name: '' };
  return connect({ cluster, server, user, context: name, namespace: text(context, 'namespace'), origin, policy, environment });
}

interface Parts {
  cluster: Entry;
  server: string;
  user: Entry;
  context: string;
  namespace: string | undefined;
  origin: string;
  policy: PluginPolicy;
  environment: KubeconfigRequest['environment'];
}

function connect({ cluster, server, user, context, namespace, origin, policy, environment }: Parts): Connection {
  if (user['auth-provider']) {
    throw new ClusterError(
      'kubeconfig',
      `User "${user.name}" of the kubeconfig (${origin}) uses an auth-provider, which Kubernetes removed. Make the kubeconfig anew with an exec plugin (gke-gcloud-auth-plugin, kubelogin, kubectl oidc-login), or use a service account's token.`,
    );
  }
  const warnings: string[] = [];
  const insecure = cluster['insecure-skip-tls-verify'] === true;
  if (insecure)
    warnings.push(
      `The kubeconfig switches off the verification of the server's certificate (insecure-skip-tls-verify): anybody between here and ${server} can take the credentials.`,
    );
  if (server.startsWith('http:'))
    warnings.push(`The API server is reached by plain http (${server}): anybody on the way can read and change everything.`);

  const exec = user['exec'] as ExecConfig | undefined;
  const clusterInfo = {
    server,
    ...(text(cluster, 'tls-server-name') && { 'tls-server-name': text(cluster, 'tls-server-name') }),
    ...(insecure && { 'insecure-skip-tls-verify': true }),
    ...(text(cluster, 'certificate-authority-data') && { 'certificate-authority-data': text(cluster, 'certificate-authority-data') }),
    ...(text(cluster, 'proxy-url') && { 'proxy-url': text(cluster, 'proxy-url') }),
  };
  const plugins = new ExecPlugins(exec, clusterInfo, policy, environment);
  const kubeConfig = new KubeConfig();
  kubeConfig.addAuthenticator(plugins);
  // Data wins over files, as in client-go; the client library has it the other way round.
  const certData = text(user, 'client-certificate-data');
  const keyData = text(user, 'client-key-data');
  const caData = text(cluster, 'certificate-authority-data');
  const token = text(user, 'token');
  const tokenFile = text(user, 'tokenFile');
  kubeConfig.loadFromOptions({
    clusters: [
      {
        name: cluster.name,
        server: server.replace(/\/+$/, ''),
        // The library allows plain http only together with this; the warning above says it.
        skipTLSVerify: insecure || server.startsWith('http:'),
        ...(caData ? { caData } : { caFile: file(cluster, 'certificate-authority', origin) }),
        tlsServerName: text(cluster, 'tls-server-name'),
        proxyUrl: text(cluster, 'proxy-url'),
      },
    ],
    users: [
      {
        name: user.name || 'none',
        ...(certData ? { certData } : { certFile: file(user, 'client-certificate', origin) }),
        ...(keyData ? { keyData } : { keyFile: file(user, 'client-key', origin) }),
        username: text(user, 'username'),
        password: text(user, 'password'),
        impersonateUser: text(user, 'as'),
        // A token file is read again and again, because it rotates (client-go: it wins over token).
        ...(tokenFile ? { authProvider: { name: 'tokenFile', config: { tokenFile: file(user, 'tokenFile', origin) } } } : { token }),
        ...(!tokenFile && exec && { authProvider: { name: ExecPlugins.PROVIDER, config: {} } }),
      },
    ],
    contexts: [{ name: context, cluster: cluster.name, user: user.name || 'none' }],
    currentContext: context,
  });
  return { kubeConfig, server, context, namespace: namespace ?? 'default', plugins, secrets: secretsOf(user), warnings };
}

function inCluster(environment: KubeconfigRequest['environment'], policy: PluginPolicy): Connection {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  const port = environment['KUBERNETES_SERVICE_PORT'];
  const token = `${SERVICE_ACCOUNT}/token`;
  if (!host || !port || !existsSync(token)) {
    throw new ClusterError(
      'kubeconfig',
      `Input kubeconfig is "in-cluster", but this runner does not run in a pod with a service account (KUBERNETES_SERVICE_HOST or ${token} is missing).`,
    );
  }
  const namespaceFile = `${SERVICE_ACCOUNT}/namespace`;
  return connect({
    cluster: { name: 'in-cluster', 'certificate-authority': `${SERVICE_ACCOUNT}/ca.crt` },
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    user: { name: 'service-account', tokenFile: token },
    context: 'in-cluster',
    namespace: existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : undefined,
    origin: 'in-cluster',
    policy,
    environment,
  });
}

/** A file that the kubeconfig names: checked here, so that the message can name it. */
function file(entry: Entry, key: string, origin: string): string | undefined {
  const path = text(entry, key);
  if (path !== undefined && !existsSync(path)) {
    throw new ClusterError(
      'kubeconfig',
      `"${entry.name}" in the kubeconfig (${origin}) names the ${key} ${path}, which does not exist. On a CI runner, embed it: kubectl config view --flatten --minify.`,
    );
  }
  return path;
}

function text(entry: Entry, key: string): string | undefined {
  const value = entry[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
