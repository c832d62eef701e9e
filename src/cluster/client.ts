import { MAX_DEPTH } from '../daemonset/json.ts';
import {
  type ControllerRevision,
  type DaemonSet,
  type DaemonSetName,
  type Event,
  FIELD_MANAGER,
  type Json,
  type JsonObject,
  type Node,
  type ObjectMeta,
  type Pod,
} from '../daemonset/types.ts';
import { type Cluster, type DaemonSetEvent, isFailure, type NamespacedName, type PatchOperation, type Watched } from './cluster.ts';
import type { Connection } from './connection.ts';
import {
  decodeConfigMapKeys,
  decodeControllerRevisions,
  decodeDaemonSet,
  decodeDaemonSets,
  decodeEvents,
  decodeNodes,
  decodePod,
  decodePods,
  expectControllerRevision,
  expectObject,
  expectPod,
  InvalidObject,
  type Page,
} from './decode.ts';
import { Http } from './http.ts';
import { list } from './list.ts';
import { aboutDaemonSet, collection, daemonSetPath, objectPath, selectorText } from './paths.ts';
import { watch } from './watch.ts';

/** The maximum number of events that are read at a time. */
const MOST_EVENTS = 500;
/** The maximum size of a container log, in bytes. */
const LARGEST_LOG = 64 * 1024;
/** The answer has only the metadata of an object (API concepts: "Metadata-only fetches"). */
const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

export interface ClientOptions {
  /** Called with a warning of the API server, or about a missing permission. */
  onWarning: (text: string) => void;
  /** Called with a debug line about each answer: method, path, status, time. */
  onAnswer: (text: string) => void;
  /** An earlier step reached this server: a call is retried until its signal is aborted. */
  isKnown?: boolean;
}

/** The cluster over HTTP. */
export class Client implements Cluster {
  readonly server: string;
  readonly context: string;
  readonly namespace: string;
  readonly #http: Http;
  readonly #onWarning: (text: string) => void;

  constructor(connection: Connection, { onWarning, onAnswer, isKnown = false }: ClientOptions) {
    this.server = connection.server;
    this.context = connection.context;
    this.namespace = connection.namespace;
    this.#onWarning = onWarning;
    this.#http = new Http(connection, isKnown);
    this.#http.onWarning = (text, path) => onWarning(`Warning from the API server${aboutDaemonSet(path)}: ${text}`);
    this.#http.onAnswer = onAnswer;
  }

  /** Releases the connections. */
  close(): void {
    this.#http.close();
  }

  serverTime(ours: number): number | undefined {
    return this.#http.clock.at(ours);
  }

  async getDaemonSet(daemonSet: DaemonSetName, signal: AbortSignal): Promise<DaemonSet> {
    return this.#http.json({ method: 'GET', path: daemonSetPath(daemonSet), signal }, (answer) => decodeDaemonSet(answer, daemonSet));
  }

  async listDaemonSets(namespace: string | undefined, labelSelector: string, signal: AbortSignal): Promise<DaemonSet[]> {
    return (await list(this.#http, collection('apps/v1', namespace, 'daemonsets'), { labelSelector }, decodeDaemonSets, signal)).objects;
  }

  async listDaemonSetNames(namespace: string, signal: AbortSignal): Promise<string[]> {
    const path = collection('apps/v1', namespace, 'daemonsets');
    const { items } = await this.#http.json({ method: 'GET', path, query: { limit: '100' }, signal }, decodeDaemonSets);
    return items.map(({ metadata }) => metadata.name);
  }

  async listControllerRevisions({ metadata, spec }: DaemonSet, signal: AbortSignal): Promise<ControllerRevision[]> {
    const path = collection('apps/v1', metadata.namespace, 'controllerrevisions');
    const { objects } = await list(this.#http, path, { labelSelector: selectorText(spec.selector) }, decodeControllerRevisions, signal);
    return objects.flatMap((revision) => {
      if (!('tooDeep' in revision)) return [revision];
      this.#onWarning(
        `ControllerRevision ${revision.tooDeep} is ignored, because its data is nested more than ${MAX_DEPTH} levels deep. It cannot be restored.`,
      );
      return [];
    });
  }

  async listPods({ metadata, spec }: DaemonSet, signal: AbortSignal): Promise<Pod[]> {
    const path = collection('v1', metadata.namespace, 'pods');
    const { objects } = await list(this.#http, path, { labelSelector: selectorText(spec.selector) }, decodePods, signal);
    // These pods are evidence that a rollout is complete, so none of them can be missing.
    if (objects.includes(undefined)) throw new InvalidObject('a Pod', 'its metadata is invalid');
    return objects as Pod[];
  }

  async patchDaemonSet(
    daemonSet: DaemonSetName,
    patch: PatchOperation[],
    { dryRun }: { dryRun: boolean },
    signal: AbortSignal,
  ): Promise<DaemonSet> {
    const query = { fieldManager: FIELD_MANAGER, ...(dryRun && { dryRun: 'All' }) };
    const call = { method: 'PATCH' as const, path: daemonSetPath(daemonSet), query, body: patch as unknown as Json, signal };
    return this.#http.json(call, (answer) => decodeDaemonSet(answer, daemonSet));
  }

  async annotateControllerRevision(
    { namespace, name, uid }: { namespace: string; name: string; uid: string },
    annotations: Record<string, string | null>,
    signal: AbortSignal,
  ): Promise<void> {
    const call = {
      method: 'PATCH' as const,
      path: `${collection('apps/v1', namespace, 'controllerrevisions')}/${encodeURIComponent(name)}`,
      query: { fieldManager: FIELD_MANAGER },
      type: 'application/merge-patch+json' as const,
      body: { metadata: { uid, annotations } },
      signal,
    };
    await this.#http.json(call, expectControllerRevision);
  }

  async *watchDaemonSet(from: DaemonSet, signal: AbortSignal): AsyncGenerator<DaemonSetEvent> {
    const read = (aborted: AbortSignal): Promise<DaemonSet> => this.getDaemonSet(from.metadata, aborted);
    const states = watch<DaemonSet>(this.#http, {
      collection: collection('apps/v1', from.metadata.namespace, 'daemonsets'),
      query: { fieldSelector: `metadata.name=${from.metadata.name}` },
      decode: (object) => decodeDaemonSet(object, from.metadata),
      version: from.metadata.resourceVersion,
      list: async (aborted) => {
        const daemonSet = await read(aborted);
        return { version: daemonSet.metadata.resourceVersion, objects: [daemonSet] };
      },
      readIfSilent: read,
      signal,
      pollEveryMs: 5_000,
      onPolling: (why) => this.#onWarning(`Reading the DaemonSet every 5 s, because this account is not allowed to watch it. ${why}`),
    });
    try {
      for await (const state of states) {
        if (state.kind === 'gone') break;
        if (state.kind === 'interrupted') continue;
        for (const daemonSet of state.kind === 'all' ? state.objects : [state.object]) yield { kind: 'state', daemonSet };
      }
    } catch (error) {
      if (!isFailure(error, 'not-found')) throw error;
    }
    yield { kind: 'deleted' };
  }

  async tryListPods({ metadata, spec }: DaemonSet, signal: AbortSignal): Promise<void> {
    const query = { labelSelector: selectorText(spec.selector), limit: '1' };
    await this.#http.json({ method: 'GET', path: collection('v1', metadata.namespace, 'pods'), query, signal }, decodePods);
  }

  watchPods<T extends Pod>({ metadata, spec }: DaemonSet, keep: (pod: Pod) => T, signal: AbortSignal): AsyncIterable<Watched<T>> {
    const http = this.#http;
    const path = collection('v1', metadata.namespace, 'pods');
    const query = { labelSelector: selectorText(spec.selector) };
    const keepOf = (pod: Pod | undefined): T | undefined => pod && keep(pod);
    const keptPods = (answer: Json): Page<T> => {
      const page = decodePods(answer);
      // These pods are evidence that a rollout is complete, so none of them can be missing.
      if (page.items.includes(undefined)) throw new InvalidObject('a Pod', 'its metadata is invalid');
      return { ...page, items: page.items.flatMap((pod) => keepOf(pod) ?? []) };
    };
    return watch<T>(http, {
      collection: path,
      query,
      decode: (object) => keepOf(decodePod(object)),
      list: (aborted) => list(http, path, query, keptPods, aborted),
      listAfterFailure: true,
      signal,
      pollEveryMs: 5_000,
      onPolling: (why) => this.#onWarning(`Reading the pods every 5 s, because this account is not allowed to watch them. ${why}`),
    });
  }

  async listSomePods({ metadata, spec }: DaemonSet, signal: AbortSignal): Promise<Pod[]> {
    const query = { labelSelector: selectorText(spec.selector), limit: '100' };
    const { items } = await this.#http.json(
      { method: 'GET', path: collection('v1', metadata.namespace, 'pods'), query, signal },
      decodePods,
    );
    return items.filter((pod) => pod !== undefined);
  }

  findObject(object: NamespacedName, signal: AbortSignal): Promise<void> {
    // A Secret's content is never asked for.
    const call = { method: 'GET' as const, path: objectPath(object.kind, object), accept: METADATA_ONLY, signal };
    return this.#http.json(call, (answer) => expectObject(answer, object));
  }

  configMapKeys(configMap: DaemonSetName, signal: AbortSignal): Promise<string[]> {
    return this.#http.json({ method: 'GET', path: objectPath('ConfigMap', configMap), signal }, decodeConfigMapKeys);
  }

  tryCreatePod(namespace: string, pod: JsonObject, signal: AbortSignal): Promise<void> {
    const query = { dryRun: 'All', fieldManager: FIELD_MANAGER };
    const path = collection('v1', namespace, 'pods');
    return this.#http.json({ method: 'POST', path, query, type: 'application/json', body: pod, signal }, expectPod);
  }

  async listNodes(signal: AbortSignal): Promise<Node[]> {
    const slimNodes = (answer: Json): Page<Node> => {
      const page = decodeNodes(answer);
      return { ...page, items: page.items.filter((node) => node !== undefined).map(slimNode) };
    };
    return (await list(this.#http, collection('v1', undefined, 'nodes'), {}, slimNodes, signal)).objects;
  }

  async listSomeNodes(signal: AbortSignal): Promise<Node[]> {
    const path = collection('v1', undefined, 'nodes');
    const { items } = await this.#http.json({ method: 'GET', path, query: { limit: '100' }, signal }, decodeNodes);
    return items.filter((node) => node !== undefined);
  }

  async listEvents(namespace: string, fields: Record<string, string>, signal: AbortSignal): Promise<Event[]> {
    const fieldSelector = Object.entries(fields)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    const query = { fieldSelector, limit: String(MOST_EVENTS) };
    const { items } = await this.#http.json({ method: 'GET', path: collection('v1', namespace, 'events'), query, signal }, decodeEvents);
    return items.filter((event) => event !== undefined);
  }

  containerLog(
    { namespace, name }: { namespace: string; name: string },
    container: string,
    { previous, lines }: { previous: boolean; lines: number },
    signal: AbortSignal,
  ): Promise<string> {
    const query = { container, tailLines: String(lines), limitBytes: String(LARGEST_LOG), ...(previous && { previous: 'true' }) };
    const path = `${collection('v1', namespace, 'pods')}/${encodeURIComponent(name)}/log`;
    return this.#http.text({ method: 'GET', path, query, signal }, LARGEST_LOG);
  }
}

/** There can be thousands of pods and nodes, so large fields that are not used are dropped. */
function slimNode({ metadata, spec, status }: Node): Node {
  const { conditions = [] } = status ?? {};
  return { metadata: slim(metadata), ...(spec && { spec }), status: { conditions } };
}

function slim({ managedFields: _fields, annotations: _annotations, ...rest }: ObjectMeta): ObjectMeta {
  return rest;
}
