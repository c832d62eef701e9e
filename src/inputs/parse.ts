import type { Environment } from '../ci/environment.ts';
import type { PluginPolicy } from '../cluster/exec-policy.ts';
import { quoteName } from '../cluster/quote.ts';
import type { GuardRequest } from '../commands/guard.ts';
import type { HistoryRequest } from '../commands/history.ts';
import type { ReleaseRequest } from '../commands/release.ts';
import type { RollbackRequest } from '../commands/rollback.ts';
import type { StatusRequest } from '../commands/status.ts';
import { COMMANDS } from '../daemonset/outcome.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import type { Limits } from '../daemonset/verdict.ts';
import { type Definition, INPUT_NAMES, INPUTS, type InputName, type Values } from './definitions.ts';
import { daemonSetNamed, isNamespace, listed } from './values.ts';

/** The inputs, parsed and checked. */
export type Request = (RollbackRequest | StatusRequest | HistoryRequest | GuardRequest | ReleaseRequest) & {
  kubeconfig: string;
  /** Undefined: the current context. */
  context: string | undefined;
  timeoutMs: number;
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

/** The mistakes in the inputs. */
export class InputError extends Error {
  readonly mistakes: string[];
  constructor(mistakes: string[]) {
    super(mistakes.join('\n'));
    this.name = 'InputError';
    this.mistakes = mistakes;
  }
}

/** The inputs as they were given. */
interface Given {
  values: Values;
  /** Those that are given and empty. */
  empty: ReadonlySet<InputName>;
  /** Those that do not have their default. */
  changed: ReadonlySet<InputName>;
}

/** Collects a mistake in an input. */
type Report = (name: InputName, problem: string) => void;

/** The lines of a log for `auto` in a private repository. */
const PRIVATE_LOG_LINES = 20;

/** The texts of the inputs by name; undefined if absent. */
type Texts = (name: InputName) => string | undefined;

/** Where inputs come from. */
interface Origin {
  /** Whether the job's log is private. */
  isPrivate: boolean;
  /** How a mistake names an input: by default, as an input of the action. */
  label?: (name: InputName) => string;
  /** The DaemonSets are those of a record, so none needs to be named. */
  isRecorded?: boolean;
}

/** The inputs of a step, as a runner sets them in its environment: input `a-b` is `INPUT_A-B`. */
export function fromStep(environment: Environment): Texts {
  return (name) => environment[`INPUT_${name.toUpperCase()}`];
}

/**
 * Reads the inputs. An absent one has its default.
 *
 * @throws InputError with all mistakes at once, each with the name of the input.
 */
export function readInputs(given: Texts, { isPrivate, label = (name) => `Input ${name}`, isRecorded = false }: Origin): Request {
  const mistakes: string[] = [];
  const report: Report = (name, problem) => mistakes.push(`${label(name)}: ${problem}`);
  const inputs = readValues(given, report);
  const daemonSets = daemonSetsIn(inputs.values, isRecorded, report);
  checkTogether(inputs, report);
  if (mistakes.length > 0) throw new InputError(mistakes);
  return requestFor(inputs, daemonSets, isPrivate);
}

function readValues(textOf: Texts, report: Report): Given {
  const empty = new Set<InputName>();
  const changed = new Set<InputName>();
  const values = INPUT_NAMES.map((name) => {
    const { default: otherwise, read, ifEmpty, isEmptyValue = false }: Definition<unknown> = INPUTS[name];
    const raw = textOf(name);
    const text = raw?.trim();
    if (text === '') empty.add(name);
    if (text === '' && ifEmpty !== undefined && !isEmptyAllowed(name, textOf)) report(name, ifEmpty);
    const isGiven = text !== undefined && (text !== '' || isEmptyValue);
    if (isGiven && text.toLowerCase() !== otherwise) changed.add(name);
    // In a kubeconfig, the indentation of the first line has a meaning.
    const given = name === 'kubeconfig' ? raw : text;
    return [name, read(isGiven ? (given ?? '') : otherwise, (problem) => report(name, problem))];
  });
  return { values: Object.fromEntries(values) as Values, empty, changed };
}

/** A guard runs before the step that sets the output. */
function isEmptyAllowed(name: InputName, textOf: Texts): boolean {
  return name === 'expected-revision' && textOf('command')?.trim() === 'guard';
}

function daemonSetsIn({ daemonset, selector, namespace = '' }: Values, isRecorded: boolean, report: Report): AskedDaemonSets {
  const names = listed(daemonset);
  const everywhere = namespace === '*';
  if (names.length > 0 && selector !== '') report('selector', 'it is given together with the name of a DaemonSet. Use one of the two.');
  if (names.length === 0 && selector === '' && !isRecorded)
    report('daemonset', 'it is missing. Give the name of a DaemonSet, as name or namespace/name; for several, all names, or a selector.');
  if (namespace !== '' && !isNamespace(namespace) && !(everywhere && selector !== ''))
    report(
      'namespace',
      everywhere
        ? '"*" means all namespaces, and only together with a selector.'
        : `${quoteName(namespace)} is not a valid namespace. Use lower-case letters, digits and "-".`,
    );
  if (selector !== '') return { kind: 'selected', selector, namespace: namespace || undefined };
  const wrong = (problem: string): void => report('daemonset', problem);
  return { kind: 'named', daemonSets: names.map((name) => daemonSetNamed(name, namespace, wrong)) };
}

/** What no input shows by itself. */
function checkTogether({ values, changed }: Given, report: Report): void {
  const { command, wait, hold } = values;
  for (const name of changed) {
    const { commands = COMMANDS, hint }: Definition<unknown> = INPUTS[name];
    const [only, ...others] = commands;
    // A runner sets the status of the job for each command.
    if (others.length > 0 || !command || command === only || name === 'job-status') continue;
    report(name, `it applies only to command: ${only}, not to command: ${command}.${hint === undefined ? '' : ` ${hint}`}`);
  }
  const [onFailure, onTimeout] = [values['rollback-on-failure'], values['rollback-on-timeout']];
  if (onTimeout && !onFailure && command === 'status')
    report('rollback-on-timeout', 'it requires rollback-on-failure. Set that to true as well.');
  if (onFailure && !wait && command === 'status')
    report('rollback-on-failure', 'it requires waiting for the rollout, but wait is false. Change one of the two.');
  if (hold && command === 'status' && !onFailure) report('hold', 'it requires rollback-on-failure. Set that to true as well.');
  if (hold && (command === 'history' || command === 'release'))
    report('hold', `it applies only to what rolls back, not to command: ${command}.`);
  const needs = [
    ...(values.comment ? [['comment', 'pull-requests: write'] as const] : []),
    ...(values['deployment-status'] ? [['deployment-status', 'deployments: write'] as const] : []),
  ];
  if (needs.length > 0 && values['github-token'] === '')
    report(
      'github-token',
      `it is missing or empty, but ${needs.map(([input]) => input).join(' and ')} ${needs.length === 1 ? 'requires' : 'require'} it. Use "\${{ github.token }}", and give the job permissions: ${needs.map(([, permission]) => permission).join(', ')}.`,
    );
}

/** The request that the inputs describe. They are without mistakes. */
function requestFor({ values, empty }: Given, daemonSets: AskedDaemonSets, isPrivate: boolean): Request {
  const { command = 'rollback', kubeconfig, context, timeout: timeoutMs, wait, hold, revision, preflight } = values;
  const [comment, deploymentStatus] = [values.comment, values['deployment-status']];
  const common = {
    daemonSets,
    kubeconfig,
    context,
    timeoutMs,
    showValues: values['show-values'],
    execPlugins: values['exec-plugins'],
    notifications: comment || deploymentStatus ? { token: values['github-token'], comment, deploymentStatus } : undefined,
  };
  const limits: Limits = {
    stableFor: values['stable-for'],
    progressDeadlineMs: values['progress-deadline'],
    failFast: values['fail-fast'],
    failureGraceMs: values['failure-grace'],
    tolerateUnavailable: values['tolerate-unavailable'],
    logLines: values['log-lines'] ?? (isPrivate ? PRIVATE_LOG_LINES : 0),
  };
  const toRevision = values['to-revision'] ?? ({ kind: command === 'status' ? 'last-good' : 'previous' } as const);
  const expectedRevision = empty.has('expected-revision') ? undefined : values['expected-revision'];
  const changeCause = values['change-cause'] || undefined;
  const dryRun = values['dry-run'];
  switch (command) {
    case 'rollback':
      return { command, ...common, toRevision, expectedRevision, changeCause, hold, wait, dryRun, limits, preflight };
    case 'status': {
      const rollback = { toRevision, changeCause, hold, preflight, onTimeout: values['rollback-on-timeout'] };
      return { command, ...common, expectedRevision, wait, limits, ...(values['rollback-on-failure'] && { rollback }) };
    }
    case 'history':
      return { command, ...common, revision, preflight };
    case 'release':
      return { command, ...common, dryRun };
    case 'guard': {
      // An output of a step after the deploy that is empty: unless the deploy ran for certain, it did not.
      const deployed = values['deploy-outcome'] ?? (empty.has('expected-revision') ? false : undefined);
      const onCancel = values['rollback-on-cancel'];
      const ifAmbiguous = values['rollback-if-ambiguous'];
      const jobStatus = values['job-status'];
      return {
        command,
        ...common,
        deployed,
        expected: expectedRevision,
        changeCause,
        hold,
        wait,
        dryRun,
        limits,
        preflight,
        onCancel,
        ifAmbiguous,
        jobStatus,
      };
    }
  }
}
