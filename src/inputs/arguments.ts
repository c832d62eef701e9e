/** Arguments of the command line → the texts of inputs, and what exists on the command line only. */
import { parseArgs } from 'node:util';
import type { Environment } from '../ci/environment.ts';
import { quoteName } from '../cluster/quote.ts';
import { COMMANDS, type Command } from '../daemonset/outcome.ts';
import { closestTo } from './closest.ts';
import { INPUTS, type InputName } from './definitions.ts';
import { FLAGS, type Flag, flagsOf, type OptionName, variableOf } from './flags.ts';
import {
  checkGuard,
  checkNames,
  checkNamespace,
  type Destinations,
  FORMATS,
  filesOf,
  isTrue,
  type Options,
  optionsOf,
  textOf,
  UsageError,
  type Values,
} from './given.ts';

export { UsageError };

export type Invocation =
  | {
      kind: 'run';
      command: Command;
      /** The texts of inputs by name, as the action's environment would give them. */
      inputs: Readonly<Partial<Record<InputName, string>>>;
      /** Where the text of an input is from, for messages: `Flag --timeout`, `Variable ROLLBACK_DAEMONSET_TIMEOUT`. */
      labels: Readonly<Partial<Record<InputName, string>>>;
      options: Options;
      /** What follows `--`: the command that a guard runs, and its arguments. */
      child: readonly string[];
    }
  | { kind: 'help'; command?: Command }
  | { kind: 'version' };

export type Run = Extract<Invocation, { kind: 'run' }>;

/**
 * Reads the arguments as kubectl would: flags before and after names, `-n logging`, `-nlogging`, `-n=logging`, `--namespace=logging`; of a
 * repeated flag, the last counts. Flags take precedence over the environment. One thing is stricter: a value that begins with `-` must be
 * joined by `=`, so that a flag is never taken for the value of another one.
 *
 * @param argv without the names of node and of the program.
 * @throws UsageError
 */
export function readArguments(argv: readonly string[], environment: Environment): Invocation {
  const { names, flags, child } = parse(argv);
  const [first, second] = names;
  if (first?.value === 'help') return { kind: 'help', ...(second && { command: commandNamed(second.value) }) };
  if (flags.some(({ name }) => name === 'help') || names.length + flags.length === 0)
    return { kind: 'help', ...(first && { command: commandNamed(first.value) }) };
  if (flags.some(({ name }) => name === 'version')) return { kind: 'version' };
  if (!first) throw new UsageError(`the command is missing. Use one of: ${COMMANDS.join(', ')}.`);
  const command = commandNamed(first.value);
  const values = valuesOf(command, flags, names, environment);
  checkNamespace(values);
  checkGuard(command, values, child);
  const daemonSets = names.slice(1).map(({ value }) => value);
  checkNames(daemonSets, values);
  const { inputs, labels } = inputsOf(command, daemonSets, values, environment);
  return { kind: 'run', command, inputs, labels, options: optionsOf(values), child: child ?? [] };
}

/** How a mistake names an input of a run. */
export function labelOf({ labels }: Run): (name: InputName) => string {
  return (name) => labels[name] ?? (name === 'daemonset' ? 'Argument NAME' : `Flag --${name}`);
}

/** Where the result belongs of a run whose arguments have a mistake, as far as they say it. It never throws. */
export function destinationsIn(argv: readonly string[], environment: Environment): Destinations {
  const { flags } = parse(argv);
  const of = (name: OptionName): string | undefined =>
    (flags.findLast((flag) => flag.name === name)?.value ?? environment[variableOf(name)])?.trim() || undefined;
  return { output: FORMATS.find((format) => format === of('output')) ?? 'text', ...filesOf(of) };
}

/** The command that arguments name, whatever mistakes they have. */
export function commandIn(argv: readonly string[]): Command {
  const [first] = parse(argv).names;
  return COMMANDS.find((name) => name === first?.value) ?? 'rollback';
}

/** A flag as it was typed. */
interface Typed {
  /** Without the dashes. */
  name: string;
  /** With them. */
  raw: string;
  value: string | undefined;
  /** The value is in the same argument. */
  isJoined: boolean;
  index: number;
}

/** The command or a NAME. */
interface Name {
  value: string;
  index: number;
}

interface Parsed {
  names: Name[];
  flags: Typed[];
  /** Undefined without `--`. */
  child: readonly string[] | undefined;
}

function parse(argv: readonly string[]): Parsed {
  const end = argv.indexOf('--');
  const options = Object.fromEntries(
    FLAGS.map(({ name, short, kind }) => [
      name,
      { type: kind === 'boolean' ? ('boolean' as const) : ('string' as const), ...(short && { short }) },
    ]),
  );
  const { tokens } = parseArgs({
    args: (end === -1 ? argv : argv.slice(0, end)).map(withLongName),
    options: { ...options, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  return {
    names: tokens.filter((token) => token.kind === 'positional'),
    flags: tokens.flatMap((token) =>
      token.kind === 'option'
        ? [{ name: token.name, raw: token.rawName, value: token.value, isJoined: token.inlineValue === true, index: token.index }]
        : [],
    ),
    child: end === -1 ? undefined : argv.slice(end + 1),
  };
}

/** `-w=false` as `--wait=false`: parseArgs takes each letter after a boolean for another flag. */
function withLongName(argument: string): string {
  const [, short, rest] = /^-([A-Za-z])(=.*)$/s.exec(argument) ?? [];
  const flag = FLAGS.find((flag) => short !== undefined && flag.short === short);
  return flag ? `--${flag.name}${rest}` : argument;
}

function commandNamed(text: string): Command {
  const command = COMMANDS.find((name) => name === text);
  if (command) return command;
  const closest = closestTo(text, COMMANDS);
  throw new UsageError(
    `unknown command ${quoteName(text)}.${closest ? ` Did you mean "${closest}"?` : ''} Use one of: ${COMMANDS.join(', ')}.`,
  );
}

/** The value of each flag that is given, as a flag or as a variable. */
function valuesOf(command: Command, typed: readonly Typed[], names: readonly Name[], environment: Environment): Values {
  const values: Values = new Map();
  for (const one of typed) {
    const flag = flagNamed(one, command);
    values.set(flag.name, { text: flag.kind === 'boolean' ? booleanIn(one, names) : valueIn(one), from: `--${flag.name}`, isFlag: true });
  }
  for (const { name, variable } of flagsOf(command)) {
    const text = environment[variable];
    if (text !== undefined && !values.has(name)) values.set(name, { text, from: variable, isFlag: false });
  }
  return values;
}

function flagNamed({ name, raw }: Typed, command: Command): Flag {
  const flag = FLAGS.find((flag) => flag.name === name);
  if (!flag) {
    const negated = FLAGS.find((flag) => flag.kind === 'boolean' && name === `no-${flag.name}`);
    const closest = negated
      ? `${negated.name}=false`
      : raw.startsWith('--') &&
        closestTo(
          name,
          flagsOf(command).map((flag) => flag.name),
        );
    const next = closest ? `Did you mean --${closest}?` : `To list its flags: rollback-daemonset ${command} --help`;
    throw new UsageError(`unknown flag ${unquoted(raw)} of "${command}". ${next}`);
  }
  if (flag.commands.includes(command)) return flag;
  const hint = flag.name === 'revision' ? ' To restore a revision, use --to-revision.' : '';
  const others = flag.commands.map((other) => `"${other}"`).join(', ');
  throw new UsageError(`flag --${flag.name} does not apply to "${command}", only to ${others}.${hint}`);
}

/** An argument for a message, unless it could be a secret in the wrong place. */
function unquoted(argument: string): string {
  return quoteName(argument).replace(/^"(.*)"$/, '$1');
}

function valueIn({ name, value, isJoined }: Typed): string {
  if (value === undefined) throw new UsageError(`flag --${name} needs a value.`);
  if (isJoined || !/^-./s.test(value)) return value;
  throw new UsageError(
    `flag --${name} needs a value, but ${quoteName(value)} follows. If that is the value, write --${name}=${unquoted(value)}`,
  );
}

/** Words that no one means as the name of a DaemonSet after a boolean flag. */
const BOOLEANS = ['true', 'false'];
const DRY_RUNS = [...BOOLEANS, 'server', 'client', 'none'];

/** As in kubectl, a boolean flag takes a value only in the same argument. */
function booleanIn({ name, value, index }: Typed, names: readonly Name[]): string {
  if (value === '') throw new UsageError(`flag --${name} is given but empty. Is the variable that it comes from set?`);
  if (value !== undefined) return value;
  const next = names.find((other) => other.index === index + 1)?.value ?? '';
  if ((name === 'dry-run' ? DRY_RUNS : BOOLEANS).includes(next))
    throw new UsageError(`flag --${name} takes a value only after "=": --${name}=${next}`);
  return 'true';
}

/** The texts of the inputs, and where each is from. */
function inputsOf(command: Command, names: readonly string[], values: Values, environment: Environment): Pick<Run, 'inputs' | 'labels'> {
  const inputs: Partial<Record<InputName, string>> = { command };
  const labels: Partial<Record<InputName, string>> = {};
  for (const { name, kind } of flagsOf(command)) {
    const given = values.get(name);
    if (!given || !isInput(name)) continue;
    inputs[name] = textOf(name, kind, given);
    labels[name] = `${given.isFlag ? 'Flag' : 'Variable'} ${given.from}`;
  }
  const everywhere = values.get('all-namespaces');
  if (everywhere && isTrue(everywhere)) {
    inputs.namespace = '*';
    labels.namespace = `${everywhere.isFlag ? 'Flag' : 'Variable'} ${everywhere.from}`;
  }
  const variable = variableOf('daemonset');
  const fromEnvironment = environment[variable];
  if (names.length > 0) inputs.daemonset = names.join(',');
  else if (fromEnvironment !== undefined && !values.has('restore')) {
    inputs.daemonset = fromEnvironment;
    labels.daemonset = `Variable ${variable}`;
  }
  return { inputs, labels };
}

function isInput(name: string): name is InputName {
  return name in INPUTS;
}
