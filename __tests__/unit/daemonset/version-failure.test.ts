/** What shows that a version is broken: tables for each rule, and properties for what must never justify a rollback. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Diagnosis, FailingNode } from '../../../src/daemonset/diagnosis.ts';
import { CAUSES, type Cause, type PodFailure } from '../../../src/daemonset/pod-failure.ts';
import { crashLoop, type Fault, faultOf } from '../../../src/daemonset/version-failure.ts';

const MINUTE = 60_000;
const patience = { graceMs: 30_000, tolerated: 0, certainty: 'for-rollback' } as const;

let count = 0;
function node(cause: Cause, changes: Partial<FailingNode> & { crashes?: number; message?: string } = {}): FailingNode {
  count += 1;
  const { crashes = 3, message = '', ...others } = changes;
  const failure: PodFailure = { cause, reason: '', message, crashes };
  return { node: `node-${count}`, pod: `agent-${count}`, failure, since: 0, marks: [], isNew: false, created: 0, ...others };
}
const some = (number: number, ...of: Parameters<typeof node>): FailingNode[] => Array.from({ length: number }, () => node(...of));

function diagnosis(right: number, failing: FailingNode[], changes: Partial<Diagnosis> = {}): Diagnosis {
  const crashing = failing.filter(({ failure }) => failure.cause === 'crash-loop' && (failure.crashes ?? 0) >= 2);
  return { right, updated: right + failing.length, available: right, failing, crashing, othersCrashedAt: undefined, ...changes };
}
const kindOf = (
  of: Diagnosis,
  now = 10 * MINUTE,
  changes: { grace?: number; tolerated?: number } = {},
  stalledForMs?: number,
): Fault['kind'] => faultOf(of, { ...patience, ...changes }, now, stalledForMs).kind;

describe('a crash loop', () => {
  test.each<[string, Diagnosis, number, boolean]>([
    ['is two crashes each on three nodes', diagnosis(50, some(3, 'crash-loop', { crashes: 2 })), 0, true],
    ['is not that on two of many nodes', diagnosis(50, some(2, 'crash-loop', { crashes: 2 })), 0, false],
    ['is that on every node updated so far', diagnosis(0, some(1, 'crash-loop', { crashes: 2 })), 0, true],
    ['is not one crash each', diagnosis(0, some(5, 'crash-loop', { crashes: 1 })), 0, false],
    ['is not on nodes that are tolerated', diagnosis(50, some(3, 'crash-loop')), 3, false],
    ['is on one node more', diagnosis(50, some(4, 'crash-loop')), 3, true],
    ['is not on nodes that joined', diagnosis(50, some(3, 'crash-loop', { isNew: true })), 0, false],
    ['is not on nodes that were unavailable before', diagnosis(50, some(3, 'crash-loop', { wasBroken: true })), 0, false],
    ['is not on nodes under pressure', diagnosis(50, some(3, 'crash-loop', { marks: ['MemoryPressure'] })), 0, false],
  ])('%s', (_name, of, tolerated, is) => {
    expect(crashLoop(of, tolerated).length > 0).toBe(is);
  });
});

describe('a rollback is justified', () => {
  const twice = (since = 0): Diagnosis => diagnosis(0, some(10, 'crash-loop', { crashes: 2, since }));
  const again = (third: number): Diagnosis =>
    diagnosis(50, [...some(third, 'crash-loop'), ...some(3 - third, 'crash-loop', { crashes: 2 })]);

  test.each<[string, Diagnosis, number, Fault['kind']]>([
    ['not by two crashes of a whole batch', twice(), 29_999, 'other'],
    ['by two crashes once failure-grace has passed', twice(), 30_000, 'version'],
    ['not by a third crash on one of three nodes', again(1), 15_000, 'other'],
    ['by a third crash on two of them', again(2), 15_000, 'version'],
    ['by a third crash on the only node', diagnosis(0, some(1, 'crash-loop')), 15_000, 'version'],
    ['by a third crash on two nodes that are all', diagnosis(0, some(2, 'crash-loop')), 15_000, 'version'],
    ['not while pods of other versions crash too', diagnosis(0, some(9, 'crash-loop'), { othersCrashedAt: 1_000 }), 90_000, 'others-crash'],
    ['once those have stopped for long', diagnosis(0, some(9, 'crash-loop'), { othersCrashedAt: 1_000 }), 91_000, 'version'],
    [
      'by a missing image, although other pods crash',
      diagnosis(0, some(9, 'image-pull', { message: 'not found' }), { othersCrashedAt: 0 }),
      31_000,
      'version',
    ],
  ])('%s', (_name, of, now, kind) => {
    expect(kindOf(of, now)).toBe(kind);
  });

  test('not by two crashes of containers that run again, although failure-grace has passed', () => {
    const again = some(10, 'crash-loop', { crashes: 2 }).map((one) => ({ ...one, failure: { ...one.failure, runsSince: 25_000 } }));
    expect(kindOf(diagnosis(0, again), 30_000)).toBe('other');
  });

  test.each<[string, Diagnosis, Fault['kind']]>([
    ['by two of many nodes', diagnosis(5, some(2, 'image-pull')), 'version'],
    ['not by one of many', diagnosis(5, some(1, 'image-pull')), 'one-node'],
    ['by the only one', diagnosis(0, some(1, 'image-pull')), 'version'],
    ['by one each of two kinds', diagnosis(5, [node('crash-loop'), node('image-pull')]), 'version'],
    ['by pods that are not created at all', diagnosis(0, [node('pod-rejected', { node: '' })], { updated: 0 }), 'version'],
    ['not by old pods that do not terminate', diagnosis(5, some(5, 'terminating')), 'other'],
    ['not by nodes that are not ready', diagnosis(5, [...some(4, 'node-not-ready'), ...some(5, 'not-replaced')]), 'other'],
    ['not by a pod that is starting beside a node that is out of disk', diagnosis(0, [node('evicted'), node('starting')]), 'other'],
    ['not by one failure beside a pod that is starting', diagnosis(0, [node('start-error'), node('starting')]), 'one-node'],
    ['not by nodes that were unavailable before', diagnosis(0, some(1, 'unschedulable', { wasBroken: true })), 'broken-before'],
    ['by the others', diagnosis(0, [node('unschedulable', { wasBroken: true }), node('unschedulable')]), 'version'],
    ['not by nodes under pressure', diagnosis(0, some(2, 'crash-loop', { marks: ['DiskPressure'] })), 'other'],
    [
      'by a limit of the version, although its node is under pressure',
      diagnosis(0, some(2, 'storage-limit', { marks: ['DiskPressure'] })),
      'version',
    ],
  ])('%s', (_name, of, kind) => {
    expect(kindOf(of)).toBe(kind);
  });

  test('by nodes beyond those that are tolerated', () => {
    expect(kindOf(diagnosis(5, some(2, 'image-pull')), 10 * MINUTE, { tolerated: 2 })).toBe('tolerated');
    expect(kindOf(diagnosis(5, some(3, 'image-pull')), 10 * MINUTE, { tolerated: 2 })).toBe('one-node');
    expect(kindOf(diagnosis(5, some(4, 'image-pull')), 10 * MINUTE, { tolerated: 2 })).toBe('version');
  });

  const init = { cause: 'starting', reason: '', message: '', container: 'setup' } as const;
  test.each<[string, FailingNode[], Fault['kind']]>([
    ['pods that run and never become ready', some(3, 'not-ready'), 'version'],
    ['init containers that never complete', [1, 2].map(() => ({ ...node('starting'), failure: init })), 'version'],
    ['but not pods that are still being created', some(3, 'starting'), 'other'],
    ['but not pods that were created since', some(3, 'not-ready', { created: 6 * MINUTE }), 'other'],
  ])('by a stalled rollout with %s', (_name, failing, kind) => {
    expect(kindOf(diagnosis(0, failing), 10 * MINUTE, {}, 5 * MINUTE)).toBe(kind);
    expect(kindOf(diagnosis(0, failing), 10 * MINUTE)).toBe('other');
  });
});

describe('always', () => {
  const anyNode = fc
    .record({
      cause: fc.constantFrom(...CAUSES),
      crashes: fc.nat(4),
      since: fc.nat(200_000),
      created: fc.nat(200_000),
      isNew: fc.boolean(),
      wasBroken: fc.boolean(),
      marks: fc.constantFrom<string[][]>([], ['DiskPressure']),
    })
    .map(({ cause, ...changes }) => node(cause, changes));
  const any = fc.record({
    right: fc.nat(5),
    failing: fc.array(anyNode, { maxLength: 6 }),
    othersCrashedAt: fc.option(fc.nat(200_000), { nil: undefined }),
    now: fc.integer({ min: 200_000, max: 400_000 }),
    tolerated: fc.nat(3),
    stalledForMs: fc.option(fc.nat(200_000), { nil: undefined }),
  });
  type Any = typeof any extends fc.Arbitrary<infer T> ? T : never;
  const judge = ({ right, failing, othersCrashedAt, now, tolerated, stalledForMs }: Any): Fault['kind'] =>
    kindOf(diagnosis(right, failing, { othersCrashedAt }), now, { tolerated }, stalledForMs);

  test('only nodes that were right before, and are not tolerated, justify a rollback', () => {
    fc.assert(
      fc.property(any, (one) => {
        if (judge(one) !== 'version') return;
        const decisive = one.failing.filter(({ isNew, wasBroken }) => !isNew && !wasBroken);
        expect(decisive.length).toBeGreaterThan(one.tolerated);
        const innocent = new Set<Cause>(['terminating', 'not-replaced', 'old-pod-unavailable', 'node-not-ready', 'evicted', 'no-pod']);
        expect(decisive.some(({ failure }) => !innocent.has(failure.cause))).toBe(true);
      }),
    );
  });

  test('one more right node never justifies a rollback', () => {
    fc.assert(
      fc.property(any, (one) => {
        if (judge(one) !== 'version') expect(judge({ ...one, right: one.right + 1 })).not.toBe('version');
      }),
    );
  });

  test('crashes of other versions never justify a rollback', () => {
    fc.assert(
      fc.property(any, fc.nat(400_000), (one, othersCrashedAt) => {
        if (judge({ ...one, othersCrashedAt: undefined }) !== 'version') expect(judge({ ...one, othersCrashedAt })).not.toBe('version');
      }),
    );
  });
});
