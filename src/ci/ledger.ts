import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { entriesIn, type Ledger, type LedgerEntry } from '../daemonset/ledger.ts';
import type { RecordedBy } from './job.ts';
import { appendToOwnFile, readOwnFile } from './own-file.ts';

/**
 * The ledger of a job: a file for each DaemonSet, which only its owner can read, in a folder that exists as long as the job. Its name and its
 * first line bind it to the attempt of the job, the API server and the uid, so that any other file is ignored.
 *
 * @param folder undefined if the job has none: nothing is kept then.
 * @param onFailure is called once if it cannot be written.
 */
export function ledgerIn(folder: string | undefined, by: RecordedBy, server: string, onFailure: (why: string) => void): Ledger {
  if (!folder || by.run === '') return { read: () => [], append: () => {} };
  let hasFailed = false;
  const headerOf = (uid: string): string => JSON.stringify({ by, server, uid });
  const pathOf = (header: string): string =>
    join(folder, `rollback-daemonset-ledger-${createHash('sha256').update(header).digest('hex').slice(0, 32)}.jsonl`);
  return {
    read(uid) {
      const header = headerOf(uid);
      const read = readOwnFile(pathOf(header));
      const [first, ...lines] = 'text' in read ? read.text.split('\n') : [];
      return first === header ? entriesIn(lines) : [];
    },
    append(uid, entry) {
      const header = headerOf(uid);
      try {
        appendToOwnFile(pathOf(header), header, JSON.stringify(entry));
      } catch (error) {
        if (!hasFailed) onFailure((error as Error).message);
        hasFailed = true;
      }
    },
  };
}

/** A ledger of this process only: a guard that runs the deploy itself is the whole job. */
export function ledgerInMemory(): Ledger {
  const entries = new Map<string, LedgerEntry[]>();
  return {
    read: (uid) => entries.get(uid) ?? [],
    append: (uid, entry) => entries.set(uid, [...(entries.get(uid) ?? []), entry]),
  };
}
