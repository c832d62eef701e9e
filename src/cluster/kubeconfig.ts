import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from '../ci/environment.ts';
import { isObject } from '../daemonset/json.ts';
import { ClusterError } from './cluster.ts';
import { type Connection, connect } from './connection.ts';
import type { PluginPolicy } from './exec-policy.ts';
import { type Entry, stringField } from './kubeconfig-fields.ts';
import { secretsIn } from './kubeconfig-secrets.ts';
import { type KubeconfigText, readKubeconfigs } from './kubeconfig-source.ts';
import { parseKubeconfig } from './kubeconfig-yaml.ts';
import { quoteName } from './quote.ts';
import { Secrets } from './secrets.ts';

/** Everything that is used to find the kubeconfig. */
export interface KubeconfigRequest {
  /** A path, YAML or JSON text, its base64, `auto` or `in-cluster`. Never empty. */
  source: string;
  /** Undefined: the current context. */
  context: string | undefined;
  plugins: PluginPolicy;
  environment: Environment;
  /** Receives the secrets of the kubeconfig, before anything else in it is used. */
  secrets?: Secrets;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** With more users, only the secrets of the selected one are masked; the others are hidden from messages. */
const MAX_MASKED_USERS = 20;
/** The most context names in a message. */
const MAX_NAMES = 20;

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
 * @throws ClusterError `kubeconfig`, or `credentials` if the plugin is not allowed. The message contains no secret.
 */
export function connectionFrom({ source, context, plugins, environment, secrets = new Secrets() }: KubeconfigRequest): Connection {
  try {
    if (source === 'in-cluster') return inCluster(environment, plugins, secrets);
    const texts = readKubeconfigs(source, environment);
    const document = merge(texts.map((one) => read(one, secrets)));
    return choose(document, context, texts.map(({ origin }) => origin).join(', '), plugins, environment, secrets);
  } catch (error) {
    throw secrets.cleaned(error);
  }
}

function read({ text, origin, directory }: KubeconfigText, secrets: Secrets): Document {
  const config = parseKubeconfig(text, origin);
  const { users } = config;
  secrets.add(secretsIn(config), { mask: Array.isArray(users) && users.length <= MAX_MASKED_USERS });
  const current = config['current-context'];
  return {
    clusters: entries(config, 'clusters', 'cluster', origin, ['certificate-authority'], directory),
    users: entries(config, 'users', 'user', origin, ['client-certificate', 'client-key', 'tokenFile'], directory),
    contexts: entries(config, 'contexts', 'context', origin, [], directory),
    currentContext: typeof current === 'string' && current !== '' ? current : undefined,
  };
}

function entries(
  config: Record<string, unknown>,
  list: string,
  key: string,
  origin: string,
  files: string[],
  directory: string | undefined,
): Entry[] {
  const all = config[list] ?? [];
  if (!Array.isArray(all)) throw new ClusterError('kubeconfig', `Input kubeconfig: "${list}" in ${origin} is not a list.`);
  const names = new Set<string>();
  return all.map((entry: unknown, index) => {
    if (!isObject(entry) || typeof entry['name'] !== 'string')
      throw new ClusterError('kubeconfig', `Input kubeconfig: ${list}[${index}] in ${origin} has no name, or its name is not a string.`);
    const { name } = entry;
    if (names.has(name))
      throw new ClusterError('kubeconfig', `Input kubeconfig: "${list}" in ${origin} has two entries with the name ${quoteName(name)}.`);
    names.add(name);
    const body = isObject(entry[key]) ? { ...entry[key] } : {};
    for (const file of files) {
      const path = body[file];
      if (typeof path === 'string' && path !== '' && !isAbsolute(path)) body[file] = join(directory ?? '', path);
    }
    // A command without a slash is looked up in PATH instead.
    const { exec } = body;
    if (directory !== undefined && isObject(exec) && typeof exec['command'] === 'string' && /[/\\]/.test(exec['command']))
      body['exec'] = { ...exec, command: resolve(directory, exec['command']) };
    return { ...body, name };
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
  secrets: Secrets,
): Connection {
  const name = asked ?? document.currentContext;
  const fail = (message: string): ClusterError => new ClusterError('kubeconfig', message);
  const contexts = namesOf(document.contexts);
  if (name === undefined)
    throw fail(`The kubeconfig (${origin}) does not set current-context. Set the input context to one of: ${contexts}.`);
  const context = document.contexts.find((entry) => entry.name === name);
  if (!context)
    throw fail(
      `${asked === undefined ? 'current-context' : 'Input context'}: the kubeconfig (${origin}) has no context ${quoteName(name)}. Available contexts: ${contexts}.`,
    );
  const clusterName = stringField(context, 'cluster');
  const cluster = document.clusters.find((entry) => entry.name === clusterName);
  if (!cluster)
    throw fail(
      `Context ${quoteName(name)} of the kubeconfig (${origin}) refers to the cluster ${quoteName(clusterName ?? '')}, which is not defined.`,
    );
  const userName = stringField(context, 'user');
  const user = userName === undefined ? { name: 'none' } : document.users.find((entry) => entry.name === userName);
  if (!user)
    throw fail(
      `Context ${quoteName(name)} of the kubeconfig (${origin}) refers to the user ${quoteName(userName ?? '')}, which is not defined.`,
    );
  return connect({ cluster, user, context: name, namespace: context, policy, environment, secrets });
}

/** The names of contexts, for a message. */
function namesOf(contexts: Entry[]): string {
  const names = contexts.slice(0, MAX_NAMES).map(({ name }) => quoteName(name).replaceAll('"', ''));
  const more = contexts.length - names.length;
  return `${names.join(', ') || 'none'}${more > 0 ? `, and ${more} more` : ''}`;
}

function inCluster(environment: KubeconfigRequest['environment'], policy: PluginPolicy, secrets: Secrets): Connection {
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
    cluster: {
      name: 'in-cluster',
      server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
      'certificate-authority': `${SERVICE_ACCOUNT}/ca.crt`,
    },
    user: { name: 'service-account', tokenFile: token },
    context: 'in-cluster',
    namespace: {
      name: 'in-cluster',
      namespace: existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : undefined,
    },
    policy,
    environment,
    secrets,
  });
}
