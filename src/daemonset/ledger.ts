import * as v from 'valibot';
import { parseText } from './json.ts';
import type { RolledBackBy } from './rollback-record.ts';

/** What a step of this job saw or wrote, with the DaemonSet's count of template changes then. */
export type LedgerEntry =
  /** A version was current. `complete`: a gate saw it running on every node. */
  | { kind: 'saw'; by: 'guard' | 'gate'; templateGeneration: number; version: string; complete: boolean }
  /** A rollback of this action made a version current. */
  | { kind: 'wrote'; by: RolledBackBy; templateGeneration: number; version: string };

/**
 * What the steps of this job saw and wrote, one entry after the other. It explains which changes are this action's own, and never proves that a
 * version is the job's.
 */
export interface Ledger {
  /** The entries about the DaemonSet with that uid. */
  read(uid: string): readonly LedgerEntry[];
  /** Adds an entry. A ledger that cannot be written is logged once, and is not a failure. */
  append(uid: string, entry: LedgerEntry): void;
}

const ENTRY: v.GenericSchema<unknown, LedgerEntry> = v.variant('kind', [
  v.object({
    kind: v.literal('saw'),
    by: v.picklist(['guard', 'gate']),
    templateGeneration: v.number(),
    version: v.string(),
    complete: v.boolean(),
  }),
  v.object({
    kind: v.literal('wrote'),
    by: v.picklist(['rollback', 'gate', 'guard']),
    templateGeneration: v.number(),
    version: v.string(),
  }),
]);

/** The entries in lines of text. Other lines are ignored. */
export function entriesIn(lines: readonly string[]): LedgerEntry[] {
  return lines.flatMap((line) => {
    const { success, output } = v.safeParse(ENTRY, parseText(line));
    return success ? [output] : [];
  });
}
