import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Any, eventually, execute, Fleet, processesOf } from './support.ts';

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

  const backOff = 'Warning BackOff: Back-off restarting failed container agent in pod agent-';
  test.each([
    ['v1', 'running', []],
    [
      'v1-missing',
      'ImagePullBackOff',
      ['Warning Failed: Failed to pull image "registry.example/agent:v1-missing": rpc error: code = NotFound'],
    ],
    [
      'v1-flaky-pull',
      'running',
      ['Warning Failed: Failed to pull image "registry.example/agent:v1-flaky-pull": rpc error: code = Unavailable'],
    ],
    ['v1-invalid-name', 'InvalidImageName', ['Warning InspectFailed: Failed to apply default', 'Warning Failed: Error: InvalidImageName']],
    ['v1-config-error', 'CreateContainerConfigError', ['Warning Failed: Error: configmap "agent-config" not found']],
    ['v1-cache-sync', 'running', ['Warning Failed: Error: failed to sync configmap cache: timed out waiting for the condition']],
    [
      'v1-unmounted',
      'ContainerCreating',
      ['Warning FailedMount: MountVolume.SetUp failed for volume "config" : configmap "agent-config" not'],
    ],
    ['v1-run-error', 'CrashLoopBackOff', ['Warning Failed: Error: failed to create containerd task: ', backOff]],
    ['v1-crash', 'CrashLoopBackOff', [backOff]],
    ['v1-oom', 'CrashLoopBackOff', [backOff]],
    [
      'v1-unhealthy',
      'CrashLoopBackOff',
      ['Warning Unhealthy: Liveness probe failed', 'Normal Killing: Container agent failed live', backOff],
    ],
    ['v1-flaky', 'running', []],
    ['v1-hang', 'not ready', ['Warning Unhealthy: Readiness probe failed']],
    ['v1-slow', 'running', []],
    ['v1-jitter', 'running', []],
  ])('%s: %s', async (tag, state, events) => {
    await fleet.deploy(tag);
    const stateOf = ({ status }: Any): string => {
      const [container] = status?.containerStatuses ?? [];
      return container?.state.waiting?.reason ?? (container?.ready ? 'running' : container?.state.running ? 'not ready' : 'nothing yet');
    };
    const pods = await podsWhen('that state on each node', (pod) => stateOf(pod) === state);
    await eventually(
      'events',
      async () =>
        ((await fleet.json('get', 'events')).items as Any[]).map(({ type, reason, message }) => `${type} ${reason}: ${message}` as string),
      (all) => events.every((event) => all.some((text) => text.startsWith(event))),
    );

    const { name } = pods[0].metadata;
    const { phase, containerStatuses, conditions } = pods[0].status;
    const [container] = containerStatuses;
    const pending = ['ImagePullBackOff', 'InvalidImageName', 'CreateContainerConfigError', 'ContainerCreating'].includes(state);
    expect(phase).toBe(pending ? 'Pending' : 'Running');
    expect(container.imageID === '').toBe(pending);
    if (tag === 'v1-crash') {
      const restarts = async (): Promise<number> =>
        (await fleet.json('get', `pod/${name}`)).status.containerStatuses[0].restartCount as number;
      await eventually('growing restarts', restarts, (count) => count >= 3);
      expect(await fleet.kubectl(['logs', name, '--previous'])).toContain('giving up');
    }
    if (tag === 'v1-oom') expect(container.lastState.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    if (tag === 'v1-unhealthy') expect(container.lastState.terminated).toMatchObject({ reason: 'Error', exitCode: 137 });
    if (tag === 'v1-run-error') {
      const message = expect.stringMatching(/^failed to create containerd task: .* exec: "agent": executable file not found in \$PATH$/);
      expect(container.lastState.terminated).toMatchObject({ reason: 'StartError', exitCode: 128, message });
      expect(await fleet.kubectl(['logs', name, '--previous'])).toBe('');
    }
    if (tag === 'v1-flaky') expect(pods.every((pod) => pod.status.containerStatuses[0].restartCount === 1)).toBe(true);
    if (['v1-flaky-pull', 'v1-cache-sync'].includes(tag))
      expect(pods.every((pod) => pod.status.containerStatuses[0].restartCount === 0)).toBe(true);
    if (tag === 'v1-jitter') {
      const readyAt = (pod: Any): string => pod.status.conditions.find(({ type }: Any) => type === 'Ready').lastTransitionTime;
      expect(new Set(pods.map(readyAt)).size).toBeGreaterThan(1);
    }
    if (tag === 'v1-invalid-name')
      expect(container.state.waiting.message).toBe(
        'Failed to apply default image tag "registry.example/agent:v1-invalid-name": ' +
          'couldn\'t parse image name "registry.example/agent:v1-invalid-name": invalid reference format',
      );
    if (tag === 'v1-unmounted') {
      expect(conditions).toContainEqual(expect.objectContaining({ type: 'PodReadyToStartContainers', status: 'False' }));
      const counts = async (): Promise<number[]> =>
        ((await fleet.json('get', 'events')).items as Any[]).filter(({ reason }) => reason === 'FailedMount').map(({ count }) => count);
      await eventually('a count that rises', counts, (all) => Math.max(...all) >= 3);
    }
  });

  describe('an init container', () => {
    const deploy = async (tag: string): Promise<void> => {
      const manifest = JSON.parse(fleet.manifest('v1')) as Any;
      manifest.spec.template.spec.initContainers = [{ name: 'setup', image: `registry.example/setup:${tag}` }];
      await fleet.kubectl(['apply', '-f', '-'], JSON.stringify(manifest));
    };
    const kubectlShows = (state: string): Promise<string> =>
      eventually(
        'that state on each node',
        () => fleet.kubectl(['get', 'pods', '--no-headers']),
        (pods) => pods.split('\n').filter((line) => line.split(/ +/)[2] === state).length === 10,
      );
    const initialized = (status: 'True' | 'False'): object =>
      expect.objectContaining({ type: 'Initialized', status, ...(status === 'False' && { reason: 'ContainersNotInitialized' }) });

    test.each([
      ['v1-missing', 'Init:ImagePullBackOff', { restartCount: 0, lastState: {} }],
      ['v1-config-error', 'Init:CreateContainerConfigError', { restartCount: 0, lastState: {} }],
      ['v1-crash', 'Init:CrashLoopBackOff', { lastState: { terminated: { reason: 'Error', exitCode: 1 } } }],
      ['v1-oom', 'Init:CrashLoopBackOff', { lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } } }],
      ['v1-hang', 'Init:0/1', { restartCount: 0 }],
    ])('%s: %s', async (tag, state, container) => {
      await deploy(tag);
      await kubectlShows(state);
      const [{ metadata, status }] = await podsWhen('a status', (pod) => pod.status.initContainerStatuses !== undefined);
      expect(status).toMatchObject({
        phase: 'Pending',
        initContainerStatuses: [{ ready: false, ...container }],
        containerStatuses: [{ ready: false, restartCount: 0, state: { waiting: { reason: 'PodInitializing' } } }],
      });
      expect(status.conditions).toContainEqual(initialized('False'));
      if (tag === 'v1-crash') expect(await fleet.kubectl(['logs', metadata.name, '-c', 'setup', '--previous'])).toContain('giving up');
    });

    test.each([
      ['v1', 0],
      ['v1-flaky', 1],
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
      expect(Date.parse(finishedAt) - Date.parse(startedAt) >= 5_000).toBe(tag === 'v1-slow');
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
