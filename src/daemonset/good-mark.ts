import type { ImageDigests } from './image-digests.ts';
import { parseText } from './json.ts';
import type { ObjectMeta } from './types.ts';

/** The good mark: an annotation on the ControllerRevision of a version that was seen running on every node. */
export const GOOD = 'rollback-daemonset/good';

/** When a version was seen running on every node, and by which run. It is renewed at most once a day. */
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
  const mark = parseText(annotations?.[GOOD]);
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
