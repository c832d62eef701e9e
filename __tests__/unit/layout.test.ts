/** How src/ is laid out: which folder may import what, types included (the arrows of docs/architecture.md), and how large the pieces are. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, matchesGlob, normalize } from 'node:path';
import { expect, test } from '@jest/globals';

/** Modules, each with the globs of what it may import: other modules of src/, and packages. The first glob that matches a module counts. */
const MAY_IMPORT: [modules: string, imports: string[]][] = [
  // It decides: no I/O, no clock, no client.
  ['daemonset/*', ['daemonset/*', 'valibot', 'node:crypto']],
  // It speaks to Kubernetes and decides nothing.
  [
    'cluster/*',
    [
      'cluster/*',
      'daemonset/{types,json,references}.ts',
      'abort.ts',
      'ci/environment.ts',
      '@kubernetes/client-node',
      'js-yaml',
      'p-limit',
      'socks',
      'valibot',
      'node:{*,*/*}',
    ],
  ],
  // It turns a result into text, and prints nothing.
  ['report/terminal-text.ts', ['string-width']],
  ['report/**', ['report/*', 'report/messages/*', 'daemonset/*', 'duration.ts', 'js-yaml']],
  // Where the step runs: its log and what it leaves. Only the writers and the live display print.
  ['ci/{writer,github-actions}.ts', ['ci/{environment,writer}.ts', 'report/**', 'daemonset/*', 'duration.ts', '@actions/core', 'node:fs']],
  ['ci/{plain,gitlab}.ts', ['ci/{plain,writer}.ts', 'report/*', 'node:fs']],
  ['ci/terminal.ts', ['ci/{live-display,plain,writer}.ts', 'report/*', 'daemonset/*', 'rollout/context.ts', 'node:readline/promises']],
  ['ci/live-display.ts', ['report/*', 'daemonset/*', 'node:util']],
  ['ci/child.ts', ['node:{child_process,os}']],
  // Its job and its files.
  ['ci/*', ['ci/{environment,job,own-file}.ts', 'daemonset/*', '@actions/github', 'node:{crypto,fs,path}']],
  // The steps reach the world through Context and the interface Cluster.
  ['rollout/*', ['rollout/*', 'daemonset/*', 'cluster/cluster.ts', 'report/{history,lines}.ts', 'report/messages/*', 'duration.ts']],
  // A command says which steps run. Commands never import commands.
  ['commands/*', ['rollout/*', 'daemonset/*', 'report/messages/*', 'report/{history,lines}.ts']],
  // It speaks to GitHub only, and gets its text from report/.
  ['github/notify.ts', ['github/*', 'ci/{environment,run}.ts', 'inputs/parse.ts', 'report/*', 'rollout/context.ts', 'node:crypto']],
  ['github/*', ['github/*', 'ci/{environment,run}.ts', 'abort.ts', '@actions/github', 'node:https']],
  // Strings become one typed request.
  // The help lists the exit statuses.
  ['inputs/help.ts', ['inputs/*', 'daemonset/*', 'report/exit-status.ts']],
  [
    'inputs/*',
    ['inputs/*', 'commands/*', 'daemonset/*', 'cluster/{exec-policy,quote}.ts', 'ci/environment.ts', 'duration.ts', 'node:util'],
  ],
  // The story, from inputs to report.
  ['*', ['**/*.ts', 'node:{crypto,fs,os,path,timers/promises}']],
];

const modules = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => path.replaceAll('\\', '/'))
  .sort();

/** What a module imports: modules of src/ by their path in it, and packages by their name. */
function importsOf(module: string): string[] {
  const text = readFileSync(join('src', module), 'utf8');
  const found = [...text.matchAll(/^(?:import |(?:import|export|\}).* from )'([^']+)';$|\bimport\('([^']+)'\)/gm)].map(
    ([, path, late]) => path ?? late ?? '',
  );
  return found.map((path) => (path.startsWith('.') ? normalize(join(dirname(module), path)).replaceAll('\\', '/') : path));
}

const isModule = (path: string): boolean => modules.includes(path);

test.each(modules)('%s imports only what its folder may', (module) => {
  const [, allowed = []] = MAY_IMPORT.find(([glob]) => matchesGlob(module, glob)) ?? [];
  expect(importsOf(module).filter((path) => !allowed.some((glob) => matchesGlob(path, glob)))).toEqual([]);
});

test('no module imports itself by way of others, types included', () => {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const visit = (module: string, path: string[]): void => {
    if (path.includes(module)) cycles.push([...path.slice(path.indexOf(module)), module]);
    if (path.includes(module) || done.has(module)) return;
    for (const next of importsOf(module).filter(isModule)) visit(next, [...path, module]);
    done.add(module);
  };
  for (const module of modules) visit(module, []);
  expect(cycles).toEqual([]);
});

test('every row of the table is needed', () => {
  for (const [glob, allowed] of MAY_IMPORT) {
    const its = modules.filter((module) => MAY_IMPORT.find(([first]) => matchesGlob(module, first))?.[0] === glob).flatMap(importsOf);
    expect([glob, allowed.filter((one) => !its.some((path) => matchesGlob(path, one)))]).toEqual([glob, []]);
  }
});

test.each(modules.filter((module) => module !== 'inputs/descriptions.ts'))('%s has at most 300 lines', (module) => {
  expect(readFileSync(join('src', module), 'utf8').split('\n').length - 1).toBeLessThanOrEqual(300);
});

test('no class has more than ten fields', () => {
  const large = modules.flatMap((module) => {
    const text = readFileSync(join('src', module), 'utf8');
    return [...text.matchAll(/^(?:export )?class (\w+)[^{]*\{\n([\s\S]*?)^\}/gm)].flatMap(([, name, body = '']) => {
      const fields =
        body.match(
          /^ {2}(?:(?:readonly|static|override|declare) )*#?\w+[?!]?(?::[^(]*?)? ?(?:=[^>][^\n]*|;)$|^ {2}(?:readonly )?#?\w+ = [^\n]*$/gm,
        ) ?? [];
      return fields.length > 10 ? [`${name}: ${fields.length}`] : [];
    });
  });
  expect(large).toEqual([]);
});

/** A sentence for each case of a closed union: tables, in the form of a switch. */
const TABLES = ['textOf', 'causeText'];

test('no function has more than sixty lines', () => {
  const long = modules.flatMap((module) => {
    const lines = readFileSync(join('src', module), 'utf8').split('\n');
    return lines.flatMap((line, start) => {
      const [, indent, name] =
        /^( {0,2})(?:(?:export|async|static|private|get) )*(?:function\*? )?(#?\w+)(?:<.*>)?\(.*[{(,]$/.exec(line) ?? [];
      if (indent === undefined || name === undefined || /^(if|for|while|switch|catch|return|test)$/.test(name)) return [];
      const length = lines.slice(start).indexOf(`${indent}}`) + 1;
      return length > 60 && !TABLES.includes(name) ? [`${module}: ${name}, ${length} lines`] : [];
    });
  });
  expect(long).toEqual([]);
});
