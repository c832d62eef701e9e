import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Recorded } from './daemonset/guard.ts';

/** Where records are kept between a step and its post step. Templates may hold secrets, and a step's state is printed in debug logs. */
export interface Kept {
  /** A file that only its owner may read. */
  path: string;
  /** Of its content. */
  sha256: string;
}

/** Writes records into a new file in a folder that lives as long as the job. */
export function keep(records: readonly Recorded[], folder: string): Kept {
  const path = join(folder, `rollback-daemonset-${randomUUID()}.json`);
  const content = JSON.stringify(records);
  writeFileSync(path, content, { mode: 0o600, flag: 'wx' });
  return { path, sha256: sha256(content) };
}

/** The records that were kept, or undefined where they are gone or not the same any more. */
export function recall({ path, sha256: expected }: Kept): Recorded[] | undefined {
  try {
    const content = readFileSync(path, 'utf8');
    return sha256(content) === expected ? (JSON.parse(content) as Recorded[]) : undefined;
  } catch {
    return undefined;
  }
}

/** Removes the file, once it is not needed any more. */
export function forget({ path }: Kept): void {
  rmSync(path, { force: true });
}

/** What was saved as a step's state, or undefined where it is none of ours. */
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
