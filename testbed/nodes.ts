import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, ApiError } from './api.ts';
import { lastLines } from './build.ts';
import { files, readState } from './directory.ts';

/** The maximum in seconds until all nodes are ready. */
const patience = 180;

interface Node {
  metadata: { name: string };
  spec: { taints?: object[] };
  status?: { conditions?: { type: string; status: string }[] };
}

/** The label of the nodes that kwok simulates. */
export const simulated = 'type=simulated';

/** Adds nodes named `node-N` after the existing ones, and returns when they are ready for pods. */
export async function addNodes(directory: string, count: number): Promise<void> {
  if (count === 0) return;
  const { kubeletPort } = readState(directory);
  const api = new Api(directory);
  try {
    const { gitVersion } = await api.send<{ gitVersion: string }>('GET', '/version');
    const { items } = await api.send<{ items: Node[] }>('GET', '/api/v1/nodes');
    const numbers = items.map(({ metadata }) => Number(metadata.name.match(/^node-(\d+)$/)?.[1] ?? 0));
    const first = Math.max(0, ...numbers) + 1;
    const names = Array.from({ length: count }, (_, index) => `node-${first + index}`);
    await Promise.all(names.map((name) => api.send('POST', '/api/v1/nodes', node(name, kubeletPort, gitVersion))));
    await expectReady(directory, api, names, 'kwok');
  } finally {
    api.close();
  }
}

/** Returns when real nodes, which their kubelets register, are ready for pods. */
export async function waitForNodes(directory: string, names: string[]): Promise<void> {
  if (names.length === 0) return;
  const api = new Api(directory);
  try {
    await expectReady(directory, api, names, join(names[0] ?? '', 'kubelet'));
  } finally {
    api.close();
  }
}

async function expectReady(directory: string, api: Api, names: string[], process: string): Promise<void> {
  const missing = await waitUntilReady(api, new Set(names));
  if (missing.size === 0) return;
  const log = lastLines(readFileSync(files(directory).log(process), 'utf8'), 5);
  throw new Error(`${missing.size} of ${names.length} nodes are not ready after ${patience} seconds. The log of ${process}:\n${log}`);
}

/** Pods can be created in a namespace as soon as its default service account exists. */
export async function waitForServiceAccount(directory: string): Promise<void> {
  const api = new Api(directory);
  try {
    while (!(await exists(api, '/api/v1/namespaces/default/serviceaccounts/default'))) await sleep(50);
  } finally {
    api.close();
  }
}

async function exists(api: Api, path: string): Promise<boolean> {
  try {
    await api.send('GET', path);
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false;
    throw error;
  }
}

/**
 * A node is ready when kwok has set its condition and the node controller has removed its taints.
 *
 * @returns the nodes that are not ready in time.
 */
async function waitUntilReady(api: Api, waiting: Set<string>): Promise<Set<string>> {
  const deadline = Date.now() + patience * 1000;
  // The server ends a watch that is too slow for the changes of two thousand nodes.
  while (Date.now() < deadline) {
    // Without a resourceVersion, a watch starts with all existing objects.
    for await (const { object } of api.watch<{ object: Node }>(`/api/v1/nodes?watch=true&timeoutSeconds=${patience}`)) {
      const ready = object.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
      if (ready && !object.spec.taints?.length) waiting.delete(object.metadata.name);
      if (waiting.size === 0) return waiting;
    }
  }
  return waiting;
}

/** A node as its kubelet registers it. kwok simulates its conditions. */
function node(name: string, kubeletPort: number, kubeletVersion: string): object {
  const resources = { cpu: '64', memory: '256Gi', pods: '110' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        type: 'simulated',
      },
    },
    status: {
      addresses: [
        { type: 'InternalIP', address: '127.0.0.1' },
        { type: 'Hostname', address: name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
      capacity: resources,
      allocatable: resources,
      nodeInfo: {
        architecture: 'amd64',
        operatingSystem: 'linux',
        kubeletVersion,
        containerRuntimeVersion: 'containerd://2.2.0',
        kernelVersion: 'simulated',
        osImage: 'simulated by kwok',
        bootID: '',
        machineID: '',
        systemUUID: '',
        kubeProxyVersion: '',
      },
    },
  };
}
