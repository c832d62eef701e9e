/** README, docs, action.yml, examples and the code agree. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { load, loadAll } from 'js-yaml';
import { manifests } from '../../scripts/rbac.ts';
import { KNOWN_PLUGINS } from '../../src/cluster/known-plugins.ts';
import { PERMISSIONS } from '../../src/cluster/permissions.ts';
import { COMMANDS, isSuccess, OUTCOMES, REASONS } from '../../src/daemonset/outcome.ts';
import { INPUT_NAMES, INPUTS } from '../../src/inputs/definitions.ts';
import { outputsOf } from '../../src/report/outputs.ts';
import { snippets } from '../helpers/readme.ts';

interface Manifest {
  kind: string;
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

const read = (path: string): string => readFileSync(path, 'utf8');
const readme = read('README.md');
const DEFAULTS: Readonly<Record<string, string>> = Object.fromEntries(INPUT_NAMES.map((name) => [name, INPUTS[name].default]));
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
    hide: (text) => text,
    durationMs: 0,
    warnings: [],
    help: undefined,
  }),
);

/** The text between a heading and the next one of its level. */
function section(text: string, heading: string): string {
  const [, found = ''] = text.split(`\n## ${heading}\n`);
  return found.split('\n## ')[0] ?? '';
}

/** The steps of this action in a part of a workflow. */
function stepsIn(part: unknown): { with?: Record<string, unknown> }[] {
  if (typeof part !== 'object' || part === null) return [];
  const inside = Object.values(part).flatMap(stepsIn);
  const isOurs = 'uses' in part && String(part.uses).startsWith('OWNER/rollback-daemonset@');
  return isOurs ? [part as { with?: Record<string, unknown> }, ...inside] : inside;
}

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
  test('action.yml has the inputs of inputs.ts with their defaults, and the outputs of outputs.ts', () => {
    expect(Object.entries(action.inputs).map(([name, input]) => [name, input.default ?? ''])).toEqual(Object.entries(DEFAULTS));
    expect(Object.keys(action.outputs).sort()).toEqual([...outputs].sort());
  });

  test('action.yml, action-types.yml, the README and docs/cli.md are made from the table of inputs', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/docs.ts', '--check'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('only defaults in action.yml contain expressions, because a runner accepts them nowhere else', () => {
    const withExpressions = read('action.yml')
      .split('\n')
      .filter((line) => line.includes('${' + '{'));
    expect(withExpressions).toEqual([`    default: ${DEFAULTS['job-status']}`]);
  });

  test('descriptions in action.yml have at most four short sentences', () => {
    for (const [name, { description }] of Object.entries({ ...action.inputs, ...action.outputs })) {
      const sentences = description.split(/(?<=\.)\s+(?=[`A-Z])/);
      expect([name, sentences.length <= 4, description.length <= 420]).toEqual([name, true, true]);
    }
  });

  test('the README lists every input in order with its default and a comment, and every output', () => {
    const [, block = ''] = /```yaml\n([\s\S]*?)```/.exec(section(readme, 'Inputs')) ?? [];
    const steps = load(block) as { uses: string; with: Record<string, unknown> }[];
    expect(steps).toHaveLength(1);
    expect(Object.entries(steps[0]?.with ?? {}).map(([name, value]) => [name, String(value)])).toEqual(Object.entries(DEFAULTS));
    const lines = block.split('\n');
    for (const name of Object.keys(DEFAULTS)) {
      const at = lines.findIndex((line) => line.startsWith(`    ${name}:`));
      const commented = / # [A-Z]/.test(lines[at] ?? '') || /^ {4}# /.test(lines[at - 1] ?? '');
      expect([name, commented]).toEqual([name, true]);
    }
    expect(tableAfter(readme, 'Outputs').map(([name]) => name)).toEqual(Object.keys(action.outputs).map((name) => `\`${name}\``));
  });

  test('snippets in README and docs, and the examples, set only inputs that exist', () => {
    const examples = readdirSync('examples')
      .filter((name) => name.endsWith('.yml'))
      .map((name) => ({ page: `examples/${name}`, text: read(join('examples', name)) }));
    const given = [...snippets(), ...examples].flatMap(({ page, text }) =>
      loadAll(text)
        .flatMap(stepsIn)
        .map((step) => [page, step] as const),
    );
    expect(given.length).toBeGreaterThan(20);
    for (const [page, { with: inputs = {} }] of given) {
      for (const name of Object.keys(inputs)) expect([page, name, name in DEFAULTS]).toEqual([page, name, true]);
    }
  });

  test('action-types.yml has the same inputs and outputs with their types', () => {
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

  test('action.yml and README name every command, and every outcome as a success or a failure', () => {
    const [, block = ''] = /```yaml\n([\s\S]*?)```/.exec(section(readme, 'Inputs')) ?? [];
    const [beforeCommand = ''] = block.split('command:');
    for (const command of COMMANDS) {
      expect(action.inputs['command']?.description).toContain(`\`${command}\``);
      expect(beforeCommand).toMatch(new RegExp(`\\b${command}\\b`));
    }
    for (const text of [action.outputs['outcome']?.description ?? '', section(readme, 'Outputs')]) {
      const [, list = ''] = text.split('Success:');
      const [successes = '', failures = ''] = list.split('Failure:');
      for (const outcome of OUTCOMES) {
        const isGood = COMMANDS.some((command) => isSuccess(outcome, command));
        expect(isGood ? successes : failures).toContain(`\`${outcome}\``);
        expect(isGood ? failures : successes).not.toContain(`\`${outcome}\``);
      }
    }
  });
});

test('docs/troubleshooting.md explains every reason and nothing else', () => {
  const explained = [...read('docs/troubleshooting.md').matchAll(/^### `(.*)`\n\n(?=\S)/gm)].map(([, reason]) => reason);
  expect(explained.sort()).toEqual([...REASONS].sort());
});

test('rbac/ grants the permissions in permissions.ts', () => {
  expect(Object.fromEntries(readdirSync('rbac').map((name) => [name, read(join('rbac', name))]))).toEqual(manifests());
  const granted = (...names: string[]): string[] =>
    names.flatMap((name) => {
      const { kind, rules } = load(read(join('rbac', name))) as Manifest;
      return rules.flatMap(({ apiGroups, resources, verbs }) => verbs.map((verb) => `${kind} ${apiGroups} ${resources} ${verb}`));
    });
  const all = PERMISSIONS.map(
    ({ everywhere, apiGroup, resource, verb }) => `${everywhere ? 'ClusterRole' : 'Role'} ${apiGroup} ${resource} ${verb}`,
  );
  expect(granted('role.yaml', 'nodes.yaml', 'preflight.yaml', 'preflight-admission.yaml').sort()).toEqual(all.sort());
  expect(granted('role-minimal.yaml')).toEqual(granted('role.yaml').filter((rule) => /daemonsets|controllerrevisions list/.test(rule)));
});

test('docs/authentication.md names every manifest in rbac/ and every default credential plugin', () => {
  const text = read('docs/authentication.md');
  for (const name of Object.keys(manifests())) expect(text).toContain(`](../rbac/${name})`);
  for (const plugin of Object.keys(KNOWN_PLUGINS)) expect(text).toContain(`\`${plugin}\``);
});

test('docs/security.md quotes tests that exist', () => {
  const rows = tableAfter(read('docs/security.md'), 'What is promised, and where it is tested');
  expect(rows).not.toHaveLength(0);
  for (const [promise, tests = ''] of rows) {
    const files = [...tests.matchAll(/\]\((?<path>[^)]+)\): (?<titles>"[^"]+"(?:, "[^"]+")*)/g)];
    expect([promise, files.length]).not.toEqual([promise, 0]);
    for (const { groups } of files) {
      const source = read(join('docs', groups?.['path'] ?? ''));
      for (const [, title] of groups?.['titles']?.matchAll(/"([^"]+)"/g) ?? []) expect(source).toContain(title);
    }
    // Every quoted title was checked above.
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

/** The anchors that GitHub creates for the headings of a page. */
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

test.each(pages)('every link in %s has a target', (page) => {
  const text = read(page).replace(/```[\s\S]*?```/g, '');
  const found = text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"|^\[[^\]]+\]: (\S+)$/gm);
  const links = [...found].map(([, link, source, reference]) => link ?? source ?? reference ?? '');
  for (const link of links.filter((link) => !/^https?:/.test(link))) {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    expect([link, existsSync(target)]).toEqual([link, true]);
    if (anchor !== undefined) expect(anchorsOf(target)).toContain(anchor);
  }
});

test('examples/README.md lists every example, and a test runs each', () => {
  const examples = readdirSync('examples').filter((name) => name.endsWith('.yml'));
  const listed = [...read('examples/README.md').matchAll(/^\| \[(.*?)\]/gm)].map(([, name = '']) => name);
  expect(listed.sort()).toEqual(examples.sort());
  for (const name of examples) expect(read('__tests__/workflows/examples.test.ts')).toContain(`example('${name}')`);
});

test('CONTRIBUTING.md names every npm script and no other', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = [...read('CONTRIBUTING.md').matchAll(/`npm (?:run )?([\w:-]+)/g)].map(([, name = '']) => name);
  expect([...new Set(named)].sort()).toEqual(Object.keys(scripts).sort());
});

test('README and docs keep their lines short enough to read', () => {
  expect(readme.split('\n').length).toBeLessThanOrEqual(222);
  expect(readme.split('\n').filter((line) => line.length > 160)).toEqual([]);
  for (const page of [
    'docs/guard.md',
    'docs/gates.md',
    'docs/kubectl.md',
    'docs/github.md',
    'docs/hold.md',
    'docs/cli.md',
    'docs/any-ci.md',
  ]) {
    const long = read(page)
      .split('\n')
      .filter((line) => line.length > 200 && !line.startsWith('|'));
    expect([page, long]).toEqual([page, []]);
  }
});
