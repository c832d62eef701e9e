/** The texts of `--help`. docs/cli.md has the same usage, examples and flags. */
import { COMMANDS, type Command } from '../daemonset/outcome.ts';
import { EXIT_STATUSES } from '../report/exit-status.ts';
import { type Flag, flagsOf, GROUPS } from './flags.ts';
import { wrapped } from './wrap.ts';

const PROGRAM = 'rollback-daemonset';

interface CommandHelp {
  /** One sentence. */
  sentence: string;
  /** After the name of the program, one line each. */
  usage: readonly string[];
  /** What each one does, and its arguments. */
  examples: readonly (readonly [comment: string, line: string])[];
}

export const COMMAND_HELP: Readonly<Record<Command, CommandHelp>> = {
  rollback: {
    sentence: 'Restore an earlier version of a DaemonSet, and wait until every node runs it.',
    usage: ['rollback NAME ... [flags]', 'rollback -l SELECTOR [flags]'],
    examples: [
      ['Show what would change, and write nothing', 'rollback ds/log-agent -n logging --dry-run'],
      ['Restore the newest other version', 'rollback ds/log-agent -n logging'],
      ['Restore revision 3', 'rollback ds/log-agent -n logging --to-revision 3'],
      ['Restore the known-good version of each DaemonSet with a label', 'rollback -A -l team=platform --to-revision last-good'],
    ],
  },
  status: {
    sentence: 'Wait until every node runs what is deployed, and fail otherwise: a gate for a pipeline.',
    usage: ['status NAME ... [flags]', 'status -l SELECTOR [flags]'],
    examples: [
      ['Wait for at most 15 minutes', 'status ds/log-agent -n logging --timeout 15m'],
      [
        'Roll back to the known-good version if the rollout fails because of the version',
        'status ds/log-agent -n logging --rollback-on-failure',
      ],
      ['Write a JUnit report and variables for later jobs', 'status ds/log-agent -n logging --junit gate.xml --env-file gate.env'],
    ],
  },
  history: {
    sentence: 'List the revisions of a DaemonSet: age, images, change-cause, and the pods that run each one.',
    usage: ['history NAME ... [flags]', 'history -l SELECTOR [flags]'],
    examples: [
      ['List the revisions', 'history ds/log-agent -n logging'],
      ['Show revision 3, and its differences from the current one', 'history ds/log-agent -n logging --revision 3'],
      ['List them as JSON', 'history ds/log-agent -n logging -o json'],
    ],
  },
  guard: {
    sentence:
      'Record what runs, run a command that deploys, wait until every node runs the new version, and restore what ran before if that fails.',
    usage: ['guard NAME ... [flags] -- COMMAND [ARGUMENT ...]', 'guard NAME ... --record FILE [flags]', 'guard --restore FILE [flags]'],
    examples: [
      ['Deploy, wait, and restore what ran before if either fails', 'guard ds/log-agent -n logging -- kubectl apply -f log-agent.yaml'],
      ['The same in two parts: before the deploy, and after it has failed', 'guard ds/log-agent -n logging --record guard.json'],
      ['', 'guard --restore guard.json'],
    ],
  },
  release: {
    sentence: 'End a hold, so that other tools can change the DaemonSet again.',
    usage: ['release NAME ... [flags]', 'release -l SELECTOR [flags]'],
    examples: [['End the hold', 'release ds/log-agent -n logging']],
  },
};

/** How a DaemonSet is named. */
export const NAMES = 'NAME is name, ds/name, daemonset/name or namespace/name. Several are handled at the same time.';

export const ENVIRONMENT =
  'Each flag but --help and --version can be set by a variable: ROLLBACK_DAEMONSET_ and its name in capitals, with - as _, such as ROLLBACK_DAEMONSET_TO_REVISION. NAME is ROLLBACK_DAEMONSET_DAEMONSET. Flags take precedence. A variable that a command does not use is ignored.';

/** Below, the text of a flag is under the flag, not beside it. In characters, as all widths. */
const NARROW = 72;
const NARROWEST = 40;
/** Where the text of a flag begins. */
const TEXT_COLUMN = 36;

/** The help of a command, or of the program. Lines have at most `width` characters, unless a word or an example is longer. */
export function helpText(command?: Command, width = 100): string {
  const columns = Math.max(NARROWEST, width);
  return `${(command ? helpOf(command, columns) : generalHelp(columns)).join('\n')}\n`;
}

function helpOf(command: Command, width: number): string[] {
  const { sentence, usage, examples } = COMMAND_HELP[command];
  const flags = flagsOf(command);
  const groups = GROUPS.flatMap((group) => {
    const its = flags.filter((flag) => flag.group === group);
    return its.length === 0 ? [] : ['', `${group}:`, ...its.flatMap((flag) => flagLines(flag, width))];
  });
  return [
    ...wrapped(sentence, '', width),
    '',
    'Usage:',
    ...usage.map((line) => `  ${PROGRAM} ${line}`),
    '',
    ...wrapped(NAMES, '', width),
    '',
    'Examples:',
    ...examples.flatMap(([comment, line], index) => [
      ...(comment === '' ? [] : [...(index === 0 ? [] : ['']), `  # ${comment}`]),
      `  ${PROGRAM} ${line}`,
    ]),
    ...groups,
    '',
    ...wrapped(`Exit statuses and environment variables: ${PROGRAM} --help`, '', width),
  ];
}

function flagLines(flag: Flag, width: number): string[] {
  const head = `  ${flag.short ? `-${flag.short}, ` : '    '}--${flagUsage(flag)}`;
  return beside(head, `${flag.text}${defaultText(flag)}`, TEXT_COLUMN, width);
}

/** A flag with what stands for its value: `timeout DURATION`, `wait`, `dry-run[=server|none]`. */
export function flagUsage({ name, kind, placeholder }: Flag): string {
  if (placeholder === undefined) return name;
  return kind === 'boolean' ? `${name}[=${placeholder}]` : `${name} ${placeholder}`;
}

/** The default, where it is not obvious and the text does not explain it. */
export function defaultText({ default: otherwise, text }: Flag): string {
  return ['', 'false', 'none'].includes(otherwise) || text.includes(`${otherwise}:`) ? '' : ` (default ${otherwise})`;
}

/** A text in a column after a head, or under it if the width or the head leaves no room. */
function beside(head: string, text: string, column: number, width: number): string[] {
  if (width < NARROW) return [head, ...wrapped(text, '        ', width)];
  const lines = wrapped(text, ' '.repeat(column), width);
  if (head.length + 2 > column) return [head, ...lines];
  const [first = '', ...rest] = lines;
  return [`${head}${first.slice(head.length)}`, ...rest];
}

function generalHelp(width: number): string[] {
  return [
    ...wrapped('Roll back a Kubernetes DaemonSet to an earlier version, and wait until every node really runs it.', '', width),
    '',
    'Usage:',
    `  ${PROGRAM} COMMAND [NAME ...] [flags]`,
    `  kubectl ${PROGRAM} COMMAND [NAME ...] [flags]`,
    '',
    'Commands:',
    ...COMMANDS.flatMap((name) => beside(`  ${name}`, COMMAND_HELP[name].sentence, 13, width)),
    '',
    ...wrapped(NAMES, '', width),
    '',
    'Exit status:',
    ...Object.entries(EXIT_STATUSES).flatMap(([status, text]) => beside(`  ${status}`, text, 8, width)),
    '',
    'Environment:',
    ...wrapped(ENVIRONMENT, '  ', width),
    '',
    ...wrapped(`Flags and examples of a command: ${PROGRAM} COMMAND --help`, '', width),
    ...wrapped(`Version: ${PROGRAM} --version`, '', width),
  ];
}
