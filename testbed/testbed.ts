import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { buildTools, controlPlaneTools, nodeTools, olderKubernetes } from './build.ts';
import { clientCertificate } from './certificates.ts';
import { type Outcome, requestOn, type StartOptions, send } from './control.ts';
import {
  files,
  makeDirectory,
  type ProcessName,
  type RealNodeName,
  readState,
  realNodes as realNodeNames,
  reapLeftovers,
} from './directory.ts';
import { addNodes, waitForNodes, waitForServiceAccount } from './nodes.ts';
import type { KubeletAction } from './real-node/node.ts';
import { whyNoRealNodes } from './real-node/requirements.ts';

export type { ProcessName, RealNodeName } from './directory.ts';
export { whyNoRealNodes } from './real-node/requirements.ts';

export interface TestbedOptions {
  /** The number of simulated nodes, 0 to 2,000. Default 10. */
  nodes?: number;
  /** The number of nodes with a real kubelet, 0 to 3, named `real-1`, … Default 0. */
  realNodes?: number;
  /** Receives progress lines while tools are built. */
  log?: (line: string) => void;
  extraApiServerFlags?: string[];
  /**
   * The longest time that a crashing container waits for its restart, `1s` to `300s`: crashLoopBackOff.maxContainerRestartPeriod of the
   * kubelet's configuration. Default `300s`.
   */
  maxContainerRestartPeriod?: string;
}

/** Stock Kubernetes on loopback: real API server, controllers and scheduler; kwok simulates nodes and pods. */
export interface Testbed {
  /** All files of this test bed: logs, certificates, data. Removed by `stop`. */
  readonly directory: string;
  /** Path of a self-contained kubeconfig for a cluster admin. */
  readonly kubeconfig: string;
  readonly server: string;
  /** Path of the certificate of the cluster's certificate authority. */
  readonly caFile: string;
  /** Path of the real kubectl. */
  readonly kubectl: string;
  /** Path of the API server's audit log, one JSON event per line. The test bed's own requests have the user `testbed`. */
  readonly auditLog: string;
  /** The process id of the process that owns all others. */
  readonly supervisor: number;
  /** The current process ids. A killed process has none. */
  readonly pids: Record<ProcessName, number>;

  /** Ends all processes and removes the directory. */
  stop(): Promise<void>;
  /** SIGSTOP: connections stay open, but nothing answers. */
  pause(name: ProcessName): Promise<void>;
  resume(name: ProcessName): Promise<void>;
  /** SIGKILL. */
  kill(name: ProcessName): Promise<void>;
  /** Restarts a killed process on the same port, and returns when it is ready. */
  start(name: ProcessName): Promise<void>;
  /**
   * Stops (SIGKILL), starts, pauses (SIGSTOP) or resumes the kubelet of a real node. Its containers continue.
   */
  kubelet(action: KubeletAction, node: RealNodeName): Promise<void>;
  /** Adds simulated nodes after the existing ones, and returns when they are ready. */
  addNodes(count: number): Promise<void>;
  /** A client certificate, PEM, signed by the cluster's certificate authority. The user has only the rights that RBAC grants, initially none. */
  issueClientCertificate(user: string, groups?: string[]): Promise<{ certificate: string; key: string }>;
}

/**
 * Builds the tools that are not in the cache, starts a cluster and returns when pods can be
 * created and all nodes are ready. The cluster ends with the calling process, however that ends. TESTBED_KUBERNETES in the environment
 * selects an older Kubernetes than the newest.
 *
 * @throws Error if real nodes are requested and this machine cannot run them. The message says why.
 */
export async function startTestbed(options: TestbedOptions = {}): Promise<Testbed> {
  const { nodes = 10, realNodes = 0, log = () => {}, extraApiServerFlags = [], maxContainerRestartPeriod = '300s' } = options;
  if (!Number.isInteger(nodes) || nodes < 0 || nodes > 2_000) throw new RangeError('nodes must be a whole number from 0 to 2,000');
  if (!Number.isInteger(realNodes) || realNodes < 0 || realNodes > realNodeNames.length)
    throw new RangeError(`realNodes must be a whole number from 0 to ${realNodeNames.length}`);
  if (!/^([1-9]\d?|[12]\d\d|300)s$/.test(maxContainerRestartPeriod)) throw new RangeError('maxContainerRestartPeriod must be 1s to 300s');
  const obstacle = realNodes > 0 ? whyNoRealNodes() : undefined;
  if (obstacle !== undefined) throw new Error(`This machine cannot run real nodes: ${obstacle}.`);
  await reapLeftovers();
  const version = olderKubernetes(process.env['TESTBED_KUBERNETES']);
  const tools = await buildTools(controlPlaneTools, log, version);
  const real = realNodes > 0 ? { count: realNodes, tools: await buildTools(nodeTools, log, version) } : undefined;

  const directory = makeDirectory();
  const supervisor = startSupervisor(directory, {
    tools,
    extraApiServerFlags,
    maxContainerRestartPeriod,
    ...(real && { realNodes: real }),
  });
  try {
    const outcome = await firstLine(supervisor);
    if (outcome === undefined) throw new Error(readFileSync(files(directory).log('supervisor'), 'utf8'));
    if ('error' in outcome) throw new Error(outcome.error);
    const testbed = attachTestbed(directory);
    await waitForServiceAccount(directory);
    await Promise.all([testbed.addNodes(nodes), waitForNodes(directory, realNodeNames.slice(0, realNodes))]);
    unref(supervisor);
    return testbed;
  } catch (error) {
    await end(supervisor);
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** The test bed in `directory` that another process started. */
export function attachTestbed(directory: string): Testbed {
  const at = files(directory);
  const { server, kubectl, supervisor } = readState(directory);
  return {
    directory,
    kubeconfig: at.kubeconfig,
    server,
    caFile: at.authority,
    kubectl,
    auditLog: at.auditLog,
    supervisor,
    get pids() {
      return readState(directory).pids as Record<ProcessName, number>;
    },
    stop: async () => {
      if (existsSync(at.control)) await send(directory, { command: 'stop' });
    },
    pause: (name) => send(directory, { command: 'pause', name }),
    resume: (name) => send(directory, { command: 'resume', name }),
    kill: (name) => send(directory, { command: 'kill', name }),
    start: (name) => send(directory, { command: 'start', name }),
    kubelet: (action, node) => requestOn(at.realNodeSocket(node), `/${action}`),
    addNodes: (count) => addNodes(directory, count),
    issueClientCertificate: async (user, groups) =>
      clientCertificate(
        { certificate: readFileSync(at.authority, 'utf8'), key: readFileSync(at.credential('ca.key'), 'utf8') },
        user,
        groups,
      ),
  };
}

function startSupervisor(directory: string, options: StartOptions): ChildProcess {
  const log = openSync(files(directory).log('supervisor'), 'a', 0o600);
  const { NODE_OPTIONS: _, ...env } = process.env;
  const script = fileURLToPath(new URL('./supervisor.ts', import.meta.url));
  return spawn(process.execPath, [script, directory, JSON.stringify(options)], {
    env,
    // Its own session, which Ctrl-C in the terminal does not reach.
    detached: true,
    stdio: ['pipe', 'pipe', log],
  });
}

async function firstLine(supervisor: ChildProcess): Promise<Outcome | undefined> {
  if (supervisor.stdout === null) return undefined;
  for await (const line of createInterface({ input: supervisor.stdout })) return JSON.parse(line) as Outcome;
  return undefined;
}

/** Lets the calling process end while the test bed runs. That end also ends the test bed. */
function unref(supervisor: ChildProcess): void {
  supervisor.unref();
  (supervisor.stdin as Socket | null)?.unref();
  supervisor.stdout?.destroy();
}

async function end(supervisor: ChildProcess): Promise<void> {
  if (supervisor.exitCode !== null || supervisor.signalCode !== null) return;
  const exited = new Promise((resolve) => supervisor.once('exit', resolve));
  supervisor.stdin?.end();
  await exited;
}
