/** What is told in several places is the same in each. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import { manifests } from '../../scripts/rbac.ts';
import { PERMISSIONS } from '../../src/cluster/permissions.ts';
import { COMMANDS, isSuccess, OUTCOMES, REASONS } from '../../src/daemonset/outcome.ts';
import { DEFAULTS } from '../../src/inputs.ts';
import { outputsOf } from '../../src/report/outputs.ts';

interface Manifest {
  kind: string;
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

const read = (path: string): string => readFileSync(path, 'utf8');
const readme = read('README.md');
const action = load(read('action.yml')) as {
  inputs: Record<string, { description: string; default?: string; required?: boolean }>;
  outputs: Record<string, { description: string }>;
};
const outputs = Object.keys(
  outputsOf({
    command: 'rollback',
    results: [
      {
        daemonSet: { namespace: '', name: '' },
        outcome: 'error',
        reason: 'internal',
        facts: { kind: 'restored' },
        changed: false,
        notes: [],
      },
    ],
    cluster: undefined,
    showValues: false,
    duration: 0,
    warnings: [],
    help: undefined,
  }),
);

/** The rows of the first table after a heading: cells without padding. */
function tableAfter(text: string, heading: string): string[][] {
  const lines = text.slice(text.indexOf(`\n## ${heading}\n`)).split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  const rows = lines.slice(
    first,
    lines.findIndex((line, index) => index > first && !line.startsWith('|')),
  );
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('inputs and outputs', () => {
  test('action.yml has those of inputs.ts, with their defaults', () => {
    expect(Object.fromEntries(Object.entries(action.inputs).map(([name, input]) => [name, input.default ?? '']))).toEqual(DEFAULTS);
    expect(Object.keys(action.outputs).sort()).toEqual([...outputs].sort());
  });

  test('only defaults in action.yml hold expressions: a runner takes them nowhere else', () => {
    const withExpressions = read('action.yml')
      .split('\n')
      .filter((line) => line.includes('${' + '{'));
    expect(withExpressions).toEqual([`    default: ${DEFAULTS['job-status']}`]);
  });

  test('so has the README', () => {
    const inputs = tableAfter(readme, 'Inputs');
    expect(inputs.map(([name]) => name)).toEqual(Object.keys(DEFAULTS).map((name) => `\`${name}\``));
    for (const [name = '', given = ''] of inputs) {
      const real = DEFAULTS[name.slice(1, -1) as keyof typeof DEFAULTS];
      // A default in words stands for an empty one, and a long list for itself.
      if (/^`[^`]*`$/.test(given)) expect([name, given]).toEqual([name, `\`${real}\``]);
      else expect([name, real === '' || given.includes('action.yml')]).toEqual([name, true]);
    }
    expect(tableAfter(readme, 'Outputs').map(([name]) => name)).toEqual(Object.keys(action.outputs).map((name) => `\`${name}\``));
  });

  test('so has action-types.yml', () => {
    const types = load(read('action-types.yml')) as Record<
      'inputs' | 'outputs',
      Record<string, { type: string; 'allowed-values'?: string[] }>
    >;
    expect(Object.keys(types.inputs)).toEqual(Object.keys(DEFAULTS));
    expect(Object.keys(types.outputs)).toEqual(Object.keys(action.outputs));
    expect(types.inputs['command']?.['allowed-values']).toEqual(COMMANDS);
    expect(types.outputs['outcome']?.['allowed-values']).toEqual(OUTCOMES);
    const booleans = Object.entries(DEFAULTS).filter(([, value]) => value === 'true' || value === 'false');
    const isBoolean = ([, { type }]: [string, { type: string }]): boolean => type === 'boolean';
    expect(
      Object.entries(types.inputs)
        .filter(isBoolean)
        .map(([name]) => name),
    ).toEqual(booleans.map(([name]) => name));
  });

  test('every command and every outcome is named where people look for it', () => {
    for (const command of COMMANDS) expect(action.inputs['command']?.description).toContain(`\`${command}\``);
    const texts = [action.outputs['outcome']?.description ?? '', tableAfter(readme, 'Outputs')[0]?.[1] ?? ''];
    for (const text of texts) {
      const [successes = '', failures = ''] = text.split('Failure:');
      for (const outcome of OUTCOMES)
        expect(COMMANDS.some((command) => isSuccess(outcome, command)) ? successes : failures).toContain(`\`${outcome}\``);
    }
  });
});

test('docs/troubleshooting.md explains each reason, and no other', () => {
  const explained = [...read('docs/troubleshooting.md').matchAll(/^### `(.*)`\n\n(?=\S)/gm)].map(([, reason]) => reason);
  expect(explained.sort()).toEqual([...REASONS].sort());
});

test('rbac/ has the permissions of the sources', () => {
  expect(Object.fromEntries(readdirSync('rbac').map((name) => [name, read(join('rbac', name))]))).toEqual(manifests());
  const granted = (...names: string[]): string[] =>
    names.flatMap((name) => {
      const { kind, rules } = load(read(join('rbac', name))) as Manifest;
      return rules.flatMap(({ apiGroups, resources, verbs }) => verbs.map((verb) => `${kind} ${apiGroups} ${resources} ${verb}`));
    });
  const all = PERMISSIONS.map(
    ({ everywhere, apiGroup, resource, verb }) => `${everywhere ? 'ClusterRole' : 'Role'} ${apiGroup} ${resource} ${verb}`,
  );
  expect(granted('role.yaml', 'nodes.yaml').sort()).toEqual(all.sort());
  expect(granted('role-minimal.yaml')).toEqual(granted('role.yaml').filter((rule) => /daemonsets|controllerrevisions list/.test(rule)));
});

test('docs/authentication.md has the manifests and the credential plugins of the sources', () => {
  const text = read('docs/authentication.md');
  for (const name of Object.keys(manifests())) expect(text).toContain(`](../rbac/${name})`);
  for (const plugin of DEFAULTS['exec-plugins'].split(', ')) expect(text).toContain(`\`${plugin}\``);
});

test('docs/security.md names tests that are there', () => {
  const rows = tableAfter(read('docs/security.md'), 'What is promised, and where it is tested');
  expect(rows).not.toHaveLength(0);
  for (const [promise, tests = ''] of rows) {
    const files = [...tests.matchAll(/\]\((?<path>[^)]+)\): (?<titles>"[^"]+"(?:, "[^"]+")*)/g)];
    expect([promise, files.length]).not.toEqual([promise, 0]);
    for (const { groups } of files) {
      const source = read(join('docs', groups?.['path'] ?? ''));
      for (const [, title] of groups?.['titles']?.matchAll(/"([^"]+)"/g) ?? []) expect(source).toContain(title);
    }
    // Each test that is quoted is one of those that were looked for.
    expect(
      files
        .map(({ groups }) => groups?.['titles'])
        .join()
        .match(/"/g)?.length,
    ).toBe(tests.match(/"/g)?.length);
  }
});

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'testbed/README.md',
  'examples/README.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(path: string): string[] {
  const headings = [
    ...read(path)
      .replace(/```[\s\S]*?```/g, '')
      .matchAll(/^#+ (.*)$/gm),
  ].map(([, heading = '']) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test.each(pages)('%s links to what is there', (page) => {
  const text = read(page).replace(/```[\s\S]*?```/g, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)].map(([, link, source]) => link ?? source ?? '');
  for (const link of links.filter((link) => !/^https?:/.test(link))) {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    expect([link, existsSync(target)]).toEqual([link, true]);
    if (anchor !== undefined) expect(anchorsOf(target)).toContain(anchor);
  }
});

test('every example is told of, and run', () => {
  const examples = readdirSync('examples').filter((name) => name.endsWith('.yml'));
  const told = [...read('examples/README.md').matchAll(/^\| \[(.*?)\]/gm)].map(([, name = '']) => name);
  expect(told.sort()).toEqual(examples.sort());
  for (const name of examples) expect(read('__tests__/workflows/examples.test.ts')).toContain(`example('${name}')`);
});

test('every npm script is told of in CONTRIBUTING.md, and what is told of is there', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const told = [...read('CONTRIBUTING.md').matchAll(/`npm (?:run )?([\w:-]+)/g)].map(([, name = '']) => name);
  expect([...new Set(told)].sort()).toEqual(Object.keys(scripts).sort());
});
