/**
 * Writes what is made from the table of inputs: the inputs in action.yml, in action-types.yml and in the README, and the flags in docs/cli.md.
 * `--check` only compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { COMMANDS, type Command } from '../src/daemonset/outcome.ts';
import { type Definition, INPUT_NAMES, INPUTS, type InputName } from '../src/inputs/definitions.ts';
import { DESCRIPTIONS } from '../src/inputs/descriptions.ts';
import { FLAGS, type Flag, flagsOf, GROUPS } from '../src/inputs/flags.ts';
import { COMMAND_HELP, flagUsage } from '../src/inputs/help.ts';
import { wrapped } from '../src/inputs/wrap.ts';
import { EXIT_STATUSES } from '../src/report/exit-status.ts';
import { markdownTable } from './markdown-table.ts';

/** Longer lines are broken, in characters. */
const WIDTH = 140;
/** A comment of the README is beside its input up to this width. */
const README_WIDTH = 138;

/** A text that YAML would read as something else is in quotes. */
function scalar(text: string): string {
  return /^(true|false|\d+)$/.test(text) ? JSON.stringify(text) : text;
}

function inAction(name: InputName): string[] {
  const { default: otherwise } = INPUTS[name];
  const { description } = DESCRIPTIONS[name];
  const line = `    description: ${description}`;
  const isPlain = line.length <= WIDTH && !/: | #/.test(description);
  return [
    `  ${name}:`,
    ...(isPlain ? [line] : ['    description: >-', ...wrapped(description, '      ', WIDTH)]),
    ...(otherwise === '' ? [] : [`    default: ${scalar(otherwise)}`]),
  ];
}

function inTypes(name: InputName): string[] {
  const { type, values = [] }: Definition<unknown> = INPUTS[name];
  switch (type) {
    case 'enum':
      return [`  ${name}:`, '    type: enum', '    allowed-values:', ...values.map((value) => `      - ${scalar(value)}`)];
    case 'lines':
    case 'commas': {
      const separator = type === 'lines' ? '"\\n"' : "','";
      return [`  ${name}:`, '    type: list', `    separator: ${separator}`, '    list-item:', '      type: string'];
    }
    default:
      return [`  ${name}:`, `    type: ${type}`];
  }
}

function inReadme(name: InputName): string[] {
  const { default: otherwise } = INPUTS[name];
  const { reference } = DESCRIPTIONS[name];
  const line = `    ${name}: ${otherwise === '' ? "''" : otherwise}`;
  const beside = `${line} # ${reference}`;
  return beside.length <= README_WIDTH ? [beside] : [...wrapped(reference, '    # ', README_WIDTH - 10), line];
}

/** Text in a cell of a table in Markdown. */
function cell(text: string): string {
  return text.replace(/[\\<>*_|`[\]]/g, '\\$&');
}

/** Code in a cell. */
function codeCell(text: string): string {
  return text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``;
}

function commandInCli(command: Command): string[] {
  const { sentence, usage } = COMMAND_HELP[command];
  const names = flagsOf(command).map(({ name }) => `\`--${name}\``);
  return [
    `### ${command}`,
    '',
    sentence,
    '',
    '```sh',
    ...usage.map((line) => `rollback-daemonset ${line}`),
    '```',
    '',
    ...wrapped(`Flags: ${names.join(', ')}.`, '', WIDTH),
    '',
  ];
}

function flagRow(flag: Flag): string[] {
  const { short, default: otherwise, commands, text } = flag;
  const usage = `${short ? `-${short}, ` : ''}--${flagUsage(flag)}`;
  return [codeCell(usage), commands.length === COMMANDS.length ? 'all' : commands.join(', '), codeCell(otherwise), cell(text)];
}

/** The part of docs/cli.md about commands and flags. */
function commandsInCli(): string {
  const tables = GROUPS.flatMap((group) => {
    const rows = FLAGS.filter((flag) => flag.group === group).map(flagRow);
    return [`### Flags: ${group.toLowerCase()}`, '', markdownTable(['flag', 'commands', 'default', 'what it means'], rows), ''];
  });
  return [...COMMANDS.flatMap(commandInCli), ...tables].join('\n').trimEnd();
}

function statusesInCli(): string {
  const rows = Object.entries(EXIT_STATUSES).map(([status, text]) => [status, text]);
  return markdownTable(['status', 'what it means'], rows);
}

const inputsOf = (lines: (name: InputName) => string[]): string => INPUT_NAMES.flatMap(lines).join('\n');

/** Each file, the part of it that is made, and what makes it. */
const PARTS: [path: string, part: RegExp, content: () => string][] = [
  ['action.yml', /(?<=^inputs:\n).*?(?=\n\noutputs:$)/ms, () => inputsOf(inAction)],
  ['action-types.yml', /(?<=^inputs:\n).*?(?=\n+outputs:$)/ms, () => inputsOf(inTypes)],
  ['README.md', /(?<=^## Inputs\n\n```yaml\n- uses: \S+\n {2}with:\n).*?(?=\n```$)/ms, () => inputsOf(inReadme)],
  ['docs/cli.md', /(?<=^## Exit status\n\n).*?(?=\n\n)/ms, statusesInCli],
  ['docs/cli.md', /(?<=^## Commands\n\n).*(?=\n$)/ms, commandsInCli],
];

let isCurrent = true;
for (const [path, part, content] of PARTS) {
  const before = readFileSync(path, 'utf8');
  if (!part.test(before)) throw new Error(`${path} has no part that is made from the tables`);
  const after = before.replace(part, content);
  if (after === before) continue;
  isCurrent = false;
  if (process.argv.includes('--check')) console.error(`${path} does not match the tables in src/inputs/. Run: npm run docs`);
  else writeFileSync(path, after);
}
if (!isCurrent && process.argv.includes('--check')) process.exitCode = 1;
