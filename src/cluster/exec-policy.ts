import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, dirname, isAbsolute, join } from 'node:path';
import type { Environment } from '../ci/environment.ts';
import { ClusterError } from './cluster.ts';
import { KNOWN_PLUGINS, unknownArgument, WORD } from './known-plugins.ts';
import { quoteName } from './quote.ts';

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

/**
 * The programs that a kubeconfig is allowed to start, like the credential plugin policy of kubectl (kuberc): `any` is `AllowAll`, an empty
 * list is `DenyAll`, and another list is the `Allowlist`. An entry is a name in PATH or an absolute path, and allows a command that is the
 * same file. The entry `known` allows the known plugins, as the login commands of their vendors write them.
 */
export type PluginPolicy = 'any' | readonly string[];

export const KNOWN = 'known';

/** Variables that control which code runs, in any program. A kubeconfig is not allowed to set them. */
const FORBIDDEN_VARIABLES =
  /^(PATH|PATHEXT|LD_.*|DYLD_.*|NODE_.*|PYTHON.*|PERL5.*|RUBY.*|GEM_.*|BUNDLE_.*|BASH_.*|ENV|IFS|PS4|SHELLOPTS|ZDOTDIR|GCONV_PATH|JAVA_.*|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|CLOUDSDK_PYTHON.*|DOTNET_.*|COMPLUS_.*|PAGER|EDITOR|BROWSER|GIT_.*)$/i;

/**
 * The absolute path of the program that an exec plugin runs.
 *
 * @throws ClusterError `credentials` if the policy does not allow it, or if it is not installed.
 */
export function allowedProgram(exec: ExecConfig, policy: PluginPolicy, environment: Environment): string {
  const { command = '', args, env, installHint } = exec;
  if (/[/\\]/.test(command) && !isAbsolute(command))
    throw disallowed(
      `The kubeconfig runs the program ${quoteName(command)}, but a relative path is possible only in a kubeconfig that is a file. Set command to a name in PATH or to an absolute path.`,
    );
  const program = resolveProgram(command, environment);
  const isSame = (name: string): boolean => name === command || (program !== undefined && resolveProgram(name, environment) === program);
  const named = policy === 'any' || policy.some((entry) => entry !== KNOWN && isSame(entry));
  if (!named) {
    const known = policy.includes(KNOWN) ? Object.keys(KNOWN_PLUGINS).find(isSame) : undefined;
    if (known === undefined)
      throw disallowed(
        `The kubeconfig runs the program ${quoteName(command)}, which the input exec-plugins does not allow (allowed: ${allowedIn(policy)}). A kubeconfig from an untrusted source can run any program with the permissions of this job. If you trust it, add it to exec-plugins.`,
      );
    const problem = unknownIn(known, args ?? [], env ?? [], environment);
    if (problem !== undefined)
      throw disallowed(
        `The kubeconfig runs "${known}" with ${problem}, which the login command of ${known} does not write. If you trust the kubeconfig, set exec-plugins to "${KNOWN}, ${known}", which allows all arguments and variables.`,
      );
  }
  const bad = (env ?? []).find(({ name, value }) => FORBIDDEN_VARIABLES.test(name) && environment[name] !== value);
  if (bad)
    throw disallowed(
      `The exec plugin in the kubeconfig sets the environment variable ${quoteName(bad.name)}, which controls what code runs. Remove it from the kubeconfig.`,
    );
  if (program === undefined)
    throw disallowed(
      isAbsolute(command)
        ? `The exec plugin ${quoteName(command)} in the kubeconfig does not exist on this runner, or is not an executable file.`
        : `The exec plugin ${quoteName(command)} in the kubeconfig is not installed on this runner (not found in PATH). Install it before this step.${installHint ? ` ${installHint.trim()}` : ''}`,
    );
  return program;
}

/** What a kubeconfig does with a known plugin that its login command does not do. */
function unknownIn(
  known: string,
  args: readonly string[],
  env: readonly { name: string; value: string }[],
  environment: Environment,
): string | undefined {
  const plugin = KNOWN_PLUGINS[known];
  if (!plugin) return undefined;
  const argument = unknownArgument(plugin, args);
  if (argument !== undefined) return argument;
  const variable = env.find(
    ({ name, value }) => environment[name] !== value && !(plugin.variables.includes(name) && (value === '' || WORD.test(value))),
  );
  return (
    variable && `the environment variable ${quoteName(variable.name)}${plugin.variables.includes(variable.name) ? ' of this value' : ''}`
  );
}

function allowedIn(policy: PluginPolicy): string {
  return policy === 'any'
    ? 'any'
    : policy.flatMap((entry) => (entry === KNOWN ? Object.keys(KNOWN_PLUGINS) : [entry])).join(', ') || 'none';
}

function disallowed(message: string): ClusterError {
  return new ClusterError('credentials', message);
}

/**
 * The file of a program: an absolute path, or a name in PATH. Relative and empty entries of PATH are skipped, because they depend on the
 * working directory, which is a checkout. The directory is resolved, the name is not: some programs behave as the name that they are
 * started by.
 */
export function resolveProgram(command: string, environment: Environment): string | undefined {
  if (command === '') return undefined;
  const candidates = isAbsolute(command)
    ? [command]
    : /[/\\]/.test(command)
      ? []
      : pathOf(environment).map((directory) => join(directory, command));
  const [found] = candidates.flatMap((file) => suffixesFor(file).map((suffix) => file + suffix)).filter(isExecutable);
  return found && join(realpathSync(dirname(found)), basename(found));
}

function pathOf(environment: Environment): string[] {
  const windows = process.platform === 'win32';
  const [, path = ''] = Object.entries(environment).find(([name]) => name === 'PATH' || (windows && name.toUpperCase() === 'PATH')) ?? [];
  return path.split(delimiter).filter((directory) => isAbsolute(directory));
}

/** Windows starts only `.exe` files without a shell. */
function suffixesFor(file: string): string[] {
  return process.platform !== 'win32' || /\.exe$/i.test(file) ? [''] : ['.exe'];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
