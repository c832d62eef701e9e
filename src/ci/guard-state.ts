import { createHash, randomUUID } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Recorded } from '../daemonset/guard.ts';
import { parseJson, stringify } from '../daemonset/json.ts';
import type { RecordProblem } from '../daemonset/result.ts';
import type { ClusterName, Json } from '../daemonset/types.ts';
import type { RecordedBy } from './job.ts';
import { readOwnFile } from './own-file.ts';

/** Where a guard keeps its records for its post step. Templates may contain secrets, and debug logs print a step's state. */
export interface Kept {
  /** A file that only its owner can read. */
  path: string;
  /** Of its content, in hex. */
  sha256: string;
}

/** The content of the file. */
interface Content {
  by: RecordedBy;
  /** The cluster that the records are about. */
  in: ClusterName;
  records: readonly Recorded[];
}

/** What was found of a record: the records and their cluster, or why they are not used. */
export type Recall = { kind: 'records'; records: readonly Recorded[]; in: ClusterName } | { kind: 'lost'; why: RecordProblem };

const NAME = /^rollback-daemonset-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json$/;

/** Writes records to a new file in a folder that exists as long as the job. */
export function saveRecords(records: readonly Recorded[], folder: string, by: RecordedBy, cluster: ClusterName): Kept {
  const path = join(folder, `rollback-daemonset-${randomUUID()}.json`);
  return { path, sha256: writeRecords(path, { by, in: cluster, records }) };
}

/**
 * Writes records to a file that the user names. A record that is there already is replaced, and nothing else.
 *
 * @throws Error if there is another file, or if it cannot be written.
 */
export function saveRecordsAs(path: string, records: readonly Recorded[], by: RecordedBy, cluster: ClusterName): void {
  if (existsSync(path)) {
    const read = readOwnFile(path);
    if (!('text' in read) || !parsed(read.text))
      throw new Error('there is another file with this name, and it is not the record of a guard');
    rmSync(path);
  }
  writeRecords(path, { by, in: cluster, records });
}

/** @returns the SHA-256 of the content, in hex. */
function writeRecords(path: string, content: Content): string {
  const text = stringify(content as unknown as Json);
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
  // It is found out now, and not once the job has failed.
  if (recordsIn(path, content.by, sha256(text)).kind === 'records') return sha256(text);
  rmSync(path, { force: true });
  throw new Error('the folder does not keep the owner, the mode or the content of a file');
}

/**
 * The records of this job. The state of a step comes from its environment, which other steps can set: so only a file that this action can have
 * written is read, and its content says for which job that was.
 */
export function loadRecords(kept: Kept | undefined, folder: string, by: RecordedBy): Recall {
  if (!kept) return lost('not-ours');
  if (kept.path !== join(folder, basename(kept.path)) || !NAME.test(basename(kept.path))) return lost('not-ours');
  return recordsIn(kept.path, by, kept.sha256);
}

/** The records in a file of this job. @param expected the SHA-256 of its content, if it is known. */
export function recordsIn(path: string, by: RecordedBy, expected?: string): Recall {
  const read = readOwnFile(path);
  if ('problem' in read) return lost(read.problem);
  if (expected !== undefined && sha256(read.text) !== expected) return lost('changed');
  const content = parsed(read.text);
  if (!content) return lost('not-ours');
  if (JSON.stringify(content.by) !== JSON.stringify(by)) return lost('other-job');
  return { kind: 'records', records: content.records, in: content.in };
}

/** Removes the file once it is no longer needed, if it is a record of this job. */
export function removeRecords(kept: Kept, folder: string, by: RecordedBy): void {
  if (loadRecords(kept, folder, by).kind === 'records') rmSync(kept.path, { force: true });
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

function parsed(text: string): Content | undefined {
  try {
    const content = parseJson(text) as unknown as Partial<Content> | null;
    return content?.by && content.in && Array.isArray(content.records) ? (content as Content) : undefined;
  } catch {
    return undefined;
  }
}

function lost(why: RecordProblem): Recall {
  return { kind: 'lost', why };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
