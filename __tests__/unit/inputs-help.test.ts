import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMMANDS } from '../../src/daemonset/outcome.ts';
import { labelOf, readArguments } from '../../src/inputs/arguments.ts';
import { closestTo } from '../../src/inputs/closest.ts';
import { FLAGS, flagsOf, GROUPS } from '../../src/inputs/flags.ts';
import { COMMAND_HELP, helpText } from '../../src/inputs/help.ts';
import { readInputs } from '../../src/inputs/parse.ts';
import { EXIT_STATUSES } from '../../src/report/exit-status.ts';

describe('the help', () => {
  test('of the program has every command, exit status and the variables', () => {
    const text = helpText();
    for (const command of COMMANDS) expect(text).toMatch(new RegExp(`^ {2}${command} {3,}[A-Z]`, 'm'));
    for (const [status, meaning] of Object.entries(EXIT_STATUSES)) expect(text).toMatch(new RegExp(`^ {2}${status} +${meaning}$`, 'm'));
    expect(text).toContain('ROLLBACK_DAEMONSET_TO_REVISION');
    expect(text).toContain('kubectl rollback-daemonset COMMAND');
  });

  test.each(COMMANDS)('of %s has its usage, its flags and no others', (command) => {
    const text = helpText(command);
    expect(text).toContain(`Usage:\n  rollback-daemonset ${command} `);
    const shown = [...text.matchAll(/^ {2}(?:-\w, | {4})--([a-z-]+)/gm)].map(([, name]) => name);
    expect(shown).toEqual(flagsOf(command).map(({ name }) => name));
    const groups = [...text.matchAll(/^(\w+):$/gm)]
      .map(([, title]) => title)
      .filter((title) => !['Usage', 'Examples'].includes(title ?? ''));
    expect(groups).toEqual(GROUPS.filter((group) => flagsOf(command).some((flag) => flag.group === group)));
  });

  test('has the examples of a command in a form that it accepts', () => {
    for (const command of COMMANDS) {
      for (const [, line] of COMMAND_HELP[command].examples) {
        const run = readArguments(line.split(' '), {});
        if (run.kind !== 'run') throw new Error(line);
        expect(run.command).toBe(command);
        const origin = { isPrivate: false, label: labelOf(run), isRecorded: run.options.restore !== undefined };
        expect(readInputs((name) => run.inputs[name], origin).command).toBe(command);
      }
    }
  });

  test('fits the width, but for usage, examples and long words', () => {
    fc.assert(
      fc.property(fc.constantFrom(undefined, ...COMMANDS), fc.integer({ min: 0, max: 200 }), (command, width) => {
        const text = helpText(command, width);
        const long = text
          .split('\n')
          .filter((line) => line.length > Math.max(40, width) && !/^ {2}(rollback-daemonset|kubectl|# )/.test(line))
          .filter((line) => /\S .*\S/.test(line.trim()) && !/^\s*(-\w, )?--/.test(line));
        expect([width, long]).toEqual([width, []]);
        expect(text).not.toMatch(/ $|`|undefined/m);
        expect(text.endsWith('\n')).toBe(true);
      }),
    );
  });

  test('explains each flag in plain text', () => {
    for (const { name, text, placeholder, kind, commands } of FLAGS) {
      expect([name, text]).toEqual([name, expect.stringMatching(/^[^\s`][^`]*[^.\s`]$/)]);
      expect([name, kind === 'value', commands.length > 0]).toEqual([name, kind === 'value' && placeholder !== undefined, true]);
    }
  });
});

test('docs/cli.md has command lines that are accepted', () => {
  const blocks = [...readFileSync('docs/cli.md', 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
  const lines = blocks
    .flatMap((block) => block.split('\n'))
    .flatMap((line) => /^\s*(?:rollback-daemonset|kubectl rollback-daemonset) (.*?)(?: \|\| \{)?$/.exec(line)?.[1] ?? [])
    .filter((line) => !line.includes('[flags]'));
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines) expect([line, readArguments(line.split(' '), {}).kind]).toEqual([line, line === '--help' ? 'help' : 'run']);
});

test.each([
  ['rolback', COMMANDS, 'rollback'],
  ['STATUS', COMMANDS, 'status'],
  ['undo', COMMANDS, undefined],
  ['', COMMANDS, undefined],
  ['time-out', ['timeout', 'wait'], 'timeout'],
  ['x', ['y', 'wait'], 'y'],
  ['x', [], undefined],
])('the closest to %s of %j is %s', (text, candidates, expected) => {
  expect(closestTo(text, candidates)).toBe(expected);
});
