import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The root folders of the machine's cgroup hierarchies: one with cgroup v2, one for each controller with v1. */
function hierarchies(): string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, folder = '']) => folder);
}

/** The names of the directories of test beds, and so of their cgroups, begin with this. */
export const testbedPrefix = 'rollback-daemonset-testbed-';

/** The name of a node's cgroup in each hierarchy. The pods are below it. */
export function cgroupOf(directory: string, node: string): string {
  return `${basename(directory)}-${node}`;
}

/** The controllers that the children of the root had before the first node, with cgroup v2. A kubelet enables more. */
const controllersFile = join(tmpdir(), 'rollback-daemonset-cgroup-controllers');
const controllersOf = (root: string): string => join(root, 'cgroup.subtree_control');

export function createCgroup(name: string): void {
  for (const root of hierarchies()) {
    if (existsSync(controllersOf(root))) {
      try {
        writeFileSync(controllersFile, readFileSync(controllersOf(root)), { flag: 'wx', mode: 0o600 });
      } catch {
        // Another node is running.
      }
    }
    const folder = join(root, name);
    mkdirSync(folder, { recursive: true });
    // With v1, a new cgroup has no processors and no memory to use.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const own = join(folder, file);
      if (existsSync(own) && readFileSync(own, 'utf8').trim() === '' && existsSync(join(root, file)))
        writeFileSync(own, readFileSync(join(root, file)));
    }
  }
}

/** Removes the cgroups of one node, or of all nodes of a test bed, once their processes have ended. */
export async function removeCgroups(directory: string, node = ''): Promise<void> {
  const prefix = cgroupOf(directory, node);
  const left = (): string[] =>
    hierarchies().flatMap((root) =>
      readdirSync(root)
        .filter((name) => name.startsWith(prefix))
        .map((name) => join(root, name)),
    );
  for (let attempt = 0; attempt < 100 && left().length > 0; attempt++) {
    if (attempt > 0) await sleep(50);
    left().forEach(removeEmpty);
  }
  restoreControllers();
  if (left().length > 0) throw new Error(`Could not remove ${left().join(', ')}: processes are still running`);
}

/** Disables the controllers that kubelets have enabled, once no test bed has a cgroup. */
function restoreControllers(): void {
  const roots = hierarchies();
  const inUse = roots.some((root) => readdirSync(root).some((name) => name.startsWith(testbedPrefix)));
  if (inUse || !existsSync(controllersFile)) return;
  const before = new Set(readFileSync(controllersFile, 'utf8').trim().split(' '));
  for (const file of roots.map(controllersOf).filter((path) => existsSync(path))) {
    const added = readFileSync(file, 'utf8')
      .trim()
      .split(' ')
      .filter((name) => name !== '' && !before.has(name));
    if (added.length > 0) writeFileSync(file, added.map((name) => `-${name}`).join(' '));
  }
  rmSync(controllersFile, { force: true });
}

function removeEmpty(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeEmpty(join(folder, entry.name));
    rmdirSync(folder);
  } catch {
    // Another attempt follows.
  }
}
