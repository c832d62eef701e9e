import { KNOWN, type PluginPolicy } from './cluster/exec-policy.ts';
import { quoteName } from './cluster/quote.ts';
import type { GuardRequest } from './commands/guard.ts';
import type { HistoryRequest } from './commands/history.ts';
import type { RollbackRequest } from './commands/rollback.ts';
import type { StatusRequest } from './commands/status.ts';
import type { AskedRevision, NamedRevision, RelativeRevision } from './daemonset/asked-revision.ts';
import type { Tolerance } from './daemonset/diagnosis.ts';
import { COMMANDS, type Command } from './daemonset/outcome.ts';
import type { StableFor } from './daemonset/stability.ts';
import type { AskedDaemonSets } from './daemonset/types.ts';
import type { Limits } from './daemonset/verdict.ts';
import { parseDuration } from './duration.ts';

/** The inputs, parsed and checked. */
export type Request = (RollbackRequest | StatusRequest | HistoryRequest | GuardRequest) & {
  kubeconfig: string;
  /** Undefined: the current context. */
  context: string | undefined;
  /** Milliseconds. */
  timeout: number;
  execPlugins: PluginPolicy;
  /** Undefined: no notifications. */
  notifications: Notifications | undefined;
};

/** What to write to GitHub at the end, and with which token. */
export interface Notifications {
  token: string;
  /** A comment on the pull request. */
  comment: boolean;
  /** A status of the deployment. */
  deploymentStatus: boolean;
}

/** Every input with its default, as in action.yml. */
export const DEFAULTS = {
  command: 'rollback',
  daemonset: '',
  selector: '',
  namespace: 'auto',
  kubeconfig: 'auto',
  context: 'auto',
  'to-revision': 'auto',
  'expected-revision': 'any',
  'deploy-outcome': 'auto',
  'change-cause': '',
  revision: '',
  wait: 'true',
  timeout: '10m',
  'stable-for': 'auto',
  'progress-deadline': '5m',
  'fail-fast': 'true',
  'failure-grace': '30s',
  'tolerate-unavailable': '0',
  'rollback-on-failure': 'false',
  'rollback-on-timeout': 'false',
  'rollback-on-cancel': 'false',
  'rollback-if-ambiguous': 'false',
  'dry-run': 'false',
  'show-values': 'false',
  'log-lines': 'auto',
  'exec-plugins': KNOWN,
  'github-token': '',
  comment: 'false',
  'deployment-status': 'false',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of the workflow, as in action.yml
  'job-status': '${{ job.status }}',
} as const;

export type InputName = keyof typeof DEFAULTS;

/** 7 days, in milliseconds. No job runs longer, and timers overflow. */
const LONGEST_TIMEOUT = 7 * 24 * 3_600_000;

/** The mistakes in the inputs. */
export class InputError extends Error {
  readonly mistakes: string[];
  constructor(mistakes: string[]) {
    super(mistakes.join('\n'));
    this.name = 'InputError';
    this.mistakes = mistakes;
  }
}

/**
 * Reads the inputs from the environment as the runner sets them: input `a-b` is `INPUT_A-B`, and an absent input has its default. An empty
 * string counts as absent, except for five inputs: an unset secret, or an output of a step that did not run, arrives as an empty string and
 * must lead neither to another cluster or namespace nor to another revision, nor disable a guard.
 *
 * @param isPrivate whether the repository, and with it the job's log, is private.
 * @throws InputError with all mistakes at once, each with the name of the input.
 */
export function readInputs(environment: Readonly<Record<string, string | undefined>>, isPrivate: boolean): Request {
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
  if (!command) wrong('command', `"${get('command')}" is not a command. Use one of: ${COMMANDS.join(', ')}.`);
  const namespace = get('namespace') === 'auto' ? '' : get('namespace');
  const daemonSets = readDaemonSets(get('daemonset'), get('selector'), namespace, wrong);
  const kubeconfig = kubeconfigIn(environment['INPUT_KUBECONFIG'] ?? '') || DEFAULTS.kubeconfig;
  if (raw('kubeconfig') === '')
    wrong(
      'kubeconfig',
      'it is given but empty. Is the secret missing, or not available to this workflow (a fork, an environment)? To use $KUBECONFIG or ~/.kube/config, omit the input.',
    );
  for (const [name, otherwise] of [
    ['context', 'To use the kubeconfig\'s current context, use "auto" or omit the input.'],
    ['namespace', 'To use the namespace of the context, use "auto" or omit the input.'],
    ['to-revision', 'To restore the newest other version, use "previous"; for the newest known-good one, "last-good".'],
    ['expected-revision', 'To accept any current revision, use "any".'],
  ] as const) {
    // A guard runs before the step that sets the output.
    if (raw(name) === '' && !(name === 'expected-revision' && command === 'guard'))
      wrong(name, `it is given but empty. Is the secret, the variable or the output that it comes from set? ${otherwise}`);
  }
  const timeout = readTimeout(get('timeout'), wrong);
  const limits: Limits = {
    stableFor: readStableFor(get('stable-for'), wrong),
    progressDeadline: readDuration('progress-deadline', get('progress-deadline'), 'To wait until the timeout, use 0.', wrong),
    failFast: boolean('fail-fast'),
    failureGrace: readDuration('failure-grace', get('failure-grace'), '', wrong),
    tolerateUnavailable: readTolerance(get('tolerate-unavailable'), wrong),
    logLines: readLogLines(get('log-lines'), isPrivate, wrong),
  };
  const common = {
    daemonSets,
    kubeconfig,
    context: get('context') === 'auto' ? undefined : get('context'),
    timeout,
    showValues: boolean('show-values'),
    execPlugins: readPlugins(get('exec-plugins'), wrong),
    notifications: readNotifications(
      { token: get('github-token'), comment: boolean('comment'), deploymentStatus: boolean('deployment-status') },
      wrong,
    ),
  };
  const toRevision = readTarget(get('to-revision'), command === 'status' ? 'last-good' : 'previous', wrong);
  const expectedRevision = ['any', ''].includes(raw('expected-revision') ?? 'any')
    ? undefined
    : readRevision('expected-revision', get('expected-revision'), '"any", ', wrong);
  const deployOutcome = raw('deploy-outcome') ?? 'auto';
  if (deployOutcome !== 'auto' && command && command !== 'guard')
    wrong('deploy-outcome', `it applies only to command: guard, not to command: ${command}.`);
  // An output of a step after the deploy that is empty: unless the deploy ran for certain, it did not.
  const deployed = readDeployOutcome(deployOutcome, wrong) ?? (raw('expected-revision') === '' ? false : undefined);
  const revision = get('revision') === '' ? undefined : readRevision('revision', get('revision'), '', wrong);
  if (revision && command && command !== 'history')
    wrong('revision', 'it applies only to command: history, which shows that revision. To restore a revision, set to-revision.');
  const [wait, dryRun] = [boolean('wait'), boolean('dry-run')];
  const only = (name: InputName, owner: Command): boolean => {
    const value = boolean(name);
    if (value && command && command !== owner) wrong(name, `it applies only to command: ${owner}, not to command: ${command}.`);
    return value;
  };
  const [onFailure, onTimeout] = [only('rollback-on-failure', 'status'), only('rollback-on-timeout', 'status')];
  const [onCancel, ifAmbiguous] = [only('rollback-on-cancel', 'guard'), only('rollback-if-ambiguous', 'guard')];
  if (onTimeout && !onFailure && command === 'status')
    wrong('rollback-on-timeout', 'it requires rollback-on-failure. Set that to true as well.');
  if (onFailure && !wait && command === 'status')
    wrong('rollback-on-failure', 'it requires waiting for the rollout. Remove wait: false, or this input.');
  if (mistakes.length > 0) throw new InputError(mistakes);

  const chosen: Command = command ?? 'rollback';
  const changeCause = get('change-cause') || undefined;
  switch (chosen) {
    case 'rollback':
      return { command: chosen, ...common, toRevision, expectedRevision, changeCause, wait, dryRun, limits };
    case 'status':
      return {
        command: chosen,
        ...common,
        expectedRevision,
        wait,
        limits,
        ...(onFailure && { rollback: { toRevision, changeCause, onTimeout } }),
      };
    case 'history':
      return { command: chosen, ...common, revision };
    case 'guard': {
      const jobStatus = get('job-status');
      return {
        command: chosen,
        ...common,
        deployed,
        expected: expectedRevision,
        changeCause,
        wait,
        dryRun,
        limits,
        onCancel,
        ifAmbiguous,
        jobStatus,
      };
    }
  }
}

type Wrong = (name: InputName, problem: string) => void;

function readDaemonSets(text: string, selector: string, namespace: string, wrong: Wrong): AskedDaemonSets {
  const names = listed(text);
  const everywhere = namespace === '*';
  if (names.length > 0 && selector !== '') wrong('selector', 'it is given together with daemonset. Use one of the two.');
  if (names.length === 0 && selector === '')
    wrong(
      'daemonset',
      'it is missing. Set it to the name of the DaemonSet or to namespace/name. For several, use one line each, or a selector.',
    );
  if (namespace !== '' && !isNamespace(namespace) && !(everywhere && selector !== ''))
    wrong(
      'namespace',
      everywhere
        ? '"*" means all namespaces, and only together with a selector.'
        : `${quoteName(namespace)} is not a valid namespace. Use lower-case letters, digits and "-".`,
    );
  if (selector !== '') return { kind: 'selected', selector, namespace: namespace || undefined };
  return { kind: 'named', daemonSets: names.map((name) => readName(name, namespace, wrong)) };
}

/** The kinds that kubectl accepts before a name, as in `ds/agent`. */
const KIND = /^(ds|daemonsets?)(\.(v1\.)?apps)?$/;

/**
 * A DaemonSet: `name`, `namespace/name`, or as in kubectl `ds/name`. A namespace that has the name of a kind can only be given by the
 * input `namespace`.
 */
function readName(text: string, namespace: string, wrong: Wrong): { namespace: string | undefined; name: string } {
  const parts = text.split('/');
  const [first = '', second] = parts;
  const isQualified = second !== undefined && !KIND.test(first);
  const [before, name] = isQualified ? [first, second] : [namespace, second ?? first];
  if (parts.length > 2 || !isName(name) || (isQualified && !isNamespace(before))) {
    wrong(
      'daemonset',
      `${quoteName(text)} is not a valid DaemonSet name. Use name, namespace/name or ds/name, with lower-case letters, digits, "-" and ".".`,
    );
  }
  return { namespace: before || undefined, name };
}

/** The entries of a list, separated by commas or line breaks. */
function listed(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((entry) => entry.trim())
    .filter(Boolean);
}

/** A DNS subdomain name (RFC 1123), as Kubernetes requires for names. */
function isName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text);
}

/** A DNS label (RFC 1123), as Kubernetes requires for namespaces. */
function isNamespace(text: string): boolean {
  return text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
}

/** @param auto the meaning of `auto`. */
function readTarget(text: string, auto: RelativeRevision['kind'], wrong: Wrong): AskedRevision {
  if (text === 'auto') return { kind: auto };
  return text === 'previous' || text === 'last-good'
    ? { kind: text }
    : readRevision('to-revision', text, '"previous", "last-good", ', wrong);
}

/**
 * Whether the deploy step ran, by its outcome: that of a step that did not run is `skipped`, or empty before it could. Undefined: not given.
 */
function readDeployOutcome(text: string, wrong: Wrong): boolean | undefined {
  switch (text) {
    case 'auto':
      return undefined;
    case '':
    case 'skipped':
      return false;
    case 'success':
    case 'failure':
    case 'cancelled':
      return true;
    default:
      wrong(
        'deploy-outcome',
        `"${text}" is not the outcome of a step. Set it to "\${{ steps.ID.outcome }}", where ID is the id of the deploy step.`,
      );
      return undefined;
  }
}

/** @param words the other values of this input, for the message. */
function readRevision(input: InputName, text: string, words: string, wrong: Wrong): NamedRevision {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number < 1 || !Number.isSafeInteger(number)) wrong(input, `"${text}" is not a revision number. They start at 1.`);
    return { kind: 'number', number };
  }
  if (!isName(text)) wrong(input, `"${text}" is neither a revision number, ${words}nor the name or hash of a ControllerRevision.`);
  return { kind: 'name', name: text };
}

function readTimeout(text: string, wrong: Wrong): number {
  const timeout = parseDuration(text);
  if (timeout === undefined) wrong('timeout', `"${text}" is not a duration. Use one such as 90s, 10m or 1h30m, or seconds such as 600.`);
  else if (timeout < 1) wrong('timeout', `"${text}" is too short. To not wait for the nodes, set wait: false.`);
  else if (timeout > LONGEST_TIMEOUT) wrong('timeout', `"${text}" is longer than a job can run (at most 168h).`);
  return timeout ?? 0;
}

function readDuration(input: InputName, text: string, hint: string, wrong: Wrong): number {
  const duration = parseDuration(text);
  if (duration === undefined)
    wrong(input, `"${text}" is not a duration. Use one such as 30s, 5m or 1h30m, or seconds such as 300. ${hint}`.trim());
  else if (duration > LONGEST_TIMEOUT) wrong(input, `"${text}" is longer than a job can run (at most 168h).`);
  return duration ?? 0;
}

function readStableFor(text: string, wrong: Wrong): StableFor {
  return text === 'auto'
    ? text
    : readDuration('stable-for', text, 'Use "auto" for what suits the template, or 0 to switch the check off.', wrong);
}

function readTolerance(text: string, wrong: Wrong): Tolerance {
  const [, amount, percent] = /^(\d{1,6})(%?)$/.exec(text) ?? [];
  const number = Number(amount);
  if (amount === undefined || (percent === '%' && number > 100))
    wrong('tolerate-unavailable', `"${text}" is neither a number of nodes, such as 2, nor a percentage of them, such as 5%.`);
  return percent === '%' ? { percent: number } : { nodes: number };
}

/** The lines of a log for `auto` in a private repository. */
const PRIVATE_LOG_LINES = 20;
/** More lines do not fit into a summary. */
const MOST_LOG_LINES = 500;

function readLogLines(text: string, isPrivate: boolean, wrong: Wrong): number {
  if (text === 'auto') return isPrivate ? PRIVATE_LOG_LINES : 0;
  const lines = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(lines <= MOST_LOG_LINES)) wrong('log-lines', `"${text}" is neither "auto" nor a number of lines from 0 to ${MOST_LOG_LINES}.`);
  return lines;
}

function readNotifications(notifications: Notifications, wrong: Wrong): Notifications | undefined {
  const { token, comment, deploymentStatus } = notifications;
  const needs = [
    ...(comment ? [['comment', 'pull-requests: write'] as const] : []),
    ...(deploymentStatus ? [['deployment-status', 'deployments: write'] as const] : []),
  ];
  if (needs.length === 0) return undefined;
  if (token === '')
    wrong(
      'github-token',
      `it is missing or empty, but ${needs.map(([input]) => input).join(' and ')} ${needs.length === 1 ? 'requires' : 'require'} it. Use "\${{ github.token }}", and give the job permissions: ${needs.map(([, permission]) => permission).join(', ')}.`,
    );
  return notifications;
}

function readPlugins(text: string, wrong: Wrong): PluginPolicy {
  const plugins = listed(text);
  if (plugins.length > 1 && (plugins.includes('any') || plugins.includes('none')))
    wrong('exec-plugins', '"any" and "none" cannot be combined with other entries.');
  if (plugins.includes('any')) return 'any';
  return plugins.includes('none') ? [] : plugins;
}

/** The kubeconfig without blank lines around it. The indentation of its first line matters in YAML. */
function kubeconfigIn(text: string): string {
  return text.trim().includes('\n') ? text.replace(/^(?:[ \t]*\r?\n)+/, '').trimEnd() : text.trim();
}
