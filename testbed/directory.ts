import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { belongsTo } from './process.ts';
import { testbedPrefix as prefix, removeCgroups } from './real-node/cgroups.ts';

export const controlPlane = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kwok', 'simulated-kubelet'] as const;
export const realNodes = ['real-1', 'real-2', 'real-3'] as const;

export type ControlPlaneName = (typeof controlPlane)[number];
export type RealNodeName = (typeof realNodes)[number];
export type ProcessName = ControlPlaneName | RealNodeName;

/** In start order. They stop in reverse order, the API server before etcd. */
export const processNames: readonly ProcessName[] = [...controlPlane, ...realNodes];

/** The data that another process needs to use a test bed, in `state.json` in its directory. */
export interface State {
  supervisor: number;
  server: string;
  kubectl: string;
  kubeletPort: number;
  pids: Partial<Record<ProcessName, number>>;
}

/** The files of a test bed. It writes only to its directory. */
export function files(directory: string) {
  return {
    state: join(directory, 'state.json'),
    control: join(directory, 'control.sock'),
    etcdSocket: join(directory, 'etcd.sock'),
    etcdData: join(directory, 'etcd'),
    auditLog: join(directory, 'audit.log'),
    authority: join(directory, 'ca.crt'),
    kubeconfig: join(directory, 'kubeconfig'),
    /** The certificate, key or kubeconfig of a control plane component. */
    credential: (name: string): string => join(directory, name),
    log: (name: string): string => join(directory, `${name}.log`),
    /** The folder of a real node. */
    realNode: (name: string): string => join(directory, name),
    realNodeSocket: (name: string): string => join(directory, `${name}.sock`),
  };
}

export function makeDirectory(): string {
  return mkdtempSync(join(tmpdir(), prefix));
}

export function readState(directory: string): State {
  return JSON.parse(readFileSync(files(directory).state, 'utf8')) as State;
}

/** Writes the state atomically: a reader sees either the old or the new one. */
export function writeState(directory: string, state: State): void {
  const path = files(directory).state;
  writeFileSync(`${path}.new`, JSON.stringify(state, undefined, 2));
  renameSync(`${path}.new`, path);
}

/** Ends the remaining processes of test beds whose supervisor was killed, and removes their directories. */
export async function reapLeftovers(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    try {
      await reap(join(tmpdir(), name));
    } catch {
      // It belongs to another user.
    }
  }
}

async function reap(directory: string): Promise<void> {
  let state: State;
  try {
    state = readState(directory);
  } catch {
    // A test bed that is just being created has no state yet.
    if (ageInMinutes(directory) > 10) rmSync(directory, { recursive: true, force: true });
    return;
  }
  if (belongsTo(state.supervisor, directory)) return;
  for (const name of processNames.toReversed()) {
    const pid = state.pids[name];
    if (pid !== undefined && belongsTo(pid, directory)) process.kill(pid, 'SIGKILL');
  }
  await removeCgroups(directory);
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

function ageInMinutes(path: string): number {
  try {
    return (Date.now() - statSync(path).mtimeMs) / 60_000;
  } catch {
    return 0;
  }
}
