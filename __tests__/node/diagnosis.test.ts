/**
 * How a rollout on a real node ends, for each kind of failure: what the step reports, and whether the command that it suggests works.
 * Most pods have no readiness probe, so that they are ready for a moment at each start.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import { kinds, manifestOf } from '../helpers/kinds.ts';
import { describeOnRealNode } from '../helpers/real-node.ts';
import { execute, expectStep, Fleet } from '../helpers/support.ts';

interface Row {
  outcome: 'complete' | 'failed' | 'stalled';
  reason: string;
  /** In the error, or in the log if the step succeeds. */
  says: RegExp;
  /** The suggested command. */
  next?: RegExp;
  /** In the output of that command. */
  shows?: RegExp;
  /** `minReadySeconds`, for pods that fail only after a while. */
  minReady?: number;
  inputs?: Record<string, string>;
}

const describePod = /^kubectl describe pod --namespace \S+ agent-\w{5}$/;
const events = /^kubectl get events --namespace \S+ --field-selector type=Warning$/;
const logs = (container: string): RegExp =>
  new RegExp(`^kubectl logs --namespace \\S+ agent-\\w{5} --container ${container}( --previous)?$`);
const failed = (reason: string, says: RegExp, next: RegExp, shows: RegExp, more: Partial<Row> = {}): Row => ({
  outcome: 'failed',
  reason,
  says,
  next,
  shows,
  ...more,
});
const stalled = (...row: Parameters<typeof failed>): Row => ({ ...failed(...row), outcome: 'stalled' });
const complete: Row = { outcome: 'complete', reason: 'complete', says: /Rolled out/ };

const config = (message: RegExp): Row =>
  failed('config-error', new RegExp(`1 pod cannot configure container "agent": ${message.source}`), describePod, message);
const crash = (container: string, code: number, more = ''): Row =>
  failed(
    'crash-loop',
    new RegExp(`1 pod crashes: ${container} exits after every start \\(exit code ${code}, [1-9] restarts?\\)${more}`),
    logs(/"(\w+)"/.exec(container)?.[1] ?? ''),
    code === 2 ? /assignment to entry in nil map/ : /cannot open the log directory/,
  );
const mount = (message: RegExp): Row =>
  failed('volume-mount', new RegExp(`1 pod waits for a volume: .*${message.source}`), describePod, message);
const oom = (container: string): Row =>
  failed(
    'oom-killed',
    new RegExp(`1 pod crashes: ${container} exceeds its memory limit \\(OOMKilled, exit code 137, [1-9] restarts?\\)`),
    logs(/"(\w+)"/.exec(container)?.[1] ?? ''),
    /reading backlog/,
  );
const pull = (problem: RegExp): Row =>
  failed(
    'image-pull',
    new RegExp(`1 pod cannot pull the image \\S+: ${problem.source} \\(real-1\\)`),
    describePod,
    /ErrImagePull|ErrImageNeverPull/,
  );
const rejected = (message: RegExp): Row =>
  failed('pod-rejected', new RegExp(`1 pod cannot be created: (?!\\(combined).*${message.source}`), events, message);
const startError = (message: RegExp): Row =>
  failed('start-error', new RegExp(`1 pod cannot start container "agent" .*${message.source}`), describePod, message);
const unready = (message: RegExp, next: RegExp = logs('agent'), shows = /starting/): Row =>
  stalled('not-ready', new RegExp(`1 pod runs but is not ready: ${message.source}`), next, shows);
const unschedulable = (message: RegExp): Row =>
  failed('unschedulable', new RegExp(`1 pod cannot be scheduled to its node: .*${message.source}`), describePod, message);
const storage = (message: RegExp, minReady: number): Row =>
  failed(
    'storage-limit',
    new RegExp(`1 pod is evicted repeatedly for exceeding its own storage limit: ${message.source}`),
    events,
    message,
    { minReady },
  );
const restarted = (message: RegExp): Row =>
  failed(
    'probe-failed',
    new RegExp(`1 pod is restarted repeatedly: the probe of container "agent" fails \\([1-9] restarts?\\): ${message.source}`),
    logs('agent'),
    /starting/,
  );

const rows: Record<string, Row> = {
  'config-key-missing': config(/couldn't find key level in ConfigMap \S+\/kube-root-ca.crt/),
  'config-map-from': config(/configmap "agent-config" not found/),
  'config-map-missing': config(/configmap "agent-config" not found/),
  'config-nonroot': config(/container has runAsNonRoot and image will run as root/),
  'config-seccomp': startError(/cannot load seccomp profile/),
  'config-secret-missing': config(/secret "agent-token" not found/),
  crash: crash('container "agent"', 1),
  'crash-fallback': crash('container "agent"', 1, ': level=info'),
  'crash-message': crash('container "agent"', 1, ': cannot open the log directory'),
  'crash-slow': crash('container "agent"', 3),
  deaf: complete,
  evicted: storage(/Pod ephemeral local storage usage exceeds the total limit of containers 1Mi/, 30),
  'evicted-volume': storage(/Usage of EmptyDir volume "data" exceeds the limit "1Mi"/, 100),
  'exit-0': failed(
    'crash-loop',
    /1 pod has to be restarted: container "agent" completes after every start \(exit code 0, [1-9] restarts?\), but must continue to run/,
    logs('agent'),
    /done/,
  ),
  flaky: complete,
  healthy: complete,
  'host-port': complete,
  'host-port-2': unschedulable(/didn't have free ports for the requested pod ports/),
  'init-config': failed(
    'config-error',
    /1 pod cannot configure init container "setup": configmap "agent-config" not found/,
    describePod,
    /configmap "agent-config" not found/,
  ),
  'init-crash': crash('init container "setup"', 4),
  'init-hang': stalled('starting', /1 pod is still starting: init container "setup" has not completed/, logs('setup'), /starting/),
  'init-missing': pull(/not found/),
  'init-oom': oom('init container "setup"'),
  'mount-config-key': mount(/configmap references non-existent config key: level/),
  'mount-config-map': mount(/configmap "agent-config" not found/),
  'mount-csi': mount(/driver name secrets-store\.csi\.k8s\.io not found in the list of registered CSI drivers/),
  'mount-host-path': mount(/\/no\/such\/folder is not a directory/),
  'mount-pvc': unschedulable(/persistentvolumeclaim "data" not found/),
  'mount-secret': mount(/secret "agent-tls" not found/),
  'mount-subpath': startError(/create mountpoint for \/agent\/data mount/),
  oom: oom('container "agent"'),
  'oom-tiny': failed(
    'pod-sandbox',
    /1 pod cannot start, because the node cannot create the pod sandbox: .*container init was OOM-killed \(memory limit too low\?\)/,
    describePod,
    /FailedCreatePodSandBox/,
  ),
  panic: crash('container "agent"', 2),
  'pod-security': rejected(/violates PodSecurity "baseline:latest": host namespaces/),
  'post-start': failed('start-error', /1 pod cannot start container "agent" \(PostStartHookError\)/, describePod, /FailedPostStartHook/),
  'pre-stop': complete,
  'pre-stop-slow': complete,
  priority: rejected(/no PriorityClass with name agent-critical was found/),
  'pull-broken': pull(/the registry is unavailable \(503 Service Unavailable\)/),
  'pull-denied': pull(/access denied \(imagePullSecrets\?\)/),
  'pull-flaky': complete,
  'pull-invalid-name': failed(
    'invalid-image',
    /1 pod has an invalid image name: Registry\.Example\/Agent:V2/,
    describePod,
    /InvalidImageName/,
  ),
  'pull-missing': pull(/not found/),
  'pull-never': pull(/it is not on the node and imagePullPolicy is Never/),
  'pull-nodns': pull(/the registry is unreachable/),
  'pull-private': pull(/access denied \(imagePullSecrets\?\)/),
  'pull-refused': pull(/the registry is unreachable/),
  'pull-secret': pull(/access denied; the image pull secret registry could not be read/),
  'pull-toomany': pull(/the registry rate limits pulls/),
  quota: rejected(/exceeded quota: small, requested: limits\.memory=64Mi,pods=1/),
  'quota-unset': rejected(/failed quota: small: must specify limits\.memory for: agent/),
  'run-error': startError(/exec: "\/no-such-program": stat \/no-such-program: no such file or directory/),
  'run-error-dir': startError(/mkdir \/agent: not a directory/),
  'run-error-perm': startError(/exec: "\/etc\/passwd": permission denied/),
  'runtime-class': rejected(/RuntimeClass "gvisor" not found/),
  'runtime-handler': failed(
    'pod-sandbox',
    /1 pod cannot start, because the node cannot create the pod sandbox: .*no runtime for "nonesuch" is configured/,
    describePod,
    /no runtime for "nonesuch" is configured/,
  ),
  'service-account': rejected(/serviceaccount "agent" not found/),
  'sidecar-crash': crash('sidecar container "setup"', 4),
  // The deadline is extended by what the startup probe announces, so that the kubelet restarts it first.
  'sidecar-unstarted': stalled(
    'probe-failed',
    /1 pod is restarted repeatedly: the probe of sidecar container "setup" fails \(1 restart\): Startup probe failed/,
    logs('setup'),
    /starting/,
  ),
  sysctl: rejected(/forbidden sysctl: "kernel\.msgmax" not allowlisted/),
  'two-containers': crash('container "exporter"', 1),
  unhealthy: restarted(/Liveness probe failed: HTTP probe failed with statuscode: 500/),
  'unhealthy-startup': restarted(/Startup probe failed: Get "http:.*connection refused/),
  unready: unready(/Readiness probe failed: HTTP probe failed with statuscode: 503/),
  'unready-exec': unready(/Readiness probe failed: not connected to the log store/),
  'unready-gate': unready(
    /corresponding condition of pod readiness gate "example.com\/registered" does not exist/,
    describePod,
    /example.com\/registered/,
  ),
  'unready-grpc': unready(/Readiness probe failed: timeout: failed to connect service/),
  'unready-refused': unready(/Readiness probe failed: Get .*connection refused/),
  'unready-tcp': unready(/Readiness probe failed: dial tcp .*connection refused/),
  'unready-timeout': unready(/Readiness probe failed: Get .*context deadline exceeded/),
  'unschedulable-cpu': unschedulable(/Insufficient cpu/),
  'unschedulable-memory': unschedulable(/Insufficient memory/),
};

/** `KINDS=crash,oom npm run test:node -- diagnosis` runs only these. */
const selected = process.env['KINDS']?.split(',') ?? Object.keys(rows);
/** How many rows run at the same time. They mostly wait. */
const AT_ONCE = 10;

interface Played {
  step: Step;
  /** The output of the suggested command. */
  shown: string;
}

async function play(kind: string, { inputs = {}, minReady = 0 }: Row): Promise<Played> {
  const { podSpec, objects = [], namespaceLabels = {} } = kinds[kind] as (typeof kinds)[string];
  const fleet = await Fleet.create();
  try {
    await fleet.serviceAccount();
    for (const object of objects) await fleet.kubectl(['apply', '-f', '-'], JSON.stringify(object));
    if (objects.some((object) => object['kind'] === 'Pod'))
      await fleet.kubectl(['wait', 'pod/other', '--for=condition=Ready', '--timeout=60s']);
    for (const [key, value] of Object.entries(namespaceLabels))
      await fleet.kubectl(['label', 'namespace', fleet.namespace, `${key}=${value}`]);
    const manifest = manifestOf(podSpec, fleet.namespace);
    await fleet.kubectl(
      ['create', '-f', '-'],
      JSON.stringify({ ...manifest, spec: { ...(manifest['spec'] as object), minReadySeconds: minReady } }),
    );
    const step = await fleet.rollback({
      command: 'status',
      timeout: '4m',
      'stable-for': 'auto',
      'failure-grace': '10s',
      'progress-deadline': rows[kind]?.outcome === 'stalled' ? '20s' : '150s',
      'log-lines': '20',
      ...inputs,
    });
    const [, command] = /Next: (kubectl .*)$/m.exec(step.log) ?? [];
    const [, ...parameters] = command?.split(' ') ?? [];
    const { testbed } = fleet;
    const ran = command === undefined ? undefined : await execute(testbed.kubectl, ['--kubeconfig', testbed.kubeconfig, ...parameters]);
    return { step, shown: ran === undefined ? '' : `exit status ${ran.code}\n${ran.stdout}${ran.stderr}` };
  } finally {
    await fleet.remove();
  }
}

describeOnRealNode('a rollout on a real node', () => {
  const played = new Map<string, Promise<Played>>();

  beforeAll(() => {
    const waiting = [...selected];
    const resolvers = new Map(waiting.map((kind) => [kind, Promise.withResolvers<Played>()]));
    for (const [kind, { promise }] of resolvers) {
      promise.catch(() => {});
      played.set(kind, promise);
    }
    const lane = async (): Promise<void> => {
      for (let kind = waiting.shift(); kind !== undefined; kind = waiting.shift()) {
        const resolver = resolvers.get(kind);
        await play(kind, rows[kind] as Row).then(resolver?.resolve, resolver?.reject);
      }
    };
    for (let index = 0; index < AT_ONCE; index++) void lane();
  });
  afterAll(() => Promise.allSettled(played.values()));

  test.each(selected)(
    '%s',
    async (kind) => {
      const { outcome, reason, says, next, shows } = rows[kind] as Row;
      const { step, shown } = (await played.get(kind)) as Played;
      expectStep(step, { outputs: { outcome, reason } });
      const error = step.log.match(/^::error .*$/gm)?.join('\n');
      expect(error ?? step.log).toMatch(says);
      const [, command = ''] = /Next: (kubectl .*)$/m.exec(step.log) ?? [];
      if (next === undefined) expect(command).toBe('');
      else expect(command).toMatch(next);
      if (shows === undefined) return;
      expect(shown).toMatch(/^exit status 0\n/);
      expect(shown).toMatch(shows);
      expect(`${shown}${step.log}${step.summary}`).not.toContain('unable to retrieve container logs');
    },
    900_000,
  );

  test('every kind has a row', () => {
    expect(Object.keys(rows)).toEqual(Object.keys(kinds));
  });
});
