import { existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { load, YAMLException } from 'js-yaml';
import { ClusterError } from './cluster.ts';
import { type Connection, connect } from './connection.ts';
import { type Entry, isRecord, text } from './entry.ts';
import type { PluginPolicy } from './exec-plugin.ts';

/** Everything that is used to find the kubeconfig. */
export interface KubeconfigRequest {
  /** A path, YAML or JSON text, its base64, `auto` or `in-cluster`. Never empty. */
  source: string;
  /** Undefined: the current context. */
  context: string | undefined;
  plugins: PluginPolicy;
  environment: Readonly<Record<string, string | undefined>>;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** A kubeconfig file with resolved paths. */
interface Document {
  clusters: Entry[];
  users: Entry[];
  contexts: Entry[];
  currentContext: string | undefined;
}

/**
 * Finds the credentials and selects the context.
 *
 * Files are merged as in kubectl: the first file that defines a name wins, and relative paths are relative to their file.
 * Never falls back to another cluster than the requested one.
 *
 * @throws ClusterError `kubeconfig`. The message never quotes the document.
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
      ? `Input kubeconfig: the file ${source} does not exist.`
      : 'Input kubeconfig is not an existing file, YAML or JSON text, or base64 of such text. Set it to one of these, or to "auto" or "in-cluster".',
  );
}

/** A value that is not a path can be a damaged secret, so it is not quoted. */
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
        ? `$KUBECONFIG is ${listed.join(', ')}, which does not exist`
        : `$KUBECONFIG is not set and ${files[0] ?? '~/.kube/config'} does not exist`;
    throw new ClusterError(
      'kubeconfig',
      `Input kubeconfig is "auto", but no kubeconfig was found: ${where}. Set the input kubeconfig (for example to a secret), or run a login action before this step. To use the service account of the runner's pod, set kubeconfig: in-cluster.`,
    );
  }
  return { documents: found.map(readFile), origin: found.join(delimiter) };
}

function readFile(path: string): Document {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ClusterError(
      'kubeconfig',
      `Could not read the kubeconfig ${path} (${(cause as NodeJS.ErrnoException).code}). Check the path and its permissions.`,
      { cause },
    );
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
    const at = error instanceof YAMLException && error.mark ? ` (line ${error.mark.line + 1}${reasonOf(error)})` : '';
    throw new ClusterError(
      'kubeconfig',
      `Input kubeconfig: ${origin} is not valid YAML${at}. Check whether it is complete and still has its line breaks.`,
    );
  }
  if (!isRecord(config) || !('clusters' in config)) {
    throw new ClusterError('kubeconfig', `Input kubeconfig: ${origin} is not a kubeconfig: it has no "clusters".`);
  }
  const current = config['current-context'];
  return {
    clusters: entries(config, 'clusters', 'cluster', origin, ['certificate-authority'], directory),
    users: entries(config, 'users', 'user', origin, ['client-certificate', 'client-key', 'tokenFile'], directory),
    contexts: entries(config, 'contexts', 'context', origin, [], directory),
    currentContext: typeof current === 'string' && current !== '' ? current : undefined,
  };
}

/** Why it is not valid, without reasons that quote the text: in `token: *secret`, YAML takes the token for an alias and quotes it. */
function reasonOf({ reason }: YAMLException): string {
  return /^[\w ,()-]+$/.test(reason) ? `: ${reason}` : '';
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
    // A command without a slash is looked up in PATH instead.
    const { exec } = body;
    if (isRecord(exec) && typeof exec['command'] === 'string' && exec['command'].includes('/'))
      body['exec'] = { ...exec, command: resolve(directory, exec['command']) };
    return { ...body, name: entry['name'] };
  });
}

/** Merges files as client-go does: the first file that defines a cluster, user, context or current context wins. */
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
      `The kubeconfig (${origin}) does not set current-context. Set the input context to one of: ${contexts}.`,
    );
  }
  const context = document.contexts.find((entry) => entry.name === name);
  if (!context)
    throw new ClusterError(
      'kubeconfig',
      `Input context: the kubeconfig (${origin}) has no context "${name}". Available contexts: ${contexts}.`,
    );
  const cluster = document.clusters.find((entry) => entry.name === context['cluster']);
  if (!cluster)
    throw new ClusterError(
      'kubeconfig',
      `Context "${name}" of the kubeconfig (${origin}) refers to the cluster "${String(context['cluster'] ?? '')}", which is not defined.`,
    );
  const server = text(cluster, 'server');
  if (!server || !URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw new ClusterError(
      'kubeconfig',
      `Cluster "${cluster.name}" of the kubeconfig (${origin}) has no valid server URL. Set it to https://HOST:PORT.`,
    );
  }
  const named = text(context, 'user');
  const user = named === undefined ? { name: 'none' } : document.users.find((entry) => entry.name === named);
  if (!user)
    throw new ClusterError(
      'kubeconfig',
      `Context "${name}" of the kubeconfig (${origin}) refers to the user "${named}", which is not defined.`,
    );
  return connect({ cluster, server, user, context: name, namespace: text(context, 'namespace'), policy, environment });
}

function inCluster(environment: KubeconfigRequest['environment'], policy: PluginPolicy): Connection {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  const port = environment['KUBERNETES_SERVICE_PORT'];
  const token = `${SERVICE_ACCOUNT}/token`;
  if (!host || !port || !existsSync(token)) {
    throw new ClusterError(
      'kubeconfig',
      `Input kubeconfig is "in-cluster", but the runner is not running in a pod with a service account (KUBERNETES_SERVICE_HOST or ${token} is missing). Set the input kubeconfig to a kubeconfig.`,
    );
  }
  const namespaceFile = `${SERVICE_ACCOUNT}/namespace`;
  return connect({
    cluster: { name: 'in-cluster', 'certificate-authority': `${SERVICE_ACCOUNT}/ca.crt` },
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    user: { name: 'service-account', tokenFile: token },
    context: 'in-cluster',
    namespace: existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : undefined,
    policy,
    environment,
  });
}
