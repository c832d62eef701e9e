import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { begin, budgetOf, leastTimeMs, type Progress, record, timeLeftMs } from '../../../src/daemonset/progress.ts';
import type { Counts, DaemonSet } from '../../../src/daemonset/types.ts';
import { daemonSet, template } from '../../helpers/builders.ts';

/** Records one state per second. */
function follow([first, ...others]: readonly Counts[]): Progress {
  return others.reduce((progress, counts, index) => record(progress, counts, (index + 1) * 1_000), begin(first as Counts, 0));
}

/** States such as `5/0/5`: desired, updated, available. */
function states(text: string): Counts[] {
  return text.split(' ').map((state) => {
    const [desired = 0, updated = 0, available = 0] = state.split('/').map(Number);
    return { desired, updated, available };
  });
}

describe('progress', () => {
  test.each<[string, string, number]>([
    ['a pod is replaced', '5/0/5 5/1/4', 1],
    ['a pod becomes available', '5/1/4 5/1/5', 1],
    ['nothing moves', '5/1/4 5/1/4', 0],
    ['a pod becomes unavailable', '5/1/5 5/1/4', 0],
    ['a pod alternates between available and unavailable', '5/1/4 5/1/5 5/1/4 5/1/5 5/1/4', 1],
    ['a node joins', '5/2/5 6/2/5', 0],
    ['a node that joined gets its pod', '5/2/5 6/2/5 6/3/5', 2],
    ['nodes that were updated leave, and the next ones are updated', '9/6/9 5/2/5 5/3/4 5/4/4', 3],
  ])('%s', (_name, text, seconds) => {
    expect(follow(states(text)).progressedAt).toBe(seconds * 1_000);
  });

  const counts = fc.record({ desired: fc.constant(6), updated: fc.nat(6), available: fc.nat(6) });
  const differ = (all: Counts[]): Counts[] => all.filter((one, index) => JSON.stringify(one) !== JSON.stringify(all[index - 1]));

  test('keeps at most 240 states, in order, with the first and the last one', () => {
    fc.assert(
      fc.property(fc.array(counts, { minLength: 1, maxLength: 1_000, size: 'max' }).map(differ), (all) => {
        const { samples } = follow(all);
        expect(samples.length).toBeLessThanOrEqual(240);
        expect(samples[0]).toEqual({ ...all[0], at: 0 });
        expect(samples.at(-1)).toEqual({ ...all.at(-1), at: (all.length - 1) * 1_000 });
        expect(samples).toEqual([...samples].sort((a, b) => a.at - b.at));
      }),
      { numRuns: 30 },
    );
  });

  test('does not count a state that was reached before', () => {
    fc.assert(
      fc.property(fc.array(counts, { minLength: 1, maxLength: 20 }), (all) => {
        expect(follow([...all, ...all, ...all]).progressedAt).toBe(follow(all).progressedAt);
      }),
    );
  });
});

describe('the remaining time', () => {
  test.each<[string, string, number | undefined]>([
    ['is not known at the beginning', '10/0/10', undefined],
    ['is not known while nothing was updated', '10/0/10 10/0/9 10/0/10', undefined],
    ['is not known from two updates', '10/0/10 10/1/9 10/3/9', undefined],
    ['is not known when updates are lost again', '10/5/9 10/2/9', undefined],
    ['is what the remaining nodes take at the same pace', '10/0/10 10/1/9 10/2/9 10/3/9 10/4/9', 6_000],
    ['is undefined when nothing is left', '4/1/4 4/2/4 4/3/4 4/4/3', undefined],
  ])('%s', (_name, text, left) => {
    expect(timeLeftMs(follow(states(text)))).toBe(left);
  });
});

describe('the limits of the update strategy', () => {
  const of = (rollingUpdate: object | undefined, minReadySeconds?: number): DaemonSet => {
    const one = daemonSet(template('agent:v1'));
    const updateStrategy = { type: 'RollingUpdate', ...(rollingUpdate && { rollingUpdate }) };
    return { ...one, spec: { ...one.spec, updateStrategy, ...(minReadySeconds !== undefined && { minReadySeconds }) } };
  };

  test.each<[object | undefined, number, number]>([
    [undefined, 10, 1],
    [{}, 10, 1],
    [{ maxUnavailable: 3 }, 10, 3],
    [{ maxUnavailable: '25%' }, 10, 3],
    [{ maxUnavailable: '100%' }, 10, 10],
    [{ maxUnavailable: '1%' }, 10, 1],
    [{ maxUnavailable: '0%' }, 10, 1],
    [{ maxUnavailable: '25%' }, 0, 1],
    [{ maxUnavailable: 'none' }, 10, 1],
    [{ maxUnavailable: 0, maxSurge: 2 }, 10, 2],
    [{ maxUnavailable: 0, maxSurge: '15%' }, 10, 2],
    [{ maxUnavailable: 4, maxSurge: 0 }, 10, 4],
    [{ maxUnavailable: 4, maxSurge: '0%' }, 10, 4],
  ])('%j: with %d nodes, %d at a time', (rollingUpdate, desired, budget) => {
    expect(budgetOf(of(rollingUpdate), desired)).toBe(budget);
  });

  test.each<[string, number | undefined, number, number, number]>([
    ['without minReadySeconds', undefined, 10, 0, 0],
    ['in rounds of three', 60, 10, 0, 240_000],
    ['with a last round that is not full', 60, 10, 6, 120_000],
    ['when nothing is left', 60, 10, 10, 0],
    ['when more nodes are updated than desired', 60, 5, 10, 0],
    ['without nodes', 60, 0, 0, 0],
  ])('the least time, %s', (_name, minReadySeconds, desired, updated, least) => {
    expect(leastTimeMs(of({ maxUnavailable: 3 }, minReadySeconds), { desired, updated, available: 0 })).toBe(least);
  });

  test('are a whole number of nodes, at least one', () => {
    const value = fc.oneof(
      fc.nat(3_000),
      fc.nat(100).map((percent) => `${percent}%`),
    );
    fc.assert(
      fc.property(value, value, fc.nat(3_000), (maxUnavailable, maxSurge, desired) => {
        const budget = budgetOf(of({ maxUnavailable, maxSurge }), desired);
        expect(Number.isInteger(budget) && budget >= 1).toBe(true);
      }),
    );
  });
});
