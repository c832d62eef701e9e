import type { Json } from '../daemonset/types.ts';
import { ClusterError, isFailure } from './cluster.ts';
import type { Page } from './decode.ts';
import type { Http } from './http.ts';

/** Objects per page. Answers dominate memory use for a large fleet: pages of 250 need a third more. */
const PAGE = 100;
/** More objects than a cluster has. A list that does not end is an error. */
const MAX_PAGES = 2_000;
const MAX_RESTARTS = 2;

/** All objects of a list, and the resource version to watch them from. */
export interface All<T> {
  version: string;
  objects: T[];
}

/** All pages of a list. A continue token expires after some minutes; the list starts again then. */
export async function list<T>(
  http: Http,
  path: string,
  query: Record<string, string>,
  decode: (answer: Json) => Page<T>,
  signal: AbortSignal,
): Promise<All<T>> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await listOnce(http, path, query, decode, signal);
    } catch (error) {
      if (!isFailure(error, 'expired') || restarts === MAX_RESTARTS) throw error;
    }
  }
}

async function listOnce<T>(
  http: Http,
  path: string,
  query: Record<string, string>,
  decode: (answer: Json) => Page<T>,
  signal: AbortSignal,
): Promise<All<T>> {
  const objects: T[] = [];
  let page = '';
  for (let pages = 1; pages <= MAX_PAGES; pages++) {
    const call = { method: 'GET' as const, path, query: { ...query, limit: String(PAGE), ...(page && { continue: page }) }, signal };
    const { items, next, resourceVersion } = await http.json(call, decode);
    objects.push(...items);
    page = next;
    if (page === '') return { objects, version: resourceVersion };
  }
  throw new ClusterError('api', `The API server returned more than ${MAX_PAGES * PAGE} objects for ${path}.`);
}
