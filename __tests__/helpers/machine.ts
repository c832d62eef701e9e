import { execFileSync } from 'node:child_process';
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What a real node could change outside its namespaces, by name. */
export type Machine = Record<string, string>;

/** Values that change by themselves. */
const VOLATILE =
  /^\/proc\/sys\/(fs\/(dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota\/.*)|kernel\/(random\/.*|ns_last_pid|pty\/nr|perf_.*)|net\/netfilter\/nf_conntrack_count)$/;

/**
 * The machine's sysctls, mounts, network devices, addresses, routes and cgroups, and the folders where kubelets and runtimes write.
 *
 * @param others names of devices and cgroups of other test beds, which are left out.
 */
export function machine(others: readonly string[] = []): Machine {
  const state = everything();
  const isOther = (line: string): boolean => others.some((name) => new RegExp(`(^|[ /])${name}([ /:@-]|$)`).test(line));
  for (const [name, text] of Object.entries(state)) {
    state[name] = text
      .split('\n')
      .filter((line) => !isOther(line))
      .join('\n');
  }
  return state;
}

/** The names of the devices and cgroups of all test beds that are running. */
export function testbedNames(): string[] {
  const texts = Object.values(everything()).join('\n');
  return [...new Set(texts.match(/\btestbed-\d+\b|\brollback-daemonset-testbed-\w{6}/g) ?? [])];
}

function everything(): Machine {
  const state: Machine = { mounts: readFileSync('/proc/self/mountinfo', 'utf8') };
  for (const path of filesBelow('/proc/sys')) if (!VOLATILE.test(path)) state[path] = readable(path);
  // Leases expire and neighbors are forgotten.
  state['addresses'] = execFileSync('ip', ['-o', 'addr'], { encoding: 'utf8' }).replace(/ (valid|preferred)_lft \S+/g, '');
  for (const family of ['-4', '-6'])
    state[`routes ${family}`] = execFileSync('ip', [family, 'route', 'show', 'table', 'all'], { encoding: 'utf8' });
  for (const line of state['mounts']?.split('\n') ?? []) {
    const [, , , , folder = '', ...others] = line.split(' ');
    if (/^cgroup2?$/.test(others[others.indexOf('-') + 1] ?? ''))
      state[`cgroups ${folder}`] = [...foldersBelow(folder), readable(join(folder, 'cgroup.subtree_control'))].join('\n');
  }
  for (const folder of ['/run', '/run/mount', '/run/containerd', '/var/lib', '/var/lib/kubelet', '/var/lib/cni', '/var/log', '/etc/cni'])
    state[folder] = listing(folder);
  return state;
}

function filesBelow(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    // The devices of other programs come and go.
    if (entry.isDirectory()) return /^\/proc\/sys\/net\/(ipv4|ipv6)\/(conf|neigh)\/(?!all$|default$)/.test(path) ? [] : filesBelow(path);
    return [path];
  });
}

function foldersBelow(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [join(folder, name), ...foldersBelow(join(folder, name))])
    .sort();
}

/** None if the folder has just been removed. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function readable(path: string): string {
  try {
    return (statSync(path).mode & 0o400) === 0 ? '' : readFileSync(path, 'utf8');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  }
}

function listing(folder: string): string {
  try {
    return readdirSync(folder).sort().join(' ');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  }
}
