/**
 * Simulates what kwok's rules cannot, for all nodes: `simulated-kubelet.ts DIRECTORY PORT`
 * serves container logs that match the pod, and updates the readiness of pods with that of their node.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, ApiError } from './api.ts';
import { files } from './directory.ts';
import { type ContainerStatus, containerLog } from './logs.ts';
import { simulated } from './nodes.ts';

interface Condition {
  type: string;
  status: string;
}

interface Pod {
  metadata: { name: string; namespace: string };
  status?: { conditions?: Condition[]; containerStatuses?: ContainerStatus[]; initContainerStatuses?: ContainerStatus[] };
}

interface NodeEvent {
  object: { metadata: { name: string }; status?: { conditions?: Condition[] } };
}

const [directory = '', port] = process.argv.slice(2);
const at = files(directory);
const api = new Api(directory);

serveLogs().listen(Number(port), '127.0.0.1');
await followNodes();

/** The part of the kubelet's API that `kubectl logs` needs. */
function serveLogs(): Server {
  const tls = {
    cert: readFileSync(at.credential('serving.crt')),
    key: readFileSync(at.credential('serving.key')),
  };
  return createServer(tls, async (request, response) => {
    const url = new URL(request.url ?? '/', 'https://kubelet');
    const [, route, namespace, podName = '', container = ''] = url.pathname.split('/');
    if (route === 'healthz') return response.end('ok');
    if (route !== 'containerLogs') return response.writeHead(404).end();
    try {
      const pod = await api.send<Pod>('GET', `/api/v1/namespaces/${namespace}/pods/${podName}`);
      const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
      const status = statuses.find(({ name }) => name === container);
      return response.end(containerLog(podName, container, status, url.searchParams));
    } catch (error) {
      return response.writeHead(error instanceof ApiError ? error.status : 400).end((error as Error).message);
    }
  });
}

/** Watches the nodes, and restarts the watch, since the API server can be killed and restarted. */
async function followNodes(): Promise<never> {
  const notReady = new Set<string>();
  for (;;) {
    try {
      for await (const { object } of api.watch<NodeEvent>(`/api/v1/nodes?watch=true&labelSelector=${simulated}`)) {
        const node = object.metadata.name;
        const status = conditionOf(object, 'Ready');
        if (status === 'True' && notReady.delete(node)) {
          await markPods(node, 'True');
        } else if (status === 'Unknown' && !notReady.has(node)) {
          notReady.add(node);
          await markPods(node, 'False');
        }
      }
    } catch (error) {
      console.error(error);
    }
    await sleep(500);
  }
}

/**
 * The node controller marks the pods of a node without recent heartbeats as
 * not ready (MarkPodsNotReady), and leaves it to the kubelet to reset that.
 */
async function markPods(node: string, ready: 'True' | 'False'): Promise<void> {
  const { items } = await api.send<{ items: Pod[] }>('GET', `/api/v1/pods?fieldSelector=spec.nodeName=${node}`);
  const condition = { type: 'Ready', status: ready, lastTransitionTime: new Date().toISOString() };
  for (const pod of items) {
    // Neither of them updates a pod whose containers are not ready.
    if (conditionOf(pod, 'ContainersReady') !== 'True') continue;
    const { namespace, name } = pod.metadata;
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    const body = { status: { conditions: [condition] } };
    try {
      await api.send('PATCH', path, body, 'application/strategic-merge-patch+json');
    } catch (error) {
      // The pod can be replaced in the meantime.
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }
}

function conditionOf(object: { status?: { conditions?: Condition[] } }, type: string): string | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type)?.status;
}
