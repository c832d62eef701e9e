import { type Cluster, ClusterError, isFailure, type PatchOperation } from '../cluster/cluster.ts';
import type { Candidate } from '../daemonset/last-good.ts';
import { writesTemplate } from '../daemonset/managed-fields.ts';
import type { Preview } from '../daemonset/plan.ts';
import { templateGenerationOf } from '../daemonset/pods.ts';
import { CHANGE_CAUSE } from '../daemonset/revision.ts';
import { LAST_ROLLBACK, type RollbackRecord } from '../daemonset/rollback-record.ts';
import { type DaemonSet, FIELD_MANAGER, type ManagedFieldsEntry, type PodTemplate } from '../daemonset/types.ts';
import { afterwards, delayed, type World } from './world.ts';

/** How many times to find out whether an unanswered patch was written. */
const TRIES = 5;
/** How long giving up the ownership of fields may take, in milliseconds. */
const OWNERSHIP_LIMIT = 10_000;
/** How long updating the annotations after a write may take, in milliseconds. */
const ANNOTATION_LIMIT = 5_000;
/** How long to wait for the answer to a patch after a cancellation, in milliseconds. */
const GRACE_AFTER_CANCEL = 1_000;

/**
 * The patch that restores a revision's template, locked on the object and spec that were read: `generation` changes only with
 * the spec, while `resourceVersion` changes with each status update, many times a second during a rollout.
 */
export function restorePatch({ metadata, spec }: DaemonSet, target: Candidate, record: RollbackRecord): PatchOperation[] {
  const patch: PatchOperation[] = [
    { op: 'test', path: '/metadata/uid', value: metadata.uid },
    { op: 'test', path: '/metadata/generation', value: metadata.generation ?? 0 },
    { op: 'replace', path: '/spec/template', value: target.template },
  ];
  for (const [field, value] of Object.entries(target.spec ?? {})) {
    const path = `/spec/${field}`;
    if (value !== undefined) patch.push({ op: 'add', path, value });
    else if (field in spec) patch.push({ op: 'remove', path });
  }
  const { annotations } = metadata;
  if (!annotations) patch.push({ op: 'add', path: '/metadata/annotations', value: {} });
  if (target.changeCause !== undefined) patch.push({ op: 'add', path: annotation(CHANGE_CAUSE), value: target.changeCause });
  else if (annotations?.[CHANGE_CAUSE] !== undefined) patch.push({ op: 'remove', path: annotation(CHANGE_CAUSE) });
  patch.push({ op: 'add', path: annotation(LAST_ROLLBACK), value: JSON.stringify(record) });
  return patch;
}

/** RFC 6901: `~` and `/` in a key are escaped. */
function annotation(key: string): string {
  return `/metadata/annotations/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/**
 * What the patch would do, by a dry run of the very same patch on the API server. If a webhook does not support dry runs, or if a dry run was asked for and
 * the account is read-only: by our own comparison. Undefined if the DaemonSet was changed since it was read.
 */
export async function preview(
  world: World,
  daemonSet: DaemonSet,
  target: Candidate,
  record: RollbackRecord,
  { readOnly }: { readOnly: boolean },
): Promise<Preview | undefined> {
  const { cluster, log, signal } = world;
  try {
    const patch = restorePatch(daemonSet, target, record);
    const answer = await cluster.patchDaemonSet(daemonSet.metadata, patch, { dryRun: true }, signal);
    return { template: answer.spec.template, validated: true, changes: answer.metadata.generation !== daemonSet.metadata.generation };
  } catch (error) {
    if (isFailure(error, 'conflict')) return undefined;
    const unable = isFailure(error, 'dry-run-unsupported') || (readOnly && isFailure(error, 'forbidden'));
    if (!unable) throw error;
    log.warning(`The API server could not check the change first, so the templates are compared here instead. ${error.message}`);
    return { template: target.template, validated: false, changes: true };
  }
}

export type Patched =
  /** The patch was written, and stored this template; the DaemonSet may have been changed again since. */
  | { kind: 'written'; daemonSet: DaemonSet; template: PodTemplate }
  /** It was written, and the template is still the one before: an admission webhook undid the change. */
  | { kind: 'undone' }
  /** Someone changed the spec, or another object has the name now: read it again and decide again. */
  | { kind: 'moved' }
  /** It could not be determined whether the patch was written. */
  | { kind: 'unknown'; why: string };

/**
 * Writes the patch, once. If the answer is lost, the rollback record on the object shows whether the patch was written. Sending the patch
 * again is safe, because it fits only the generation that was read.
 *
 * @param expected what the dry run stored: the template, if the answer to the write is lost.
 * @throws ClusterError if the API server refused the write, which then certainly did not happen.
 */
export async function restore(
  world: World,
  daemonSet: DaemonSet,
  target: Candidate,
  record: RollbackRecord,
  expected: PodTemplate,
): Promise<Patched> {
  const { cluster, clock, log } = world;
  const patch = restorePatch(daemonSet, target, record);
  const changes = (now: DaemonSet): number => (templateGenerationOf(now) ?? Number.NaN) - (record.templateGeneration ?? Number.NaN);
  world.signal.throwIfAborted();
  // A cancellation must not cut off the answer: it would be unknown whether the fleet is changing.
  const signal = delayed(world.signal, GRACE_AFTER_CANCEL);
  let why = 'no answer in time';
  for (let attempt = 0; attempt < TRIES && !signal.aborted; attempt++) {
    let conflict = false;
    try {
      const answer = await cluster.patchDaemonSet(daemonSet.metadata, patch, { dryRun: false }, signal);
      return changes(answer) === 0 ? { kind: 'undone' } : { kind: 'written', daemonSet: answer, template: answer.spec.template };
    } catch (error) {
      if (signal.aborted) break;
      conflict = isFailure(error, 'conflict');
      if (attempt === 0 && isFailure(error, 'not-found')) return { kind: 'moved' };
      if (attempt === 0 && !conflict && !isFailure(error, 'answer-lost')) throw error;
      why = (error as Error).message;
      log.debug(`It is unclear whether the patch was written, reading the DaemonSet: ${why}`);
    }
    const now = await cluster.getDaemonSet(daemonSet.metadata, signal).catch(() => undefined);
    if (now?.metadata.annotations?.[LAST_ROLLBACK] === JSON.stringify(record)) {
      if (changes(now) === 0) return { kind: 'undone' };
      return { kind: 'written', daemonSet: now, template: changes(now) === 1 ? now.spec.template : expected };
    }
    if (now && (now.metadata.uid !== daemonSet.metadata.uid || now.metadata.generation !== daemonSet.metadata.generation))
      return { kind: 'moved' };
    if (now && conflict) throw new ClusterError('conflict', `The API server rejects a patch that fits the object: ${why}`);
    await clock.sleep(500 * (attempt + 1), signal).catch(() => {});
  }
  return { kind: 'unknown', why };
}

/** Gives the DaemonSet the annotations that it had before a write that did not change the template. A failure is a warning. */
export async function undoAnnotations(world: World, before: DaemonSet, record: RollbackRecord): Promise<void> {
  const { cluster, log } = world;
  const signal = afterwards(world, ANNOTATION_LIMIT);
  try {
    const now = await cluster.getDaemonSet(before.metadata, signal);
    const patch: PatchOperation[] = [
      { op: 'test', path: '/metadata/uid', value: record.uid },
      { op: 'test', path: annotation(LAST_ROLLBACK), value: JSON.stringify(record) },
    ];
    for (const key of [LAST_ROLLBACK, CHANGE_CAUSE]) {
      const value = before.metadata.annotations?.[key];
      if (value !== undefined) patch.push({ op: 'add', path: annotation(key), value });
      else if (now.metadata.annotations?.[key] !== undefined) patch.push({ op: 'remove', path: annotation(key) });
    }
    await cluster.patchDaemonSet(before.metadata, patch, { dryRun: false }, signal);
  } catch (error) {
    log.warning(`Could not remove the rollback record of a rollback that did not happen: ${(error as Error).message}`);
  }
}

/** Whether the DaemonSet's template is written by server-side apply. */
export function isServerSideApplied({ metadata }: DaemonSet): boolean {
  return (metadata.managedFields ?? []).some((entry) => entry.operation === 'Apply' && writesTemplate(entry));
}

/**
 * Gives up our ownership of the fields that we restored, so that the deployer's next server-side apply does not conflict with us.
 * `generation` does not change. Returns the latest state of the DaemonSet, unchanged if it could not be done.
 */
export async function yieldOwnership(world: World, daemonSet: DaemonSet): Promise<DaemonSet> {
  let latest = daemonSet;
  const signal = afterwards(world, OWNERSHIP_LIMIT);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const index = ourEntry(latest.metadata.managedFields ?? []);
    if (index < 0) return latest;
    const path = `/metadata/managedFields/${index}`;
    try {
      return await world.cluster.patchDaemonSet(
        latest.metadata,
        [
          { op: 'test', path: '/metadata/uid', value: latest.metadata.uid },
          { op: 'test', path: `${path}/manager`, value: FIELD_MANAGER },
          { op: 'test', path: `${path}/operation`, value: 'Update' },
          { op: 'remove', path },
        ],
        { dryRun: false },
        signal,
      );
    } catch (error) {
      if (signal.aborted || !isFailure(error, 'conflict', 'answer-lost')) {
        world.log.warning(
          `The next server-side apply will conflict with the field manager "${FIELD_MANAGER}" (use --force-conflicts once): ${(error as Error).message}`,
        );
        return latest;
      }
      latest = await readOr(world.cluster, latest, signal);
    }
  }
  return latest;
}

async function readOr(cluster: Cluster, daemonSet: DaemonSet, signal: AbortSignal): Promise<DaemonSet> {
  return cluster.getDaemonSet(daemonSet.metadata, signal).catch(() => daemonSet);
}

function ourEntry(entries: ManagedFieldsEntry[]): number {
  return entries.findIndex((entry) => entry.manager === FIELD_MANAGER && entry.operation === 'Update' && !entry.subresource);
}
