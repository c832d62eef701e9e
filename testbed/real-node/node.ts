/**
 * The process that owns one real node: `node.ts OPTIONS`. It runs kubelet, containerd and a registry in namespaces of their own, which
 * an Ethernet pair connects with the machine. Everything ends with this process, which ends with its standard input. A cgroup is all that
 * would remain after SIGKILL; the next start of a test bed removes it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { lastLines, type NodeTool } from '../build.ts';
import { clientCertificate, type KeyPair, servingCertificate } from '../certificates.ts';
import { files } from '../directory.ts';
import { kubeconfig } from '../kubeconfig.ts';
import { cgroupOf, createCgroup, removeCgroups } from './cgroups.ts';
import {
  containerdConfiguration,
  containerdSocket,
  kubeletConfiguration,
  type NodePlan,
  networkConfiguration,
  registries,
} from './configuration.ts';
import { NAMESPACES } from './requirements.ts';

/** How to start a node. */
export interface NodeOptions {
  /** The directory of the test bed. */
  directory: string;
  name: string;
  tools: Record<NodeTool, string>;
  apiServerPort: number;
  maxContainerRestartPeriod: string;
}

/** What the control socket of a node accepts as a path. */
export type KubeletAction = 'stop' | 'start' | 'pause' | 'resume';

const { directory, name, tools, apiServerPort, maxContainerRestartPeriod } = JSON.parse(process.argv[2] ?? '{}') as NodeOptions;
const at = files(directory);
const home = at.realNode(name);
const cgroup = cgroupOf(directory, name);
/** The outermost process of the namespaces. The end of it ends everything in them. */
let namespaces: ChildProcess | undefined;
/** The first process in the namespaces, as the machine numbers it. */
let first = 0;
let kubelet: ChildProcess | undefined;
/** The machine's end of the Ethernet pair. */
let device: string | undefined;
let ending: Promise<void> | undefined;

process.stdin.resume().once('end', end).once('error', end);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);
for (const surprise of ['uncaughtException', 'unhandledRejection']) {
  process.on(surprise, (error) => {
    console.error(error);
    process.exitCode = 1;
    void end();
  });
}

const plan = await start();
createHttpServer(async (request, response) => {
  const action = request.url?.slice(1) ?? '';
  try {
    if (action !== 'healthz') await control(action as KubeletAction, plan);
    response.end();
  } catch (error) {
    response.writeHead(500).end((error as Error).message);
  }
}).listen(at.realNodeSocket(name));

async function start(): Promise<NodePlan> {
  const folders = ['var', 'var-work', 'sysctl', 'kubelet', 'logs', 'cni', 'containerd'];
  await Promise.all(
    [...folders, ...Object.keys(registries).map((host) => join('registries', host))].map((folder) =>
      mkdir(join(home, folder), { recursive: true }),
    ),
  );
  write('resolv.conf', 'nameserver 127.0.0.1\n');
  createCgroup(cgroup);
  await isolate();
  const { here, there } = joinNetworks();
  relay(here);

  const plan: NodePlan = { name, directory: home, tools, cgroup, address: there, authorityFile: at.authority, maxContainerRestartPeriod };
  for (const [host, content] of Object.entries(registries)) write(`registries/${host}/hosts.toml`, content);
  write('cni/10-testbed.conflist', networkConfiguration(plan));
  write('containerd.toml', containerdConfiguration(plan));
  write('kubelet.json', kubeletConfiguration(plan));
  const authority: KeyPair = { certificate: readFileSync(at.authority, 'utf8'), key: readFileSync(at.credential('ca.key'), 'utf8') };
  const user = `system:node:${name}`;
  const client = await clientCertificate(authority, user, ['system:nodes']);
  write('kubeconfig', kubeconfig(`https://${here}:${apiServerPort}`, authority, user, client, 'localhost'));
  const server = await servingCertificate(authority, [there]);
  write('server.crt', server.certificate);
  write('server.key', server.key);

  required('registry', run('registry', [tools.agent]));
  required('containerd', run('containerd', ['--config', join(home, 'containerd.toml')]));
  await untilContainerdAnswers();
  kubelet = startKubelet(plan);
  return plan;
}

function write(path: string, content: string): void {
  writeFileSync(join(home, path), content, { mode: 0o600 });
}

/** Creates the namespaces, and returns when their first process has set them up. */
async function isolate(): Promise<void> {
  const inside = fileURLToPath(new URL('./inside.sh', import.meta.url));
  const log = openSync(join(home, 'namespaces.log'), 'a', 0o600);
  // Also after SIGKILL of this process, the namespaces end.
  const command = ['--pdeathsig', 'KILL', 'unshare', ...NAMESPACES, 'bash', inside, home, name, tools.agent];
  namespaces = spawn('setpriv', command, { stdio: ['ignore', 'pipe', log], detached: true });
  required('namespaces', namespaces);
  for await (const line of createInterface({ input: namespaces.stdout as NodeJS.ReadableStream })) if (line === 'isolated') break;
  const { pid } = namespaces;
  first = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
  if (!(first > 0))
    throw new Error(`The namespaces of ${name} could not be created: ${readFileSync(join(home, 'namespaces.log'), 'utf8')}`);
}

/**
 * Connects the namespaces with the machine, through a pair of Ethernet devices and a network of four addresses: 10.77.0.0/30, 10.77.0.4/30
 * and so on. Creating the device of the machine reserves the network, also among test beds. It disappears with the namespaces.
 */
function joinNetworks(): { here: string; there: string } {
  for (let slot = 0; slot < 16_384; slot++) {
    const candidate = `testbed-${slot}`;
    const created = spawnSync('ip', ['link', 'add', candidate, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(first)], {
      encoding: 'utf8',
    });
    if (created.status !== 0 && /exists/i.test(created.stderr)) continue;
    if (created.status !== 0) throw new Error(`The network of ${name} could not be created: ${created.stderr}`);
    device = candidate;
    const [here, there] = [1, 2].map((offset) => `10.77.${(slot * 4) >> 8}.${((slot * 4) & 255) + offset}`) as [string, string];
    command('ip', 'addr', 'add', `${here}/30`, 'dev', device);
    command('ip', 'link', 'set', device, 'up');
    command('nsenter', '--target', String(first), '--net', 'ip', 'addr', 'add', `${there}/30`, 'dev', 'eth0');
    command('nsenter', '--target', String(first), '--net', 'ip', 'link', 'set', 'eth0', 'up');
    return { here, there };
  }
  throw new Error('All networks of test beds are in use');
}

function command(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}

/** The API server listens on loopback only. This passes the connections of the node on to it. */
function relay(address: string): void {
  createServer((node) => {
    const apiServer = connect(apiServerPort, '127.0.0.1');
    node.pipe(apiServer).pipe(node);
    node.on('error', () => apiServer.destroy()).on('close', () => apiServer.destroy());
    apiServer.on('error', () => node.destroy()).on('close', () => node.destroy());
  }).listen(apiServerPort, address);
}

/** Starts a program inside the namespaces. */
function run(tool: 'registry' | 'containerd' | 'kubelet', args: string[]): ChildProcess {
  const log = openSync(join(home, `${tool}.log`), 'a', 0o600);
  const PATH = [...new Set(Object.values(tools).map((path) => dirname(path))), process.env['PATH']].join(':');
  const enter = ['--target', String(first), '--mount', '--net', '--pid', '--ipc', '--uts', '--wd=/'];
  return spawn('nsenter', [...enter, tools[tool], ...args], { stdio: ['ignore', log, log], env: { PATH, HOME: '/' }, detached: true });
}

function startKubelet(plan: NodePlan): ChildProcess {
  return run('kubelet', [
    `--config=${join(home, 'kubelet.json')}`,
    `--kubeconfig=${join(home, 'kubeconfig')}`,
    `--root-dir=${join(home, 'kubelet')}`,
    `--hostname-override=${name}`,
    `--node-ip=${plan.address}`,
    '--node-labels=type=real',
  ]);
}

/** The node ends if a program does without which it is none. */
function required(program: string, child: ChildProcess): void {
  child.once('exit', (code, signal) => {
    if (ending !== undefined) return;
    console.error(
      `${program} ended: ${signal ?? `exit code ${code}`}\n${lastLines(readFileSync(join(home, `${program}.log`), 'utf8'), 10)}`,
    );
    process.exitCode = 1;
    void end();
  });
}

async function untilContainerdAnswers(): Promise<void> {
  // Its socket is in a mount namespace that is visible through the process.
  const socketPath = `/proc/${first}/root${containerdSocket}`;
  for (;;) {
    const answers = await new Promise<boolean>((resolve) => {
      const socket = connect(socketPath)
        .once('connect', () => resolve(true))
        .once('error', () => resolve(false))
        .once('close', () => socket.destroy());
    });
    if (answers) return;
    await sleep(20);
  }
}

async function control(action: KubeletAction, plan: NodePlan): Promise<void> {
  const running = kubelet?.exitCode === null && kubelet.signalCode === null ? kubelet : undefined;
  if (action === 'start') {
    if (!running) kubelet = startKubelet(plan);
    return;
  }
  if (running?.pid === undefined) throw new Error(`the kubelet of ${name} is not running`);
  const [pid] = readFileSync(`/proc/${running.pid}/task/${running.pid}/children`, 'utf8').split(' ').map(Number);
  if (!pid) throw new Error(`the kubelet of ${name} has not started yet`);
  const gone = new Promise((resolve) => running.once('exit', resolve));
  process.kill(pid, { stop: 'SIGKILL', pause: 'SIGSTOP', resume: 'SIGCONT' }[action]);
  if (action === 'stop') await gone;
}

function end(): Promise<void> {
  ending ??= (async () => {
    if (namespaces?.pid !== undefined && namespaces.exitCode === null && namespaces.signalCode === null) {
      const gone = new Promise((resolve) => namespaces?.once('exit', resolve));
      namespaces.kill('SIGKILL');
      await gone;
    }
    // The kernel removes it too, but later.
    if (device !== undefined) spawnSync('ip', ['link', 'delete', device]);
    await removeCgroups(directory, name);
    process.exit();
  })();
  return ending;
}
