import { ClusterError, isFailure, type PatchOperation } from '../cluster/cluster.ts';
import { type AnnotationChanges, annotationChanges, withoutKeys } from '../daemonset/annotation-changes.ts';
import { HOLD } from '../daemonset/hold.ts';
import type { Candidate } from '../daemonset/known-good.ts';
import type { LeftOut } from '../daemonset/notes.ts';
import type { Preview } from '../daemonset/plan.ts';
import { templateGenerationOf } from '../daemonset/pods.ts';
import { CHANGE_CAUSE } from '../daemonset/revision.ts';
import { LAST_ROLLBACK, type RollbackRecord } from '../daemonset/rollback-record.ts';
import { sameTemplate } from '../daemonset/template.ts';
import type { DaemonSet, PodTemplate } from '../daemonset/types.ts';
import { afterwards, type Context, untilAnswered } from './context.ts';

/** How many times to find out whether an unanswered patch was written. */
const TRIES = 5;
/** How long updating the annotations after a write may take. */
const ANNOTATION_LIMIT_MS = 5_000;

/**
 * The patch that restores a revision's template, locked on the object and spec that were read: `generation` changes only with
 * the spec, while `resourceVersion` changes with each status update, many times a second during a rollout.
 */
export function restorePatch({ metadata, spec }: DaemonSet, target: Candidate, annotations: AnnotationChanges): PatchOperation[] {
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
  const changes = annotationOperations(annotations);
  if (!metadata.annotations && changes.length > 0) patch.push({ op: 'add', path: '/metadata/annotations', value: {} });
  return [...patch, ...changes];
}

function annotationOperations(annotations: AnnotationChanges): PatchOperation[] {
  return Object.entries(annotations).map(([key, value]) => {
    const path = annotationPath(key);
    return value === undefined ? { op: 'remove', path } : { op: 'add', path, value };
  });
}

/** The path of an annotation of an object. RFC 6901: `~` and `/` in a key are escaped. */
export function annotationPath(key: string): string {
  return `/metadata/annotations/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/**
 * What the patch would do, by a dry run of the very same patch on the API server. Annotations that the server rejects are left out. If a webhook does not
 * support dry runs, or if a dry run was asked for and the account is read-only: by our own comparison. Undefined if the DaemonSet was changed since it
 * was read.
 */
export async function preview(
  context: Context,
  daemonSet: DaemonSet,
  target: Candidate,
  record: RollbackRecord,
  { readOnly, hold }: { readOnly: boolean; hold: string | undefined },
): Promise<Preview | undefined> {
  const { log } = context;
  const wanted = annotationChanges(daemonSet, target, record, hold);
  const { changes, leftOut } = wanted;
  try {
    return await dryRun(context, daemonSet, target, wanted);
  } catch (error) {
    if (isFailure(error, 'conflict')) return undefined;
    if (isFailure(error, 'admission-denied', 'invalid-template')) return previewWithFewer(context, daemonSet, target, wanted, error);
    const unable = isFailure(error, 'dry-run-unsupported') || (readOnly && isFailure(error, 'forbidden'));
    if (!unable) throw error;
    log.warning(`The API server could not check the change first, so the templates are compared here instead. ${error.message}`);
    return { template: target.template, validated: false, changes: true, annotations: changes, leftOut };
  }
}

async function dryRun(
  { cluster, signal }: Context,
  daemonSet: DaemonSet,
  target: Candidate,
  { changes: annotations, leftOut }: ReturnType<typeof annotationChanges>,
): Promise<Preview> {
  const answer = await cluster.patchDaemonSet(daemonSet.metadata, restorePatch(daemonSet, target, annotations), { dryRun: true }, signal);
  const changes = answer.metadata.generation !== daemonSet.metadata.generation;
  const isUnheld = HOLD in annotations && answer.metadata.annotations?.[HOLD] !== annotations[HOLD];
  const unheld: LeftOut[] = isUnheld ? [{ keys: [HOLD], why: { kind: 'removed' } }] : [];
  return { template: answer.spec.template, validated: true, changes, annotations, leftOut: [...leftOut, ...unheld] };
}

/**
 * The preview without the annotations that the API server rejects, if it accepts the rest: without any of them, then with as many as it accepts. A policy is
 * least likely to know the rollback record, and knows the manifest of `kubectl apply` where there is one. The hold is left out only to find out that it is what
 * the API server rejects: then the rollback is refused.
 *
 * @throws the first rejection if the rest is rejected, too.
 */
async function previewWithFewer(
  context: Context,
  daemonSet: DaemonSet,
  target: Candidate,
  { changes, leftOut }: ReturnType<typeof annotationChanges>,
  rejection: ClusterError,
): Promise<Preview | undefined> {
  const attempt = async (leaveOut: string[]): Promise<Preview | undefined> => {
    const keys = leaveOut.filter((key) => key in changes);
    const rejected: LeftOut = { keys, why: { kind: 'rejected', message: rejection.message } };
    try {
      return await dryRun(context, daemonSet, target, { changes: withoutKeys(changes, keys), leftOut: [...leftOut, rejected] });
    } catch (error) {
      if (isFailure(error, 'admission-denied', 'invalid-template')) return undefined;
      throw error;
    }
  };
  try {
    const all = Object.keys(changes);
    const bare = await attempt(all.filter((key) => key !== HOLD));
    if (!bare) {
      const unheld = HOLD in changes ? await attempt(all) : undefined;
      if (unheld) return unheld;
      throw rejection;
    }
    return (await attempt([LAST_ROLLBACK])) ?? (await attempt([LAST_ROLLBACK, CHANGE_CAUSE])) ?? bare;
  } catch (error) {
    if (isFailure(error, 'conflict')) return undefined;
    throw error;
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
 * Writes the patch, once. If the answer is lost, the rollback record on the object shows whether the patch was written; without a record, the template shows
 * it. Sending the patch again is safe, because it fits only the generation that was read.
 *
 * @param expected what the dry run stored: the template, if the answer to the write is lost.
 * @throws ClusterError if the API server refused the write, which then certainly did not happen.
 */
export async function restore(
  context: Context,
  daemonSet: DaemonSet,
  target: Candidate,
  record: RollbackRecord,
  { template: expected, annotations }: Pick<Preview, 'template' | 'annotations'>,
): Promise<Patched> {
  const { cluster, clock, log } = context;
  const patch = restorePatch(daemonSet, target, annotations);
  const changes = (now: DaemonSet): number => (templateGenerationOf(now) ?? Number.NaN) - (record.templateGeneration ?? Number.NaN);
  const recorded = annotations[LAST_ROLLBACK];
  const isWritten = (now: DaemonSet): boolean =>
    recorded === undefined
      ? changes(now) === 1 && sameTemplate(now.spec.template, expected)
      : now.metadata.annotations?.[LAST_ROLLBACK] === recorded;
  context.signal.throwIfAborted();
  const signal = untilAnswered(context);
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
    if (now && isWritten(now)) {
      if (changes(now) === 0) return { kind: 'undone' };
      return { kind: 'written', daemonSet: now, template: changes(now) === 1 ? now.spec.template : expected };
    }
    if (now && (now.metadata.uid !== daemonSet.metadata.uid || now.metadata.generation !== daemonSet.metadata.generation)) {
      // Without a record, the change can be ours, with a newer one after it.
      return recorded === undefined && !(attempt === 0 && conflict) ? { kind: 'unknown', why } : { kind: 'moved' };
    }
    if (now && conflict) throw new ClusterError('conflict', `The API server rejects a patch that fits the object: ${why}`);
    await clock.sleep(500 * (attempt + 1), signal).catch(() => {});
  }
  return { kind: 'unknown', why };
}

/** Gives the DaemonSet the annotations that it had before a write that did not change the template. A failure is a warning. */
export async function undoAnnotations(context: Context, before: DaemonSet, annotations: AnnotationChanges): Promise<void> {
  const keys = Object.keys(annotations);
  if (keys.length === 0) return;
  const { cluster, log } = context;
  const signal = afterwards(context, ANNOTATION_LIMIT_MS);
  try {
    const previous = Object.fromEntries(keys.map((key) => [key, before.metadata.annotations?.[key]]));
    const tests = keys.flatMap((key): PatchOperation[] => {
      const value = annotations[key];
      return value === undefined ? [] : [{ op: 'test', path: annotationPath(key), value }];
    });
    const patch: PatchOperation[] = [
      { op: 'test', path: '/metadata/uid', value: before.metadata.uid },
      ...tests,
      ...annotationOperations(previous),
    ];
    await cluster.patchDaemonSet(before.metadata, patch, { dryRun: false }, signal);
  } catch (error) {
    log.warning(`Could not undo the annotations of a rollback that did not happen: ${(error as Error).message}`);
  }
}
