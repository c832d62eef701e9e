/** What a watch does on its way: with a clock that the test moves, and a server that the test plays. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ClusterError } from '../../../src/cluster/cluster.ts';
import type { Call, Http } from '../../../src/cluster/http.ts';
import type { Json, ObjectMeta } from '../../../src/daemonset/types.ts';

// Jest's clock does not move node:timers/promises.
jest.unstable_mockModule('../../../src/abort.ts', () => ({ sleep: until }));
const { watch } = await import('../../../src/cluster/watch.ts');

interface Thing {
  metadata: ObjectMeta;
}

const thing = (resourceVersion: string): Thing => ({ metadata: { name: 'a', namespace: 'n', uid: 'u', resourceVersion } });
const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '900' } } };

/** One connection: what it sends after how many milliseconds. It stays open until it is aborted, or ends. */
type Script = { after: number; send: object | 'end' | Error }[];

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});
afterEach(() => {
  jest.useRealTimers();
});

class Played {
  readonly seen: string[] = [];
  readonly reads: number[] = [];
  readonly connections: { at: number; version: string | undefined }[] = [];
  readonly #abort = new AbortController();
  ended: Promise<unknown>;

  constructor(scripts: Script[], read: (at: number) => Thing | Error) {
    const lines = async function* <T>(this: Played, call: Call, decode: (line: Json) => T): AsyncGenerator<T> {
      this.connections.push({ at: Date.now(), version: call.query?.['resourceVersion'] });
      for (const { after, send } of scripts.shift() ?? []) {
        await until(after, call.signal);
        if (send === 'end') return;
        if (send instanceof Error) throw send;
        yield decode(send as Json);
      }
      await until(Number.POSITIVE_INFINITY, call.signal);
    };
    const http = { lines: lines.bind(this) } as unknown as Http;
    const readIfSilent = async (): Promise<Thing> => {
      this.reads.push(Date.now());
      const state = read(Date.now());
      if (state instanceof Error) throw state;
      return state;
    };
    const states = watch<Thing>(http, {
      collection: '/things',
      query: {},
      decode: (object) => object as unknown as Thing,
      list: async () => ({ version: '500', objects: [thing('500')] }),
      readIfSilent,
      version: '1',
      signal: this.#abort.signal,
      pollEveryMs: 5_000,
      onPolling: () => {},
    });
    this.ended = (async () => {
      for await (const state of states) {
        const objects = state.kind === 'all' ? state.objects : 'object' in state ? [state.object] : [];
        this.seen.push(`${Date.now()} ${state.kind} ${objects.map(({ metadata }) => metadata.resourceVersion).join()}`);
      }
    })().catch((error: unknown) => error);
  }

  /** What was seen until then. */
  async runs(milliseconds: number): Promise<this> {
    await jest.advanceTimersByTimeAsync(milliseconds);
    return this;
  }

  async stop(): Promise<unknown> {
    this.#abort.abort(new Error('stopped'));
    return this.ended;
  }
}

function until(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = Number.isFinite(milliseconds) ? setTimeout(resolve, milliseconds) : undefined;
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
}

/** A healthy connection on which nothing changes: bookmarks once a minute, for five minutes. */
const HEALTHY: Script = [...Array.from({ length: 4 }, () => ({ after: 61_000, send: bookmark })), { after: 56_000, send: 'end' as const }];

describe('while nothing changes', () => {
  test('a healthy watch costs three requests in five minutes', async () => {
    const played = await new Played([HEALTHY, HEALTHY], () => thing('1')).runs(300_000);
    expect(played.reads).toEqual([15_000, 45_000]);
    expect(played.connections).toHaveLength(1);
    expect(played.seen).toEqual([]);
    await played.stop();
  });

  test('a watch that a proxy buffers is read every 30 s, and opened again every 90 s', async () => {
    const played = await new Played([], () => thing('1')).runs(300_000);
    expect(played.reads.length).toBeLessThanOrEqual(10);
    expect(played.reads.every((at, index) => index === 0 || at - (played.reads[index - 1] ?? 0) >= 30_000)).toBe(true);
    expect(played.connections).toHaveLength(4);
    await played.stop();
  });
});

describe('a change that a proxy buffers', () => {
  test('is seen by reading, and the watch starts again from there', async () => {
    const played = await new Played([], (at) => thing(at < 40_000 ? '1' : '7')).runs(47_000);
    expect(played.seen).toEqual(['45000 one 7']);
    expect(played.connections.map(({ version }) => version)).toEqual(['1', '7']);
    await played.stop();
  });

  test('after an event is seen, too', async () => {
    const played = await new Played([[{ after: 20_000, send: { type: 'MODIFIED', object: thing('5') } }]], (at) =>
      thing(at < 20_000 ? '1' : '7'),
    ).runs(50_000);
    expect(played.seen).toEqual(['20000 one 5', '45000 one 7']);
    await played.stop();
  });

  test('a deletion ends the watch', async () => {
    const played = await new Played([], () => new ClusterError('not-found', 'gone')).runs(20_000);
    expect(await played.ended).toMatchObject({ failure: 'not-found' });
  });

  test('a read that fails proves nothing', async () => {
    const played = await new Played([], (at) => (at < 20_000 ? new ClusterError('unreachable', 'x') : thing('7'))).runs(50_000);
    expect(played.seen).toEqual(['45000 one 7']);
    await played.stop();
  });
});

test('events of a watch are not read again', async () => {
  const busy: Script = Array.from({ length: 10 }, (_, index) => ({
    after: 10_000,
    send: { type: 'MODIFIED', object: thing(String(index + 2)) },
  }));
  const played = await new Played([busy], () => thing('1')).runs(100_000);
  expect(played.reads).toEqual([]);
  expect(played.seen).toHaveLength(10);
  await played.stop();
});

describe('an end of a connection', () => {
  test.each<[string, Script, string[]]>([
    [
      'by the server: the watch continues from the last version',
      [
        { after: 1, send: bookmark },
        { after: 1, send: 'end' },
      ],
      ['1', '900'],
    ],
    ['by an error: it continues, too', [{ after: 1, send: new ClusterError('unreachable', 'x') }], ['1', '1']],
    ['by an expired version: everything is read', [{ after: 1, send: { type: 'ERROR', object: {} } }], ['1', '500']],
    ['by an expired version, as a status', [{ after: 1, send: new ClusterError('expired', 'x') }], ['1', '500']],
  ])('%s', async (_name, script, versions) => {
    const played = await new Played([script], () => thing('1')).runs(2_000);
    expect(played.connections.map(({ version }) => version)).toEqual(versions);
    await played.stop();
  });

  test.each(['certificate', 'credentials', 'not-found'] as const)('by a failure that is final: %s', async (failure) => {
    const played = await new Played([[{ after: 1, send: new ClusterError(failure, 'x') }]], () => thing('1')).runs(1_000);
    expect(await played.ended).toMatchObject({ failure });
  });

  test('a server that only sends errors is asked less and less often', async () => {
    const failing: Script[] = Array.from({ length: 200 }, () => [{ after: 1, send: { type: 'ERROR', object: {} } }]);
    const played = await new Played(failing, () => thing('1')).runs(60_000);
    expect(played.connections.length).toBeLessThan(15);
    await played.stop();
  });

  test('a server that does not support watches: the object is read instead', async () => {
    const failing: Script[] = Array.from({ length: 200 }, () => [{ after: 1, send: new ClusterError('unreachable', 'x') }]);
    const played = await new Played(failing, (at) => thing(at < 50_000 ? '1' : '7')).runs(120_000);
    expect(played.reads.length).toBeGreaterThanOrEqual(3);
    expect(played.reads.length).toBeLessThanOrEqual(4);
    expect(played.seen).toEqual([expect.stringMatching(/ one 7$/)]);
    await played.stop();
  });

  test('the abort ends it with its reason', async () => {
    const played = await new Played([], () => thing('1')).runs(1_000);
    expect(await played.stop()).toEqual(new Error('stopped'));
    expect(jest.getTimerCount()).toBe(0);
  });
});
