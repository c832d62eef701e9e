import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { belongsTo } from './process.ts';

export const processNames = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kwok', 'kubelet'] as const;

/** In the order in which they start; they stop in the reverse one, the API server before etcd. */
export type ProcessName = (typeof processNames)[number];

/** What another process has to know to use a test bed, kept in its directory as `state.json`. */
export interface State {
  supervisor: number;
  server: string;
  kubectl: string;
  kubeletPort: number;
  pids: Partial<Record<ProcessName, number>>;
}

/** The files of a test bed. Everything that it writes is in its directory. */
export function files(directory: string) {
  return {
    state: join(directory, 'state.json'),
    control: join(directory, 'control.sock'),
    etcdSocket: join(directory, 'etcd.sock'),
    etcdData: join(directory, 'etcd'),
    auditLog: join(directory, 'audit.log'),
    authority: join(directory, 'ca.crt'),
    kubeconfig: join(directory, 'kubeconfig'),
    /** The certificate, key or kubeconfig of a part of the control plane. */
    credential: (name: string): string => join(directory, name),
    log: (name: string): string => join(directory, `${name}.log`),
  };
}

const prefix = 'rollback-daemonset-testbed-';

export function makeDirectory(): string {
  return mkdtempSync(join(tmpdir(), prefix));
}

export function readState(directory: string): State {
  return JSON.parse(readFileSync(files(directory).state, 'utf8')) as State;
}

/** Writes the state such that a reader sees the old one or the new one, never half of it. */
export function writeState(directory: string, state: State): void {
  const path = files(directory).state;
  writeFileSync(`${path}.new`, JSON.stringify(state, undefined, 2));
  renameSync(`${path}.new`, path);
}

/** Ends what is left of test beds whose supervisor was killed, and removes their directories. */
export function reapLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    try {
      reap(join(tmpdir(), name));
    } catch {
      // Another user's; theirs to end.
    }
  }
}

function reap(directory: string): void {
  let state: State;
  try {
    state = readState(directory);
  } catch {
    // One that is just being made has no state yet.
    if (ageInMinutes(directory) > 10) rmSync(directory, { recursive: true, force: true });
    return;
  }
  if (belongsTo(state.supervisor, directory)) return;
  for (const name of processNames.toReversed()) {
    const pid = state.pids[name];
    if (pid !== undefined && belongsTo(pid, directory)) process.kill(pid, 'SIGKILL');
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

function ageInMinutes(path: string): number {
  try {
    return (Date.now() - statSync(path).mtimeMs) / 60_000;
  } catch {
    return 0;
  }
}
