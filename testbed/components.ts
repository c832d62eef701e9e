import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ControlPlaneTool } from './build.ts';
import { certificateAuthority, clientCertificate, serviceAccountKeys, servingCertificate } from './certificates.ts';
import type { StartOptions } from './control.ts';
import { type ControlPlaneName, files, type RealNodeName, realNodes } from './directory.ts';
import { kubeconfig } from './kubeconfig.ts';
import { simulated } from './nodes.ts';
import type { NodeOptions } from './real-node/node.ts';
import { kwokConfiguration } from './stages.ts';

/** One process of the control plane: how to start it, and its health endpoint. */
export interface Component {
  command: string;
  args: string[];
  /** Answers 200 as soon as the process serves. */
  health: { socketPath: string; path: string } | { port: number; path: string };
  /** It ends when its standard input does. */
  endsWithInput?: boolean;
}

export type Ports = Record<Exclude<ControlPlaneName, 'etcd'>, number>;

/**
 * Writes certificates, kubeconfigs and configuration to the directory, and
 * returns how to start each process. Everything listens on loopback only.
 */
export async function prepareComponents(
  directory: string,
  tools: Record<ControlPlaneTool, string>,
  ports: Ports,
  { extraApiServerFlags, maxContainerRestartPeriod }: Pick<StartOptions, 'extraApiServerFlags' | 'maxContainerRestartPeriod'>,
): Promise<Record<ControlPlaneName, Component>> {
  const at = files(directory);
  const server = `https://127.0.0.1:${ports['kube-apiserver']}`;
  const write = (name: string, content: string): string => {
    const path = at.credential(name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };

  const authority = await certificateAuthority();
  write('ca.crt', authority.certificate);
  write('ca.key', authority.key);
  const serving = await servingCertificate(authority);
  const tlsFlags = [
    `--tls-cert-file=${write('serving.crt', serving.certificate)}`,
    `--tls-private-key-file=${write('serving.key', serving.key)}`,
  ];
  const serviceAccount = serviceAccountKeys();
  const serviceAccountPublicKey = write('service-account.pub', serviceAccount.publicKey);
  const serviceAccountKey = write('service-account.key', serviceAccount.privateKey);
  const kubeletClient = await clientCertificate(authority, 'kube-apiserver-kubelet-client');

  const kubeconfigFor = async (name: string, user: string, groups: string[] = []): Promise<string> =>
    write(name, kubeconfig(server, authority, user, await clientCertificate(authority, user, groups)));
  await kubeconfigFor('kubeconfig', 'admin', ['system:masters']);
  // Its own user, so that the audit log distinguishes the test bed's requests from those of the user.
  const testbed = await clientCertificate(authority, 'testbed', ['system:masters']);
  write('testbed.crt', testbed.certificate);
  write('testbed.key', testbed.key);

  return {
    etcd: {
      command: tools.etcd,
      args: [
        `--data-dir=${at.etcdData}`,
        `--listen-client-urls=unix://${at.etcdSocket}`,
        '--advertise-client-urls=unix://client:0',
        // An advertised URL must have a host and a port, even if it is not used.
        '--listen-peer-urls=unix://peer:0',
        '--initial-advertise-peer-urls=unix://peer:0',
        '--initial-cluster=default=unix://peer:0',
        // The data is temporary, so there is no need to wait for the disk.
        '--unsafe-no-fsync',
        '--log-level=warn',
      ],
      health: { socketPath: at.etcdSocket, path: '/health' },
    },

    'kube-apiserver': {
      command: tools['kube-apiserver'],
      args: [
        `--etcd-servers=unix://${at.etcdSocket}`,
        '--bind-address=127.0.0.1',
        '--advertise-address=127.0.0.1',
        // The Endpoints of the Service "kubernetes" must not be loopback; nothing here uses them.
        '--endpoint-reconciler-type=none',
        `--secure-port=${ports['kube-apiserver']}`,
        ...tlsFlags,
        `--client-ca-file=${at.authority}`,
        '--authorization-mode=Node,RBAC',
        '--enable-admission-plugins=NodeRestriction',
        '--allow-privileged=true',
        '--service-cluster-ip-range=10.0.0.0/24',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${serviceAccountPublicKey}`,
        `--service-account-signing-key-file=${serviceAccountKey}`,
        `--kubelet-client-certificate=${write('kubelet-client.crt', kubeletClient.certificate)}`,
        `--kubelet-client-key=${write('kubelet-client.key', kubeletClient.key)}`,
        `--kubelet-certificate-authority=${at.authority}`,
        '--kubelet-preferred-address-types=InternalIP',
        `--audit-policy-file=${write('audit-policy.json', auditPolicy)}`,
        `--audit-log-path=${at.auditLog}`,
        '--audit-log-maxsize=10000',
        ...extraApiServerFlags,
      ],
      health: { port: ports['kube-apiserver'], path: '/readyz' },
    },

    'kube-controller-manager': {
      command: tools['kube-controller-manager'],
      args: [
        `--kubeconfig=${await kubeconfigFor('controller-manager.kubeconfig', 'system:kube-controller-manager')}`,
        '--bind-address=127.0.0.1',
        `--secure-port=${ports['kube-controller-manager']}`,
        ...tlsFlags,
        '--leader-elect=false',
        '--use-service-account-credentials',
        `--service-account-private-key-file=${serviceAccountKey}`,
        `--root-ca-file=${at.authority}`,
        // Detects a node that is no longer ready within one second instead of five.
        '--node-monitor-period=1s',
        '--kube-api-qps=1000',
        '--kube-api-burst=2000',
      ],
      health: { port: ports['kube-controller-manager'], path: '/healthz' },
    },

    'kube-scheduler': {
      command: tools['kube-scheduler'],
      args: [
        `--config=${write('scheduler.json', schedulerConfiguration(await kubeconfigFor('scheduler.kubeconfig', 'system:kube-scheduler')))}`,
        '--bind-address=127.0.0.1',
        `--secure-port=${ports['kube-scheduler']}`,
        ...tlsFlags,
      ],
      health: { port: ports['kube-scheduler'], path: '/healthz' },
    },

    kwok: {
      command: tools.kwok,
      args: [
        `--config=${write('kwok.json', kwokConfiguration(maxContainerRestartPeriod))}`,
        `--kubeconfig=${await kubeconfigFor('kwok.kubeconfig', 'kwok', ['system:masters'])}`,
        '--manage-all-nodes=false',
        `--manage-nodes-with-label-selector=${simulated}`,
        '--node-lease-duration-seconds=40',
        '--cidr=10.64.0.0/10',
        `--server-address=127.0.0.1:${ports.kwok}`,
        ...tlsFlags,
        '--v=WARN',
      ],
      health: { port: ports.kwok, path: '/healthz' },
    },

    'simulated-kubelet': {
      command: process.execPath,
      args: [fileURLToPath(new URL('./simulated-kubelet.ts', import.meta.url)), directory, String(ports['simulated-kubelet'])],
      health: { port: ports['simulated-kubelet'], path: '/healthz' },
    },
  };
}

/** How to start the process of each real node. */
export function realNodeComponents(
  directory: string,
  { realNodes: real, maxContainerRestartPeriod }: StartOptions,
  apiServerPort: number,
): Partial<Record<RealNodeName, Component>> {
  const program = fileURLToPath(new URL('./real-node/node.ts', import.meta.url));
  if (real === undefined) return {};
  const { count, tools } = real;
  return Object.fromEntries(
    realNodes.slice(0, count).map((name): [RealNodeName, Component] => {
      const options: NodeOptions = { directory, name, tools, apiServerPort, maxContainerRestartPeriod };
      const health = { socketPath: files(directory).realNodeSocket(name), path: '/healthz' };
      return [name, { command: process.execPath, args: [program, JSON.stringify(options)], health, endsWithInput: true }];
    }),
  );
}

/** Sufficient to count requests by verb, user, user agent and URI. One line per request, two per watch. */
const auditPolicy = JSON.stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
});

function schedulerConfiguration(kubeconfigPath: string): string {
  return JSON.stringify({
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    clientConnection: { kubeconfig: kubeconfigPath, qps: 1000, burst: 2000 },
    leaderElection: { leaderElect: false },
  });
}
