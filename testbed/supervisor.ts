/**
 * The process that owns the control plane of one test bed: `supervisor.ts DIRECTORY`.
 *
 * It starts all processes, accepts commands on `control.sock`, and stops everything
 * as soon as its standard input ends, which happens when the process that started it
 * ends, for whatever reason.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, get } from 'node:http';
import { get as getTls } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines } from './build.ts';
import { type Component, type Ports, prepareComponents, realNodeComponents } from './components.ts';
import type { Command, Outcome, StartOptions } from './control.ts';
import { controlPlane, files, type ProcessName, type State, writeState } from './directory.ts';

const directory = process.argv[2] ?? '';
const at = files(directory);
const children = new Map<ProcessName, ChildProcess>();
const state: State = { supervisor: process.pid, server: '', kubectl: '', kubeletPort: 0, pids: {} };
let components: Partial<Record<ProcessName, Component>>;
let stopping: Promise<void> | undefined;

writeState(directory, state);
process.stdin.resume().once('end', stopAndExit).once('error', stopAndExit);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stopAndExit);
for (const surprise of ['uncaughtException', 'unhandledRejection']) {
  process.on(surprise, (error) => {
    console.error(error);
    void stopAndExit();
  });
}
// The reader can end before this process.
process.stdout.on('error', () => {});

try {
  await startControlPlane(JSON.parse(process.argv[3] ?? '{}') as StartOptions);
  await listen();
  report({ ready: true });
} catch (error) {
  report({ error: error instanceof Error ? error.message : String(error) });
  await stopAndExit();
}

function report(outcome: Outcome): void {
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

async function startControlPlane(options: StartOptions): Promise<void> {
  const { tools } = options;
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts();
    const apiServerPort = ports['kube-apiserver'];
    components = {
      ...(await prepareComponents(directory, tools, ports, options)),
      ...realNodeComponents(directory, options, apiServerPort),
    };
    Object.assign(state, {
      server: `https://127.0.0.1:${apiServerPort}`,
      kubectl: tools.kubectl,
      kubeletPort: ports['simulated-kubelet'],
    });
    try {
      await start('etcd');
      await start('kube-apiserver');
      const [, , ...others] = Object.keys(components) as ProcessName[];
      await Promise.all(others.map(start));
      return;
    } catch (error) {
      // A port was free when it was chosen, and in use when it was bound.
      if (attempt === 3 || !/address already in use|EADDRINUSE/.test(String(error))) throw error;
      await killAll();
      rmSync(at.etcdData, { recursive: true, force: true });
    }
  }
}

/** Starts a process and returns when it is ready. */
async function start(name: ProcessName): Promise<void> {
  if (stopping !== undefined) throw new Error('the test bed is being stopped');
  if (children.has(name)) throw new Error(`${name} is running already`);
  const component = components[name];
  if (component === undefined) throw new Error(`this test bed has no ${name}`);
  const { command, args, health, endsWithInput = false } = component;
  const log = openSync(at.log(name), 'a', 0o600);
  const child = spawn(command, args, {
    cwd: directory,
    // Its own process group: Ctrl-C in a terminal must not reach etcd before the API server.
    detached: true,
    stdio: [endsWithInput ? 'pipe' : 'ignore', log, log],
  });
  children.set(name, child);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  }).then((how) => {
    if (children.get(name) === child) children.delete(name);
    delete state.pids[name];
    if (stopping === undefined) writeState(directory, state);
    return how;
  });
  if (child.pid !== undefined) state.pids[name] = child.pid;
  writeState(directory, state);

  const deadline = AbortSignal.timeout(60_000);
  const how = await Promise.race([ended, waitUntilHealthy(health, deadline)]);
  if (how === undefined) return;
  throw new Error(`${name} did not become ready: ${how}\n${lastLines(readFileSync(at.log(name), 'utf8'), 10)}`);
}

/** @returns undefined when healthy, else the reason for giving up. */
async function waitUntilHealthy(health: Component['health'], deadline: AbortSignal): Promise<string | undefined> {
  let last = '';
  while (!deadline.aborted) {
    const status = await healthStatus(health);
    if (status === '200') return undefined;
    last = status;
    await sleep(50);
  }
  return `no answer in a minute (${last})`;
}

function healthStatus(health: Component['health']): Promise<string> {
  return new Promise((resolve) => {
    const request =
      'socketPath' in health
        ? get({ socketPath: health.socketPath, path: health.path })
        : getTls({ host: '127.0.0.1', port: health.port, path: health.path, rejectUnauthorized: false });
    request
      .setTimeout(1_000, () => request.destroy(new Error('timeout')))
      .once('response', (response) => resolve(String(response.resume().statusCode)))
      .once('error', (error) => resolve(error.message));
  });
}

async function kill(name: ProcessName, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const child = children.get(name);
  if (child === undefined) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  // A paused process reacts to no signal except SIGKILL and SIGCONT.
  child.kill('SIGCONT');
  if (await Promise.race([exited.then(() => true), sleep(10_000, false)])) return;
  child.kill('SIGKILL');
  await exited;
}

/** In reverse start order. The API server ends before etcd gets a signal. */
async function killAll(): Promise<void> {
  const last: ProcessName[] = ['kube-apiserver', 'etcd'];
  await Promise.all([...children.keys()].filter((name) => !last.includes(name)).map((name) => kill(name, 'SIGTERM')));
  for (const name of last) await kill(name, 'SIGTERM');
}

function stop(): Promise<void> {
  stopping ??= killAll().then(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  return stopping;
}

async function stopAndExit(): Promise<void> {
  await stop();
  process.exit();
}

/** Accepts commands for this test bed only: the socket is in its directory. */
function listen(): Promise<void> {
  const server = createHttpServer(async (request, response) => {
    const outcome = await text(request)
      .then((body) => obey(JSON.parse(body) as Command))
      .then(
        (): Outcome => ({ ready: true }),
        (error: Error): Outcome => ({ error: error.message }),
      );
    response.end(JSON.stringify(outcome), () => {
      if (stopping !== undefined) process.exit();
    });
  });
  return new Promise((resolve) => server.listen(at.control, resolve));
}

async function obey(command: Command): Promise<void> {
  switch (command.command) {
    case 'start':
      return start(command.name);
    case 'kill':
      return kill(command.name);
    case 'pause':
      children.get(command.name)?.kill('SIGSTOP');
      return;
    case 'resume':
      children.get(command.name)?.kill('SIGCONT');
      return;
    case 'stop':
      return stop();
  }
}

/** Unused ports. All are held until all are chosen. */
async function freePorts(): Promise<Ports> {
  const [, ...names] = controlPlane;
  const servers = await Promise.all(
    names.map(async (name) => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen(0, '127.0.0.1', resolve);
      });
      return { name, server };
    }),
  );
  const ports = servers.map(({ name, server }) => [name, (server.address() as AddressInfo).port]);
  await Promise.all(servers.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  return Object.fromEntries(ports) as Ports;
}
