import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import type { NodeTool } from '../build.ts';

/** A real node: what it is called, where its files are, and how it reaches the API server. */
export interface NodePlan {
  name: string;
  directory: string;
  tools: Record<NodeTool, string>;
  /** The name of its cgroup. */
  cgroup: string;
  /** Its IPv4 address. */
  address: string;
  /** The certificate of the cluster's authority. */
  authorityFile: string;
  /** The longest delay before a container is restarted, such as `1s`. */
  maxContainerRestartPeriod: string;
}

const GIBIBYTE = 1024 ** 3;
/** For the pods of a node. */
const MOST_MEMORY = 4 * GIBIBYTE;

/** Of the kubelet. */
const DEFAULT_RESTART_PERIOD = '300s';

export const containerdSocket = '/run/containerd/containerd.sock';

export function kubeletConfiguration({ directory, cgroup, address, authorityFile, maxContainerRestartPeriod }: NodePlan): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: false }, x509: { clientCAFile: authorityFile } },
    authorization: { mode: 'AlwaysAllow' },
    tlsCertFile: join(directory, 'server.crt'),
    tlsPrivateKeyFile: join(directory, 'server.key'),
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    // Nothing answers there, as nothing has to.
    clusterDNS: ['10.0.0.10'],
    clusterDomain: 'cluster.local',
    podLogsDir: join(directory, 'logs'),
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    enforceNodeAllocatable: ['pods'],
    systemReserved: { memory: String(Math.max(0, totalmem() - MOST_MEMORY)) },
    // Machines with cgroup v1, or with swap, are good enough for tests.
    failCgroupV1: false,
    failSwapOn: false,
    // In a container, the machine does not allow less than the present values.
    oomScoreAdj: 0,
    maxOpenFiles: 20_000,
    healthzPort: 0,
    readOnlyPort: 0,
    // Disks of test machines are often nearly full.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'nodefs.inodesFree': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    ...(maxContainerRestartPeriod !== DEFAULT_RESTART_PERIOD && {
      crashLoopBackOff: { maxContainerRestartPeriod },
      // Since 1.35, this gate is on by default.
      ...(process.env['TESTBED_KUBERNETES'] === '1.34' && { featureGates: { KubeletCrashLoopBackOffMax: true } }),
    }),
    // Many pods start at the same time.
    serializeImagePulls: false,
    registryPullQPS: 0,
    eventRecordQPS: 0,
  });
}

export function containerdConfiguration({ directory, tools }: NodePlan): string {
  const quoted = JSON.stringify;
  return `version = 3
root = ${quoted(join(directory, 'containerd'))}
state = "/run/containerd"
oom_score = 0
disabled_plugins = [
  "io.containerd.differ.v1.erofs",
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.tracing",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.native",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = ${quoted(containerdSocket)}

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "registry.example/pause:v1"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = ${quoted(join(directory, 'registries'))}

[plugins."io.containerd.cri.v1.runtime"]
  # In a container, the machine does not allow less than the present value.
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_selinux = false
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = ${quoted(tools.runc)}
        SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ${quoted([...networkPluginFolders(tools)])}
    conf_dir = ${quoted(join(directory, 'cni'))}
`;
}

function networkPluginFolders(tools: Record<NodeTool, string>): Set<string> {
  return new Set((['ptp', 'loopback', 'host-local'] as const).map((name) => dirname(tools[name])));
}

/** Each pod has an address that only its node can reach. */
export function networkConfiguration({ directory }: NodePlan): string {
  const ranges = [[{ subnet: '10.76.0.0/24' }]];
  const ipam = { type: 'host-local', dataDir: join(directory, 'addresses'), ranges, routes: [{ dst: '0.0.0.0/0' }] };
  return JSON.stringify({ cniVersion: '1.0.0', name: 'testbed', plugins: [{ type: 'ptp', ipMasq: false, ipam }] });
}

/** By folder: which server answers for a registry. All are the node's own, except those that nothing answers for. */
export const registries: Record<string, string> = {
  _default: '[host."http://127.0.0.1:5000"]\n  capabilities = ["pull", "resolve"]\n',
  'nosuch.invalid': 'server = "https://nosuch.invalid"\n',
  '127.0.0.1:1': 'server = "http://127.0.0.1:1"\n',
};
