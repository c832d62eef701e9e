import type { ChildProcess } from 'node:child_process';
import { basename } from 'node:path';
import type { Environment } from '../ci/environment.ts';
import { ClusterError } from './cluster.ts';
import { allowedProgram, type ExecConfig, type PluginPolicy } from './exec-policy.ts';
import { quoteName } from './quote.ts';
import type { Secrets } from './secrets.ts';

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

/**
 * Variables that a plugin does not inherit: the inputs and flags, which contain the kubeconfig and the GitHub token; the state of steps; and the
 * runner's own tokens, addresses and command files. It keeps ACTIONS_ID_TOKEN_REQUEST_URL and its token, by which a plugin logs in.
 */
const NOT_INHERITED =
  /^(INPUT_.*|ROLLBACK_DAEMONSET_.*|STATE_.*|ACTIONS_(RUNTIME|RESULTS|CACHE)_.*|GITHUB_(ENV|PATH|OUTPUT|STATE|STEP_SUMMARY))$/i;

const V1 = 'client.authentication.k8s.io/v1';
const API_VERSIONS = [V1, 'client.authentication.k8s.io/v1beta1'];

/** A credential is much smaller. In bytes. */
const MAX_OUTPUT = 1024 * 1024;
/** How much of the error output is kept, in bytes, and how much of it a message contains, in characters. */
const MAX_ERRORS = 64 * 1024;
const MAX_MESSAGE = 2_000;
/** The time limit for a plugin. */
const TIME_LIMIT_MS = 60_000;
/** A credential is renewed this long before it expires. */
const EARLY_MS = 10_000;

/**
 * Runs a kubeconfig's credential plugin (client.authentication.k8s.io), as an authenticator of the client library. The library's own
 * authenticator has no time limit, does not set KUBERNETES_EXEC_INFO, and runs any program that the kubeconfig names.
 */
export class ExecPlugins {
  static readonly PROVIDER = 'exec-plugin';
  readonly #exec: ExecConfig | undefined;
  readonly #program: string;
  readonly #cluster: object;
  readonly #environment: Environment;
  readonly #secrets: Secrets;
  #credential: Promise<ExecCredentialStatus> | undefined;
  #child: ChildProcess | undefined;

  /** @throws ClusterError `credentials` if the plugin is not allowed. */
  constructor(exec: ExecConfig | undefined, cluster: object, policy: PluginPolicy, environment: Environment, secrets: Secrets) {
    this.#exec = exec;
    this.#cluster = cluster;
    this.#environment = environment;
    this.#secrets = secrets;
    if (exec) checkShape(exec);
    this.#program = exec ? allowedProgram(exec, policy, environment) : '';
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
    if (this.#child) kill(this.#child);
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
    const exec = this.#exec ?? {};
    const { apiVersion = V1 } = exec;
    const name = quoteName(basename(this.#program));
    const fail = (what: string): ClusterError =>
      new ClusterError('credentials', this.#secrets.hide(`The exec plugin ${name} in the kubeconfig ${what}`));
    const end = await this.#output(exec);
    switch (end.kind) {
      case 'not-started':
        throw fail(`could not be started (${end.code}).`);
      case 'killed':
        throw fail(`did not finish within ${TIME_LIMIT_MS / 1000} s. Run it before this step to find out why.`);
      case 'too-large':
        throw fail(`printed more than ${MAX_OUTPUT / 1024 / 1024} MiB. Check its arguments.`);
      case 'exited': {
        // A plugin can print what it was given. A secret that is cut in half is not found any more, so cut at last.
        const errors = this.#secrets.hideEnd(end.errors, MAX_MESSAGE, end.errorsAreCut).trim();
        if (end.code !== 0) throw fail(`failed (exit code ${end.code}): ${errors || 'no error output'}`);
        const status = parseStatus(end.output, apiVersion);
        if (!status)
          throw fail(
            `did not print an ExecCredential of ${apiVersion} with a token, or with a client certificate and its key. Check its version and arguments.`,
          );
        this.#secrets.add([status.token, status.clientKeyData].filter((secret) => secret !== undefined));
        return status;
      }
    }
  }

  /** Runs the program once. */
  #output({ args, env, apiVersion, provideClusterInfo }: ExecConfig): Promise<End> {
    const info = {
      apiVersion,
      kind: 'ExecCredential',
      spec: { interactive: false, ...(provideClusterInfo && { cluster: this.#cluster }) },
    };
    const inherited = Object.fromEntries(Object.entries(this.#environment).filter(([name]) => !NOT_INHERITED.test(name)));
    const variables = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value ?? '']));
    // Most runs start no plugin, so this module is loaded only when it is needed.
    const { spawn } = process.getBuiltinModule('node:child_process');
    return new Promise((resolve) => {
      const notStarted = (error: unknown): void =>
        resolve({ kind: 'not-started', code: (error as NodeJS.ErrnoException).code ?? 'unknown error' });
      try {
        const child = spawn(this.#program, args ?? [], {
          env: { ...inherited, ...variables, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
          stdio: ['ignore', 'pipe', 'pipe'],
          // A process group of its own, so that its child processes end with it.
          detached: process.platform !== 'win32',
        });
        this.#child = child;
        const timer = setTimeout(() => kill(child), TIME_LIMIT_MS);
        let output = Buffer.alloc(0);
        let errors = Buffer.alloc(0);
        let errorsAreCut = false;
        child.stdout.on('data', (chunk: Buffer) => {
          output = Buffer.concat([output, chunk]);
          if (output.length > MAX_OUTPUT) kill(child);
        });
        child.stderr.on('data', (chunk: Buffer) => {
          errors = Buffer.concat([errors, chunk]);
          errorsAreCut ||= errors.length > MAX_ERRORS;
          errors = errors.subarray(-MAX_ERRORS);
        });
        child.on('error', (error) => {
          clearTimeout(timer);
          notStarted(error);
        });
        child.on('close', (code, signal) => {
          clearTimeout(timer);
          if (output.length > MAX_OUTPUT) resolve({ kind: 'too-large' });
          else if (signal) resolve({ kind: 'killed' });
          else resolve({ kind: 'exited', code, output: output.toString('utf8'), errors: errors.toString('utf8'), errorsAreCut });
        });
      } catch (error) {
        // An argument or a variable that the system does not accept. The message of the exception quotes it.
        notStarted(error);
      }
    });
  }
}

/** How a run of a plugin ended. */
type End =
  | { kind: 'not-started'; code: string }
  | { kind: 'killed' }
  | { kind: 'too-large' }
  | { kind: 'exited'; code: number | null; output: string; errors: string; errorsAreCut: boolean };

function isFresh({ expirationTimestamp }: ExecCredentialStatus): boolean {
  return !expirationTimestamp || Date.now() < Date.parse(expirationTimestamp) - EARLY_MS;
}

/** Checks the fields as client-go does (validateAuthInfo), and rejects interactive plugins. */
function checkShape({ command, apiVersion = '', interactiveMode, args, env }: ExecConfig): void {
  const refuse = (what: string): never => {
    throw new ClusterError('credentials', `The exec plugin in the kubeconfig is invalid: ${what}`);
  };
  if (typeof command !== 'string' || command === '') refuse('it has no command. Generate the kubeconfig again.');
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

/**
 * Kills a plugin with its child processes, and closes its pipes, which a remaining process could keep open. Once it has ended, its process
 * id can belong to another process.
 */
function kill(child: ChildProcess): void {
  const isRunning = child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  try {
    if (isRunning && process.platform !== 'win32') process.kill(-(child.pid ?? 0), 'SIGKILL');
    else if (isRunning) child.kill('SIGKILL');
  } catch {
    // It has just ended.
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
