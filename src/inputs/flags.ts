/** The flags of the command line: one for each input, and those that exist only there. */
import { COMMANDS, type Command } from '../daemonset/outcome.ts';
import { type Definition, INPUT_NAMES, INPUTS, type InputName } from './definitions.ts';
import { DESCRIPTIONS } from './descriptions.ts';

/** The groups of the help, in its order. */
export const GROUPS = ['Target', 'Cluster', 'Rollback', 'Waiting', 'Guard', 'Output'] as const;

export type Group = (typeof GROUPS)[number];

/** What exists on the command line only. */
export const OPTION_NAMES = [
  'all-namespaces',
  'as',
  'output',
  'env-file',
  'results',
  'junit',
  'summary',
  'run-id',
  'yes',
  'record',
  'restore',
] as const;

export type OptionName = (typeof OPTION_NAMES)[number];

export type FlagName = InputName | OptionName;

export interface Flag {
  /** Without the dashes. */
  name: FlagName;
  /** One letter, without the dash. */
  short?: string;
  /** A boolean needs no value: `--wait`, `--wait=false`. */
  kind: 'boolean' | 'value';
  /** What stands for the value in the help: `DURATION`. Of a boolean, only if it has other values than true and false. */
  placeholder?: string;
  /** Its value if it is absent; empty if there is none. */
  default: string;
  commands: readonly Command[];
  /** The environment variable that it is read from if it is absent. */
  variable: string;
  group: Group;
  /** What it means, in one or two sentences without a period at the end. */
  text: string;
}

/** Inputs that only the action has: arguments here, or about GitHub. */
type ActionOnly = 'command' | 'daemonset' | 'github-token' | 'comment' | 'deployment-status';

/** What the table of inputs does not say about a flag. */
type Detail = Pick<Flag, 'group'> & Partial<Pick<Flag, 'short' | 'placeholder' | 'text' | 'default'>>;

const OF_INPUTS: Readonly<Record<Exclude<InputName, ActionOnly>, Detail>> = {
  selector: { group: 'Target', short: 'l', placeholder: 'SELECTOR' },
  namespace: {
    group: 'Target',
    short: 'n',
    placeholder: 'NAMESPACE',
    text: 'For names without one. auto: that of the context, else default',
  },
  'to-revision': { group: 'Target', placeholder: 'REVISION' },
  'expected-revision': { group: 'Target', placeholder: 'REVISION' },
  revision: {
    group: 'Target',
    placeholder: 'REVISION',
    text: 'The revision to show in full, with its differences from the current one',
  },
  kubeconfig: { group: 'Cluster', placeholder: 'FILE' },
  context: { group: 'Cluster', placeholder: 'NAME' },
  'exec-plugins': { group: 'Cluster', placeholder: 'NAMES' },
  'change-cause': { group: 'Rollback', placeholder: 'TEXT' },
  hold: { group: 'Rollback', text: 'Hold the DaemonSet at the version that is restored, until the command release' },
  preflight: { group: 'Rollback', placeholder: 'enforce|warn|off' },
  'dry-run': {
    group: 'Rollback',
    placeholder: 'server|none',
    default: 'none',
    text: 'Let the API server check the change, show it, and write nothing. client is not supported, because only the server can check it',
  },
  'rollback-on-failure': {
    group: 'Rollback',
    text: 'Roll back if the rollout fails or stalls because of the version. The run still fails',
  },
  'rollback-on-timeout': { group: 'Rollback' },
  wait: { group: 'Waiting', short: 'w' },
  timeout: { group: 'Waiting', placeholder: 'DURATION', text: 'Time limit of the run: a Go duration (90s, 1h30m) or seconds' },
  'stable-for': { group: 'Waiting', placeholder: 'DURATION' },
  'progress-deadline': { group: 'Waiting', placeholder: 'DURATION' },
  'fail-fast': { group: 'Waiting' },
  'failure-grace': { group: 'Waiting', placeholder: 'DURATION' },
  'tolerate-unavailable': { group: 'Waiting', placeholder: 'NODES' },
  'deploy-outcome': {
    group: 'Guard',
    placeholder: 'OUTCOME',
    text: 'How the deploy ended: success, failure or cancelled, or skipped or empty if it did not run; then nothing is written. auto: not known',
  },
  'rollback-on-cancel': { group: 'Guard', text: 'Also restore if the job was cancelled' },
  'rollback-if-ambiguous': { group: 'Guard', text: 'Also restore if it is not certain that this job made the last change' },
  'job-status': {
    group: 'Guard',
    placeholder: 'STATUS',
    default: '',
    text: 'How the job ended. With cancelled, nothing is restored without --rollback-on-cancel',
  },
  'show-values': { group: 'Output' },
  'log-lines': {
    group: 'Output',
    placeholder: 'NUMBER',
    text: "Lines of a failing container's log to show, at most 500. 0: no output of containers. auto: 20 where the log is private, else 0",
  },
};

type Option = Pick<Flag, 'kind' | 'commands' | 'group' | 'text'> & Partial<Pick<Flag, 'short' | 'placeholder' | 'default'>>;

const file = (text: string): Option => ({ group: 'Output', kind: 'value', placeholder: 'FILE', commands: COMMANDS, text });

const OPTIONS: Readonly<Record<OptionName, Option>> = {
  'all-namespaces': {
    group: 'Target',
    short: 'A',
    kind: 'boolean',
    commands: COMMANDS,
    text: 'With --selector: all namespaces',
  },
  as: {
    group: 'Cluster',
    kind: 'value',
    placeholder: 'USER',
    commands: COMMANDS,
    text: 'The user to impersonate, such as system:serviceaccount:logging:deployer',
  },
  yes: {
    group: 'Rollback',
    short: 'y',
    kind: 'boolean',
    commands: ['rollback', 'status', 'guard', 'release'],
    text: 'Do not ask for a confirmation in a terminal. Elsewhere, nothing is asked',
  },
  record: {
    group: 'Guard',
    kind: 'value',
    placeholder: 'FILE',
    commands: ['guard'],
    text: 'Write what runs now to a file, for --restore. It contains the template of the DaemonSet',
  },
  restore: {
    group: 'Guard',
    kind: 'value',
    placeholder: 'FILE',
    commands: ['guard'],
    text: 'Restore what --record wrote, if the job changed it',
  },
  output: {
    group: 'Output',
    short: 'o',
    kind: 'value',
    placeholder: 'text|json|yaml',
    default: 'text',
    commands: COMMANDS,
    text: 'With json or yaml, standard output is one document, and the log goes to standard error',
  },
  results: file('Write the result as JSON'),
  'env-file': file('Write the result as variables ROLLBACK_*, one line each: GitLab dotenv, Docker, or the . of a shell'),
  junit: file('Write the result as a JUnit report with a test case for each DaemonSet'),
  summary: file('Write the summary as Markdown'),
  'run-id': {
    group: 'Output',
    kind: 'value',
    placeholder: 'ID',
    commands: ['rollback', 'status', 'guard', 'release'],
    text: 'What identifies this run to a later attempt of it, which resumes the wait. Default: what GitLab, Buildkite, Jenkins or GitHub Actions sets',
  },
};

/** Of a flag, or of the inputs that are not flags. */
export function variableOf(name: FlagName): string {
  return `ROLLBACK_DAEMONSET_${name.toUpperCase().replaceAll('-', '_')}`;
}

function ofInput(name: keyof typeof OF_INPUTS): Flag {
  const { type, default: otherwise, commands = COMMANDS }: Definition<unknown> = INPUTS[name];
  const { reference } = DESCRIPTIONS[name];
  const kind = type === 'boolean' ? 'boolean' : 'value';
  return { name, kind, default: otherwise, commands, variable: variableOf(name), text: reference, ...OF_INPUTS[name] };
}

function ofOption(name: OptionName): Flag {
  return { name, default: OPTIONS[name].kind === 'boolean' ? 'false' : '', variable: variableOf(name), ...OPTIONS[name] };
}

/** Whether an input is a flag as well. */
function isFlag(name: InputName): name is keyof typeof OF_INPUTS {
  return name in OF_INPUTS;
}

/** All flags, in the order of the groups. */
export const FLAGS: readonly Flag[] = [...INPUT_NAMES.filter(isFlag).map(ofInput), ...OPTION_NAMES.map(ofOption)].sort(
  (a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group),
);

export function flagsOf(command: Command): Flag[] {
  return FLAGS.filter(({ commands }) => commands.includes(command));
}
