import { execFileSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { AFTER_CANCEL, AFTER_DEADLINE_MS, LastResort } from '../../src/last-resort.ts';

const never = new Promise<string>(() => {});
let events: EventEmitter;
let cancel: AbortController;
let lastResort: LastResort;

beforeEach(() => {
  jest.useFakeTimers();
  events = new EventEmitter();
  cancel = new AbortController();
  lastResort = new LastResort(cancel.signal, events);
});
afterEach(() => {
  jest.useRealTimers();
});

test('work that ends gives its result, and an exception its exception', async () => {
  lastResort.deadlineIn(1_000);
  expect(await lastResort.settled(Promise.resolve('done'))).toBe('done');
  await expect(new LastResort(cancel.signal, events).settled(Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(jest.getTimerCount()).toBe(0);
});

test('work that does not end after its deadline is given up', async () => {
  lastResort.deadlineIn(1_000);
  const settled = lastResort.settled(never);
  await jest.advanceTimersByTimeAsync(1_000 + AFTER_DEADLINE_MS - 1);
  expect(jest.getTimerCount()).toBe(1);
  await jest.advanceTimersByTimeAsync(1);
  expect(await settled).toEqual({ kind: 'stuck', by: 'timeout' });
});

test('a later deadline replaces the first one', async () => {
  lastResort.deadlineIn(1_000);
  await jest.advanceTimersByTimeAsync(900);
  lastResort.deadlineIn(60_000);
  const settled = lastResort.settled(never);
  await jest.advanceTimersByTimeAsync(60_000);
  expect(jest.getTimerCount()).toBe(1);
  await jest.advanceTimersByTimeAsync(AFTER_DEADLINE_MS);
  expect(await settled).toEqual({ kind: 'stuck', by: 'timeout' });
});

test('work that does not end after a cancellation is given up, well before the runner kills it', async () => {
  expect(AFTER_CANCEL).toBeLessThan(7_500);
  const settled = lastResort.settled(never);
  cancel.abort();
  await jest.advanceTimersByTimeAsync(AFTER_CANCEL);
  expect(await settled).toEqual({ kind: 'stuck', by: 'cancelled' });
});

test.each(['uncaughtException', 'unhandledRejection'])('%s ends the work, and later ones are ignored', async (event) => {
  const error = new Error('out of nowhere');
  const settled = lastResort.settled(never);
  events.emit(event, error);
  expect(await settled).toEqual({ kind: 'stuck', by: 'exception', error });
  expect(events.emit(event, new Error('another'))).toBe(true);
});

test('in a real process, work that waits for nothing is given up at once', () => {
  const program = `
    import { LastResort } from './src/last-resort.ts';
    process.exitCode = 1;
    const lastResort = new LastResort(new AbortController().signal, process);
    lastResort.deadlineIn(600_000);
    lastResort.settled(new Promise(() => {})).then((stuck) => console.log(JSON.stringify(stuck)));
  `;
  const run = (): string => execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
  let failure: { status?: number; stdout?: string } = {};
  try {
    run();
  } catch (error) {
    failure = error as typeof failure;
  }
  expect(failure.status).toBe(1);
  expect(failure.stdout).toBe('{"kind":"stuck","by":"idle"}\n');
});
