import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Recorded } from './daemonset/guard.ts';
import { parseJson, stringify } from './daemonset/json.ts';
import type { Json } from './daemonset/types.ts';

/** Where a guard keeps its records for its post step. Templates may contain secrets, and debug logs print a step's state. */
export interface Kept {
  /** A file that only its owner can read. */
  path: string;
  /** Of its content, in hex. */
  sha256: string;
}

/** Writes records to a new file in a folder that exists as long as the job. */
export function keep(records: readonly Recorded[], folder: string): Kept {
  const path = join(folder, `rollback-daemonset-${randomUUID()}.json`);
  const content = stringify(records as unknown as Json);
  writeFileSync(path, content, { mode: 0o600, flag: 'wx' });
  return { path, sha256: sha256(content) };
}

/** The records; undefined if they are gone or have changed. */
export function recall({ path, sha256: expected }: Kept): Recorded[] | undefined {
  try {
    const content = readFileSync(path, 'utf8');
    return sha256(content) === expected ? (parseJson(content) as unknown as Recorded[]) : undefined;
  } catch {
    return undefined;
  }
}

/** Removes the file once it is no longer needed. */
export function forget({ path }: Kept): void {
  rmSync(path, { force: true });
}

/** Where the records are, from the step's state; undefined if the state is not ours. */
export function keptFrom(state: string | undefined): Kept | undefined {
  try {
    const { path, sha256 } = JSON.parse(state ?? '') as Partial<Kept>;
    return typeof path === 'string' && typeof sha256 === 'string' ? { path, sha256 } : undefined;
  } catch {
    return undefined;
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
