import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Any, eventually, execute, Fleet, processesOf } from './support.ts';

describe('a tag drives its pods', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.create();
  });
  afterEach(() => fleet.remove());

  test.each([
    ['v1', 'running', ''],
    ['v1-missing', 'ImagePullBackOff', 'Failed'],
    ['v1-crash', 'CrashLoopBackOff', 'BackOff'],
    ['v1-hang', 'not ready', 'Unhealthy'],
    ['v1-slow', 'running', ''],
    ['v1-config-error', 'CreateContainerConfigError', 'Failed'],
    ['v1-oom', 'CrashLoopBackOff', 'BackOff'],
    ['v1-flaky', 'running', ''],
  ])('%s: %s', async (tag, state, event) => {
    await fleet.deploy(tag);
    const stateOf = ({ status }: Any): string => {
      const [container] = status?.containerStatuses ?? [];
      return container?.state.waiting?.reason ?? (container?.ready ? 'running' : container?.state.running ? 'not ready' : 'nothing yet');
    };
    const pods = await eventually(
      'that state on each node',
      async () => (await fleet.json('get', 'pods')).items as Any[],
      (all) => all.length === 10 && all.every((pod) => stateOf(pod) === state),
    );
    if (event !== '')
      await eventually(
        'events',
        async () => (await fleet.json('get', 'events')).items as Any[],
        (all) => all.some(({ reason, type }) => reason === event && type === 'Warning'),
      );
    if (tag === 'v1-crash') {
      const name = pods[0].metadata.name as string;
      const restarts = async (): Promise<number> =>
        (await fleet.json('get', `pod/${name}`)).status.containerStatuses[0].restartCount as number;
      await eventually('growing restarts', restarts, (count) => count >= 3);
      expect(await fleet.kubectl(['logs', name, '--previous'])).toContain('giving up');
    }
    if (tag === 'v1-oom')
      expect(pods[0].status.containerStatuses[0].lastState.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    if (tag === 'v1-flaky') expect(pods.every((pod) => pod.status.containerStatuses[0].restartCount === 1)).toBe(true);
  });
});

test('two at once; a node that is annotated goes NotReady; nothing is left of one whose process was killed', async () => {
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

  expect(JSON.parse(await run('version', '-o', 'json'))).toMatchObject({
    serverVersion: { gitVersion: 'v1.37.2' },
    clientVersion: { gitVersion: 'v1.37.2' },
  });
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

test('a machine without Go gets one message with the alternatives', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'rollback-daemonset-nogo-'));
  const environment = [`PATH=${empty}`, `XDG_CACHE_HOME=${empty}`, 'NODE_OPTIONS=--disable-warning=ExperimentalWarning'];
  const { code, stdout, stderr } = await execute('/usr/bin/env', [...environment, process.execPath, 'demo/demo.ts']);
  rmSync(empty, { recursive: true, force: true });
  expect(code).toBe(1);
  expect(stdout + stderr).toMatch(/Go 1\.26[\s\S]*npm run demo -- --context[\s\S]*kind create cluster/);
  expect(stdout + stderr).not.toMatch(/^\s+at /m);
});
