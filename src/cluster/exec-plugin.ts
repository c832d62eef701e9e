import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, delimiter, isAbsolute, join } from 'node:path';
import { ClusterError } from './cluster.ts';
import type { Secrets } from './secrets.ts';

/** What a kubeconfig may start: names found on PATH, or exact paths; `any` allows all. */
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

/** The part of the client library's request options that an authenticator fills in. */
interface Credentials {
  headers?: Record<string, unknown>;
  cert?: unknown;
  key?: unknown;
}

/** Variables that decide which code runs; a kubeconfig must not set them. */
const FORBIDDEN_VARIABLES =
  /^(PATH|LD_.*|DYLD_.*|NODE_.*|PYTHON.*|PERL5.*|RUBY.*|BASH_ENV|ENV|IFS|SHELLOPTS|GCONV_PATH|JAVA_TOOL_OPTIONS)$/i;

const V1 = 'client.authentication.k8s.io/v1';
const API_VERSIONS = [V1, 'client.authentication.k8s.io/v1beta1'];

/** How long a plugin may take, in milliseconds. */
const TIME_LIMIT = 60_000;
/** A credential is asked for again this long before it expires, in milliseconds. */
const EARLY = 10_000;

/**
 * Runs a kubeconfig's credential plugin (client.authentication.k8s.io), as an authenticator of the client library. The library's
 * own gives plugins no time limit and no KUBERNETES_EXEC_INFO, and starts whatever the kubeconfig names.
 */
export class ExecPlugins {
  static readonly PROVIDER = 'exec-plugin';
  readonly #exec: ExecConfig | undefined;
  readonly #cluster: object;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #secrets: Secrets;
  #credential: Promise<ExecCredentialStatus> | undefined;
  #child: ChildProcess | undefined;

  /** @throws ClusterError `credentials` when the plugin is not allowed. */
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

  /** Whether the kubeconfig has one. */
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

  /** Forgets the credential, so that the plugin is asked again. True when there is a plugin to ask. */
  forget(): boolean {
    this.#credential = undefined;
    return this.used;
  }

  /** Ends a plugin that is still running. */
  stop(): void {
    if (this.#child) end(this.#child);
  }

  async #current(): Promise<ExecCredentialStatus> {
    const cached = await this.#credential;
    const expiry = cached?.expirationTimestamp ? Date.parse(cached.expirationTimestamp) - EARLY : Number.POSITIVE_INFINITY;
    if (cached && Date.now() < expiry) return cached;
    this.#credential = run(this.#exec ?? {}, this.#cluster, this.#environment, (child) => {
      this.#child = child;
    }).catch((error: unknown) => {
      this.#credential = undefined;
      // What a plugin says may repeat what it was given.
      throw error instanceof ClusterError
        ? new ClusterError(error.failure, this.#secrets.hide(error.message), { cause: error.cause })
        : error;
    });
    const status = await this.#credential;
    this.#secrets.add([status.token, status.clientKeyData].filter((secret) => secret !== undefined));
    return status;
  }
}

function check(exec: ExecConfig, policy: PluginPolicy, environment: Readonly<Record<string, string | undefined>>): void {
  const { command, env } = exec;
  if (typeof command !== 'string' || command === '')
    throw new ClusterError('credentials', 'The kubeconfig has an exec plugin without a command.');
  if (policy !== 'any' && !policy.includes(command)) {
    throw new ClusterError(
      'credentials',
      `The kubeconfig wants to start the program "${command}", which the input exec-plugins does not allow (it allows: ${policy.join(', ') || 'none'}). A kubeconfig that comes from somebody else can run anything with the rights of this job. If you trust it, add "${command}" to exec-plugins.`,
    );
  }
  checkShape(exec);
  const bad = (env ?? []).find(({ name }) => FORBIDDEN_VARIABLES.test(name));
  if (bad)
    throw new ClusterError(
      'credentials',
      `The kubeconfig's exec plugin sets the environment variable ${bad.name}, which decides what code runs. Remove it from the kubeconfig.`,
    );
  if (!isAbsolute(command) && !command.includes('/') && !onPath(command, environment)) {
    throw new ClusterError(
      'credentials',
      `The kubeconfig's exec plugin "${command}" is not installed on this runner (not found in PATH).${exec.installHint ? ` ${exec.installHint.trim()}` : ''}`,
    );
  }
}

/** The fields as client-go wants them (validateAuthInfo), but for programs that ask a person, whom there is none here. */
function checkShape({ apiVersion = '', interactiveMode, args, env }: ExecConfig): void {
  const refuse = (what: string): never => {
    throw new ClusterError('credentials', `The kubeconfig's exec plugin cannot be used: ${what}`);
  };
  if (!API_VERSIONS.includes(apiVersion)) refuse(`its apiVersion is not one of ${API_VERSIONS.join(', ')}.`);
  if (interactiveMode === 'Always') refuse('it wants to ask a person (interactiveMode: Always), and there is nobody at a CI runner.');
  if (interactiveMode === undefined && apiVersion === V1) refuse('it has no interactiveMode; add interactiveMode: Never.');
  if (interactiveMode !== undefined && !/^(Never|IfAvailable)$/.test(interactiveMode)) refuse('its interactiveMode is unknown.');
  if (!isListOf(args, (one) => typeof one === 'string')) refuse('its args are no list of texts.');
  const isVariable = (one: unknown): boolean => {
    const { name, value = '' } = (one ?? {}) as { name?: unknown; value?: unknown };
    return typeof name === 'string' && name !== '' && typeof value === 'string';
  };
  if (!isListOf(env, isVariable)) refuse('its env is no list of names and values, or a value is no text. Put quotes around it.');
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
  // The inputs hold secrets that are no business of a plugin: the kubeconfig, and GitHub's token.
  const inherited = Object.fromEntries(Object.entries(environment).filter(([name]) => !/^INPUT_/i.test(name)));
  const name = basename(command);
  // Most runs start nothing, and need not load it.
  const { spawn } = process.getBuiltinModule('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(command, args ?? [], {
      env: { ...inherited, ...variables, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that what it starts ends with it.
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
      reject(new ClusterError('credentials', `The exec plugin "${name}" could not be started: ${cause.message}`, { cause }));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal) return reject(new ClusterError('credentials', `The exec plugin "${name}" did not end within ${TIME_LIMIT / 1000} s.`));
      if (code !== 0)
        return reject(
          new ClusterError('credentials', `The exec plugin "${name}" failed (exit code ${code}): ${errors.trim() || 'it said nothing'}`),
        );
      const status = parseStatus(Buffer.concat(output).toString('utf8'), apiVersion);
      if (!status)
        return reject(
          new ClusterError(
            'credentials',
            `The exec plugin "${name}" printed no ExecCredential of ${apiVersion} with a token, or with a client certificate and its key.`,
          ),
        );
      resolve(status);
    });
  });
}

/** Kills a plugin and what it has started, and hears no more of it: a process that is left over would keep its pipes open. */
function end(child: ChildProcess): void {
  try {
    if (child.pid !== undefined && process.platform !== 'win32') process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // It has ended already.
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
