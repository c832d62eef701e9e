import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rolloutOf } from '../../../src/daemonset/rollout.ts';
import { daemonSet, template } from '../../helpers/builders.ts';

describe('the rollout status, in the words of kubectl', () => {
  test.each([
    [{ observedGeneration: 2 }, 'RollingUpdate', 'unobserved', 'Waiting for daemon set spec update to be observed...'],
    [
      { updatedNumberScheduled: 1 },
      'RollingUpdate',
      'updating',
      'Waiting for daemon set "agent" rollout to finish: 1 out of 3 new pods have been updated...',
    ],
    [
      { numberAvailable: 2 },
      'RollingUpdate',
      'unavailable',
      'Waiting for daemon set "agent" rollout to finish: 2 of 3 updated pods are available...',
    ],
    [{}, 'RollingUpdate', 'complete', 'daemon set "agent" successfully rolled out'],
    [
      { desiredNumberScheduled: 0, updatedNumberScheduled: 0, numberAvailable: 0 },
      'RollingUpdate',
      'complete',
      'daemon set "agent" successfully rolled out',
    ],
    [{ updatedNumberScheduled: 1 }, 'OnDelete', 'on-delete', expect.stringMatching(/OnDelete: 1 out of 3/)],
    [{}, 'OnDelete', 'complete', 'daemon set "agent" successfully rolled out'],
  ])('%j %s is %s', (status, type, kind, message) => {
    expect(rolloutOf(daemonSet(template('a'), { status, type }))).toMatchObject({ kind, message });
  });

  test('is complete only if every condition holds', () => {
    const count = fc.integer({ min: 0, max: 4 });
    fc.assert(
      fc.property(count, count, count, count, (observedGeneration, desiredNumberScheduled, updatedNumberScheduled, numberAvailable) => {
        const { kind } = rolloutOf(
          daemonSet(template('a'), { status: { observedGeneration, desiredNumberScheduled, updatedNumberScheduled, numberAvailable } }),
        );
        const holds =
          observedGeneration >= 3 && updatedNumberScheduled >= desiredNumberScheduled && numberAvailable >= desiredNumberScheduled;
        expect(kind === 'complete').toBe(holds);
      }),
    );
  });

  test('is not complete without a status', () => {
    const { status: _none, ...bare } = daemonSet(template('a'));
    expect(rolloutOf(bare).kind).toBe('unobserved');
  });
});
