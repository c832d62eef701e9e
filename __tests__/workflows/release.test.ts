/** Runs the shell scripts of the release workflows. Only git and GitHub's API are simulated. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import { type Any, execute } from '../helpers/support.ts';

/** The script of a step. */
function script(workflow: string, name: string): string {
  const { jobs } = load(readFileSync(`.github/workflows/${workflow}.yml`, 'utf8')) as Any;
  const steps = Object.values(jobs).flatMap((job: Any) => job.steps ?? []);
  return steps.find((step: Any) => step.name === name).run;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-release-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a script like a runner does for a step without a shell: `bash -e`. */
const run = (text: string, environment: Record<string, string>): ReturnType<typeof execute> =>
  execute('env', ['-C', folder, ...Object.entries(environment).map(([name, value]) => `${name}=${value}`), 'bash', '-e', '-c', text]);

describe('a release', () => {
  const changelog =
    '# Changelog\n\n## Unreleased\n\n## 1.2.30 - 2026-12-02\n\n- Not this.\n\n## 1.2.3 - 2026-12-01\n\n- A fix.\n\n## 1.2.2\n\n- Before.\n';
  const check = async (tag: string, text = changelog): Promise<{ code: number; notes: string }> => {
    writeFileSync(join(folder, 'package.json'), '{"version":"1.2.3"}');
    writeFileSync(join(folder, 'CHANGELOG.md'), text);
    writeFileSync(join(folder, 'notes.md'), '');
    const { code } = await run(script('release', 'Check the tag against the version and the changelog'), {
      TAG: tag,
      NOTES: join(folder, 'notes.md'),
    });
    return { code, notes: readFileSync(join(folder, 'notes.md'), 'utf8').trim() };
  };

  test('has the notes of its version', async () => {
    expect(await check('v1.2.3')).toEqual({ code: 0, notes: '- A fix.' });
  });

  test.each([
    ['a tag that is not the version', 'v1.2.4', changelog],
    ['a changelog without the version', 'v1.2.3', '# Changelog\n\n## Unreleased\n\n- Something.\n'],
    ['a changelog with an empty section for the version', 'v1.2.3', '# Changelog\n\n## 1.2.3\n\n## 1.2.2\n\n- Before.\n'],
  ])('is not drafted with %s', async (_what, tag, text) => {
    expect((await check(tag, text)).code).not.toBe(0);
  });
});

describe('the checksums of dist/', () => {
  /** Computes them as the tested job does, and checks them as the job that signs does, after a change of the folder. */
  const check = async (change: (dist: string) => void): Promise<number> => {
    const dist = join(folder, 'dist');
    mkdirSync(dist);
    for (const name of ['index.js', 'socks.cjs']) writeFileSync(join(dist, name), name);
    const output = join(folder, 'output');
    expect(await run(script('ci', 'Compute the checksums of dist/'), { GITHUB_OUTPUT: output })).toMatchObject({ code: 0 });
    const [, checksums = ''] = /^dist<<END\n([\s\S]*)\nEND\n$/.exec(readFileSync(output, 'utf8')) ?? [];
    change(dist);
    const environment = { CHECKSUMS: checksums, FILE: join(folder, 'checksums.txt') };
    return (await run(script('release', 'Check dist/ against the tested one'), environment)).code;
  };

  test('are those of every file', async () => {
    expect(await check(() => {})).toBe(0);
    expect(readFileSync(join(folder, 'checksums.txt'), 'utf8')).toMatch(
      /^[0-9a-f]{64} {2}dist\/index\.js\n[0-9a-f]{64} {2}dist\/socks\.cjs\n$/,
    );
  });

  test.each<[string, (dist: string) => void]>([
    ['another content', (dist) => writeFileSync(join(dist, 'socks.cjs'), 'other')],
    ['one file more', (dist) => writeFileSync(join(dist, 'more.js'), '')],
    ['one file less', (dist) => rmSync(join(dist, 'socks.cjs'))],
  ])('do not fit %s', async (_what, change) => {
    expect(await check(change)).not.toBe(0);
  });
});

describe('the tag vX', () => {
  /** Returns the API calls that would change something. */
  const move = async (tag: string, published: string[], existing: string[]): Promise<string[]> => {
    const calls = join(folder, 'calls');
    writeFileSync(calls, '');
    const gh = join(folder, 'gh');
    writeFileSync(
      gh,
      `#!/bin/sh
case "$1 $2" in
  'release list') printf '%s\\n' ${published.join(' ')} ;;
  'api --method') echo "$*" >> '${calls}' ;;
  'api '*) case " ${existing.join(' ')} " in *" \${2##*/} "*) ;; *) exit 1 ;; esac ;;
esac
`,
    );
    chmodSync(gh, 0o755);
    const environment = { PATH: `${folder}:${process.env['PATH']}`, GH_REPO: 'octo/fleet', TAG: tag, SHA: 'abc' };
    expect(await run(script('major-tag', 'Move the tag'), environment)).toMatchObject({ code: 0, stderr: '' });
    return readFileSync(calls, 'utf8').split('\n').filter(Boolean);
  };
  const patched = 'api --method PATCH repos/octo/fleet/git/refs/tags/v1 --field sha=abc --field force=true';

  test('is created with the first release', async () => {
    expect(await move('v1.0.0', ['v1.0.0'], [])).toEqual([
      'api --method POST repos/octo/fleet/git/refs --field ref=refs/tags/v1 --field sha=abc',
    ]);
  });

  test('moves to the newest version, compared by number', async () => {
    expect(await move('v1.10.0', ['v1.9.0', 'v1.10.0', 'v2.0.0', 'v10.0.0'], ['v1', 'v2'])).toEqual([patched]);
  });

  test('does not move back for a fix of an older version', async () => {
    expect(await move('v1.9.1', ['v1.9.0', 'v1.9.1', 'v1.10.0'], ['v1'])).toEqual([]);
  });
});
