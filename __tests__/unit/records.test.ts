import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Recorded } from '../../src/daemonset/guard.ts';
import { forget, keep, keptFrom, recall } from '../../src/records.ts';

const records: Recorded[] = [{ kind: 'absent', daemonSet: { namespace: 'logging', name: 'agent' } }];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-records-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('saves records in a file that only its owner can read, until they are removed', () => {
  const kept = keep(records, folder);
  expect(recall(kept)).toEqual(records);
  // Windows has no file modes.
  if (process.platform !== 'win32') expect(statSync(kept.path).mode & 0o777).toBe(0o600);
  expect(keptFrom(JSON.stringify(kept))).toEqual(kept);
  forget(kept);
  expect(readdirSync(folder)).toEqual([]);
  expect(recall(kept)).toBeUndefined();
  forget(kept);
});

test('two guards of a job do not share a file', () => {
  expect(keep(records, folder).path).not.toBe(keep(records, folder).path);
});

test('ignores records that were changed', () => {
  const kept = keep(records, folder);
  writeFileSync(kept.path, '[]');
  expect(recall(kept)).toBeUndefined();
});

test.each([undefined, '', 'null', '{}', '{"path":1,"sha256":"x"}', 'x'])('ignores the state %j', (state) => {
  expect(keptFrom(state)).toBeUndefined();
});
