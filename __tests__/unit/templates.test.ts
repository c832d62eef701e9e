/** The GitLab components in templates/, as text. __tests__/workflows/gitlab.test.ts runs them. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadAll } from 'js-yaml';
import { INPUTS } from '../../src/inputs/definitions.ts';

interface Input {
  description: string;
  default?: unknown;
  type?: string;
  regex?: string;
}
interface Job {
  variables: Record<string, string>;
  before_script: string[];
  script: string[];
  after_script?: string[];
  timeout?: string;
}

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const names = readdirSync('templates');

describe.each(names)('templates/%s', (name) => {
  const [header, body] = loadAll(readFileSync(join('templates', name), 'utf8')) as [
    { spec: { inputs: Record<string, Input> } },
    Record<string, Job>,
  ];
  const { inputs } = header.spec;
  const job = body['$[[ inputs.job-name ]]'] as Job;

  test('describes every input in one short line, and uses it', () => {
    for (const [input, { description }] of Object.entries(inputs)) {
      expect([input, description.length <= 150]).toEqual([input, true]);
      expect(JSON.stringify(body)).toContain(`$[[ inputs.${input} ]]`);
    }
  });

  test('passes inputs on as variables, with the defaults of the command', () => {
    const passed = Object.entries(job.variables).flatMap(([variable, value]) => {
      const [, input] = /^\$\[\[ inputs\.([\w-]+) \]\]$/.exec(value) ?? [];
      return input && variable !== 'ROLLBACK_DAEMONSET_PACKAGE' ? [{ variable, input }] : [];
    });
    for (const { variable, input } of passed) {
      expect(variable).toBe(`ROLLBACK_DAEMONSET_${input.toUpperCase().replaceAll('-', '_')}`);
      const { default: usual, type } = INPUTS[input as keyof typeof INPUTS];
      const given = inputs[input]?.default;
      // A job of a resource group that is canceled ends before the next one starts.
      if (given !== undefined && input !== 'rollback-on-cancel') expect([input, String(given)]).toEqual([input, usual]);
      expect([input, inputs[input]?.type ?? 'string']).toEqual([input, type === 'boolean' ? 'boolean' : 'string']);
    }
  });

  test('has no input in a shell command but the script of the user', () => {
    const commands = [job.before_script, job.script, job.after_script ?? []].flat();
    expect(commands.filter((command) => command.includes('$[['))).toEqual(name === 'guarded-deploy.yml' ? ['$[[ inputs.script ]]'] : []);
  });

  test('installs the version of this repository', () => {
    expect(inputs['package']?.default).toBe(`rollback-daemonset@${version}`);
  });

  test('has scripts that every POSIX shell reads', () => {
    const parts = [[...job.before_script, ...job.script.filter((command) => !command.includes('$[['))], job.after_script ?? []];
    for (const commands of parts) {
      const { status, stderr } = spawnSync('sh', ['-n'], { input: `${commands.join('\n')}\n`, encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    }
  });
});

test('docs/any-ci.md names every component, and pins the version of this repository', () => {
  const page = readFileSync('docs/any-ci.md', 'utf8');
  const used = [...page.matchAll(/OWNER\/rollback-daemonset\/([\w-]+)@(\S+)/g)].map(([, component, pin]) => `${component}.yml ${pin}`);
  expect(used.sort()).toEqual(names.map((name) => `${name} ${version}`).sort());
  for (const [, pin] of page.matchAll(/\brollback-daemonset@(\d[\w.-]*)/g)) expect(pin).toBe(version);
});
