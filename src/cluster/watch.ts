import type { DaemonSet, DaemonSetName, Json } from '../daemonset/types.ts';
import { ClusterError, type DaemonSetEvent, isFailure } from './cluster.ts';
import { type Http, sleep } from './http.ts';

/** A quiet connection gets a bookmark about once a minute; one that is silent for longer is dead, in milliseconds. */
const SILENCE = 90_000;
/** The server ends a watch itself after about this long, in seconds. */
const LENGTH = 300;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

interface WatchEvent {
  type: string;
  /** With the type ERROR: a Status. */
  object: DaemonSet;
}

export interface WatchOptions {
  get: (signal: AbortSignal) => Promise<DaemonSet>;
  collection: string;
  signal: AbortSignal;
  /** Told once when the account may not watch, and the object is read every few seconds in its stead. */
  onPolling?: (why: string) => void;
}

/**
 * Every state of one DaemonSet after `from`, for as long as anybody listens. It outlives closed connections, silence, an expired
 * resource version (410) and a server that is away for a while; it ends with `deleted`, when the signal is aborted (by throwing its reason), or
 * on a failure that waiting does not cure.
 */
export async function* watchDaemonSet(
  http: Http,
  from: DaemonSet,
  { get, collection, signal, onPolling }: WatchOptions,
): AsyncGenerator<DaemonSetEvent> {
  const name: DaemonSetName = from.metadata;
  let version = from.metadata.resourceVersion;
  let wait = FIRST_WAIT;
  let stale = false;
  for (;;) {
    const started = Date.now();
    try {
      if (stale) {
        const daemonSet = await get(signal);
        version = daemonSet.metadata.resourceVersion;
        stale = false;
        yield { kind: 'state', daemonSet };
      }
      for await (const { type, object } of connect(http, collection, name, version, signal)) {
        wait = FIRST_WAIT;
        if (type === 'ERROR') {
          stale = true;
          break;
        }
        version = object.metadata.resourceVersion;
        if (type === 'DELETED') {
          yield { kind: 'deleted' };
          return;
        }
        if (type !== 'BOOKMARK') yield { kind: 'state', daemonSet: object };
      }
    } catch (error) {
      signal.throwIfAborted();
      if (isFailure(error, 'not-found')) {
        yield { kind: 'deleted' };
        return;
      }
      if (isFailure(error, 'forbidden') && !stale) {
        onPolling?.(error.message);
        yield* poll(get, signal);
        return;
      }
      if (!(error instanceof ClusterError) || isFailure(error, 'certificate', 'credentials', 'forbidden')) throw error;
      // A second refusal is final; the first may be an expired token, which is renewed.
      if (isFailure(error, 'unauthorized') && wait > FIRST_WAIT) throw error;
      stale ||= isFailure(error, 'expired');
    }
    if (Date.now() - started > LONGEST_WAIT) wait = FIRST_WAIT;
    await sleep(wait * (0.75 + Math.random() / 2), signal);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

async function* connect(
  http: Http,
  collection: string,
  { name }: DaemonSetName,
  version: string,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE);
  const query = {
    watch: 'true',
    fieldSelector: `metadata.name=${name}`,
    resourceVersion: version,
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(LENGTH),
  };
  try {
    for await (const event of http.lines({ method: 'GET', path: collection, query, signal: AbortSignal.any([signal, silent.signal]) })) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE);
      if (isWatchEvent(event)) yield event;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!silent.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}

function isWatchEvent(event: unknown): event is WatchEvent {
  if (typeof event !== 'object' || event === null) return false;
  const { type, object } = event as { type?: Json; object?: Json };
  return typeof type === 'string' && typeof object === 'object' && object !== null;
}

/** Where watching is not allowed: a look every 5 seconds. */
async function* poll(get: WatchOptions['get'], signal: AbortSignal): AsyncGenerator<DaemonSetEvent> {
  for (;;) {
    try {
      yield { kind: 'state', daemonSet: await get(signal) };
    } catch (error) {
      signal.throwIfAborted();
      if (isFailure(error, 'not-found')) {
        yield { kind: 'deleted' };
        return;
      }
      if (!isFailure(error, 'unreachable', 'api')) throw error;
    }
    await sleep(5000, signal);
  }
}
