import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { NamedRevision } from '../../../src/daemonset/asked-revision.ts';
import { LAST_ROLLBACK, markFor, readMark, stands } from '../../../src/daemonset/mark.ts';
import { alreadyThere, intend, needsPods, planFor, planWithout } from '../../../src/daemonset/plan.ts';
import { historyOf, nextNumber, type Revision } from '../../../src/daemonset/revision.ts';
import { chooseTarget } from '../../../src/daemonset/target.ts';
import { digest } from '../../../src/daemonset/template.ts';
import { messageOf } from '../../../src/report/messages/conclusion.ts';
import { controllerRevision, daemonSet, resultWith, template } from '../builders.ts';

const v1 = template('agent:v1');
const v2 = template('agent:v2');
const v3 = template('agent:v3');
const previous = { kind: 'previous' } as const;
const run = { repository: 'o/r', id: '7', url: 'https://github.example/o/r/actions/runs/7' };
/** The message of a refusal. */
const refusalText = (target: ReturnType<typeof chooseTarget> | ReturnType<typeof intend>, history: ReturnType<typeof historyOf>): string =>
  target.kind === 'refused' ? messageOf(resultWith(target.refusal, history)) : '';
const numbers = (target: ReturnType<typeof chooseTarget>): number[] | string =>
  target.kind === 'candidates' ? target.candidates.map(({ number }) => number) : target.refusal.reason;

describe('history', () => {
  test('lists the revisions that the DaemonSet controls, newest first; the current one has its template', () => {
    const history = historyOf(daemonSet(v1), [
      controllerRevision(1, v1),
      controllerRevision(3, v3),
      controllerRevision(2, v2),
      controllerRevision(9, v3, { uid: 'other' }),
    ]);
    expect(history.revisions.map(({ number }) => number)).toEqual([3, 2, 1]);
    expect(history.current?.number).toBe(1);
    expect(nextNumber(history, history.revisions[1])).toBe(4);
    expect(nextNumber(history, history.revisions[0])).toBe(3);
    expect(nextNumber(history, undefined)).toBe(4);
  });

  test('ignores a ControllerRevision without a template', () => {
    expect(historyOf(daemonSet(v1), [{ ...controllerRevision(1, v1), data: {} }]).revisions).toEqual([]);
  });
});

describe('target', () => {
  const history = (current: typeof v1, ...stored: (typeof v1)[]): ReturnType<typeof historyOf> =>
    historyOf(
      daemonSet(current),
      stored.map((one, index) => controllerRevision(index + 1, one)),
    );
  const twin = { ...v3, metadata: { creationTimestamp: null, labels: { app: 'agent' } } };
  const restarted = { ...v3, metadata: { labels: { app: 'agent' }, annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } } };

  test.each([
    ['the revision before the current one', history(v3, v1, v2, v3), [2, 1]],
    ['the highest number if that is not current', history(v2, v1, v2, v3), [3, 1]],
    ['not a copy of the current version', history(v3, v1, twin, v3), [1]],
    ['not the current version from before a restart', history(restarted, v1, v3, restarted), [1]],
    ['refused without another revision', history(v1, v1), 'no-previous-revision'],
    ['refused if all others are copies', history(v3, twin, v3), 'no-previous-revision'],
  ])('previous is %s', (_name, past, expected) => {
    expect(numbers(chooseTarget(past, previous))).toEqual(expected);
  });

  test('refuses a number that does not exist, and lists those that do', () => {
    const past = history(v2, v1, v2);
    const target = chooseTarget(past, { kind: 'number', number: 9 });
    expect(target).toMatchObject({ kind: 'refused', refusal: { reason: 'revision-not-found' } });
    expect(refusalText(target, past)).toMatch(/no revision 9.*2 \(agent-2\), 1 \(agent-1\)/);
  });

  test('refuses a number that exists twice, and lists the names', () => {
    const past = historyOf(daemonSet(v3), [
      controllerRevision(1, v1, { name: 'agent-a' }),
      controllerRevision(1, v2, { name: 'agent-b' }),
      controllerRevision(2, v3),
    ]);
    const target = chooseTarget(past, { kind: 'number', number: 1 });
    expect(target).toMatchObject({ kind: 'refused', refusal: { reason: 'ambiguous-revision' } });
    expect(refusalText(target, past)).toMatch(/agent-a, agent-b|agent-b, agent-a/);
  });

  test.each(['agent-1', 'hash1'])('is found by name or hash: %s', (name) => {
    expect(numbers(chooseTarget(history(v2, v1, v2), { kind: 'name', name }))).toEqual([1]);
  });

  test('is never a revision of another owner, and never the running version', () => {
    const any = fc.array(
      fc.record({ number: fc.integer({ min: 1, max: 5 }), version: fc.constantFrom(v1, v2, v3, twin, restarted), ours: fc.boolean() }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(any, fc.constantFrom(v1, v2, v3), (revisions, current) => {
        const stored = revisions.map(({ number, version, ours }, index) =>
          controllerRevision(number, version, { name: `agent-${index}`, uid: ours ? 'uid-1' : 'uid-2' }),
        );
        const past = historyOf(daemonSet(current), stored);
        const target = chooseTarget(past, previous);
        if (target.kind === 'refused' || !past.current) return;
        for (const candidate of target.candidates) {
          expect(candidate.digest).not.toBe(digest(current));
          expect(revisions[Number(candidate.name.slice(6))]?.ours).toBe(true);
          expect(alreadyThere(daemonSet(current), candidate)).toBe(false);
        }
      }),
    );
  });
});

describe('rollback record', () => {
  const stored = [controllerRevision(1, v1), controllerRevision(3, v3), controllerRevision(4, v2)];
  const past = historyOf(daemonSet(v2), stored);
  const [restored, left] = past.revisions as [never, never];
  const mark = markFor(left, restored, digest(v2), run, new Date(0));
  const marked = (current: typeof v1, text = JSON.stringify(mark)): ReturnType<typeof daemonSet> =>
    daemonSet(current, { annotations: { [LAST_ROLLBACK]: text } });
  const intent = (of: ReturnType<typeof daemonSet>, asked: Parameters<typeof intend>[2], by: Parameters<typeof intend>[3]): string => {
    const result = intend(of, historyOf(of, stored), asked, by);
    return result.kind === 'refused' ? result.refusal.reason : result.kind;
  };

  test.each([
    ['the same run resumes', marked(v2), previous, run, 'resume'],
    ['another run is refused', marked(v2), previous, { ...run, id: '8' }, 'already-rolled-back'],
    ['a run of another repository is refused', marked(v2), previous, { ...run, repository: 'x/y' }, 'already-rolled-back'],
    ['a relative target outside of a run is refused', marked(v2), previous, undefined, 'already-rolled-back'],
    ['a revision by number is accepted', marked(v2), { kind: 'number', number: 1 } as const, { ...run, id: '8' }, 'candidates'],
    ['a new deploy makes the record void', marked(v3), previous, { ...run, id: '8' }, 'candidates'],
    ['text that is not a record is ignored', marked(v2, '{"restored":1}'), previous, run, 'candidates'],
    ['invalid JSON is ignored', marked(v2, '{'), previous, run, 'candidates'],
  ])('%s', (_name, of, asked, by, expected) => {
    expect(intent(of, asked, by)).toBe(expected);
  });

  test('treats last-good as a relative target, like previous', () => {
    const lastGood = { kind: 'last-good' } as const;
    expect(intent(marked(v2), lastGood, run)).toBe('resume');
    expect(intent(marked(v2), lastGood, { ...run, id: '8' })).toBe('already-rolled-back');
    expect([marked(v2), marked(v3)].map((of) => needsPods(of, historyOf(of, stored), lastGood))).toEqual([false, true]);
    expect(needsPods(marked(v3), past, previous)).toBe(false);
  });

  test('is read back unchanged, and any other text is ignored', () => {
    expect(readMark(marked(v2))).toEqual(mark);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const read = readMark(marked(v2, text));
        expect(read === undefined || typeof read.restored.digest === 'string').toBe(true);
      }),
    );
  });

  test('while it stands, a relative target never restores the version that was rolled back', () => {
    fc.assert(
      fc.property(fc.constantFrom(v1, v2, v3), fc.option(fc.constant(run), { nil: undefined }), (current, by) => {
        const of = marked(current);
        if (stands(mark, of)) expect(['resume', 'already-rolled-back']).toContain(intent(of, previous, by));
      }),
    );
  });

  test('the refusal names the revisions to choose from', () => {
    const refused = intend(marked(v2), past, previous, { ...run, id: '8' });
    expect(refused.kind).toBe('refused');
    expect(refusalText(refused, past)).toMatch(/by run 7 of o\/r.*"previous" version is revision 3 \(agent-3\).*agent-1 is revision 1/);
  });
});

describe('expected-revision', () => {
  const stored = [controllerRevision(1, v1), controllerRevision(3, v3), controllerRevision(4, v2)];
  const reason = (of: ReturnType<typeof daemonSet>, expected: NamedRevision, by = run): string => {
    const result = intend(of, historyOf(of, stored), previous, by, expected);
    return result.kind === 'refused' ? result.refusal.reason : result.kind;
  };

  test.each<[NamedRevision, string]>([
    [{ kind: 'number', number: 3 }, 'candidates'],
    [{ kind: 'number', number: 4 }, 'unexpected-revision'],
    [{ kind: 'name', name: 'agent-3' }, 'candidates'],
    [{ kind: 'name', name: 'hash3' }, 'candidates'],
    [{ kind: 'name', name: 'hash1' }, 'unexpected-revision'],
    [{ kind: 'name', name: 'agent' }, 'unexpected-revision'],
  ])('%j: %s', (expected, kind) => {
    expect(reason(daemonSet(v3), expected)).toBe(kind);
  });

  test('of a re-run is the version that its first attempt rolled back, while the record stands', () => {
    const past = historyOf(daemonSet(v2), stored);
    const [restored, left] = past.revisions as [Revision, Revision];
    const mark = markFor(left, restored, digest(v2), run, new Date(0));
    const of = daemonSet(v2, { annotations: { [LAST_ROLLBACK]: JSON.stringify(mark) } });
    for (const expected of [{ kind: 'number', number: 3 } as const, { kind: 'name', name: 'hash3' } as const]) {
      expect(reason(of, expected)).toBe('resume');
      expect(reason(of, expected, { ...run, id: '8' })).toBe('unexpected-revision');
    }
  });

  test('matches only the current revision', () => {
    const versions = fc.constantFrom(v1, v2, v3);
    fc.assert(
      fc.property(versions, fc.integer({ min: 1, max: 5 }), (current, number) => {
        const of = daemonSet(current);
        const is = historyOf(of, stored).current?.number;
        expect(reason(of, { kind: 'number', number }) === 'unexpected-revision').toBe(is !== number);
      }),
    );
  });
});

describe('the plan', () => {
  const any = fc.record({ template: fc.constantFrom(v1, v2, v3), changes: fc.boolean(), validated: fc.boolean() });

  test('is not to write if the server, or the meaning of the templates, shows no change', () => {
    fc.assert(
      fc.property(fc.constantFrom(v1, v2, v3), fc.constantFrom(v1, v2, v3), any, (current, wanted, preview) => {
        const of = daemonSet(current);
        const past = historyOf(of, [controllerRevision(1, wanted), controllerRevision(2, current)]);
        const [from, candidate] = past.revisions as [Revision, Revision];
        if (alreadyThere(of, candidate)) {
          expect(digest(candidate.template)).toBe(digest(current));
          return;
        }
        const plan = planFor(of, from, candidate, [], preview);
        if (!preview.changes) expect(plan).toBeUndefined();
        else expect(plan).toMatchObject({ kind: 'restore', target: { name: candidate.name }, merged: preview.template });
      }),
    );
  });
});

test.each([
  [previous, 'no-previous-revision'],
  [{ kind: 'last-good' } as const, 'no-known-good'],
  [{ kind: 'number', number: 1 } as const, 'unchanged'],
])('if nothing would change, %j is %s', (asked, expected) => {
  const [at] = historyOf(daemonSet(v1), [controllerRevision(1, v1)]).revisions as [Revision];
  const plan = planWithout(asked, at);
  expect(plan.kind === 'refused' ? plan.refusal.reason : plan.kind).toBe(expected);
});

test('chooses nothing without a ControllerRevision of the current template', () => {
  const of = daemonSet(v3);
  expect(intend(of, historyOf(of, [controllerRevision(1, v1)]), previous, run)).toMatchObject({
    kind: 'refused',
    refusal: { reason: 'not-observed' },
  });
});
