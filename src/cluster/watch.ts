import type { ObjectMeta } from '../daemonset/types.ts';
import { ClusterError, isFailure, type Watched } from './cluster.ts';
import { type Http, sleep } from './http.ts';

/** A quiet watch receives a bookmark about once a minute. A longer silence means that the connection is dead. Milliseconds. */
const SILENCE = 90_000;
/** The server ends a watch after about this time, in seconds. */
const LENGTH = 300;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

interface WatchedObject {
  metadata: ObjectMeta;
}

interface WatchEvent<T> {
  type: string;
  /** A Status if the type is ERROR. */
  object: T;
}

export interface WatchOptions<T> {
  /** The path of the collection. `query` selects objects in it. */
  collection: string;
  query: Record<string, string>;
  /** Reads all objects. If it throws `not-found`, so does the watch. */
  list: (signal: AbortSignal) => Promise<{ version: string; objects: T[] }>;
  /** The resource version to start from, if the objects have been read. */
  version?: string;
  signal: AbortSignal;
  /** The interval for reading the objects if the account is not allowed to watch them, in milliseconds. */
  pollEvery: number;
  /** Called once if the account is not allowed to watch. */
  onPolling: (why: string) => void;
}

/**
 * Every change of some objects. The watch survives closed connections, silence, an expired resource version (410) and a server that is
 * temporarily unavailable. It ends if the signal is aborted (it throws the signal's reason), or on a failure that is not transient.
 */
export async function* watch<T extends WatchedObject>(http: Http, options: WatchOptions<T>): AsyncGenerator<Watched<T>> {
  const { list, signal, onPolling } = options;
  let { version } = options;
  let wait = FIRST_WAIT;
  for (;;) {
    const started = Date.now();
    try {
      if (version === undefined) {
        const { objects, version: read } = await list(signal);
        version = read;
        yield { kind: 'all', objects };
      }
      for await (const { type, object } of connect<T>(http, options, version)) {
        wait = FIRST_WAIT;
        if (type === 'ERROR') {
          version = undefined;
          break;
        }
        version = object.metadata.resourceVersion;
        if (type === 'DELETED') yield { kind: 'gone', object };
        else if (type !== 'BOOKMARK') yield { kind: 'one', object };
      }
    } catch (error) {
      signal.throwIfAborted();
      // An API server that has just started has not loaded its roles yet, and forbids every request for a moment.
      const starting = wait > FIRST_WAIT && wait < LONGEST_WAIT;
      if (isFailure(error, 'forbidden') && !starting) {
        if (version === undefined) throw error;
        onPolling(error.message);
        yield* poll(options);
        return;
      }
      if (!(error instanceof ClusterError) || isFailure(error, 'not-found', 'certificate', 'credentials')) throw error;
      // A second 401 is final; the first can be an expired token, which is renewed.
      if (isFailure(error, 'unauthorized') && wait > FIRST_WAIT) throw error;
      if (isFailure(error, 'expired')) version = undefined;
    }
    if (Date.now() - started > LONGEST_WAIT) wait = FIRST_WAIT;
    await sleep(wait * (0.75 + Math.random() / 2), signal);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

async function* connect<T>(http: Http, { collection, query, signal }: WatchOptions<T>, version: string): AsyncGenerator<WatchEvent<T>> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE);
  const call = {
    method: 'GET' as const,
    path: collection,
    query: { ...query, watch: 'true', resourceVersion: version, allowWatchBookmarks: 'true', timeoutSeconds: String(LENGTH) },
    signal: AbortSignal.any([signal, silent.signal]),
  };
  try {
    for await (const event of http.lines(call)) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE);
      if (isWatchEvent<T>(event)) yield event;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!silent.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}

function isWatchEvent<T>(event: unknown): event is WatchEvent<T> {
  if (typeof event !== 'object' || event === null) return false;
  const { type, object } = event as { type?: unknown; object?: unknown };
  if (typeof type !== 'string' || typeof object !== 'object' || object === null) return false;
  const { metadata } = object as { metadata?: unknown };
  return type === 'ERROR' || (typeof metadata === 'object' && metadata !== null);
}

/** Reads the objects periodically, if watching is not allowed. */
async function* poll<T>({ list, signal, pollEvery }: WatchOptions<T>): AsyncGenerator<Watched<T>> {
  for (;;) {
    try {
      yield { kind: 'all', objects: (await list(signal)).objects };
    } catch (error) {
      signal.throwIfAborted();
      if (!isFailure(error, 'unreachable', 'api')) throw error;
    }
    await sleep(pollEvery, signal);
  }
}
