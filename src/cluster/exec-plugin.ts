import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, delimiter, isAbsolute, join } from 'node:path';
import { ClusterError } from './cluster.ts';

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
  /** Called with every credential before it is used, so that it can be masked. */
  onSecret: (secrets: string[]) => void = () => {};
  readonly #exec: ExecConfig | undefined;
  readonly #cluster: object;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  #credential: Promise<ExecCredentialStatus> | undefined;
  #child: ChildProcess | undefined;

  /** @throws ClusterError `credentials` when the plugin is not allowed. */
  constructor(
    exec: ExecConfig | undefined,
    cluster: object,
    policy: PluginPolicy,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.#exec = exec;
    this.#cluster = cluster;
    this.#environment = environment;
    if (exec) check(exec, policy, environment);
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
    return this.#exec !== undefined;
  }

  /** Ends a plugin that is still running. */
  stop(): void {
    this.#child?.kill('SIGKILL');
  }

  async #current(): Promise<ExecCredentialStatus> {
    const cached = await this.#credential;
    const expiry = cached?.expirationTimestamp ? Date.parse(cached.expirationTimestamp) - EARLY : Number.POSITIVE_INFINITY;
    if (cached && Date.now() < expiry) return cached;
    this.#credential = run(this.#exec ?? {}, this.#cluster, this.#environment, (child) => {
      this.#child = child;
    });
    this.#credential.catch(() => {
      this.#credential = undefined;
    });
    const status = await this.#credential;
    this.onSecret([status.token, status.clientKeyData].filter((secret) => secret !== undefined));
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
  const { apiVersion = 'client.authentication.k8s.io/v1', command = '', args, env, provideClusterInfo } = exec;
  const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false, ...(provideClusterInfo && { cluster }) } };
  const variables = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  // The inputs hold secrets that are no business of a plugin: the kubeconfig, and GitHub's token.
  const inherited = Object.fromEntries(Object.entries(environment).filter(([name]) => !/^INPUT_/i.test(name)));
  const name = basename(command);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args ?? [], {
      env: { ...inherited, ...variables, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIME_LIMIT,
      killSignal: 'SIGKILL',
    });
    onStart(child);
    const output: Buffer[] = [];
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString('utf8')).slice(-2000);
    });
    child.on('error', (cause) =>
      reject(new ClusterError('credentials', `The exec plugin "${name}" could not be started: ${cause.message}`, { cause })),
    );
    child.on('close', (code, signal) => {
      if (signal) return reject(new ClusterError('credentials', `The exec plugin "${name}" did not end within ${TIME_LIMIT / 1000} s.`));
      if (code !== 0)
        return reject(
          new ClusterError('credentials', `The exec plugin "${name}" failed (exit code ${code}): ${errors.trim() || 'it said nothing'}`),
        );
      const status = parseStatus(Buffer.concat(output).toString('utf8'));
      if (!status)
        return reject(
          new ClusterError('credentials', `The exec plugin "${name}" printed no ExecCredential with a token or a client certificate.`),
        );
      resolve(status);
    });
  });
}

function parseStatus(text: string): ExecCredentialStatus | undefined {
  try {
    const { status } = JSON.parse(text) as { status?: ExecCredentialStatus };
    return status?.token || status?.clientCertificateData ? status : undefined;
  } catch {
    return undefined;
  }
}
