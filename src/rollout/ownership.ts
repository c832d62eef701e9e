import { isFailure, type PatchOperation } from '../cluster/cluster.ts';
import { type EntryChange, type OwnershipReturn, ownershipReturn } from '../daemonset/managed-fields.ts';
import { type DaemonSet, FIELD_MANAGER, type JsonObject } from '../daemonset/types.ts';
import { afterwards, type Context } from './context.ts';

/** How many times to read the DaemonSet again and return what has changed in the meantime. */
const TRIES = 5;
/** How long it may take. */
const LIMIT_MS = 10_000;

/**
 * After a rollback: returns the ownership of the fields that it wrote to the deployer, by one request that changes metadata only. `generation` stays the same.
 * The request fits only the managedFields entries that were read; after a change in between they are read again.
 *
 * @param before the DaemonSet before the rollback. If it is the same, only the applier of the template gets fields.
 * @returns the latest state of the DaemonSet, unchanged if it could not be done: that is a warning.
 */
export async function returnOwnership(context: Context, written: DaemonSet, before: DaemonSet): Promise<DaemonSet> {
  const { cluster, log } = context;
  const signal = afterwards(context, LIMIT_MS);
  let latest = written;
  let why = '';
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const change = ownershipReturn(latest, before);
    if (!change) return latest;
    try {
      return await cluster.patchDaemonSet(latest.metadata, ownershipPatch(latest, change), { dryRun: false }, signal);
    } catch (error) {
      why = (error as Error).message;
      if (signal.aborted || !isFailure(error, 'conflict', 'answer-lost')) break;
      latest = await cluster.getDaemonSet(latest.metadata, signal).catch(() => latest);
    }
  }
  log.warning(
    `Could not return the ownership of the restored fields to their managers, so the next server-side apply conflicts with the field manager "${FIELD_MANAGER}" and leaves in place what only the restored version has. Use --force-conflicts once, and check what is left. ${why}`,
  );
  return latest;
}

function ownershipPatch({ metadata }: DaemonSet, { ours, others }: OwnershipReturn): PatchOperation[] {
  const patch: PatchOperation[] = [{ op: 'test', path: '/metadata/uid', value: metadata.uid }];
  for (const change of [ours, ...others]) patch.push(...testsOf(change));
  for (const { index, entry, fieldsV1 } of others) {
    if (index !== undefined) patch.push({ op: 'replace', path: `/metadata/managedFields/${index}/fieldsV1`, value: fieldsV1 });
    else {
      const value = { ...entry, fieldsType: 'FieldsV1', fieldsV1 } as unknown as JsonObject;
      patch.push({ op: 'add', path: '/metadata/managedFields/-', value });
    }
  }
  // Last, because it changes the places of those after it.
  patch.push({ op: 'remove', path: `/metadata/managedFields/${ours.index}` });
  return patch;
}

/** The entry is still at its place, with the same fields. */
function testsOf({
  index,
  entry: { manager = '', operation = '', fieldsV1 = {} },
}: Pick<EntryChange, 'index' | 'entry'>): PatchOperation[] {
  if (index === undefined) return [];
  const path = `/metadata/managedFields/${index}`;
  return [
    { op: 'test', path: `${path}/manager`, value: manager },
    { op: 'test', path: `${path}/operation`, value: operation },
    { op: 'test', path: `${path}/fieldsV1`, value: fieldsV1 },
  ];
}
