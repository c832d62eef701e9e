import type { ControllerRevision, DaemonSet, DaemonSetName, Json, LabelSelector, Pod } from '../daemonset/types.ts';
import { type Cluster, FIELD_MANAGER, type PatchOperation } from './cluster.ts';
import { Http } from './http.ts';
import type { Connection } from './kubeconfig.ts';
import { watchDaemonSet } from './watch.ts';

/** Objects a page, so that a large namespace needs no large answer. */
const PAGE = 250;

interface List<T> {
  metadata?: { continue?: string };
  items: T[];
}

export interface ClientOptions {
  /** What a person should know: a warning of the API server, or what this account may not do. */
  onWarning: (text: string) => void;
  /** A line about each answer, for debugging: method, path, status, time. */
  onAnswer: (text: string) => void;
}

/** A cluster over HTTP, and how to let go of it. */
export function clusterOver(connection: Connection, { onWarning, onAnswer }: ClientOptions): Cluster & { close(): void } {
  const http = new Http(connection);
  http.onWarning = (text, path) => onWarning(`The API server warns${aboutDaemonSet(path)}: ${text}`);
  http.onAnswer = onAnswer;

  async function list<T>(path: string, query: Record<string, string>, signal: AbortSignal): Promise<T[]> {
    const items: T[] = [];
    let page: string | undefined;
    do {
      const answer = await http.json({
        method: 'GET',
        path,
        query: { ...query, limit: String(PAGE), ...(page && { continue: page }) },
        signal,
      });
      const { metadata, items: some } = answer as unknown as List<T>;
      items.push(...some);
      page = metadata?.continue;
    } while (page);
    return items;
  }

  const getDaemonSet = async (daemonSet: DaemonSetName, signal: AbortSignal): Promise<DaemonSet> =>
    (await http.json({ method: 'GET', path: daemonSetPath(daemonSet), signal })) as unknown as DaemonSet;

  return {
    server: connection.server,
    context: connection.context,
    namespace: connection.namespace,
    getDaemonSet,
    listDaemonSets: (namespace, labelSelector, signal) =>
      list<DaemonSet>(collection('apps/v1', namespace, 'daemonsets'), { labelSelector }, signal),
    async listDaemonSetNames(namespace, signal) {
      const answer = await http.json({
        method: 'GET',
        path: collection('apps/v1', namespace, 'daemonsets'),
        query: { limit: '100' },
        signal,
      });
      return (answer as unknown as List<DaemonSet>).items.map(({ metadata }) => metadata.name);
    },
    listControllerRevisions: ({ metadata, spec }, signal) =>
      list<ControllerRevision>(
        collection('apps/v1', metadata.namespace, 'controllerrevisions'),
        { labelSelector: selectorText(spec.selector) },
        signal,
      ),
    listPods: ({ metadata, spec }, signal) =>
      list<Pod>(collection('v1', metadata.namespace, 'pods'), { labelSelector: selectorText(spec.selector) }, signal),
    async patchDaemonSet(daemonSet, patch: PatchOperation[], { dryRun }, signal) {
      const query = { fieldManager: FIELD_MANAGER, ...(dryRun && { dryRun: 'All' }) };
      return (await http.json({
        method: 'PATCH',
        path: daemonSetPath(daemonSet),
        query,
        body: patch as unknown as Json,
        signal,
      })) as unknown as DaemonSet;
    },
    watchDaemonSet: (from, signal) =>
      watchDaemonSet(http, from, {
        get: (aborted) => getDaemonSet(from.metadata, aborted),
        collection: collection('apps/v1', from.metadata.namespace, 'daemonsets'),
        signal,
        onPolling: (why) => onWarning(`The rollout is read every 5 s, because it may not be watched. ${why}`),
      }),
    close: () => http.close(),
  };
}

/** The path of a resource in a namespace, or where that is undefined in all of them. */
function collection(version: string, namespace: string | undefined, resource: string): string {
  const root = version === 'v1' ? '/api/v1' : `/apis/${version}`;
  return namespace === undefined ? `${root}/${resource}` : `${root}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
}

function daemonSetPath({ namespace, name }: DaemonSetName): string {
  return `${collection('apps/v1', namespace, 'daemonsets')}/${encodeURIComponent(name)}`;
}

/** Which DaemonSet a path is of, for a message. */
function aboutDaemonSet(path: string): string {
  const [, namespace, name] = /\/namespaces\/([^/]+)\/daemonsets\/([^/]+)$/.exec(path) ?? [];
  return name === undefined ? '' : ` about DaemonSet ${namespace}/${name}`;
}

/** A label selector as the query parameter `labelSelector` spells it (apimachinery: labels.Parse). */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const equal = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const others = matchExpressions.map(({ key, operator, values = [] }) => {
    switch (operator) {
      case 'In':
        return `${key} in (${values.join(',')})`;
      case 'NotIn':
        return `${key} notin (${values.join(',')})`;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return key;
    }
  });
  return [...equal, ...others].join(',');
}
