/** What can be wrong with a version: each kind as a pod spec, which a real kubelet runs. `testbed/modules/node/agent` describes the arguments. */
import type { JsonObject } from '../../src/daemonset/types.ts';

export interface Kind {
  podSpec: JsonObject;
  namespaceLabels?: Record<string, string>;
  /** Objects that exist before the version, in its namespace unless they have none. */
  objects?: JsonObject[];
}

const image = (tag = 'v2', repository = 'agent'): string => `registry.example/${repository}:${tag}`;
/** A pod with one container. */
const one = (container: JsonObject, pod: JsonObject = {}): Kind => ({
  podSpec: { ...pod, containers: [{ name: 'agent', image: image(), ...container }] },
});
/** A pod whose first container prepares the second. */
const setup = (container: JsonObject): Kind => ({
  podSpec: {
    initContainers: [{ name: 'setup', image: image(), ...container }],
    containers: [{ name: 'agent', image: image() }],
  },
});
const volume = (source: JsonObject, mount: JsonObject = {}): Kind =>
  one({ volumeMounts: [{ name: 'data', mountPath: '/data', ...mount }] }, { volumes: [{ name: 'data', ...source }] });
const variable = (valueFrom: JsonObject): JsonObject => ({ env: [{ name: 'LEVEL', valueFrom }] });
const http = (path: string): JsonObject => ({ httpGet: { path, port: 8080 }, periodSeconds: 2 });
const failing = (...message: string[]): JsonObject => ({ exec: { command: ['/agent', 'print', ...message] } });
const limit = (memory: string): JsonObject => ({ resources: { limits: { memory } } });
const quota = (hard: JsonObject): JsonObject => ({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'small' }, spec: { hard } });

export const kinds: Record<string, Kind> = {
  'config-key-missing': one(variable({ configMapKeyRef: { name: 'kube-root-ca.crt', key: 'level' } })),
  'config-map-from': one({ envFrom: [{ configMapRef: { name: 'agent-config' } }] }),
  'config-map-missing': one(variable({ configMapKeyRef: { name: 'agent-config', key: 'level' } })),
  'config-nonroot': one({ securityContext: { runAsNonRoot: true } }),
  'config-seccomp': one({ securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'profiles/agent.json' } } }),
  'config-secret-missing': one(variable({ secretKeyRef: { name: 'agent-token', key: 'level' } })),
  crash: one({ image: image('v2-crash') }),
  'crash-fallback': one({ image: image('v2-crash'), terminationMessagePolicy: 'FallbackToLogsOnError' }),
  'crash-message': one({ image: image('v2-crash'), env: [{ name: 'TERMINATION_MESSAGE_PATH', value: '/dev/termination-log' }] }),
  'crash-slow': one({ args: ['crash', '3', '6'] }),
  deaf: one({ image: image('v2-deaf') }, { terminationGracePeriodSeconds: 12 }),
  evicted: one({ args: ['fill', '20', '/tmp/backlog'], resources: { limits: { 'ephemeral-storage': '1Mi' } } }),
  'evicted-volume': {
    podSpec: {
      volumes: [{ name: 'data', emptyDir: { sizeLimit: '1Mi' } }],
      containers: [
        { name: 'agent', image: image(), args: ['fill', '20', '/data/backlog'], volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      ],
    },
  },
  'exit-0': one({ args: ['exit'] }),
  flaky: one(
    { image: image('v2-flaky'), volumeMounts: [{ name: 'state', mountPath: '/state' }] },
    { volumes: [{ name: 'state', emptyDir: {} }] },
  ),
  healthy: one({ readinessProbe: http('/readyz'), livenessProbe: http('/healthz') }),
  'host-port': one({ ports: [{ containerPort: 8080, hostPort: 9_999 }] }),
  // Beside a pod with the same port; see `objects`.
  'host-port-2': {
    ...one({ ports: [{ containerPort: 8080, hostPort: 9_998 }] }),
    objects: [
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'other' },
        spec: {
          nodeSelector: { type: 'real' },
          containers: [{ name: 'agent', image: image('v1'), ports: [{ containerPort: 8080, hostPort: 9_998 }] }],
        },
      },
    ],
  },
  'init-config': setup(variable({ configMapKeyRef: { name: 'agent-config', key: 'level' } })),
  'init-crash': setup({ args: ['crash', '4'] }),
  'init-hang': setup({ args: ['silent'] }),
  'init-missing': setup({ image: image('v2-missing') }),
  'init-oom': setup({ args: ['oom'], ...limit('48Mi') }),
  'mount-config-key': volume({ configMap: { name: 'kube-root-ca.crt', items: [{ key: 'level', path: 'level' }] } }),
  'mount-config-map': volume({ configMap: { name: 'agent-config' } }),
  'mount-csi': volume({
    csi: { driver: 'secrets-store.csi.k8s.io', readOnly: true, volumeAttributes: { secretProviderClass: 'agent' } },
  }),
  'mount-host-path': volume({ hostPath: { path: '/no/such/folder', type: 'Directory' } }),
  'mount-pvc': volume({ persistentVolumeClaim: { claimName: 'data' } }),
  'mount-secret': volume({ secret: { secretName: 'agent-tls' } }),
  'mount-subpath': volume({ configMap: { name: 'kube-root-ca.crt' } }, { mountPath: '/agent/data', subPath: 'missing' }),
  oom: one({ image: image('v2-oom'), ...limit('48Mi') }),
  'oom-tiny': one(limit('1Mi')),
  panic: one({ image: image('v2-panic') }),
  'pod-security': {
    ...one({ securityContext: { privileged: true } }, { hostNetwork: true }),
    namespaceLabels: { 'pod-security.kubernetes.io/enforce': 'baseline' },
  },
  'post-start': one({ lifecycle: { postStart: failing('7', 'registration', 'failed') } }),
  'pre-stop': one({ lifecycle: { preStop: failing('9', 'drain', 'failed') } }),
  'pre-stop-slow': one({ lifecycle: { preStop: { exec: { command: ['/agent', 'sleep', '60'] } } } }, { terminationGracePeriodSeconds: 10 }),
  priority: one({}, { priorityClassName: 'agent-critical' }),
  'pull-broken': one({ image: image('v2-broken') }),
  'pull-denied': one({ image: image('v2-denied') }),
  'pull-flaky': one({ image: image('v2-flaky-pull') }),
  'pull-invalid-name': one({ image: 'Registry.Example/Agent:V2' }),
  'pull-missing': one({ image: image('v2-missing') }),
  'pull-never': one({ image: image('v2', 'never'), imagePullPolicy: 'Never' }),
  'pull-nodns': one({ image: 'nosuch.invalid/agent:v2' }),
  'pull-private': one({ image: image('v2-private') }),
  'pull-refused': one({ image: '127.0.0.1:1/none:v2' }),
  'pull-secret': one({ image: image('v2-private') }, { imagePullSecrets: [{ name: 'registry' }] }),
  'pull-toomany': one({ image: image('v2-toomany') }),
  quota: { ...one(limit('64Mi')), objects: [quota({ pods: '0', 'limits.memory': '32Mi' })] },
  'quota-unset': { ...one({}), objects: [quota({ 'limits.memory': '32Mi' })] },
  'run-error': one({ command: ['/no-such-program'] }),
  'run-error-dir': one({ workingDir: '/agent/folder' }),
  'run-error-perm': one({ command: ['/etc/passwd'] }),
  'runtime-class': one({}, { runtimeClassName: 'gvisor' }),
  'runtime-handler': {
    ...one({}, { runtimeClassName: 'nonesuch' }),
    objects: [{ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'nonesuch' }, handler: 'nonesuch' }],
  },
  'service-account': one({}, { serviceAccountName: 'agent' }),
  'sidecar-crash': setup({ args: ['crash', '4'], restartPolicy: 'Always' }),
  'sidecar-unstarted': setup({ args: ['silent'], restartPolicy: 'Always', startupProbe: { ...http('/readyz'), failureThreshold: 15 } }),
  sysctl: one({}, { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '65536' }] } }),
  'two-containers': {
    podSpec: {
      containers: [
        { name: 'agent', image: image() },
        { name: 'exporter', image: image('v2-crash') },
      ],
    },
  },
  unhealthy: one({ image: image('v2-unhealthy'), livenessProbe: { ...http('/healthz'), failureThreshold: 2 } }),
  'unhealthy-startup': one({ args: ['silent'], startupProbe: { ...http('/readyz'), failureThreshold: 2 } }),
  unready: one({ image: image('v2-hang'), readinessProbe: http('/readyz') }),
  'unready-exec': one({
    args: ['silent'],
    readinessProbe: { ...failing('1', 'not', 'connected', 'to', 'the', 'log', 'store'), periodSeconds: 2 },
  }),
  'unready-gate': one({}, { readinessGates: [{ conditionType: 'example.com/registered' }] }),
  'unready-grpc': one({ args: ['silent'], readinessProbe: { grpc: { port: 9 }, periodSeconds: 2 } }),
  'unready-refused': one({ image: image('v2-silent'), readinessProbe: http('/readyz') }),
  'unready-tcp': one({ args: ['silent'], readinessProbe: { tcpSocket: { port: 9 }, periodSeconds: 2 } }),
  'unready-timeout': one({ readinessProbe: http('/slow') }),
  'unschedulable-cpu': one({ resources: { requests: { cpu: '64' } } }),
  'unschedulable-memory': one({ resources: { requests: { memory: '900Gi' } } }),
};

/** A DaemonSet `agent` of the kind in a namespace, on real nodes. */
export function manifestOf(podSpec: JsonObject, namespace: string, maxUnavailable: number | string = '100%'): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'agent', namespace },
    spec: {
      selector: { matchLabels: { app: 'agent' } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable } },
      template: {
        metadata: { labels: { app: 'agent' } },
        spec: { nodeSelector: { type: 'real' }, terminationGracePeriodSeconds: 1, ...podSpec },
      },
    },
  };
}
