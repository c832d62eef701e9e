import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Api } from '../../testbed/api.ts';
import { behaviorOf, initBehaviorOf, podOf } from '../../testbed/manifest.ts';
import { type Any, eventually, execute, Fleet, processesOf } from '../helpers/support.ts';

const withoutProbes = (tag: string): ReturnType<typeof behaviorOf> => {
  const behavior = behaviorOf(tag);
  delete behavior.container.readinessProbe;
  delete behavior.container.livenessProbe;
  return behavior;
};

describe('the tag of an image sets the behavior of its pods', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.create();
  });
  afterEach(() => fleet.remove());

  const podsWhen = (what: string, holds: (pod: Any) => boolean): Promise<Any[]> =>
    eventually(
      what,
      async () => (await fleet.json('get', 'pods')).items as Any[],
      (pods) => pods.length === 10 && pods.every(holds),
    );
  const eventsAre = (events: string[]): Promise<string[]> =>
    eventually(
      'events',
      async () =>
        ((await fleet.json('get', 'events')).items as Any[]).map(({ type, reason, message }) => `${type} ${reason}: ${message}` as string),
      (all) => events.every((event) => all.some((text) => text.startsWith(event))),
    );
  /** All statuses of the first container of one of the pods for which a condition holds, until it has restarted so often. */
  const statusesUntil = async (restarts: number, holds: (pod: Any) => boolean, of = 'containerStatuses'): Promise<Any[]> => {
    const api = new Api(fleet.testbed.directory);
    const seen: Any[] = [];
    let name: string | undefined;
    for await (const { object } of api.watch<Any>(`/api/v1/namespaces/${fleet.namespace}/pods?watch=true&timeoutSeconds=60`)) {
      if (!holds(object)) continue;
      name ??= object.metadata.name as string;
      const [container] = object.status[of] ?? [];
      if (object.metadata.name !== name || !container) continue;
      seen.push(container);
      if (container.restartCount >= restarts) break;
    }
    api.close();
    return seen;
  };
  const log = async (pod: string, ...options: string[]): Promise<string> => {
    const { code, stdout, stderr } = await execute(fleet.testbed.kubectl, [
      ...['--kubeconfig', fleet.testbed.kubeconfig, '--namespace', fleet.namespace, 'logs', pod, ...options],
    ]);
    return code === 0 ? stdout : stderr;
  };

  const url = 'http://127.0.0.1:5000/v2/agent/manifests';
  const refused = (tag: string, answer: string): string =>
    `unexpected status from HEAD request to ${url}/${tag}?ns=registry.example: ${answer}`;
  const pull = (tag: string): string => `failed to pull and unpack image "registry.example/agent:${tag}": failed to resolve image`;
  test.each([
    ['v1-missing', `rpc error: code = NotFound desc = ${pull('v1-missing')}: registry.example/agent:v1-missing: not found`],
    [
      'v1-private',
      `${pull('v1-private')}: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
    ],
    ['v1-denied', `${pull('v1-denied')}: ${refused('v1-denied', '403 Forbidden\ndenied')}`],
    ['v1-toomany', `${pull('v1-toomany')}: ${refused('v1-toomany', '429 Too Many Requests')}`],
    ['v1-broken', `${pull('v1-broken')}: ${refused('v1-broken', '503 Service Unavailable')}`],
  ])('%s: ImagePullBackOff', async (tag, message) => {
    await fleet.deploy(tag);
    const image = `"registry.example/agent:${tag}"`;
    const [{ metadata, status }] = await podsWhen(
      'that state on each node',
      (pod) => pod.status.containerStatuses?.[0].state.waiting.reason === 'ImagePullBackOff',
    );
    expect(status).toMatchObject({
      phase: 'Pending',
      containerStatuses: [
        {
          ...{ ready: false, started: false, restartCount: 0, imageID: '', lastState: {} },
          state: { waiting: { message: `Back-off pulling image ${image}: ErrImagePull: ${message}` } },
        },
      ],
    });
    await eventsAre([`Warning Failed: Failed to pull image ${image}: ${message}`, 'Warning Failed: Error: ErrImagePull']);
    expect(await log(metadata.name)).toContain('is waiting to start: trying and failing to pull image');
  });

  test.each([
    ['v1-invalid-name', 'InvalidImageName', ['Warning InspectFailed: Failed to apply default', 'Warning Failed: Error: InvalidImageName']],
    ['v1-config-error', 'CreateContainerConfigError', ['Warning Failed: Error: configmap "agent-config" not found']],
    [
      'v1-unmounted',
      'ContainerCreating',
      ['Warning FailedMount: MountVolume.SetUp failed for volume "config" : configmap "agent-config" not'],
    ],
  ])('%s: %s', async (tag, state, events) => {
    await fleet.deploy(tag);
    const [{ metadata, status }] = await podsWhen(
      'that state on each node',
      (pod) => pod.status.containerStatuses?.[0].state.waiting.reason === state,
    );
    await eventsAre(events);
    const [container] = status.containerStatuses;
    expect(status.phase).toBe('Pending');
    expect(container).toMatchObject({ ready: false, started: false, restartCount: 0, imageID: '', lastState: {} });
    expect(await log(metadata.name)).toContain(`container "agent" in pod "${metadata.name}" is waiting to start: ${state}`);
    if (tag === 'v1-invalid-name')
      expect(container.state.waiting.message).toBe(
        'Failed to apply default image tag "registry.example/Agent:v1-invalid-name": ' +
          'couldn\'t parse image name "registry.example/Agent:v1-invalid-name": invalid reference format: ' +
          'repository name (Agent) must be lowercase',
      );
    if (tag === 'v1-unmounted') {
      expect(status.conditions).toContainEqual(expect.objectContaining({ type: 'PodReadyToStartContainers', status: 'False' }));
      const counts = async (): Promise<number[]> =>
        ((await fleet.json('get', 'events')).items as Any[]).filter(({ reason }) => reason === 'FailedMount').map(({ count }) => count);
      await eventually('a count that rises', counts, (all) => Math.max(...all) >= 3);
    }
  });

  test.each([
    ['v1', 0, []],
    [
      'v1-flaky-pull',
      0,
      [
        `Warning Failed: Failed to pull image "registry.example/agent:v1-flaky-pull": ${pull('v1-flaky-pull')}: ${refused('v1-flaky-pull', '503')}`,
      ],
    ],
    ['v1-cache-sync', 0, ['Warning Failed: Error: failed to sync configmap cache: timed out waiting for the condition']],
    ['v1-flaky', 1, []],
    ['v1-slow', 0, ['Warning Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503']],
    ['v1-jitter', 0, ['Warning Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503']],
    ['v1-twice', 2, ['Warning BackOff: Back-off restarting failed container agent in pod agent-']],
    [
      'v1-slow-pull',
      0,
      ['Warning FailedMount: MountVolume.SetUp failed for volume "kube-api-access"', 'Normal Pulling: Pulling image "registry'],
    ],
    ['v1-deaf', 0, []],
  ])('%s: becomes ready', async (tag, restartCount, events) => {
    await fleet.deploy(tag);
    const pods = await podsWhen('ready pods', ({ status }) => status.containerStatuses?.[0].ready);
    for (const { status } of pods)
      expect(status).toMatchObject({ phase: 'Running', containerStatuses: [{ started: true, restartCount, state: { running: {} } }] });
    await eventsAre(events);
    if (tag === 'v1-jitter') {
      const readyAt = (pod: Any): string => pod.status.conditions.find(({ type }: Any) => type === 'Ready').lastTransitionTime;
      expect(new Set(pods.map(readyAt)).size).toBeGreaterThan(1);
    }
  });

  test.each([
    ['v1-hang', 'HTTP probe failed with statuscode: 503'],
    ['v1-silent', 'Get "http://10.'],
  ])('%s: never ready if it has a readiness probe, else at once', async (tag, answer) => {
    await fleet.deploy(tag);
    const pods = await podsWhen('running pods', ({ status }) => status.containerStatuses?.[0].state.running);
    for (const { status } of pods) expect(status.containerStatuses[0]).toMatchObject({ ready: false, started: true, restartCount: 0 });
    const events = await eventsAre([`Warning Unhealthy: Readiness probe failed: ${answer}`]);
    if (tag === 'v1-silent')
      expect(events).toContainEqual(
        expect.stringMatching(/Get "http:\/\/(10\.[\d.]+:8080)\/readyz": dial tcp \1: connect: connection refused$/),
      );

    await fleet.deploy(tag, { podSpec: podOf([withoutProbes(tag)]), maxUnavailable: '100%' });
    await podsWhen('ready pods', ({ status }) => status.containerStatuses?.[0].ready);
  });

  test.each([
    ['v1-crash', 'Error', 1, 'exit_code=1'],
    ['v1-panic', 'Error', 2, 'assignment to entry in nil map'],
    ['v1-oom', 'OOMKilled', 137, 'reading backlog'],
  ])('%s: exits after every start, and is ready only without a readiness probe', async (tag, reason, exitCode, line) => {
    const terminated = { reason, exitCode };
    const isProbed = ({ spec }: Any): boolean => 'readinessProbe' in spec.containers[0];
    await fleet.deploy(tag);
    await fleet.beside('bare').deploy(tag, { podSpec: podOf([withoutProbes(tag)]) });
    const [probed, bare] = await Promise.all([statusesUntil(3, isProbed), statusesUntil(3, (pod) => !isProbed(pod))]);
    for (const statuses of [probed, bare]) {
      const is = (state: string): Any[] => statuses.filter((status) => state in status.state);
      expect(is('running').every(({ ready }) => ready === (statuses === bare))).toBe(true);
      for (const { restartCount, ...one } of is('terminated'))
        expect(one).toMatchObject({
          ready: false,
          started: false,
          state: { terminated },
          lastState: restartCount === 0 ? {} : { terminated },
        });
      // Visible only shortly before a restart.
      expect(is('waiting').map(({ restartCount }) => restartCount)).toEqual([1, 2]);
      for (const one of is('waiting'))
        expect(one).toMatchObject({
          ...{ ready: false, started: false, lastState: { terminated } },
          state: {
            waiting: { reason: 'CrashLoopBackOff', message: expect.stringMatching(/^back-off 1s restarting failed container=agent/) },
          },
        });
    }
    await eventsAre(['Warning BackOff: Back-off restarting failed container agent in pod agent-']);

    // The log of the run before is gone as soon as another run has ended.
    const [{ metadata }] = (await fleet.json('get', 'pods')).items;
    const previous = (): Promise<string> => log(metadata.name, '--previous');
    await eventually('a lost log', previous, (text) => /^unable to retrieve container logs for containerd:\/\/[0-9a-f]{64}$/.test(text));
    await eventually('a log', previous, (text) => text.includes(line));
    expect(await log(metadata.name)).toContain('level=info msg="starting" image=agent:');
  });

  test('v1-slow-crash: ready for a second after every start', async () => {
    await fleet.deploy('v1-slow-crash');
    await fleet.beside('bare').deploy('v1-slow-crash', { podSpec: podOf([withoutProbes('v1-slow-crash')]) });
    const isProbed = ({ spec }: Any): boolean => 'readinessProbe' in spec.containers[0];
    const [probed, bare] = await Promise.all([statusesUntil(3, isProbed), statusesUntil(3, (pod) => !isProbed(pod))]);
    const runs = (statuses: Any[]): [number, boolean][] =>
      statuses.filter(({ state }) => state.running).map(({ restartCount, ready }) => [restartCount, ready]);
    // The last status is that of the third restart.
    expect(runs(probed)).toEqual([...[0, 1, 2].flatMap((run) => [false, true].map((ready) => [run, ready])), [3, false]]);
    expect(runs(bare)).toEqual([0, 1, 2, 3].map((run) => [run, true]));
    for (const { lastState } of [...probed, ...bare].filter(({ restartCount }) => restartCount > 1)) {
      const { exitCode, startedAt, finishedAt } = lastState.terminated;
      expect(exitCode).toBe(1);
      expect(Date.parse(finishedAt) - Date.parse(startedAt)).toBeGreaterThanOrEqual(2_000);
    }
  });

  test('v1-outage: the second pull fails too', async () => {
    await fleet.deploy('v1-outage');
    const api = new Api(fleet.testbed.directory);
    const seen: string[] = [];
    let first: string | undefined;
    for await (const { object } of api.watch<Any>(`/api/v1/namespaces/${fleet.namespace}/pods?watch=true&timeoutSeconds=60`)) {
      first ??= object.metadata.name as string;
      const [container] = object.status.containerStatuses ?? [];
      if (object.metadata.name !== first || !container) continue;
      seen.push(container.state.waiting?.reason ?? 'running');
      if (container.ready) break;
    }
    api.close();
    const [failed, waits] = ['ErrImagePull', 'ImagePullBackOff'];
    expect(seen).toEqual([failed, waits, failed, waits, 'running']);
    await eventsAre([
      `Warning Failed: Failed to pull image "registry.example/agent:v1-outage": ${pull('v1-outage')}: ${refused('v1-outage', '503')}`,
    ]);
  });

  test('v1-full: pods become ready, and are evicted because of their own limit, again and again', async () => {
    await fleet.deploy('v1-full');
    const api = new Api(fleet.testbed.directory);
    const [ready, evicted] = [new Set<string>(), new Map<string, Any>()];
    const nodes: string[] = [];
    for await (const { object } of api.watch<Any>(`/api/v1/namespaces/${fleet.namespace}/pods?watch=true&timeoutSeconds=60`)) {
      const { metadata, spec, status } = object;
      if (status.containerStatuses?.[0].ready) ready.add(metadata.name);
      if (status.phase !== 'Failed' || evicted.has(metadata.name)) continue;
      evicted.set(metadata.name, status);
      nodes.push(spec.nodeName);
      if (nodes.some((node, index) => nodes.indexOf(node) !== index)) break;
    }
    api.close();
    const message = 'Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ';
    for (const [name, status] of evicted) {
      expect(ready).toContain(name);
      expect(status).toMatchObject({ reason: 'Evicted', message, containerStatuses: [{ ready: false, state: { terminated: {} } }] });
      expect(status.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'False', reason: 'PodFailed' }));
    }
    await eventsAre([`Warning Evicted: ${message}`]);
  });

  test('v1-run-error: RunContainerError, again and again, without a log', async () => {
    await fleet.deploy('v1-run-error');
    const message =
      'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start ' +
      'container process: error during container init: exec: "/no-such-program": stat /no-such-program: no such file or directory';
    const terminated = { reason: 'StartError', exitCode: 128, message, startedAt: '1970-01-01T00:00:00Z' };
    const statuses = await statusesUntil(3, () => true);
    for (const one of statuses) expect(one).toMatchObject({ ready: false, started: false, lastState: { terminated } });
    const reasons = new Set(statuses.map(({ state }) => state.waiting.reason));
    expect(reasons).toEqual(new Set(['RunContainerError', 'CrashLoopBackOff']));
    await eventsAre([`Warning Failed: Error: ${message}`, 'Warning BackOff: Back-off restarting failed container agent in pod agent-']);
    const [{ metadata }] = (await fleet.json('get', 'pods')).items;
    expect([await log(metadata.name), await log(metadata.name, '--previous')]).toEqual(['', '']);
  });

  test('v1-unhealthy: ready until a liveness probe makes the kubelet restart it, if there is one', async () => {
    const livenessProbe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1, failureThreshold: 2 };
    const { container, volumes } = withoutProbes('v1-unhealthy');
    await fleet.deploy('v1-unhealthy');
    await fleet.beside('bare').deploy('v1-unhealthy', { podSpec: podOf([withoutProbes('v1-unhealthy')]) });
    await fleet.beside('live').deploy('v1-unhealthy', { podSpec: podOf([{ container: { ...container, livenessProbe }, volumes }]) });
    const is =
      (app: string) =>
      ({ metadata }: Any): boolean =>
        metadata.labels.app === app;
    const [probed, live] = await Promise.all([statusesUntil(3, is('agent')), statusesUntil(3, is('live'))]);
    for (const statuses of [probed, live])
      for (const { ready, state, restartCount, lastState } of statuses) {
        expect(ready).toBe(statuses === live);
        expect(state).toMatchObject({ running: {} });
        expect(lastState).toMatchObject(restartCount === 0 ? {} : { terminated: { reason: 'Completed', exitCode: 0 } });
      }
    const pods = ((await fleet.json('get', 'pods')).items as Any[]).filter(is('bare'));
    for (const { status } of pods) expect(status.containerStatuses[0]).toMatchObject({ ready: true, restartCount: 0 });
    await eventsAre([
      'Warning Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500',
      'Normal Killing: Container agent failed liveness probe, will be restarted',
    ]);
    expect(await fleet.kubectl(['logs', 'daemonset/live', '--previous'])).toMatch(/waiting for the log store[\s\S]*msg="done"\n$/);
  });

  test('v1-deaf: a deleted pod stays for its grace period', async () => {
    await fleet.rollOut('v1-deaf', { podSpec: { terminationGracePeriodSeconds: 4 } });
    const [{ metadata }] = (await fleet.json('get', 'pods')).items;
    const began = Date.now();
    await fleet.kubectl(['delete', 'pod', metadata.name]);
    expect(Date.now() - began).toBeGreaterThan(3_000);
  });

  describe('an init container', () => {
    const deploy = (tag: string): Promise<void> => fleet.deploy('v1', { podSpec: podOf([behaviorOf('v1')], [initBehaviorOf(tag)]) });
    const kubectlShows = (state: string): Promise<string> =>
      eventually(
        'that state on each node',
        () => fleet.kubectl(['get', 'pods', '--no-headers']),
        (pods) => pods.split('\n').filter((line) => line.split(/ +/)[2] === state).length === 10,
      );
    const initialized = (status: 'True' | 'False'): object =>
      expect.objectContaining({ type: 'Initialized', status, ...(status === 'False' && { reason: 'ContainersNotInitialized' }) });
    const expectWaits = (status: Any, container: object): void => {
      expect(status).toMatchObject({
        phase: 'Pending',
        initContainerStatuses: [{ ready: false, ...container }],
        containerStatuses: [{ ready: false, restartCount: 0, state: { waiting: { reason: 'PodInitializing' } } }],
      });
      expect(status.conditions).toContainEqual(initialized('False'));
    };

    test.each([
      ['v1-missing', 'Init:ImagePullBackOff', { restartCount: 0, lastState: {} }],
      ['v1-config-error', 'Init:CreateContainerConfigError', { restartCount: 0, lastState: {} }],
      ['v1-hang', 'Init:0/1', { restartCount: 0 }],
    ])('%s: %s', async (tag, state, container) => {
      await deploy(tag);
      await kubectlShows(state);
      const [{ status }] = await podsWhen('a status', (pod) => pod.status.initContainerStatuses !== undefined);
      expectWaits(status, container);
    });

    test.each([
      ['v1-crash', { reason: 'Error', exitCode: 1 }],
      ['v1-oom', { reason: 'OOMKilled', exitCode: 137 }],
    ])('%s: exits after every start', async (tag, terminated) => {
      await deploy(tag);
      const statuses = await statusesUntil(3, () => true, 'initContainerStatuses');
      expect(new Set(statuses.map(({ state }) => Object.keys(state)[0]))).toEqual(new Set(['waiting', 'running', 'terminated']));
      for (const { ready } of statuses) expect(ready).toBe(false);
      const [{ metadata, status }] = (await fleet.json('get', 'pods')).items;
      expectWaits(status, { lastState: { terminated } });
      if (tag === 'v1-crash') expect(await log(metadata.name, '-c', 'setup')).toContain('giving up');
    });

    test.each([
      ['v1', 0],
      ['v1-flaky', 1],
      ['v1-twice', 2],
      ['v1-slow-pull', 0],
      ['v1-slow', 0],
      ['v1-jitter', 0],
    ])('%s: completes', async (tag, restartCount) => {
      await deploy(tag);
      await kubectlShows('Running');
      const [{ status }] = await podsWhen('ready pods', (pod) => pod.status.containerStatuses[0].ready);
      expect(status).toMatchObject({
        phase: 'Running',
        initContainerStatuses: [{ ready: true, restartCount, state: { terminated: { reason: 'Completed', exitCode: 0 } } }],
        containerStatuses: [{ restartCount: 0 }],
      });
      expect(status.conditions).toContainEqual(initialized('True'));
      const { startedAt, finishedAt } = status.initContainerStatuses[0].state.terminated;
      if (tag !== 'v1-jitter') expect(Date.parse(finishedAt) - Date.parse(startedAt) >= 5_000).toBe(tag === 'v1-slow');
    });
  });
});

test('two test beds run at once, an annotated node becomes NotReady, and a killed owner leaves no process', async () => {
  const program = `import { startTestbed } from './testbed/testbed.ts';
    const { directory, kubectl, kubeconfig } = await startTestbed({ nodes: 2 });
    console.log(JSON.stringify({ directory, kubectl, kubeconfig }));
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module-typescript', '--disable-warning=ExperimentalWarning', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const line = await new Promise<string>((done) => owner.stdout.once('data', (chunk: Buffer) => done(chunk.toString('utf8'))));
  const { directory, kubectl, kubeconfig } = JSON.parse(line) as Record<'directory' | 'kubectl' | 'kubeconfig', string>;
  const run = async (...parameters: string[]): Promise<string> =>
    (await execute(kubectl, ['--kubeconfig', kubeconfig, ...parameters])).stdout;

  const older = process.env['TESTBED_KUBERNETES'];
  const goMod = readFileSync(`testbed/modules/kubernetes${older ? `-${older}` : ''}/go.mod`, 'utf8');
  const gitVersion = /\sk8s\.io\/kubernetes (v\S+)/.exec(goMod)?.[1];
  expect(JSON.parse(await run('version', '-o', 'json'))).toMatchObject({ serverVersion: { gitVersion }, clientVersion: { gitVersion } });
  await run('annotate', 'node', 'node-1', 'testbed/not-ready=true');
  await eventually(
    'a node that is not ready',
    () => run('get', 'nodes', '--no-headers'),
    (nodes) => /node-1 +NotReady/.test(nodes) && /node-2 +Ready/.test(nodes),
  );
  await run('annotate', 'node', 'node-1', 'testbed/not-ready-');
  await eventually(
    'the node back',
    () => run('get', 'nodes', '--no-headers'),
    (nodes) => /node-1 +Ready/.test(nodes),
  );

  expect(processesOf(directory).length).toBeGreaterThanOrEqual(6);
  owner.kill('SIGKILL');
  await eventually(
    'no process of it',
    () => processesOf(directory),
    (left) => left.length === 0,
  );
});

test('one message lists the alternatives on a machine without Go', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'rollback-daemonset-nogo-'));
  const environment = [`PATH=${empty}`, `XDG_CACHE_HOME=${empty}`, 'NODE_OPTIONS=--disable-warning=ExperimentalWarning'];
  const { code, stdout, stderr } = await execute('/usr/bin/env', [...environment, process.execPath, 'demo/demo.ts']);
  rmSync(empty, { recursive: true, force: true });
  expect(code).toBe(1);
  expect(stdout + stderr).toMatch(/Go 1\.26[\s\S]*npm run demo -- --context[\s\S]*kind create cluster/);
  expect(stdout + stderr).not.toMatch(/^\s+at /m);
});
