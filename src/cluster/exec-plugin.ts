import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, delimiter, isAbsolute, join } from 'node:path';
import { ClusterError } from './cluster.ts';
import type { Secrets } from './secrets.ts';

/** The programs that a kubeconfig is allowed to run: names in PATH, or exact paths; `any` allows all. */
export type PluginPolicy = 'any' | readonly string[];

/** `users[].user.exec` of a kubeconfig. */
export interface ExecConfig {
  apiVersion?: string;
  command?: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  provideClusterInfo?: boolean;
  interactiveMode?: string;
}

interface ExecCredentialStatus {
  token?: string;
  clientCertificateData?: string;
  clientKeyData?: string;
  expirationTimestamp?: string;
}

/** The request options of the client library that an authenticator sets. */
interface Credentials {
  headers?: Record<string, unknown>;
  cert?: unknown;
  key?: unknown;
}

/** Environment variables that control which code runs. A kubeconfig is not allowed to set them. */
const FORBIDDEN_VARIABLES =
  /^(PATH|LD_.*|DYLD_.*|NODE_.*|PYTHON.*|PERL5.*|RUBY.*|BASH_ENV|ENV|IFS|SHELLOPTS|GCONV_PATH|JAVA_TOOL_OPTIONS)$/i;

const V1 = 'client.authentication.k8s.io/v1';
const API_VERSIONS = [V1, 'client.authentication.k8s.io/v1beta1'];

/** The time limit for a plugin, in milliseconds. */
const TIME_LIMIT = 60_000;
/** A credential is renewed this long before it expires, in milliseconds. */
const EARLY = 10_000;

/**
 * Runs a kubeconfig's credential plugin (client.authentication.k8s.io), as an authenticator of the client library. The library's own
 * authenticator has no time limit, does not set KUBERNETES_EXEC_INFO, and runs any program that the kubeconfig names.
 */
export class ExecPlugins {
  static readonly PROVIDER = 'exec-plugin';
  readonly #exec: ExecConfig | undefined;
  readonly #cluster: object;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #secrets: Secrets;
  #credential: Promise<ExecCredentialStatus> | undefined;
  #child: ChildProcess | undefined;

  /** @throws ClusterError `credentials` if the plugin is not allowed. */
  constructor(
    exec: ExecConfig | undefined,
    cluster: object,
    policy: PluginPolicy,
    environment: Readonly<Record<string, string | undefined>>,
    secrets: Secrets,
  ) {
    this.#exec = exec;
    this.#cluster = cluster;
    this.#environment = environment;
    this.#secrets = secrets;
    if (exec) check(exec, policy, environment);
  }

  /** Whether the kubeconfig uses a plugin. */
  get used(): boolean {
    return this.#exec !== undefined;
  }

  isAuthProvider(user: { authProvider?: { name?: string } }): boolean {
    return user.authProvider?.name === ExecPlugins.PROVIDER;
  }

  async applyAuthentication(_user: unknown, options: Credentials): Promise<void> {
    const status = await this.#current();
    if (status.token) options.headers = { ...options.headers, Authorization: `Bearer ${status.token}` };
    if (status.clientCertificateData) options.cert = status.clientCertificateData;
    if (status.clientKeyData) options.key = status.clientKeyData;
  }

  /** Discards the credential, so that the plugin runs again. True if there is a plugin. */
  forget(): boolean {
    this.#credential = undefined;
    return this.used;
  }

  /** Stops a plugin that is still running. */
  stop(): void {
    if (this.#child) end(this.#child);
  }

  async #current(): Promise<ExecCredentialStatus> {
    const known = this.#credential;
    if (known && isFresh(await known)) return known;
    // Concurrent requests share one run of the plugin.
    if (this.#credential && this.#credential !== known) return this.#credential;
    const running = this.#run();
    this.#credential = running;
    running.catch(() => {
      if (this.#credential === running) this.#credential = undefined;
    });
    return running;
  }

  async #run(): Promise<ExecCredentialStatus> {
    try {
      const status = await run(this.#exec ?? {}, this.#cluster, this.#environment, (child) => {
        this.#child = child;
      });
      this.#secrets.add([status.token, status.clientKeyData].filter((secret) => secret !== undefined));
      return status;
    } catch (error) {
      // A plugin can echo what it was given.
      throw error instanceof ClusterError
        ? new ClusterError(error.failure, this.#secrets.hide(error.message), { cause: error.cause })
        : error;
    }
  }
}

function isFresh({ expirationTimestamp }: ExecCredentialStatus): boolean {
  return !expirationTimestamp || Date.now() < Date.parse(expirationTimestamp) - EARLY;
}

function check(exec: ExecConfig, policy: PluginPolicy, environment: Readonly<Record<string, string | undefined>>): void {
  const { command, env } = exec;
  if (typeof command !== 'string' || command === '')
    throw new ClusterError('credentials', 'The exec plugin in the kubeconfig has no command. Generate the kubeconfig again.');
  if (policy !== 'any' && !policy.includes(command)) {
    throw new ClusterError(
      'credentials',
      `The kubeconfig runs the program "${command}", which the input exec-plugins does not allow (allowed: ${policy.join(', ') || 'none'}). A kubeconfig from an untrusted source can run any program with the permissions of this job. If you trust it, add "${command}" to exec-plugins.`,
    );
  }
  checkShape(exec);
  const bad = (env ?? []).find(({ name }) => FORBIDDEN_VARIABLES.test(name));
  if (bad)
    throw new ClusterError(
      'credentials',
      `The exec plugin in the kubeconfig sets the environment variable ${bad.name}, which controls what code runs. Remove it from the kubeconfig.`,
    );
  if (!isAbsolute(command) && !command.includes('/') && !onPath(command, environment)) {
    throw new ClusterError(
      'credentials',
      `The exec plugin "${command}" in the kubeconfig is not installed on this runner (not found in PATH). Install it before this step.${exec.installHint ? ` ${exec.installHint.trim()}` : ''}`,
    );
  }
}

/** Checks the fields as client-go does (validateAuthInfo), and rejects interactive plugins. */
function checkShape({ apiVersion = '', interactiveMode, args, env }: ExecConfig): void {
  const refuse = (what: string): never => {
    throw new ClusterError('credentials', `The exec plugin in the kubeconfig is invalid: ${what}`);
  };
  if (!API_VERSIONS.includes(apiVersion)) refuse(`apiVersion must be one of ${API_VERSIONS.join(', ')}.`);
  if (interactiveMode === 'Always')
    refuse('interactiveMode is Always, but a CI runner is not interactive. Use a plugin that needs no input.');
  if (interactiveMode === undefined && apiVersion === V1) refuse('interactiveMode is missing. Add interactiveMode: Never.');
  if (interactiveMode !== undefined && !/^(Never|IfAvailable)$/.test(interactiveMode))
    refuse('interactiveMode must be Never or IfAvailable.');
  if (!isListOf(args, (one) => typeof one === 'string')) refuse('args must be a list of strings.');
  const isVariable = (one: unknown): boolean => {
    const { name, value = '' } = (one ?? {}) as { name?: unknown; value?: unknown };
    return typeof name === 'string' && name !== '' && typeof value === 'string';
  };
  if (!isListOf(env, isVariable)) refuse('env must be a list of names and string values. Put quotes around values.');
}

function isListOf(list: unknown, isOne: (one: unknown) => boolean): boolean {
  return list === undefined || list === null || (Array.isArray(list) && list.every(isOne));
}

function onPath(command: string, environment: Readonly<Record<string, string | undefined>>): boolean {
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd', '.bat', ''] : [''];
  return (environment['PATH'] ?? '')
    .split(delimiter)
    .some((directory) => suffixes.some((suffix) => existsSync(join(directory, command + suffix))));
}

function run(
  exec: ExecConfig,
  cluster: object,
  environment: Readonly<Record<string, string | undefined>>,
  onStart: (child: ChildProcess) => void,
): Promise<ExecCredentialStatus> {
  const { apiVersion = V1, command = '', args, env, provideClusterInfo } = exec;
  const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false, ...(provideClusterInfo && { cluster }) } };
  const variables = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  // The inputs contain secrets that a plugin does not need: the kubeconfig and the GitHub token.
  const inherited = Object.fromEntries(Object.entries(environment).filter(([name]) => !/^INPUT_/i.test(name)));
  const name = basename(command);
  // Most runs start no plugin, so this module is loaded only when it is needed.
  const { spawn } = process.getBuiltinModule('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(command, args ?? [], {
      env: { ...inherited, ...variables, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, so that its child processes end with it.
      detached: process.platform !== 'win32',
    });
    onStart(child);
    const timer = setTimeout(() => end(child), TIME_LIMIT);
    const output: Buffer[] = [];
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString('utf8')).slice(-2000);
    });
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(new ClusterError('credentials', `Could not start the exec plugin "${name}": ${cause.message}`, { cause }));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal)
        return reject(
          new ClusterError(
            'credentials',
            `The exec plugin "${name}" did not finish within ${TIME_LIMIT / 1000} s. Run it before this step to find out why.`,
          ),
        );
      if (code !== 0)
        return reject(
          new ClusterError('credentials', `The exec plugin "${name}" failed (exit code ${code}): ${errors.trim() || 'no error output'}`),
        );
      const status = parseStatus(Buffer.concat(output).toString('utf8'), apiVersion);
      if (!status)
        return reject(
          new ClusterError(
            'credentials',
            `The exec plugin "${name}" did not print an ExecCredential of ${apiVersion} with a token, or with a client certificate and its key. Check its version and arguments.`,
          ),
        );
      resolve(status);
    });
  });
}

/** Kills a plugin with its child processes, and closes its pipes, which a remaining process could keep open. */
function end(child: ChildProcess): void {
  try {
    if (child.pid !== undefined && process.platform !== 'win32') process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // It has already ended.
  }
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function parseStatus(text: string, expected: string): ExecCredentialStatus | undefined {
  try {
    const { apiVersion, kind, status } = JSON.parse(text) as { apiVersion?: unknown; kind?: unknown; status?: Record<string, unknown> };
    if (apiVersion !== expected || kind !== 'ExecCredential' || !status) return undefined;
    const isText = (key: string): boolean => typeof status[key] === 'string' && status[key] !== '';
    const pair = isText('clientCertificateData') && isText('clientKeyData');
    return isText('token') || pair ? (status as ExecCredentialStatus) : undefined;
  } catch {
    return undefined;
  }
}
