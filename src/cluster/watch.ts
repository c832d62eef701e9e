import { sleep } from '../abort.ts';
import type { Json, ObjectMeta } from '../daemonset/types.ts';
import { ClusterError, isFailure, type Watched } from './cluster.ts';
import { decodeWatchEvent, InvalidObject, type WatchEvent } from './decode.ts';
import type { Http } from './http.ts';
import { delayAfter, LONGEST_DELAY_MS, nextStep } from './watch-retry.ts';

/** A quiet watch receives a bookmark about once a minute. A longer silence means that the connection is dead. */
const SILENCE_MS = 90_000;
/** A silence of this length is normal only after a bookmark: a proxy can buffer the events. */
const QUIET_MS = 15_000;
const QUIET_AFTER_BOOKMARK_MS = 75_000;
/** The minimum time between two reads because of silence. */
const BETWEEN_READS_MS = 30_000;
/** The server ends a watch after about this time, in seconds. */
const LENGTH_S = 300;

interface WatchedObject {
  metadata: ObjectMeta;
}

export interface WatchOptions<T> {
  /** The path of the collection. `query` selects objects in it. */
  collection: string;
  query: Record<string, string>;
  /** An object of the watch. Undefined: it is ignored. */
  decode: (object: Json) => T | undefined;
  /** Reads all objects. If it throws `not-found`, so does the watch. */
  list: (signal: AbortSignal) => Promise<{ version: string; objects: T[] }>;
  /** For a watch on one object: reads it. It is called if the watch is silent, because a proxy can buffer events. */
  readIfSilent?: (signal: AbortSignal) => Promise<T>;
  /** After a failure, changes may be missed: all objects are read again. */
  listAfterFailure?: boolean;
  /** The resource version to start from, if the objects have been read. */
  version?: string;
  signal: AbortSignal;
  /** The interval for reading the objects if the account is not allowed to watch them. */
  pollEveryMs: number;
  /** Called once if the account is not allowed to watch. */
  onPolling: (why: string) => void;
}

/**
 * Every change of some objects. The watch survives closed connections, silence, an expired resource version (410) and a server that is
 * temporarily unavailable. It ends if the signal is aborted (it throws the signal's reason), or on a failure that is not transient.
 */
export async function* watch<T extends WatchedObject>(http: Http, options: WatchOptions<T>): AsyncGenerator<Watched<T>> {
  const { list, listAfterFailure = false, readIfSilent, signal, onPolling } = options;
  let { version } = options;
  /** Since the last event: connections that ended, and requests that failed. */
  let interruptions = 0;
  const silence: Silence = { known: version, quietUntil: Date.now() + QUIET_MS, lastRead: Number.NEGATIVE_INFINITY };
  for (;;) {
    const started = Date.now();
    try {
      if (version === undefined) {
        const { objects, version: read } = await list(signal);
        version = read;
        silence.known = objects[0]?.metadata.resourceVersion;
        silence.lastRead = Date.now();
        yield { kind: 'all', objects };
      }
      for await (const event of connect<T>(http, options, version, silence)) {
        if (event.type === 'ERROR') {
          version = undefined;
          break;
        }
        interruptions = 0;
        if (event.type === 'BOOKMARK') version = event.resourceVersion;
        else if (event.object) {
          const { object } = event;
          version = object.metadata.resourceVersion;
          silence.known = version;
          yield { kind: event.type === 'DELETED' ? 'gone' : 'one', object };
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      // A watch that fails again and again is silent, too.
      const isSilent = readIfSilent !== undefined && Date.now() >= nextRead(silence);
      const step = nextStep(error, { interruptions, hasListed: version !== undefined, mayMissChanges: listAfterFailure || isSilent });
      if (step.kind === 'throw') throw error;
      if (step.kind === 'poll') {
        onPolling(step.why);
        yield* poll(options);
        return;
      }
      if (step.kind === 'list-again') version = undefined;
      if (listAfterFailure) yield { kind: 'interrupted', why: step.why };
    }
    // After an attempt of this length, the ones before it no longer count.
    if (Date.now() - started > LONGEST_DELAY_MS) interruptions = 0;
    await sleep(delayAfter(interruptions) * (0.75 + Math.random() / 2), signal);
    interruptions += 1;
  }
}

/** What is known about the silence of a watch. */
interface Silence {
  /** The resource version of the latest known state of the only object. */
  known: string | undefined;
  /** Until then, silence is normal. */
  quietUntil: number;
  lastRead: number;
}

/**
 * The events of one connection. It ends if it is silent for too long. If it is silent although the object has changed, the last event is
 * the state that was read.
 */
async function* connect<T extends WatchedObject>(
  http: Http,
  { collection, query, decode, readIfSilent, signal }: WatchOptions<T>,
  version: string,
  silence: Silence,
): AsyncGenerator<Changed<T>> {
  const stop = new AbortController();
  const call = {
    method: 'GET' as const,
    path: collection,
    query: { ...query, watch: 'true', resourceVersion: version, allowWatchBookmarks: 'true', timeoutSeconds: String(LENGTH_S) },
    signal: AbortSignal.any([signal, stop.signal]),
  };
  const timer = setTimeout(() => stop.abort(), SILENCE_MS);
  let missed: { object: T } | { error: unknown } | undefined;
  const found = (end: typeof missed): void => {
    missed ??= end;
    stop.abort();
  };
  if (readIfSilent)
    void missedState(readIfSilent, silence, call.signal).then(
      (object) => found({ object }),
      (error: unknown) => found({ error }),
    );
  try {
    for await (const event of http.lines(call, (line) => decoded(line, decode))) {
      timer.refresh();
      silence.quietUntil = Date.now() + (event.type === 'BOOKMARK' ? QUIET_AFTER_BOOKMARK_MS : QUIET_MS);
      yield event;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!stop.signal.aborted) throw error;
    if (missed && 'object' in missed) yield { type: 'MODIFIED', object: missed.object };
    if (missed && 'error' in missed && missed.error instanceof ClusterError) throw missed.error;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

/** An event with a decoded object. Undefined: the object is ignored. */
type Changed<T> = Exclude<WatchEvent, { object: unknown }> | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T | undefined };

function decoded<T>(line: Json, decode: (object: Json) => T | undefined): Changed<T> {
  const event = decodeWatchEvent(line);
  return 'object' in event ? { ...event, object: decode(event.object) } : event;
}

function nextRead({ quietUntil, lastRead }: Silence): number {
  return Math.max(quietUntil, lastRead + BETWEEN_READS_MS);
}

/** Reads the object whenever its watch is silent. Its state, once it has changed. */
async function missedState<T extends WatchedObject>(
  read: (signal: AbortSignal) => Promise<T>,
  silence: Silence,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    const due = nextRead(silence);
    if (Date.now() < due) {
      await sleep(due - Date.now(), signal);
      continue;
    }
    // A failure proves nothing, unless the object does not exist or is invalid.
    const object = await read(signal).catch((error: unknown) => {
      if (signal.aborted || isFailure(error, 'not-found') || error instanceof InvalidObject) throw error;
    });
    silence.lastRead = Date.now();
    if (object && object.metadata.resourceVersion !== silence.known) return object;
  }
}

/** Reads the objects periodically, if watching is not allowed. */
async function* poll<T>({ list, signal, pollEveryMs }: WatchOptions<T>): AsyncGenerator<Watched<T>> {
  for (;;) {
    try {
      yield { kind: 'all', objects: (await list(signal)).objects };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof InvalidObject || !isFailure(error, 'unreachable', 'api')) throw error;
    }
    await sleep(pollEveryMs, signal);
  }
}
