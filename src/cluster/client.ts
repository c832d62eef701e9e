import type {
  ControllerRevision,
  DaemonSet,
  DaemonSetName,
  Event,
  Json,
  LabelSelector,
  Node,
  ObjectMeta,
  Pod,
} from '../daemonset/types.ts';
import { type Cluster, ClusterError, type ClusterFailure, FIELD_MANAGER, isFailure, type PatchOperation } from './cluster.ts';
import type { Connection } from './connection.ts';
import { isRecord } from './entry.ts';
import { Http } from './http.ts';
import { watch } from './watch.ts';

/** Objects per page. Answers dominate memory use for a large fleet: pages of 250 need a third more. */
const PAGE = 100;
/** The maximum number of events that are read at a time. */
const MOST_EVENTS = 500;
/** The maximum size of a container log, in bytes. */
const LARGEST_LOG = 64 * 1024;

interface List<T> {
  metadata?: { continue?: string; resourceVersion?: string };
  items: T[];
}

export interface ClientOptions {
  /** Called with a warning of the API server, or about a missing permission. */
  onWarning: (text: string) => void;
  /** Called with a debug line about each answer: method, path, status, time. */
  onAnswer: (text: string) => void;
}

/** A cluster over HTTP. `close` releases its connections. */
export function clusterOver(connection: Connection, { onWarning, onAnswer }: ClientOptions): Cluster & { close(): void } {
  const http = new Http(connection);
  http.onWarning = (text, path) => onWarning(`Warning from the API server${aboutDaemonSet(path)}: ${text}`);
  http.onAnswer = onAnswer;

  /** All pages of a list, with `pick` applied to each object. */
  async function read<T>(
    path: string,
    query: Record<string, string>,
    signal: AbortSignal,
    pick: (object: T) => T = (object) => object,
  ): Promise<{ version: string; objects: T[] }> {
    const objects: T[] = [];
    let page: string | undefined;
    for (;;) {
      const pages = { ...query, limit: String(PAGE), ...(page && { continue: page }) };
      const { metadata, items } = listIn<T>(await http.json({ method: 'GET', path, query: pages, signal }), path);
      objects.push(...items.map(pick));
      page = metadata?.continue;
      if (!page) return { objects, version: metadata?.resourceVersion ?? '' };
    }
  }

  async function list<T>(path: string, query: Record<string, string>, signal: AbortSignal): Promise<T[]> {
    return (await read<T>(path, query, signal)).objects;
  }

  const getDaemonSet = async (daemonSet: DaemonSetName, signal: AbortSignal): Promise<DaemonSet> =>
    daemonSetIn(await http.json({ method: 'GET', path: daemonSetPath(daemonSet), signal }), daemonSetPath(daemonSet));

  return {
    server: connection.server,
    context: connection.context,
    namespace: connection.namespace,
    getDaemonSet,
    listDaemonSets: (namespace, labelSelector, signal) =>
      list<DaemonSet>(collection('apps/v1', namespace, 'daemonsets'), { labelSelector }, signal),
    async listDaemonSetNames(namespace, signal) {
      const path = collection('apps/v1', namespace, 'daemonsets');
      const answer = await http.json({ method: 'GET', path, query: { limit: '100' }, signal });
      return listIn<DaemonSet>(answer, path).items.map(({ metadata }) => metadata.name);
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
      const path = daemonSetPath(daemonSet);
      const answer = await http.json({ method: 'PATCH', path, query, body: patch as unknown as Json, signal });
      return daemonSetIn(answer, path, dryRun ? 'api' : 'answer-lost');
    },
    async annotateControllerRevision({ namespace, name, uid }, annotations, signal) {
      await http.json({
        method: 'PATCH',
        path: `${collection('apps/v1', namespace, 'controllerrevisions')}/${encodeURIComponent(name)}`,
        query: { fieldManager: FIELD_MANAGER },
        type: 'application/merge-patch+json',
        body: { metadata: { uid, annotations } },
        signal,
      });
    },
    async *watchDaemonSet(from, signal) {
      const states = watch<DaemonSet>(http, {
        collection: collection('apps/v1', from.metadata.namespace, 'daemonsets'),
        query: { fieldSelector: `metadata.name=${from.metadata.name}` },
        version: from.metadata.resourceVersion,
        list: async (aborted) => {
          const daemonSet = await getDaemonSet(from.metadata, aborted);
          return { version: daemonSet.metadata.resourceVersion, objects: [daemonSet] };
        },
        signal,
        pollEvery: 5_000,
        onPolling: (why) => onWarning(`Reading the DaemonSet every 5 s, because this account is not allowed to watch it. ${why}`),
      });
      try {
        for await (const state of states) {
          if (state.kind === 'gone') break;
          for (const daemonSet of state.kind === 'all' ? state.objects : [state.object])
            if (isDaemonSet(daemonSet)) yield { kind: 'state', daemonSet };
        }
      } catch (error) {
        if (!isFailure(error, 'not-found')) throw error;
      }
      yield { kind: 'deleted' };
    },
    watchPods({ metadata, spec }, signal) {
      const path = collection('v1', metadata.namespace, 'pods');
      const query = { labelSelector: selectorText(spec.selector) };
      return watch<Pod>(http, {
        collection: path,
        query,
        list: (aborted) => read<Pod>(path, query, aborted, slimPod),
        signal,
        pollEvery: 15_000,
        onPolling: (why) => onWarning(`Reading the pods every 15 s, because this account is not allowed to watch them. ${why}`),
      });
    },
    listNodes: async (signal) => (await read<Node>(collection('v1', undefined, 'nodes'), {}, signal, slimNode)).objects,
    async listWarnings(namespace, fields, signal) {
      const fieldSelector = Object.entries({ type: 'Warning', ...fields })
        .map(([key, value]) => `${key}=${value}`)
        .join(',');
      const query = { fieldSelector, limit: String(MOST_EVENTS) };
      const path = collection('v1', namespace, 'events');
      return listIn<Event>(await http.json({ method: 'GET', path, query, signal }), path).items;
    },
    containerLog({ namespace, name }, container, { previous, lines }, signal) {
      const query = { container, tailLines: String(lines), limitBytes: String(LARGEST_LOG), ...(previous && { previous: 'true' }) };
      return http.text({ method: 'GET', path: `${collection('v1', namespace, 'pods')}/${encodeURIComponent(name)}/log`, query, signal });
    },
    close: () => http.close(),
  };
}

/** A list of objects. @throws ClusterError `api` if it is something else, such as an answer from a gateway. */
function listIn<T>(answer: Json, path: string): List<T> {
  if (isRecord(answer) && Array.isArray(answer['items']) && answer['items'].every((one) => isRecord(one) && isRecord(one['metadata'])))
    return answer as unknown as List<T>;
  throw strange('api', path, 'list');
}

/** A complete DaemonSet. @throws ClusterError with the given failure if it is something else. */
function daemonSetIn(answer: Json, path: string, failure: ClusterFailure = 'api'): DaemonSet {
  if (isDaemonSet(answer)) return answer as unknown as DaemonSet;
  throw strange(failure, path, 'DaemonSet');
}

function isDaemonSet(answer: unknown): boolean {
  if (!isRecord(answer)) return false;
  const { metadata, spec, status } = answer;
  return isRecord(metadata) && isRecord(status) && isRecord(spec) && isRecord(spec['template']) && isRecord(spec['selector']);
}

function strange(failure: ClusterFailure, path: string, what: string): ClusterError {
  return new ClusterError(
    failure,
    `The answer to ${path} is JSON, but not a ${what}. Check that the server in the kubeconfig is a Kubernetes API server, and that no proxy or gateway answers in its place.`,
  );
}

/** The path of a resource in a namespace, or in all namespaces if it is undefined. */
function collection(version: string, namespace: string | undefined, resource: string): string {
  const root = version === 'v1' ? '/api/v1' : `/apis/${version}`;
  return namespace === undefined ? `${root}/${resource}` : `${root}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
}

function daemonSetPath({ namespace, name }: DaemonSetName): string {
  return `${collection('apps/v1', namespace, 'daemonsets')}/${encodeURIComponent(name)}`;
}

/** There can be thousands of pods and nodes, so large fields that are not used are dropped. */
function slimPod({ metadata, spec, status }: Pod): Pod {
  const { nodeName, affinity } = spec ?? {};
  return { metadata: slim(metadata), spec: nodeName === undefined ? { affinity } : { nodeName }, ...(status && { status }) };
}

function slimNode({ metadata, spec, status }: Node): Node {
  const { conditions = [] } = status ?? {};
  return { metadata: slim(metadata), ...(spec && { spec }), status: { conditions } };
}

function slim({ managedFields: _fields, annotations: _annotations, ...rest }: ObjectMeta): ObjectMeta {
  return rest;
}

/** The DaemonSet of a path, for a message. */
function aboutDaemonSet(path: string): string {
  const [, namespace, name] = /\/namespaces\/([^/]+)\/daemonsets\/([^/]+)$/.exec(path) ?? [];
  return name === undefined ? '' : ` about DaemonSet ${namespace}/${name}`;
}

/** A label selector in the syntax of the query parameter `labelSelector` (apimachinery: labels.Parse). */
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
