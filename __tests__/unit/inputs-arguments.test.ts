import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMMANDS, type Command } from '../../src/daemonset/outcome.ts';
import { type Invocation, labelOf, type Run, readArguments, UsageError } from '../../src/inputs/arguments.ts';
import { INPUT_NAMES, INPUTS, type InputName } from '../../src/inputs/definitions.ts';
import { FLAGS, flagsOf } from '../../src/inputs/flags.ts';
import { InputError, type Request, readInputs } from '../../src/inputs/parse.ts';

const words = (line: string): string[] => line.split(' ').filter(Boolean);

function runOf(argv: readonly string[], environment: Record<string, string> = {}): Run {
  const invocation = readArguments(argv, environment);
  if (invocation.kind !== 'run') throw new Error(`it is ${invocation.kind}`);
  return invocation;
}

function usageOf(argv: readonly string[], environment: Record<string, string> = {}): string {
  try {
    readArguments(argv, environment);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'no mistake';
}

/** The request of a command line, as the command line makes it. */
function requestOf(run: Run): Request {
  return readInputs((name) => run.inputs[name], { isPrivate: false, label: labelOf(run), isRecorded: run.options.restore !== undefined });
}

describe('inputs from arguments', () => {
  test.each<[string, Partial<Record<InputName, string>>]>([
    ['rollback agent', { daemonset: 'agent' }],
    ['rollback ds/agent logging/other', { daemonset: 'ds/agent,logging/other' }],
    ['rollback agent -n logging', { namespace: 'logging' }],
    ['rollback agent -nlogging', { namespace: 'logging' }],
    ['rollback agent -n=logging', { namespace: 'logging' }],
    ['rollback agent --namespace logging', { namespace: 'logging' }],
    ['rollback agent --namespace=logging', { namespace: 'logging' }],
    ['-n logging rollback agent', { namespace: 'logging', daemonset: 'agent' }],
    ['rollback -n logging agent -n other', { namespace: 'other', daemonset: 'agent' }],
    ['rollback -l app=agent', { selector: 'app=agent' }],
    ['rollback -lapp=agent', { selector: 'app=agent' }],
    ['rollback -l=app=agent', { selector: 'app=agent' }],
    ['rollback -Al app=agent', { selector: 'app=agent', namespace: '*' }],
    ['rollback -A -l app=agent', { namespace: '*' }],
    ['rollback agent --all-namespaces=false -n logging', { namespace: 'logging' }],
    ['status agent -w', { wait: 'true' }],
    ['status agent -w=false', { wait: 'false' }],
    ['status agent --wait=false', { wait: 'false' }],
    ['status agent --wait=0', { wait: 'false' }],
    ['status agent --wait=T', { wait: 'true' }],
    ['status agent --wait=maybe', { wait: 'maybe' }],
    ['rollback agent --dry-run', { 'dry-run': 'true' }],
    ['rollback agent --dry-run=server', { 'dry-run': 'true' }],
    ['rollback agent --dry-run=true', { 'dry-run': 'true' }],
    ['rollback agent --dry-run=none', { 'dry-run': 'false' }],
    ['rollback agent --dry-run=false', { 'dry-run': 'false' }],
    ['rollback --dry-run agent', { 'dry-run': 'true', daemonset: 'agent' }],
    ['rollback agent --timeout=', { timeout: '' }],
    ['rollback agent --timeout 1m --timeout 2m', { timeout: '2m' }],
    ['rollback agent --change-cause=--hold', { 'change-cause': '--hold' }],
    ['history agent --revision 3', { revision: '3' }],
    ['guard agent --job-status cancelled --record f', { 'job-status': 'cancelled' }],
  ])('%s', (line, expected) => {
    const { inputs, command } = runOf(words(line));
    expect(inputs).toMatchObject({ command, ...expected });
  });

  test('only those that are given are there', () => {
    expect(runOf(words('rollback agent --hold'))).toEqual({
      kind: 'run',
      command: 'rollback',
      inputs: { command: 'rollback', daemonset: 'agent', hold: 'true' },
      labels: { hold: 'Flag --hold' },
      options: { output: 'text', yes: false },
      child: [],
    });
  });

  test.each<Command>([...COMMANDS])('each input that applies to %s is a flag', (command) => {
    const names = FLAGS.map(({ name }) => name as string);
    const action = ['command', 'daemonset', 'github-token', 'comment', 'deployment-status'];
    expect(INPUT_NAMES.filter((name) => !names.includes(name)).sort()).toEqual([...action].sort());
    for (const { name, kind } of flagsOf(command)) {
      if (!INPUT_NAMES.includes(name as InputName)) continue;
      const { commands = COMMANDS } = INPUTS[name as InputName] as { commands?: readonly Command[] };
      expect([name, commands.includes(command)]).toEqual([name, true]);
      const guard = command === 'guard' ? ['--record', 'f'] : [];
      const value = kind === 'boolean' ? (name === 'dry-run' ? 'server' : 'true') : 'x';
      expect(runOf([command, 'agent', `--${name}=${value}`, ...guard]).inputs).toHaveProperty([name], kind === 'boolean' ? 'true' : 'x');
    }
  });
});

describe('options and the command of a guard', () => {
  test.each<[string, Partial<Run['options']>]>([
    ['rollback agent', { output: 'text', yes: false }],
    ['rollback agent -o json', { output: 'json' }],
    ['rollback agent -oyaml -y', { output: 'yaml', yes: true }],
    ['rollback agent --yes=false', { yes: false }],
    ['rollback agent --as system:serviceaccount:logging:deployer', { as: 'system:serviceaccount:logging:deployer' }],
    ['rollback agent --env-file a --results b --junit c --summary d', { envFile: 'a', results: 'b', junit: 'c', summary: 'd' }],
    ['rollback agent --results - --run-id 7', { results: '-', runId: '7' }],
    ['guard agent --record f', { record: 'f' }],
    ['guard --restore f', { restore: 'f' }],
  ])('%s', (line, expected) => {
    expect(runOf(words(line)).options).toMatchObject(expected);
  });

  test('everything after -- is the command', () => {
    const { child, inputs } = runOf(words('guard agent -n logging -- kubectl apply --help -n other -- x'));
    expect(child).toEqual(words('kubectl apply --help -n other -- x'));
    expect(inputs).toEqual({ command: 'guard', daemonset: 'agent', namespace: 'logging' });
  });

  test('--restore needs no name', () => {
    const run = runOf(words('guard --restore f'), { ROLLBACK_DAEMONSET_DAEMONSET: 'agent', ROLLBACK_DAEMONSET_SELECTOR: 'a=b' });
    expect(run.inputs).toEqual({ command: 'guard' });
    expect(requestOf(run)).toMatchObject({ command: 'guard', daemonSets: { kind: 'named', daemonSets: [] } });
  });
});

describe('the environment', () => {
  test.each<[string, Record<string, string>, object]>([
    ['rollback', { DAEMONSET: 'logging/agent' }, { inputs: { daemonset: 'logging/agent' } }],
    ['rollback other', { DAEMONSET: 'agent' }, { inputs: { daemonset: 'other' }, labels: {} }],
    [
      'rollback agent',
      { TO_REVISION: 'last-good' },
      { inputs: { 'to-revision': 'last-good' }, labels: { 'to-revision': 'Variable ROLLBACK_DAEMONSET_TO_REVISION' } },
    ],
    ['rollback agent --to-revision 3', { TO_REVISION: 'last-good' }, { inputs: { 'to-revision': '3' } }],
    ['rollback agent', { TO_REVISION: '' }, { inputs: { 'to-revision': '' } }],
    ['rollback agent', { DRY_RUN: 'server' }, { inputs: { 'dry-run': 'true' } }],
    ['rollback agent --dry-run=none', { DRY_RUN: 'server' }, { inputs: { 'dry-run': 'false' } }],
    ['rollback agent', { WAIT: '0' }, { inputs: { wait: 'false' } }],
    ['rollback -l a=b', { ALL_NAMESPACES: 'true' }, { inputs: { namespace: '*' } }],
    ['rollback -l a=b -n logging', { ALL_NAMESPACES: 'true' }, { inputs: { namespace: 'logging' } }],
    ['rollback -l a=b -A', { NAMESPACE: 'logging' }, { inputs: { namespace: '*' }, labels: { namespace: 'Flag --all-namespaces' } }],
    [
      'rollback agent',
      { OUTPUT: 'json', ENV_FILE: 'f', YES: '1', RUN_ID: '7' },
      { options: { output: 'json', envFile: 'f', yes: true, runId: '7' } },
    ],
    ['rollback agent', { OUTPUT: '', ENV_FILE: '', YES: '', RUN_ID: '' }, { options: { output: 'text', yes: false } }],
    ['guard agent', { RECORD: 'f' }, { options: { record: 'f' } }],
    ['guard agent -- true', { RECORD: 'f', RESTORE: 'g' }, { child: ['true'] }],
    ['guard --restore g', { RECORD: 'f' }, { options: { restore: 'g' } }],
  ])('%s with %j', (line, variables, expected) => {
    const environment = Object.fromEntries(Object.entries(variables).map(([name, value]) => [`ROLLBACK_DAEMONSET_${name}`, value]));
    const run = runOf(words(line), environment);
    expect(run).toMatchObject(expected);
    if ('child' in expected) expect(run.options).toEqual({ output: 'text', yes: false });
  });

  test('a variable that the command does not use is ignored', () => {
    const environment = { ROLLBACK_DAEMONSET_REVISION: '3', ROLLBACK_DAEMONSET_RECORD: 'f', ROLLBACK_DAEMONSET_COMMAND: 'guard' };
    expect(runOf(['rollback', 'agent'], environment).inputs).toEqual({ command: 'rollback', daemonset: 'agent' });
  });

  test('an empty user is a mistake, because the account itself could be allowed more', () => {
    expect(usageOf(['rollback', 'agent'], { ROLLBACK_DAEMONSET_AS: '' })).toMatch(/^variable ROLLBACK_DAEMONSET_AS: it is given but empty/);
  });

  test('each flag has a variable of its own', () => {
    const variables = FLAGS.map(({ variable }) => variable);
    expect(new Set(variables).size).toBe(FLAGS.length);
    for (const variable of variables) expect(variable).toMatch(/^ROLLBACK_DAEMONSET_[A-Z_]+$/);
    const shorts = FLAGS.flatMap(({ short }) => short ?? []);
    expect(new Set([...shorts, 'h']).size).toBe(shorts.length + 1);
  });
});

describe('help and version', () => {
  test.each<[string, Invocation]>([
    ['', { kind: 'help' }],
    ['--help', { kind: 'help' }],
    ['-h', { kind: 'help' }],
    ['help', { kind: 'help' }],
    ['help guard', { kind: 'help', command: 'guard' }],
    ['guard --help', { kind: 'help', command: 'guard' }],
    ['rollback agent -n x -h --no-such', { kind: 'help', command: 'rollback' }],
    ['--version', { kind: 'version' }],
  ])('"%s"', (line, expected) => {
    expect(readArguments(words(line), {})).toEqual(expected);
  });
});

describe('a mistake', () => {
  test.each([
    ['rolback agent', 'unknown command "rolback". Did you mean "rollback"? Use one of: rollback, status, history, guard, release.'],
    ['undo agent', 'unknown command "undo". Use one of: rollback, status, history, guard, release.'],
    ['help me', 'unknown command "me". Use one of: rollback, status, history, guard, release.'],
    ['-n logging', 'the command is missing. Use one of: rollback, status, history, guard, release.'],
    ['history agent --timout 1m', 'unknown flag --timout of "history". Did you mean --timeout?'],
    ['status agent --no-wait', 'unknown flag --no-wait of "status". Did you mean --wait=false?'],
    ['status agent --foo', 'unknown flag --foo of "status". To list its flags: rollback-daemonset status --help'],
    ['status agent -x', 'unknown flag -x of "status". To list its flags: rollback-daemonset status --help'],
    [
      'rollback agent --revision 3',
      'flag --revision does not apply to "rollback", only to "history". To restore a revision, use --to-revision.',
    ],
    ['history agent --to-revision 3', 'flag --to-revision does not apply to "history", only to "rollback", "status".'],
    ['rollback agent --record f', 'flag --record does not apply to "rollback", only to "guard".'],
    ['rollback agent --timeout', 'flag --timeout needs a value.'],
    ['rollback agent -n', 'flag --namespace needs a value.'],
    ['guard agent --timeout -- kubectl apply', 'flag --timeout needs a value.'],
    [
      'rollback agent --change-cause --dry-run',
      'flag --change-cause needs a value, but "--dry-run" follows. If that is the value, write --change-cause=--dry-run',
    ],
    ['rollback agent --to-revision -1', 'flag --to-revision needs a value, but "-1" follows. If that is the value, write --to-revision=-1'],
    ['status agent --wait false', 'flag --wait takes a value only after "=": --wait=false'],
    ['rollback agent --dry-run server', 'flag --dry-run takes a value only after "=": --dry-run=server'],
    ['rollback agent --dry-run=client', 'flag --dry-run: only the API server can check a rollback. Use --dry-run=server.'],
    ['rollback agent --dry-run=yes', 'flag --dry-run: "yes" is not one of: server, none.'],
    ['rollback agent --dry-run=', 'flag --dry-run is given but empty. Is the variable that it comes from set?'],
    ['rollback agent -o wide', 'flag --output: "wide" is not one of: text, json, yaml.'],
    ['rollback agent --junit=', 'flag --junit: it is given but empty. Is the variable that it comes from set?'],
    ['rollback agent --as=', 'flag --as: it is given but empty. Is the variable that it comes from set?'],
    ['rollback agent --yes=perhaps', 'flag --yes: "perhaps" is neither "true" nor "false".'],
    ['rollback -l a=b -A -n logging', '--namespace and --all-namespaces exclude each other. Use one of the two.'],
    ['rollback agent -- kubectl apply', '"rollback" runs no command, but there is "--". Only guard runs one: guard NAME -- COMMAND'],
    ['guard agent --', 'no command follows "--". Write: guard NAME -- COMMAND'],
    ['guard agent', 'guard needs a command after "--", or --record FILE before the deploy and --restore FILE after it.'],
    ['guard agent --record f -- true', '--record and a command after "--" exclude each other. Use one of them.'],
    ['guard --record f --restore f', '--record and --restore exclude each other. Use one of them.'],
    ['guard agent --restore f', '--restore and NAME exclude each other: the record names the DaemonSets.'],
    ['guard --restore f -l a=b', '--restore and --selector exclude each other: the record names the DaemonSets.'],
  ])('%s', (line, message) => {
    expect(usageOf(words(line))).toBe(message);
  });

  test('never quotes what could be a secret in the wrong place', () => {
    const secret = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9.c2lnbmF0dXJl';
    for (const text of [secret, `-----BEGIN ${secret}`, `-${secret}`, `token:\n${secret}`]) {
      for (const argv of [[text], ['rollback', 'agent', text], ['rollback', 'agent', `--${text}`], ['rollback', 'agent', '--as', text]])
        expect(usageOf(argv)).not.toContain('eyJ');
      for (const flag of ['--output', '--dry-run', '--yes', '-A'])
        expect(usageOf(['rollback', 'agent', `${flag}=${text}`, '-n', 'x'])).not.toContain('eyJ');
    }
  });

  test('in an empty name, because a variable is probably not set', () => {
    expect(usageOf(['rollback', 'agent', ''])).toBe('argument NAME is given but empty. Is the variable that it comes from set?');
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['rollback', {}, /^Argument NAME: it is missing\. /],
    ['rollback agent --timeout 5x', {}, /^Flag --timeout: "5x" is not a duration/],
    ['rollback agent', { ROLLBACK_DAEMONSET_TIMEOUT: '5x' }, /^Variable ROLLBACK_DAEMONSET_TIMEOUT: "5x"/],
    ['rollback agent -A', {}, /^Flag --all-namespaces: "\*" means all namespaces, and only together with a selector/],
    ['rollback agent --kubeconfig=', {}, /^Flag --kubeconfig: it is given but empty/],
    ['rollback agent -l a=b', {}, /^Flag --selector: it is given together with the name of a DaemonSet/],
    ['status agent --wait=maybe', {}, /^Flag --wait: "maybe" is neither/],
    ['status agent --hold', {}, /^Flag --hold: it requires rollback-on-failure/],
  ])('in an input names the flag, the variable or the argument: %s %j', (line, environment, message) => {
    const run = runOf(words(line), environment);
    try {
      requestOf(run);
      throw new Error('no mistake');
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      expect((error as InputError).mistakes).toEqual([expect.stringMatching(message)]);
    }
  });
});

describe('any arguments', () => {
  const pieces = fc.oneof(
    fc.constantFrom(...FLAGS.flatMap(({ name, short }) => [`--${name}`, ...(short ? [`-${short}`, `-${short}=x`] : []), `--${name}=true`])),
    fc.constantFrom(...COMMANDS, '--', '-', '--help', '-h', 'agent', 'true', '', '--=', '-=', '-n=', '--__proto__', '--constructor=1'),
    fc.string(),
  );
  const variables = fc.dictionary(fc.constantFrom(...FLAGS.map(({ variable }) => variable)), fc.string());

  test('give an invocation or a UsageError, and then a request or an InputError', () => {
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), variables, (argv, environment) => {
        try {
          const invocation = readArguments(argv, environment);
          if (invocation.kind === 'run') requestOf(invocation);
        } catch (error) {
          expect(error instanceof UsageError || error instanceof InputError).toBe(true);
          expect((error as Error).message).not.toBe('');
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('what follows -- never changes what precedes it', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (rest) => {
        const run = runOf(['guard', 'agent', '--', 'true', ...rest]);
        expect(run).toEqual({ ...runOf(['guard', 'agent', '--', 'true']), child: ['true', ...rest] });
      }),
    );
  });
});
