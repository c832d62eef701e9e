/** Workflows, examples, snippets of the docs and action.yml pass actionlint and zizmor. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { buildTools } from '../../testbed/build.ts';
import { installZizmor } from '../../testbed/zizmor.ts';
import { completedSnippets, documentedWorkflows } from '../helpers/readme.ts';
import { execute, printLine } from '../helpers/support.ts';

const workflows = readdirSync('.github/workflows').map((name) => join('.github/workflows', name));
const examples = readdirSync('examples')
  .filter((name) => name.endsWith('.yml'))
  .map((name) => join('examples', name));

test('actionlint accepts our workflows, the examples, and the workflows and snippets of README and docs', async () => {
  const { actionlint } = await buildTools(['actionlint'], printLine);
  const ours = examples.map((path) => readFileSync(path, 'utf8'));
  const documented = [...Object.values(documentedWorkflows()), ...completedSnippets().map(({ text }) => text)];
  for (const some of [workflows, ours, documented]) expect(some).not.toHaveLength(0);
  expect(await execute(actionlint, workflows)).toMatchObject({ code: 0, stdout: '' });
  for (const text of [...ours, ...documented]) {
    // A guard reads its inputs again at the end of the job, so they can refer to later steps, which actionlint does not know.
    const guarded = /command: guard/.test(text) ? [...text.matchAll(/^ +id: ([\w-]+)$/gm)].map(([, id]) => id) : [];
    const ignored = guarded.flatMap((id) => ['-ignore', `^property "${id}" is not defined in object type`]);
    expect({ text, ...(await execute(actionlint, [...ignored, '-'], text)) }).toMatchObject({ code: 0, stdout: '' });
  }
});

test('zizmor reports no findings, even as the pedantic persona', async () => {
  const zizmor = await installZizmor(printLine);
  const { code, stdout, stderr } = await execute(zizmor, [
    '--offline',
    '--no-progress',
    '--color=never',
    '--persona=pedantic',
    '.github',
    'action.yml',
    ...examples,
  ]);
  expect(`${stdout}${code === 0 ? '' : stderr}`).toMatch(/^No findings to report/);
  for (const path of [...workflows, ...examples]) expect(stderr).toContain(`completed ${path}`);
});

test('every action is pinned by its digest, with the version beside it', () => {
  const uses = [...workflows, ...examples].flatMap((path) => readFileSync(path, 'utf8').match(/^.*\buses: .*$/gm) ?? []);
  expect(uses).not.toHaveLength(0);
  for (const line of uses)
    expect(line).toMatch(/uses: (\.\/|OWNER\/rollback-daemonset@v1$|[\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)/);
});
