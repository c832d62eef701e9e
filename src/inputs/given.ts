/** Values of the command line that are not texts of inputs, and what they mean together. */
import { quoteName } from '../cluster/quote.ts';
import type { Command } from '../daemonset/outcome.ts';
import type { Flag, FlagName, OptionName } from './flags.ts';

/** A mistake in the arguments. The message names the flag, what was found, and what to do. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** A value, and where it is from. */
export interface Given {
  text: string;
  /** The flag with its dashes, or the name of the variable. */
  from: string;
  isFlag: boolean;
}

/** The values that are given, by the name of the flag. */
export type Values = Map<FlagName, Given>;

export const FORMATS = ['text', 'json', 'yaml'] as const;

/** Where the result goes: standard output, and the paths of files. */
export interface Destinations {
  output: (typeof FORMATS)[number];
  envFile?: string;
  results?: string;
  junit?: string;
  summary?: string;
}

/** The paths of the files that results go to, by the values of their flags. */
export function filesOf(of: (name: OptionName) => string | undefined): Omit<Destinations, 'output'> {
  const [envFile, results, junit, summary] = [of('env-file'), of('results'), of('junit'), of('summary')];
  return {
    ...(envFile !== undefined && { envFile }),
    ...(results !== undefined && { results }),
    ...(junit !== undefined && { junit }),
    ...(summary !== undefined && { summary }),
  };
}

/** What exists on the command line only. */
export interface Options extends Destinations {
  /** The user to impersonate. */
  as?: string;
  record?: string;
  restore?: string;
  runId?: string;
  yes: boolean;
}

/** @throws UsageError */
export function optionsOf(values: Values): Options {
  const of = (name: OptionName): string | undefined => optionIn(values.get(name));
  const [as, record, restore, runId] = [of('as'), of('record'), of('restore'), of('run-id')];
  const yes = values.get('yes');
  return {
    output: formatIn(values.get('output')),
    yes: yes !== undefined && isTrue(yes),
    ...filesOf(of),
    ...(as !== undefined && { as }),
    ...(record !== undefined && { record }),
    ...(restore !== undefined && { restore }),
    ...(runId !== undefined && { runId }),
  };
}

/** An empty variable counts as absent, except for `--as`: without it, the account could be allowed more. */
function optionIn(given: Given | undefined): string | undefined {
  if (!given) return undefined;
  const text = given.text.trim();
  if (text !== '') return text;
  if (given.isFlag || given.from.endsWith('_AS')) throw wrong(given, 'it is given but empty. Is the variable that it comes from set?');
  return undefined;
}

function formatIn(given: Given | undefined): Options['output'] {
  const text = optionIn(given);
  const format = FORMATS.find((name) => name === (text ?? 'text'));
  if (!format && given) throw wrong(given, `${quoteName(text ?? '')} is not one of: ${FORMATS.join(', ')}.`);
  return format ?? 'text';
}

/** The text of an input, whose own check reports what it cannot be. */
export function textOf(name: FlagName, kind: Flag['kind'], given: Given): string {
  if (name === 'dry-run') return dryRunIn(given);
  return kind === 'boolean' ? booleanText(given.text) : given.text;
}

/** kubectl's values of `--dry-run`, as the input has them. */
function dryRunIn(given: Given): string {
  const text = booleanText(given.text);
  switch (text) {
    case '':
    case 'true':
    case 'false':
      return text;
    case 'server':
      return 'true';
    case 'none':
      return 'false';
    case 'client':
      throw wrong(given, 'only the API server can check a rollback. Use --dry-run=server.');
    default:
      throw wrong(given, `${quoteName(text)} is not one of: server, none.`);
  }
}

/** As strconv.ParseBool of Go, which kubectl uses, accepts it: `1`, `t`, `TRUE`. Other texts are unchanged. */
function booleanText(text: string): string {
  const word = text.trim().toLowerCase();
  if (/^(1|t|true)$/.test(word)) return 'true';
  return /^(0|f|false)$/.test(word) ? 'false' : text.trim();
}

/** @throws UsageError if it is neither true nor false; an empty variable is false. */
export function isTrue(given: Given): boolean {
  const text = booleanText(given.text);
  if (text !== 'true' && text !== 'false' && text !== '') throw wrong(given, `${quoteName(text)} is neither "true" nor "false".`);
  return text === 'true';
}

/** One namespace or all: a flag takes precedence over a variable. */
export function checkNamespace(values: Values): void {
  const [one, all] = [values.get('namespace'), values.get('all-namespaces')];
  if (!one || !all || !isTrue(all)) return;
  if (one.isFlag === all.isFlag) throw new UsageError(`${one.from} and ${all.from} exclude each other. Use one of the two.`);
  values.delete(one.isFlag ? 'all-namespaces' : 'namespace');
}

/** A guard runs a command, writes a record, or restores one. What is typed takes precedence over variables. */
export function checkGuard(command: Command, values: Values, child: readonly string[] | undefined): void {
  if (command !== 'guard') {
    if (child) throw new UsageError(`"${command}" runs no command, but there is "--". Only guard runs one: guard NAME -- COMMAND`);
    return;
  }
  if (child?.length === 0) throw new UsageError('no command follows "--". Write: guard NAME -- COMMAND');
  const given = (['record', 'restore'] as const).filter((name) => optionIn(values.get(name)) !== undefined);
  const typed = given.filter((name) => values.get(name)?.isFlag);
  const meant = child || typed.length > 0 ? typed : given;
  for (const name of ['record', 'restore'] as const) if (!meant.includes(name)) values.delete(name);
  const ways = [...meant.map((name) => `--${name}`), ...(child ? ['a command after "--"'] : [])];
  if (ways.length === 1) return;
  throw new UsageError(
    ways.length === 0
      ? 'guard needs a command after "--", or --record FILE before the deploy and --restore FILE after it.'
      : `${ways.join(' and ')} exclude each other. Use one of them.`,
  );
}

/** The names of DaemonSets. With `--restore`, the record names them. */
export function checkNames(names: readonly string[], values: Values): void {
  if (names.some((name) => name.trim() === ''))
    throw new UsageError('argument NAME is given but empty. Is the variable that it comes from set?');
  if (!values.has('restore')) return;
  const what = names.length > 0 ? 'NAME' : values.get('selector')?.isFlag ? '--selector' : undefined;
  if (what) throw new UsageError(`--restore and ${what} exclude each other: the record names the DaemonSets.`);
  values.delete('selector');
}

function wrong({ from, isFlag }: Given, problem: string): UsageError {
  return new UsageError(`${isFlag ? 'flag' : 'variable'} ${from}: ${problem}`);
}
