import type { Revision } from './revision.ts';
import { digest } from './template.ts';
import type { DaemonSet, ObjectMeta } from './types.ts';

/** Where the mark stands. It is read from the DaemonSet only: the controller copies annotations into new ControllerRevisions. */
export const LAST_ROLLBACK = 'rollback-daemonset/last-rollback';

/** Where a ControllerRevision is marked as one that was seen running everywhere. */
export const GOOD = 'rollback-daemonset/good';

/** When a version was first seen running everywhere, and by which run. */
export interface GoodMark {
  /** RFC 3339. */
  time: string;
  /** The address of the run. */
  run?: string;
}

/** The text of the mark on the ControllerRevision of that name. */
export function goodText(name: string, run: Run | undefined, time: Date): string {
  const mark: GoodMark & { name: string } = { name, time: time.toISOString(), ...(run && { run: run.url }) };
  return JSON.stringify(mark);
}

/**
 * The mark on a ControllerRevision. Text that is no mark of ours counts as none, and so does the mark of another ControllerRevision:
 * the controller copies the annotations of the DaemonSet into new ones, whatever somebody may have put there.
 */
export function readGood({ name, annotations }: Pick<ObjectMeta, 'name' | 'annotations'>): GoodMark | undefined {
  const mark = parsed(annotations?.[GOOD]);
  if (typeof mark !== 'object' || mark === null) return undefined;
  const { name: marked, time, run } = mark as Record<string, unknown>;
  if (marked !== name || typeof time !== 'string' || !TIME.test(time) || !Number.isFinite(Date.parse(time))) return undefined;
  return { time, ...(typeof run === 'string' && ADDRESS.test(run) && { run }) };
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

/** One end of a rollback. `digest` decides; number and name are for display. */
export interface MarkedRevision {
  revision: number;
  name: string;
  digest: string;
}

/** What the last rollback left on the DaemonSet, so that another does not bring back what it left. */
export interface Mark {
  restored: MarkedRevision;
  left: MarkedRevision;
  repository?: string;
  run?: string;
  /** RFC 3339. */
  time: string;
}

/** The mark of a rollback from one revision to another; `restoredDigest` is of the template that the server will really store. */
export function markFor(from: Revision, target: Revision, restoredDigest: string, run: Run | undefined, time: Date): Mark {
  return {
    restored: { revision: target.number, name: target.name, digest: restoredDigest },
    left: { revision: from.number, name: from.name, digest: from.digest },
    ...(run && { repository: run.repository, run: run.id }),
    time: time.toISOString(),
  };
}

/** The mark on a DaemonSet. Text that is no mark of ours counts as none. */
export function readMark(daemonSet: DaemonSet): Mark | undefined {
  const mark = parsed(daemonSet.metadata.annotations?.[LAST_ROLLBACK]);
  return isMark(mark) ? mark : undefined;
}

/** JSON that anybody may have written, or undefined where it is none. */
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

/** Whether the template that a rollback restored is still the DaemonSet's. A new deploy makes a mark void. */
export function stands(mark: Mark, daemonSet: DaemonSet): boolean {
  return mark.restored.digest === digest(daemonSet.spec.template);
}

/** Whether this very run, in any attempt, left the mark. */
export function isOurs(mark: Mark, run: Run | undefined): boolean {
  return run !== undefined && mark.run === run.id && mark.repository === run.repository;
}
