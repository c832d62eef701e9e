import type { ImageDigests } from './image-digests.ts';
import type { Revision } from './revision.ts';
import { digest } from './template.ts';
import type { DaemonSet, ObjectMeta } from './types.ts';

/** The annotation with the rollback record. It is read from the DaemonSet only: the controller copies annotations into new ControllerRevisions. */
export const LAST_ROLLBACK = 'rollback-daemonset/last-rollback';

/** The good mark: an annotation on the ControllerRevision of a version that was seen running on every node. */
export const GOOD = 'rollback-daemonset/good';

/** When a version was first seen running on every node, and by which run. */
export interface GoodMark {
  /** RFC 3339. */
  time: string;
  /** The address of the run. */
  run?: string;
  /** The digest of each image that was seen, by the image as the template names it. */
  images?: ImageDigests;
}

/** The text of the good mark on the ControllerRevision of that name. */
export function goodText(name: string, { time, run }: GoodMark, images: ImageDigests): string {
  const mark: GoodMark & { name: string } = {
    name,
    time,
    ...(run !== undefined && { run }),
    ...(Object.keys(images).length > 0 && { images }),
  };
  return JSON.stringify(mark);
}

/**
 * The good mark on a ControllerRevision. Other text counts as none, and so does the mark of another ControllerRevision: the controller copies
 * the annotations of the DaemonSet into new ControllerRevisions, whatever someone put there.
 */
export function readGood({ name, annotations }: Pick<ObjectMeta, 'name' | 'annotations'>): GoodMark | undefined {
  const mark = parsed(annotations?.[GOOD]);
  if (typeof mark !== 'object' || mark === null) return undefined;
  const { name: marked, time, run, images } = mark as Record<string, unknown>;
  if (marked !== name || typeof time !== 'string' || !TIME.test(time) || !Number.isFinite(Date.parse(time))) return undefined;
  return { time, ...(typeof run === 'string' && ADDRESS.test(run) && { run }), ...(isDigests(images) && { images }) };
}

function isDigests(value: unknown): value is ImageDigests {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((digest) => typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest));
}

const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
const ADDRESS = /^https?:\/\/\S{1,500}$/;

/** A run of a workflow. All attempts of a run have the same id. */
export interface Run {
  /** `owner/name`. */
  repository: string;
  id: string;
  /** The address of its page. */
  url: string;
}

/** A revision in a rollback record. `digest` decides; number and name are for display. */
export interface MarkedRevision {
  revision: number;
  name: string;
  digest: string;
}

/** The rollback record on the DaemonSet, so that the next rollback does not restore the version that this one left. */
export interface Mark {
  restored: MarkedRevision;
  left: MarkedRevision;
  repository?: string;
  run?: string;
  /** RFC 3339. */
  time: string;
}

/** The record of a rollback from one revision to another; `restoredDigest` is that of the template that the API server will store. */
export function markFor(from: Revision, target: Revision, restoredDigest: string, run: Run | undefined, time: Date): Mark {
  return {
    restored: { revision: target.number, name: target.name, digest: restoredDigest },
    left: { revision: from.number, name: from.name, digest: from.digest },
    ...(run && { repository: run.repository, run: run.id }),
    time: time.toISOString(),
  };
}

/** The rollback record on a DaemonSet. Other text counts as none. */
export function readMark(daemonSet: DaemonSet): Mark | undefined {
  const mark = parsed(daemonSet.metadata.annotations?.[LAST_ROLLBACK]);
  return isMark(mark) ? mark : undefined;
}

/** JSON that anyone may have written; undefined if it is not JSON. */
function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isMark(value: unknown): value is Mark {
  if (typeof value !== 'object' || value === null) return false;
  const { restored, left, repository, run, time } = value as Record<string, unknown>;
  return (
    isMarkedRevision(restored) &&
    isMarkedRevision(left) &&
    (repository === undefined || typeof repository === 'string') &&
    (run === undefined || typeof run === 'string') &&
    typeof time === 'string'
  );
}

function isMarkedRevision(value: unknown): value is MarkedRevision {
  if (typeof value !== 'object' || value === null) return false;
  const { revision, name, digest } = value as Record<string, unknown>;
  return typeof revision === 'number' && typeof name === 'string' && typeof digest === 'string';
}

/** Whether the template that a rollback restored is still the DaemonSet's. A new deploy invalidates the record. */
export function stands(mark: Mark, daemonSet: DaemonSet): boolean {
  return mark.restored.digest === digest(daemonSet.spec.template);
}

/** Whether this run, in any attempt, wrote the record. */
export function isOurs(mark: Mark, run: Run | undefined): boolean {
  return run !== undefined && mark.run === run.id && mark.repository === run.repository;
}
