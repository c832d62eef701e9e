/** Which version is known-good: by good marks, which count for every equal template, else by Ready pods. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { goodText, readGood } from '../../../src/daemonset/good-mark.ts';
import { knownGood, marksToWithdraw } from '../../../src/daemonset/known-good.ts';
import type { PodCounts } from '../../../src/daemonset/pods.ts';
import { type History, historyOf, isSameVersion, type Revision } from '../../../src/daemonset/revision.ts';
import { chooseTarget } from '../../../src/daemonset/target.ts';
import type { PodTemplate } from '../../../src/daemonset/types.ts';
import { messageOf } from '../../../src/report/messages/conclusion.ts';
import { noteText } from '../../../src/report/messages/notes.ts';
import { controllerRevision, daemonSet, resultWith, template } from '../../helpers/builders.ts';

const v1 = template('agent:v1');
const v2 = template('agent:v2');
const v3 = template('agent:v3');
const twinOf = (one: PodTemplate): PodTemplate => ({ ...one, metadata: { creationTimestamp: null, labels: { app: 'agent' } } });
const restarted = (one: PodTemplate): PodTemplate => ({
  ...one,
  metadata: { labels: { app: 'agent' }, annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } },
});
const run = { repository: 'o/r', id: '7', url: 'https://github.example/o/r/actions/runs/7' };
const markOf = (name: string, by?: typeof run, day = 1): string =>
  goodText(name, { time: new Date(Date.UTC(2026, 0, day)).toISOString(), ...(by && { run: by.url }) }, {});

/** A history with the template `current`. The stored templates are revisions 1, 2 and so on; `marked` are the numbers with a good mark. */
const history = (current: PodTemplate, stored: PodTemplate[], ...marked: number[]): History =>
  historyOf(
    daemonSet(current),
    stored.map((one, index) =>
      controllerRevision(index + 1, one, marked.includes(index + 1) ? { good: markOf(`agent-${index + 1}`, run) } : {}),
    ),
  );
const ready = (...counts: number[]): PodCounts =>
  Object.fromEntries(counts.map((count, index) => [`agent-${index + 1}`, { ready: count, total: 10 }]));

describe('last-good', () => {
  test.each<[string, History, PodCounts | undefined, number[]]>([
    ['the newest with a good mark', history(v3, [v1, v2, v3], 1, 2), undefined, [2, 1]],
    ['a marked version before a newer one without a mark', history(v3, [v1, v2, v3], 1), undefined, [1]],
    ['a marked version, whatever the pods run', history(v3, [v1, v2, v3], 1), ready(0, 9, 1), [1]],
    ['never the current version', history(v3, [v1, v2, v3], 1, 3), undefined, [1]],
    ['never a copy of the current version', history(v3, [v1, twinOf(v3), v3], 1, 2), undefined, [1]],
    ['never the current version from before its restart', history(restarted(v3), [v1, v3, restarted(v3)], 1, 2), undefined, [1]],
    ['the newest copy of a marked version', history(v3, [v1, twinOf(v1), v3], 1), undefined, [2]],
    ['a version that was restarted since it was marked', history(v3, [v1, v2, restarted(v1), v3], 1), undefined, [3]],
    ['the version with the most Ready pods if none is marked', history(v3, [v1, v2, v3]), ready(4, 3, 3), [1, 2]],
    ['the version with the most Ready pods if only the current one is marked', history(v3, [v1, v2, v3], 3), ready(4, 3, 3), [1, 2]],
    ['the newest of versions with equally many Ready pods', history(v3, [v1, v2, v3]), ready(3, 3, 4), [2, 1]],
    ['the version whose copies have the most Ready pods together', history(v3, [v1, v2, twinOf(v1), v3]), ready(2, 3, 2, 3), [3, 2]],
    ['none if no other version has a Ready pod', history(v3, [v1, v2, v3]), ready(0, 0, 10), []],
    ['none if the pods are not known', history(v3, [v1, v2, v3]), undefined, []],
    ['none if there is no other version', history(v3, [v3, restarted(v3)], 1, 2), ready(5, 5), []],
    ['the highest number if that is not the current version', history(v2, [v1, v2, v3], 1, 3), undefined, [3, 1]],
  ])('is %s', (_name, past, pods, expected) => {
    expect(knownGood(past, pods).map(({ number }) => number)).toEqual(expected);
    const target = chooseTarget(past, { kind: 'last-good' }, { pods });
    if (expected.length === 0) expect(target).toMatchObject({ kind: 'refused', refusal: { reason: 'no-known-good' } });
    else expect(target).toMatchObject({ kind: 'candidates', candidates: expected.map((number) => ({ number })) });
  });

  test('gives the reason for its choice', () => {
    const why = (...of: Parameters<typeof knownGood>): string | undefined => {
      const [best] = knownGood(...of);
      return best?.why && noteText(best.why);
    };
    expect(why(history(v3, [v1, v3], 1))).toBe(
      'Revision 1 has the good mark: it was seen running on every node at 2026-01-01T00:00:00.000Z by https://github.example/o/r/actions/runs/7.',
    );
    const stored = [
      controllerRevision(1, v1, { good: markOf('agent-1', run, 1) }),
      controllerRevision(2, twinOf(v1), { good: markOf('agent-2', undefined, 2) }),
      controllerRevision(3, v3),
    ];
    expect(why(historyOf(daemonSet(v3), stored))).toBe(
      'Revision 2 has the good mark: it was seen running on every node at 2026-01-02T00:00:00.000Z.',
    );
    expect(why(history(v3, [v1, v3]), ready(7, 3))).toMatch(/most Ready pods: 7\.$/);
    expect(why(history(v3, [v1, v3]), ready(1, 3))).toMatch(/most Ready pods: 1\.$/);
  });

  test('is refused with the list of revisions to choose from', () => {
    const past = history(v3, [v1, v3]);
    for (const [pods, why] of [
      [ready(0, 3), 'none has a Ready pod'],
      [undefined, 'this account is not allowed to list pods'],
    ] as const) {
      const target = chooseTarget(past, { kind: 'last-good' }, { pods });
      const text = target.kind === 'refused' ? messageOf(resultWith(target.refusal, past)) : '';
      expect(text).toMatch(new RegExp(`${why}.*\\. Set to-revision .*Existing revisions: 2 \\(agent-2\\), 1 \\(agent-1\\)\\.`));
    }
  });

  test('is, for any history, each other version once, marked ones if there are any, in a fixed order', () => {
    const one = fc.record({
      version: fc.constantFrom(v1, v2, v3, twinOf(v1), twinOf(v3), restarted(v2), restarted(v3)),
      marked: fc.boolean(),
      ready: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 8 }), fc.constantFrom(v1, v2, v3), fc.boolean(), (revisions, current, seen) => {
        const past = historyOf(
          daemonSet(current),
          revisions.map(({ version, marked }, index) =>
            controllerRevision(index + 1, version, marked ? { good: markOf(`agent-${index + 1}`) } : {}),
          ),
        );
        const pods = seen ? ready(...revisions.map((revision) => revision.ready)) : undefined;
        const good = knownGood(past, pods);
        const others = past.revisions.filter((revision) => !past.current || !isSameVersion(revision, past.current));
        const family = (revision: Revision): Revision[] => others.filter((other) => isSameVersion(other, revision));
        const isMarked = (revision: Revision): boolean => family(revision).some((other) => other.good);
        const count = (revision: Revision): number => family(revision).reduce((sum, { name }) => sum + (pods?.[name]?.ready ?? 0), 0);
        const byMark = others.some(({ good }) => good);
        good.forEach((candidate, index) => {
          expect(family(candidate)[0]?.name).toBe(candidate.name);
          expect(byMark ? isMarked(candidate) : count(candidate) > 0).toBe(true);
          const next = good[index + 1];
          if (!next) return;
          expect(isSameVersion(candidate, next)).toBe(false);
          const isNewer = candidate.number > next.number;
          expect(byMark ? isNewer : count(candidate) > count(next) || (count(candidate) === count(next) && isNewer)).toBe(true);
        });
        // None is missing.
        for (const revision of others)
          if (byMark ? isMarked(revision) : count(revision) > 0)
            expect(good.some((candidate) => isSameVersion(candidate, revision))).toBe(true);
      }),
    );
  });
});

describe('the version that was rolled back', () => {
  test('loses the good marks of all its revisions, and no other version does', () => {
    const past = history(v3, [v1, v3, restarted(v3), twinOf(v3), v2, v3], 1, 2, 3, 4, 5);
    const [left, other] = past.revisions as [Revision, Revision];
    expect(marksToWithdraw(past, left, other).map(({ number }) => number)).toEqual([4, 3, 2]);
  });

  test('keeps its good marks if the version stays the same', () => {
    const past = history(restarted(v3), [v3, restarted(v3)], 1, 2);
    const [from, to] = past.revisions as [Revision, Revision];
    expect(marksToWithdraw(past, from, to)).toEqual([]);
  });
});

describe('the good mark of a ControllerRevision', () => {
  const read = (name: string, text: string): ReturnType<typeof readGood> =>
    readGood({ name, annotations: { 'rollback-daemonset/good': text } });
  const text = markOf('agent-1', run);

  test('is read back unchanged, on its own ControllerRevision only', () => {
    expect(read('agent-1', text)).toEqual({ time: '2026-01-01T00:00:00.000Z', run: run.url });
    expect(read('agent-1', markOf('agent-1'))).toEqual({ time: '2026-01-01T00:00:00.000Z' });
    // A copied mark: the DaemonSet had the annotation when the controller created this ControllerRevision.
    expect(read('agent-2', text)).toBeUndefined();
  });

  test.each([
    '',
    '{',
    'null',
    '[]',
    '{"time":1}',
    '{"name":"agent-1"}',
    '{"name":"agent-1","time":"soon"}',
    '{"name":"agent-1","time":"1 (x)"}',
  ])('is ignored if its text is %j', (other) => {
    expect(read('agent-1', other)).toBeUndefined();
  });

  test('drops a run address that is not a valid URL', () => {
    for (const address of ['javascript:alert(1)', 'https://a b', 7, `https://${'x'.repeat(600)}`])
      expect(read('agent-1', JSON.stringify({ ...JSON.parse(text), run: address }))).toEqual({ time: '2026-01-01T00:00:00.000Z' });
  });
});
