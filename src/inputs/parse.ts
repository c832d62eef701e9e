import type { Environment } from '../ci/environment.ts';
import type { PluginPolicy } from '../cluster/exec-policy.ts';
import { quoteName } from '../cluster/quote.ts';
import type { GuardRequest } from '../commands/guard.ts';
import type { HistoryRequest } from '../commands/history.ts';
import type { ReleaseRequest } from '../commands/release.ts';
import type { RollbackRequest } from '../commands/rollback.ts';
import type { StatusRequest } from '../commands/status.ts';
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

/** The inputs as the runner passes them. */
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

/**
 * Reads the inputs from the environment as the runner sets them: input `a-b` is `INPUT_A-B`, and an absent input has its default.
 *
 * @param isPrivate whether the repository, and with it the job's log, is private.
 * @throws InputError with all mistakes at once, each with the name of the input.
 */
export function readInputs(environment: Environment, isPrivate: boolean): Request {
  const mistakes: string[] = [];
  const report: Report = (name, problem) => mistakes.push(`Input ${name}: ${problem}`);
  const given = readValues(environment, report);
  const daemonSets = daemonSetsIn(given.values, report);
  checkTogether(given, report);
  if (mistakes.length > 0) throw new InputError(mistakes);
  return requestFor(given, daemonSets, isPrivate);
}

function readValues(environment: Environment, report: Report): Given {
  const empty = new Set<InputName>();
  const changed = new Set<InputName>();
  const values = INPUT_NAMES.map((name) => {
    const { default: otherwise, read, ifEmpty, isEmptyValue = false }: Definition<unknown> = INPUTS[name];
    const raw = environment[`INPUT_${name.toUpperCase()}`];
    const text = raw?.trim();
    if (text === '') empty.add(name);
    if (text === '' && ifEmpty !== undefined && !isEmptyAllowed(name, environment)) report(name, ifEmpty);
    const isGiven = text !== undefined && (text !== '' || isEmptyValue);
    if (isGiven && text.toLowerCase() !== otherwise) changed.add(name);
    // In a kubeconfig, the indentation of the first line has a meaning.
    const given = name === 'kubeconfig' ? raw : text;
    return [name, read(isGiven ? (given ?? '') : otherwise, (problem) => report(name, problem))];
  });
  return { values: Object.fromEntries(values) as Values, empty, changed };
}

/** A guard runs before the step that sets the output. */
function isEmptyAllowed(name: InputName, environment: Environment): boolean {
  return name === 'expected-revision' && environment['INPUT_COMMAND']?.trim() === 'guard';
}

function daemonSetsIn({ daemonset, selector, namespace = '' }: Values, report: Report): AskedDaemonSets {
  const names = listed(daemonset);
  const everywhere = namespace === '*';
  if (names.length > 0 && selector !== '') report('selector', 'it is given together with daemonset. Use one of the two.');
  if (names.length === 0 && selector === '')
    report(
      'daemonset',
      'it is missing. Set it to the name of the DaemonSet or to namespace/name. For several, use one line each, or a selector.',
    );
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
    const { onlyFor, hint }: Definition<unknown> = INPUTS[name];
    if (onlyFor && command && command !== onlyFor)
      report(name, `it applies only to command: ${onlyFor}, not to command: ${command}.${hint === undefined ? '' : ` ${hint}`}`);
  }
  const [onFailure, onTimeout] = [values['rollback-on-failure'], values['rollback-on-timeout']];
  if (onTimeout && !onFailure && command === 'status')
    report('rollback-on-timeout', 'it requires rollback-on-failure. Set that to true as well.');
  if (onFailure && !wait && command === 'status')
    report('rollback-on-failure', 'it requires waiting for the rollout. Remove wait: false, or this input.');
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
