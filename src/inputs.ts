import type { PluginPolicy } from './cluster/exec-plugin.ts';
import type { HistoryRequest } from './commands/history.ts';
import type { RollbackRequest } from './commands/rollback.ts';
import type { AskedRevision } from './daemonset/target.ts';
import { parseDuration } from './duration.ts';

/** What the step is asked to do, checked. */
export type Request = (RollbackRequest | HistoryRequest) & {
  kubeconfig: string;
  /** Undefined: the current context. */
  context: string | undefined;
  /** Milliseconds. */
  timeout: number;
  execPlugins: PluginPolicy;
};

/** Every input with its default, as in action.yml. */
export const DEFAULTS = {
  command: 'rollback',
  daemonset: '',
  namespace: '',
  kubeconfig: 'auto',
  context: '',
  'to-revision': 'previous',
  wait: 'true',
  timeout: '10m',
  'dry-run': 'false',
  'show-values': 'false',
  'exec-plugins': 'aws, aws-iam-authenticator, gke-gcloud-auth-plugin, kubelogin, kubectl-oidc_login, doctl, oci, tsh',
} as const;

/** What the input `command` may say. */
export const COMMANDS = ['rollback', 'history'] as const;

export type InputName = keyof typeof DEFAULTS;

/** Longer waits make no sense in a job, and overflow timers: 7 days, in milliseconds. */
const LONGEST_TIMEOUT = 7 * 24 * 3_600_000;

/** All mistakes in the inputs. */
export class InputError extends Error {
  readonly mistakes: string[];
  constructor(mistakes: string[]) {
    super(mistakes.join('\n'));
    this.name = 'InputError';
    this.mistakes = mistakes;
  }
}

/**
 * Reads the inputs from the environment as the runner gives them: `a-b` arrives as `INPUT_A-B`, and a key
 * that is absent is given with its default. An empty string counts as not given, but for two: an unset secret or an output of a step
 * that did not run arrives as an empty string, and must lead neither to another cluster nor to another revision.
 *
 * @throws InputError with every mistake at once, each by the input's name.
 */
export function readInputs(environment: Readonly<Record<string, string | undefined>>): Request {
  const mistakes: string[] = [];
  const raw = (name: InputName): string | undefined => environment[`INPUT_${name.toUpperCase()}`]?.trim();
  const get = (name: InputName): string => raw(name) || DEFAULTS[name];
  const wrong = (name: InputName, problem: string): void => {
    mistakes.push(`Input ${name}: ${problem}`);
  };
  const boolean = (name: InputName): boolean => {
    const value = get(name).toLowerCase();
    if (value !== 'true' && value !== 'false') wrong(name, `"${get(name)}" is neither "true" nor "false".`);
    return value === 'true';
  };

  const command = COMMANDS.find((name) => name === get('command'));
  if (!command) wrong('command', `"${get('command')}" is not a command. There are: ${COMMANDS.join(', ')}.`);
  const daemonSet = readDaemonSet(get('daemonset'), get('namespace'), wrong);
  const kubeconfig = get('kubeconfig');
  if (raw('kubeconfig') === '')
    wrong(
      'kubeconfig',
      'it is given but empty. Is the secret missing, or not available to this workflow (a fork, an environment)? To use $KUBECONFIG or ~/.kube/config, leave the input out.',
    );
  if (raw('to-revision') === '')
    wrong(
      'to-revision',
      'it is given but empty. Did the step that hands it over run, and set that output? To go back to the newest other version, write "previous".',
    );
  const timeout = readTimeout(get('timeout'), wrong);
  const common = {
    daemonSet,
    kubeconfig,
    context: get('context') || undefined,
    timeout,
    showValues: boolean('show-values'),
    execPlugins: readPlugins(get('exec-plugins')),
  };
  const rollback = { toRevision: readRevision(get('to-revision'), wrong), wait: boolean('wait'), dryRun: boolean('dry-run') };
  if (mistakes.length > 0) throw new InputError(mistakes);
  return command === 'history' ? { command, ...common } : { command: 'rollback', ...common, ...rollback };
}

type Wrong = (name: InputName, problem: string) => void;

function readDaemonSet(text: string, namespace: string, wrong: Wrong): Request['daemonSet'] {
  const names = text
    .split(/[\n,]/)
    .map((name) => name.trim())
    .filter(Boolean);
  const parts = (names[0] ?? '').split('/');
  const [before, name] = parts.length === 2 ? parts : [namespace, names[0] ?? ''];
  if (names.length === 0) wrong('daemonset', 'it is missing. Give the name of the DaemonSet, or namespace/name.');
  else if (names.length > 1)
    wrong('daemonset', `it names ${names.length} DaemonSets (${names.join(', ')}); give one. For several, use a matrix.`);
  else if (parts.length > 2 || !isName(name ?? '') || (parts.length === 2 && !isName(before ?? ''))) {
    wrong(
      'daemonset',
      `"${names[0]}" is not the name of a DaemonSet. Give it as name or namespace/name: lower-case letters, digits, "-" and ".".`,
    );
  }
  if (namespace !== '' && !isName(namespace))
    wrong('namespace', `"${namespace}" is not the name of a namespace: lower-case letters, digits and "-".`);
  return { namespace: before || undefined, name: name ?? '' };
}

/** A DNS subdomain name (RFC 1123), as Kubernetes wants its names. */
function isName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text);
}

function readRevision(text: string, wrong: Wrong): AskedRevision {
  if (text === 'previous') return { kind: 'previous' };
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number < 1 || !Number.isSafeInteger(number))
      wrong('to-revision', `"${text}" is not a revision number: they begin at 1. For the one before the current, give "previous".`);
    return { kind: 'number', number };
  }
  if (!isName(text))
    wrong('to-revision', `"${text}" is neither a revision number, nor "previous", nor the name or hash of a ControllerRevision.`);
  return { kind: 'name', name: text };
}

function readTimeout(text: string, wrong: Wrong): number {
  const timeout = parseDuration(text);
  if (timeout === undefined)
    wrong('timeout', `"${text}" is not a duration. Give one such as 90s, 10m or 1h30m, or plain seconds such as 600.`);
  else if (timeout < 1) wrong('timeout', `"${text}" leaves no time. To not wait for the nodes, set wait: false.`);
  else if (timeout > LONGEST_TIMEOUT) wrong('timeout', `"${text}" is longer than a job can take (at most 168h).`);
  return timeout ?? 0;
}

function readPlugins(text: string): PluginPolicy {
  const plugins = text
    .split(/[\n,]/)
    .map((plugin) => plugin.trim())
    .filter(Boolean);
  return plugins.includes('any') ? 'any' : plugins;
}
