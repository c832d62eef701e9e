import { execFile, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export type ToolName = ControlPlaneTool | NodeTool | 'act' | 'actionlint' | 'helm' | 'helm3';
export type ControlPlaneTool = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubectl' | 'kwok';
/** The programs of a real node. `agent` and `registry` are in modules/node. */
export type NodeTool =
  | 'kubelet'
  | 'containerd'
  | 'containerd-shim-runc-v2'
  | 'runc'
  | 'ptp'
  | 'loopback'
  | 'host-local'
  | 'agent'
  | 'registry';

export const controlPlaneTools: ControlPlaneTool[] = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubectl',
  'kwok',
];
export const nodeTools: NodeTool[] = [
  'kubelet',
  'containerd',
  'containerd-shim-runc-v2',
  'runc',
  'ptp',
  'loopback',
  'host-local',
  'agent',
  'registry',
];

/** Older Kubernetes versions, each with its own folder beside that of the newest one. */
export const OLDER = ['1.34', '1.35'] as const;
type OlderKubernetes = (typeof OLDER)[number];

/** @throws RangeError if there is no such folder. */
export function olderKubernetes(version: string | undefined): OlderKubernetes | undefined {
  const older = OLDER.find((one) => one === version);
  if (older === undefined && version) throw new RangeError(`TESTBED_KUBERNETES is ${version}; there are ${OLDER.join(', ')}`);
  return older;
}

interface Tool {
  /** The folder under modules/ whose go.mod pins it. Older versions of it are in `<folder>-<version>`. */
  module: string;
  /** The Go module whose version counts. Without one, the sources are in the folder itself. */
  path?: string;
  /** The path of the main package below `path`. */
  command: string;
  /** Linker flags that set the version that the binary reports. */
  versionFlags: (version: string) => string[];
  /** Build tags. */
  tags?: string[];
  /** Variables of the environment of its build. */
  environment?: () => Promise<Record<string, string>>;
}

const kubernetes = (command: string): Tool => ({
  module: 'kubernetes',
  path: 'k8s.io/kubernetes',
  command: `cmd/${command}`,
  versionFlags: (version) => {
    const [major = '', minor = ''] = version.slice(1).split('.');
    const variable = 'k8s.io/component-base/version';
    return [`-X ${variable}.gitVersion=${version}`, `-X ${variable}.gitMajor=${major}`, `-X ${variable}.gitMinor=${minor}`];
  },
});

const containerd = (command: string): Tool => ({
  module: 'containerd',
  path: 'github.com/containerd/containerd/v2',
  command: `cmd/${command}`,
  versionFlags: (version) => [`-X github.com/containerd/containerd/v2/version.Version=${version.slice(1)}`],
  tags: ['no_btrfs', 'no_zfs', 'no_devmapper', 'no_tracing', 'urfave_cli_no_docs'],
});

const networkPlugin = (command: string): Tool => ({
  module: 'cni',
  path: 'github.com/containernetworking/plugins',
  command: `plugins/${command}`,
  versionFlags: () => [],
});

const helm = (major: 3 | 4): Tool => ({
  module: major === 4 ? 'helm' : `helm${major}`,
  path: `helm.sh/helm/v${major}`,
  command: 'cmd/helm',
  versionFlags: (version) => [`-X helm.sh/helm/v${major}/internal/version.version=${version}`],
});

// Static, because an image contains nothing else.
const ours = (command: string): Tool => ({
  module: 'node',
  command,
  versionFlags: () => [],
  environment: async () => ({ CGO_ENABLED: '0' }),
});

const tools: Record<ToolName, Tool> = {
  etcd: { module: 'etcd', path: 'go.etcd.io/etcd/server/v3', command: '', versionFlags: () => [] },
  'kube-apiserver': kubernetes('kube-apiserver'),
  'kube-controller-manager': kubernetes('kube-controller-manager'),
  'kube-scheduler': kubernetes('kube-scheduler'),
  kubectl: kubernetes('kubectl'),
  kwok: {
    module: 'kwok',
    path: 'sigs.k8s.io/kwok',
    command: 'cmd/kwok',
    versionFlags: (version) => [`-X sigs.k8s.io/kwok/pkg/consts.Version=${version}`],
  },
  kubelet: kubernetes('kubelet'),
  containerd: containerd('containerd'),
  'containerd-shim-runc-v2': containerd('containerd-shim-runc-v2'),
  runc: {
    module: 'runc',
    path: 'github.com/opencontainers/runc',
    command: '',
    versionFlags: (version) => [`-X main.version=${version.slice(1)}`, '-extldflags -static'],
    tags: ['seccomp', 'netgo', 'osusergo', 'urfave_cli_no_docs'],
    environment: withLibseccomp,
  },
  ptp: networkPlugin('main/ptp'),
  loopback: networkPlugin('main/loopback'),
  'host-local': networkPlugin('ipam/host-local'),
  agent: ours('agent'),
  registry: ours('registry'),
  act: {
    module: 'act',
    path: 'github.com/nektos/act',
    command: '',
    versionFlags: (version) => [`-X main.version=${version.slice(1)}`],
  },
  helm: helm(4),
  helm3: helm(3),
  actionlint: {
    module: 'actionlint',
    path: 'github.com/rhysd/actionlint',
    command: 'cmd/actionlint',
    versionFlags: () => [],
  },
};

/** No usable Go is installed to build the test bed. The message lists the alternatives. */
export class MissingGoError extends Error {
  constructor(cause: unknown) {
    const found =
      (cause as { code?: string }).code === 'ENOENT'
        ? '`go` is not in the PATH'
        : `This Go cannot be used (${lastLines(String((cause as { stderr?: string }).stderr ?? cause), 1)})`;
    super(
      [
        `${found}, but it is needed to build the local Kubernetes from source. Either`,
        '  - install Go 1.26 or newer (https://go.dev/dl), or',
        '  - use an existing cluster, which you select explicitly: npm run demo -- --context NAME, or',
        '  - create one with kind: kind create cluster, and then npm run demo -- --context kind-kind',
      ].join('\n'),
      { cause },
    );
    this.name = 'MissingGoError';
  }
}

const execute = promisify(execFile);

/**
 * Builds the tools that are not yet in the cache, one after the other.
 *
 * The versions come from `modules/<name>/go.mod`. Binaries are stored in
 * `${XDG_CACHE_HOME:-~/.cache}/rollback-daemonset`, so that nothing is built, or
 * logged, a second time.
 *
 * @param log receives a progress line every few seconds during a build.
 * @param kubernetes an older version of the tools that come from Kubernetes.
 * @returns the absolute path of each binary.
 * @throws {MissingGoError} if Go is missing or too old.
 */
export async function buildTools<Name extends ToolName>(
  names: Name[],
  log: (line: string) => void,
  kubernetes?: OlderKubernetes,
): Promise<Record<Name, string>> {
  const builds = await Promise.all(names.map((name) => plan(name, kubernetes)));
  const missing = [];
  for (const build of builds) {
    if (!(await exists(build.binary))) missing.push(build);
  }
  for (const [index, build] of missing.entries()) {
    await compile(build, `${build.name} ${build.version} (${index + 1} of ${missing.length})`, log);
  }
  return Object.fromEntries(builds.map(({ name, binary }) => [name, binary])) as Record<Name, string>;
}

interface Build {
  name: ToolName;
  version: string;
  directory: string;
  package: string;
  flags: string[];
  environment: () => Promise<Record<string, string>>;
  binary: string;
}

async function plan(name: ToolName, kubernetes: OlderKubernetes | undefined): Promise<Build> {
  const tool = tools[name];
  const folder = tool.module === 'kubernetes' && kubernetes !== undefined ? `kubernetes-${kubernetes}` : tool.module;
  const directory = fileURLToPath(new URL(`./modules/${folder}/`, import.meta.url));
  const [sources, go] = await Promise.all([sourcesIn(directory), goVersion(directory)]);
  const version = tool.path === undefined ? 'local' : requiredVersion(sources.get('go.mod') ?? '', tool.path);
  if (version === undefined) throw new Error(`${directory}go.mod requires no ${tool.path}`);

  const linker = ['-s', '-w', ...tool.versionFlags(version)].join(' ');
  const flags = [...(tool.tags === undefined ? [] : ['-tags', tool.tags.join(',')]), '-ldflags', linker];
  const hash = createHash('sha256')
    .update([...sources.values(), go, ...flags].join('\0'))
    .digest('hex')
    .slice(0, 12);
  return {
    name,
    version,
    directory,
    package: tool.path === undefined ? `./${tool.command}` : join(tool.path, tool.command),
    flags,
    environment: tool.environment ?? (async () => ({})),
    binary: join(cacheDirectory(), `${name}-${version}-${hash}`, name),
  };
}

/** The text of each file, by its path below the folder. */
async function sourcesIn(directory: string): Promise<Map<string, string>> {
  const paths = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(join(directory, path), 'utf8')] as const)));
}

/** The version of a module in the text of a go.mod. */
function requiredVersion(mod: string, path: string): string | undefined {
  for (const line of mod.split('\n')) {
    const [module, version] = line
      .replace(/^require /, '')
      .trim()
      .split(' ');
    if (module === path && version?.startsWith('v')) return version;
  }
  return undefined;
}

async function goVersion(directory: string): Promise<string> {
  try {
    // Runs inside the module, where an old Go fails or downloads the version in go.mod.
    const { stdout } = await execute('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH', 'CGO_ENABLED'], { cwd: directory });
    return stdout.trim();
  } catch (error) {
    throw new MissingGoError(error);
  }
}

async function compile(build: Build, title: string, log: (line: string) => void): Promise<void> {
  const start = Date.now();
  log(`building ${title}`);
  const environment = await build.environment();
  const say = atMostEvery(5_000, log);

  let downloads = 0;
  const countDownloads = (line: string): void => {
    if (line.startsWith('go: downloading')) say(`building ${title}: ${++downloads} modules downloaded`);
  };

  let total = 0;
  const stale = ['list', '-deps', '-f', '{{if .Stale}}{{.ImportPath}}{{end}}', build.package];
  await go(build, stale, environment, countDownloads, (line) => {
    if (line !== '') total++;
  });

  // Renamed when complete, so that a binary with this name is always complete, also during two parallel builds.
  const unfinished = `${build.binary}.${randomUUID()}`;
  await mkdir(dirname(build.binary), { recursive: true });
  let done = 0;
  try {
    await go(build, ['build', '-v', ...build.flags, '-o', unfinished, build.package], environment, (line) => {
      if (!line.includes(' ')) done = Math.min(done + 1, total);
      say(`building ${title}: ${count(done)} of ${count(total)} packages`);
    });
    await chmod(unfinished, 0o755);
    await rename(unfinished, build.binary);
  } finally {
    await rm(unfinished, { force: true });
  }
  log(`built ${title} in ${Math.round((Date.now() - start) / 1000)}s`);
}

/** Runs `go`. An error contains the last lines that it printed. */
async function go(
  build: Build,
  args: string[],
  environment: Record<string, string>,
  onStderr: (line: string) => void,
  onStdout: (line: string) => void = () => {},
): Promise<void> {
  const child = spawn('go', args, {
    cwd: build.directory,
    env: { ...process.env, GOWORK: 'off', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed: string[] = [];
  createInterface({ input: child.stdout }).on('line', onStdout);
  createInterface({ input: child.stderr }).on('line', (line) => {
    printed.push(line);
    onStderr(line);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) {
    throw new Error(`go ${args[0]} of ${build.name} ${build.version} failed:\n${lastLines(printed.join('\n'), 20)}`);
  }
}

/**
 * The settings with which cgo finds libseccomp. The headers and the static library come from Debian's or Ubuntu's package, which is
 * unpacked in the cache and not installed.
 */
async function withLibseccomp(): Promise<Record<string, string>> {
  const folder = join(cacheDirectory(), 'libseccomp-dev');
  if (!(await exists(folder))) {
    await mkdir(cacheDirectory(), { recursive: true });
    // Renamed when complete, as the binaries are.
    const unfinished = await mkdtemp(`${folder}.`);
    try {
      const download = (): Promise<unknown> => execute('apt-get', ['download', '-q', 'libseccomp-dev'], { cwd: unfinished });
      // The lists of packages can be missing or outdated.
      await download().catch(() => execute('apt-get', ['update', '-q']).then(download));
      const [archive = ''] = await readdir(unfinished);
      await execute('dpkg', ['-x', archive, '.'], { cwd: unfinished });
      await rename(unfinished, folder).catch(async (error) => {
        if (!(await exists(folder))) throw error;
      });
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }
  const libraries = (await readdir(join(folder, 'usr/lib'))).map((name) => join(folder, 'usr/lib', name));
  return {
    CGO_ENABLED: '1',
    CGO_CFLAGS: `-I${join(folder, 'usr/include')}`,
    CGO_LDFLAGS: libraries.map((library) => `-L${library}`).join(' '),
    PKG_CONFIG_PATH: libraries.map((library) => join(library, 'pkgconfig')).join(':'),
  };
}

function atMostEvery(milliseconds: number, log: (line: string) => void): (line: string) => void {
  let last = Date.now();
  return (line) => {
    if (Date.now() - last < milliseconds) return;
    last = Date.now();
    log(line);
  };
}

/** The folder of the tools: `${XDG_CACHE_HOME:-~/.cache}/rollback-daemonset`. */
export function cacheDirectory(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'rollback-daemonset');
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

const count = (number: number): string => number.toLocaleString('en');

/** The last non-empty lines of a text. */
export function lastLines(text: string, lines: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-lines)
    .join('\n');
}
