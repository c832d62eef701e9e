import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Kept, keptFrom, loadRecords, removeRecords, saveRecords } from '../../../src/ci/guard-state.ts';
import { recordedBy } from '../../../src/ci/job.ts';
import type { Recorded } from '../../../src/daemonset/guard.ts';

const records: Recorded[] = [{ kind: 'absent', daemonSet: { namespace: 'logging', name: 'agent' } }];
const cluster = { server: 'https://c.example', context: 'prod' };
const environment = {
  GITHUB_SERVER_URL: 'https://github.com',
  GITHUB_REPOSITORY: 'octo/fleet',
  GITHUB_RUN_ID: '7',
  GITHUB_RUN_ATTEMPT: '1',
  GITHUB_JOB: 'deploy',
};
const by = recordedBy(environment);
// Windows has no file modes, no owners, and links only for administrators.
const posix = process.platform === 'win32' ? test.skip : test;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-records-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('saves records in a file that only its owner can read, until they are removed', () => {
  const kept = saveRecords(records, folder, by, cluster);
  expect(loadRecords(kept, folder, by)).toEqual({ kind: 'records', records, in: cluster });
  if (process.platform !== 'win32') expect(statSync(kept.path).mode & 0o777).toBe(0o600);
  expect(keptFrom(JSON.stringify(kept))).toEqual(kept);
  removeRecords(kept, folder, by);
  expect(readdirSync(folder)).toEqual([]);
  expect(loadRecords(kept, folder, by)).toEqual({ kind: 'lost', why: 'gone' });
  removeRecords(kept, folder, by);
});

test('two guards of a job do not share a file', () => {
  expect(saveRecords(records, folder, by, cluster).path).not.toBe(saveRecords(records, folder, by, cluster).path);
});

test('works outside of GitHub Actions, where there is no job to compare', () => {
  const none = recordedBy({});
  expect(loadRecords(saveRecords(records, folder, none, cluster), folder, none)).toMatchObject({ kind: 'records' });
});

describe('ignores, and does not delete,', () => {
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  const forged = JSON.stringify({ by, in: cluster, records });
  const NAME = 'rollback-daemonset-01234567-89ab-cdef-0123-456789abcdef.json';
  /** A file with a record for this very job, which another step wrote. */
  function forge(path: string, mode = 0o600): Kept {
    writeFileSync(path, forged, { mode });
    chmodSync(path, mode);
    return { path, sha256: sha256(forged) };
  }
  function expectIgnored(kept: Kept, why: string): void {
    expect(loadRecords(kept, folder, by)).toEqual({ kind: 'lost', why });
    removeRecords(kept, folder, by);
    expect(existsSync(kept.path)).toBe(true);
  }

  test('records that were changed', () => {
    const kept = saveRecords(records, folder, by, cluster);
    writeFileSync(kept.path, '[]');
    expectIgnored(kept, 'changed');
  });

  test.each(Object.keys(environment))('records with another %s', (name) => {
    const other = recordedBy({ ...environment, [name]: 'other' });
    expectIgnored(saveRecords(records, folder, other, cluster), 'other-job');
  });

  test('a file in another folder, or in a folder below', () => {
    const below = join(folder, 'below');
    mkdirSync(below);
    for (const place of [below, tmpdir()]) {
      const kept = forge(join(place, NAME));
      expectIgnored(kept, 'not-ours');
      expectIgnored({ ...kept, path: `${folder}/../${basename(folder)}/${relative(folder, kept.path)}` }, 'not-ours');
      rmSync(kept.path);
    }
    const kept = forge(join(folder, NAME));
    expectIgnored({ ...kept, path: `${folder}/./${NAME}` }, 'not-ours');
    expect(loadRecords(kept, folder, by)).toMatchObject({ kind: 'records' });
  });

  test.each(['.bashrc', 'kubeconfig', 'rollback-daemonset-x.json', `x${NAME}`, `${NAME}x`])('a file with another name: %s', (name) => {
    expectIgnored(forge(join(folder, name)), 'not-ours');
  });

  posix('a symbolic link, a folder or a pipe', () => {
    const target = forge(join(folder, 'target'));
    symlinkSync(target.path, join(folder, NAME));
    expectIgnored({ ...target, path: join(folder, NAME) }, 'not-ours');
    rmSync(join(folder, NAME));
    mkdirSync(join(folder, NAME));
    expectIgnored({ ...target, path: join(folder, NAME) }, 'not-ours');
  });

  posix.each([0o644, 0o660, 0o604, 0o700])('a file that others can read or write: mode %o', (mode) => {
    expectIgnored(forge(join(folder, NAME), mode), 'not-ours');
  });

  posix('only the name of a file that has another name too', () => {
    const target = forge(join(folder, 'target'));
    linkSync(target.path, join(folder, NAME));
    removeRecords({ ...target, path: join(folder, NAME) }, folder, by);
    expect(readFileSync(target.path, 'utf8')).toBe(forged);
  });

  test.each(['null', '{}', '[]', '[{"kind":"absent"}]', '{"by":{},"in":{},"records":{}}', 'x'])('a file with the content %s', (content) => {
    const path = join(folder, NAME);
    writeFileSync(path, content, { mode: 0o600 });
    expectIgnored({ path, sha256: sha256(content) }, 'not-ours');
  });
});

test.each([undefined, '', 'null', '{}', '{"path":1,"sha256":"x"}', 'x'])('ignores the state %j', (state) => {
  expect(keptFrom(state)).toBeUndefined();
  expect(loadRecords(undefined, folder, by)).toEqual({ kind: 'lost', why: 'not-ours' });
});
