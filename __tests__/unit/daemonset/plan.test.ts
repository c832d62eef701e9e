import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { NamedRevision } from '../../../src/daemonset/asked-revision.ts';
import type { LeftOut } from '../../../src/daemonset/notes.ts';
import { alreadyThere, choosePlan, needsPods, planFor, planWithout, type Terms } from '../../../src/daemonset/plan.ts';
import { historyOf, nextNumber, type Revision } from '../../../src/daemonset/revision.ts';
import { LAST_ROLLBACK, type RollbackRecord, recordFor } from '../../../src/daemonset/rollback-record.ts';
import { chooseTarget } from '../../../src/daemonset/target.ts';
import { digest } from '../../../src/daemonset/template.ts';
import { messageOf } from '../../../src/report/messages/conclusion.ts';
import { controllerRevision, daemonSet, recordedAt, resultWith, template } from '../../helpers/builders.ts';

const v1 = template('agent:v1');
const v2 = template('agent:v2');
const v3 = template('agent:v3');
const previous = { kind: 'previous' } as const;
const run = { repository: 'o/r', id: '7', url: 'https://github.example/o/r/actions/runs/7' };
/** The message of a refusal. */
const refusalText = (
  target: ReturnType<typeof chooseTarget> | ReturnType<typeof choosePlan>,
  history: ReturnType<typeof historyOf>,
): string => (target.kind === 'refused' ? messageOf(resultWith(target.refusal, history)) : '');
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

  describe('a hash that consists of digits', () => {
    const digits = { kind: 'number', number: 7657656669 } as const;
    const stored = [controllerRevision(1, v1, { hash: '7657656669' }), controllerRevision(2, v2)];

    test('is found like any other', () => {
      expect(numbers(chooseTarget(historyOf(daemonSet(v2), stored), digits))).toEqual([1]);
    });

    test('is refused if another revision has that number', () => {
      const past = historyOf(daemonSet(v2), [...stored, controllerRevision(7657656669, v3)]);
      expect(numbers(chooseTarget(past, digits))).toBe('ambiguous-revision');
    });
  });

  describe('a version that differs only in annotations of the template', () => {
    const annotated = (annotations: Record<string, string>): typeof v1 => ({ ...v2, metadata: { labels: { app: 'agent' }, annotations } });
    const [a, b] = [annotated({ 'checksum/config': 'a' }), annotated({ 'checksum/config': 'b' })];

    test('a checksum: relative targets are refused, and both choices are named', () => {
      const past = history(b, v1, a, b);
      const target = chooseTarget(past, previous);
      expect(numbers(target)).toBe('only-checksum');
      expect(refusalText(target, past)).toMatch(/set to-revision to agent-2\..*set it to agent-1, which is revision 1/);
    });

    test('a checksum and a restart: the same', () => {
      const restartedB = annotated({ 'checksum/config': 'b', 'kubectl.kubernetes.io/restartedAt': 'now' });
      expect(numbers(chooseTarget(history(restartedB, v1, a, b, restartedB), previous))).toBe('only-checksum');
    });

    test('a checksum, by number: restored', () => {
      expect(numbers(chooseTarget(history(b, v1, a, b), { kind: 'number', number: 2 }))).toEqual([2]);
    });

    test('any other annotation: another version', () => {
      const other = annotated({ 'example.com/config': 'b' });
      expect(numbers(chooseTarget(history(other, v1, v2, other), previous))).toEqual([2, 1]);
    });
  });

  test('is reported as older code if the current revision only restarted the pods', () => {
    expect(chooseTarget(history(restarted, v1, v3, restarted), previous)).toMatchObject({
      notes: [{ kind: 'older-code', current: 3, numbers: [2], target: 1 }],
    });
    expect(chooseTarget(history(v3, v1, twin, v3), previous)).toMatchObject({ notes: [{ kind: 'passed-over', numbers: [2] }] });
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

describe('after a rollback from revision 3 to revision 2, which became revision 4', () => {
  const stored = [controllerRevision(1, v1), controllerRevision(3, v3), controllerRevision(4, v2)];
  const record = recordedAt({ restored: v2, left: v3, run });
  const at = (current: typeof v1, templateGeneration = 8, text = JSON.stringify(record)): ReturnType<typeof daemonSet> =>
    daemonSet(current, { annotations: { [LAST_ROLLBACK]: text }, templateGeneration });
  const intent = (of: ReturnType<typeof daemonSet>, terms: Partial<Terms> = {}): string => {
    const result = choosePlan(of, historyOf(of, stored), { toRevision: previous, run, ...terms });
    return result.kind === 'refused' ? result.refusal.reason : result.kind;
  };
  const other = { ...run, id: '8' };
  const number = (number: number): Partial<Terms> => ({ toRevision: { kind: 'number', number } });
  const name = (name: string): Partial<Terms> => ({ toRevision: { kind: 'name', name } });

  test.each<[string, ReturnType<typeof daemonSet>, Partial<Terms>, string]>([
    ['the same run resumes', at(v2), {}, 'resume'],
    ['the same run resumes with the number that it was given', at(v2), number(2), 'resume'],
    ['the same run resumes with a name', at(v2), name('agent-2'), 'resume'],
    ['the same run restores another revision by number', at(v2), number(1), 'candidates'],
    ['another run is refused', at(v2), { run: other }, 'already-rolled-back'],
    ['a run of another repository is refused', at(v2), { run: { ...run, repository: 'x/y' } }, 'already-rolled-back'],
    ['a relative target outside of a run is refused', at(v2), { run: undefined }, 'already-rolled-back'],
    ['another run restores a revision by number', at(v2), { ...number(1), run: other }, 'candidates'],
    ['another run is accepted after a new deploy', at(v3, 9), { run: other }, 'candidates'],
    ['another run is refused if nothing shows that another version was deployed', at(v2, 10), { run: other }, 'already-rolled-back'],
    ['the same run is accepted if the version that it left was deployed again', at(v3, 9), {}, 'candidates'],
    ['the same run is refused after another deploy', at(v1, 9), {}, 'unexpected-revision'],
    ['the same run is refused after another deploy, by number too', at(v1, 9), number(3), 'unexpected-revision'],
    ['the same run is refused if nothing shows that, too', at(v2, 10), {}, 'already-rolled-back'],
    ['the same run is refused if nothing shows that, by number too', at(v2, 10), number(2), 'unexpected-revision'],
    ['the same run is accepted if it says that it deployed the current version', at(v1, 9), { isDeployedByRun: true }, 'candidates'],
    ['text that is not a record is ignored', at(v2, 8, '{"restored":1}'), {}, 'candidates'],
    ['invalid JSON is ignored', at(v2, 8, '{'), {}, 'candidates'],
    ['the record of another object is ignored', at(v2, 8, JSON.stringify({ ...record, uid: 'uid-2' })), {}, 'candidates'],
  ])('%s', (_name, of, terms, expected) => {
    expect(intent(of, terms)).toBe(expected);
  });

  test('a deploy of another version and of the restored one again ends it', () => {
    const of = at(v2, 10);
    const past = historyOf(of, [controllerRevision(3, v3), controllerRevision(5, v1), controllerRevision(6, v2)]);
    expect(choosePlan(of, past, { toRevision: previous, run: other })).toMatchObject({ kind: 'candidates', candidates: [{ number: 5 }] });
    expect(choosePlan(of, past, { toRevision: previous, run })).toMatchObject({ refusal: { reason: 'unexpected-revision' } });
  });

  test('a re-run of an earlier run is recognized after the rollback of another one', () => {
    const before = at(v3, 9);
    const past = historyOf(before, [controllerRevision(1, v1), controllerRevision(4, v2), controllerRevision(5, v3)]);
    const [from, target] = past.revisions as [Revision, Revision];
    const later = recordFor(before, past, { from, target }, { by: 'rollback', run: other, time: new Date(1) });
    expect(later.earlier).toMatchObject([{ run: '7', left: { revision: 3 } }]);
    expect(intent(at(v1, 11, JSON.stringify(later)))).toBe('unexpected-revision');
    expect(intent(at(v3, 11, JSON.stringify(later)))).toBe('candidates');
  });

  test('treats last-good as a relative target, like previous', () => {
    const lastGood = { kind: 'last-good' } as const;
    expect(intent(at(v2), { toRevision: lastGood })).toBe('resume');
    expect(intent(at(v2), { toRevision: lastGood, run: other })).toBe('already-rolled-back');
    expect([at(v2), at(v3, 9)].map((of) => needsPods(of, historyOf(of, stored), lastGood))).toEqual([false, true]);
    expect(needsPods(at(v3, 9), historyOf(at(v3, 9), stored), previous)).toBe(false);
  });

  test('the refusal names the revisions to choose from', () => {
    const of = at(v2);
    const past = historyOf(of, stored);
    const refused = choosePlan(of, past, { toRevision: previous, run: other });
    expect(refused.kind === 'already-rolled-back' && messageOf(resultWith(refused.refusal, past))).toMatch(
      /by run 7 of o\/r.*"previous" version is revision 3 \(agent-3\).*agent-1 is revision 1/,
    );
  });

  test('expects what its first attempt rolled back, while the record stands', () => {
    for (const expected of [{ kind: 'number', number: 3 } as const, { kind: 'name', name: 'hash3' } as const]) {
      expect(intent(at(v2), { expected })).toBe('resume');
      expect(intent(at(v2), { expected, run: other })).toBe('unexpected-revision');
    }
  });
});

describe('expected-revision', () => {
  const stored = [controllerRevision(1, v1), controllerRevision(3, v3), controllerRevision(4, v2)];
  const reason = (of: ReturnType<typeof daemonSet>, expected: NamedRevision): string => {
    const result = choosePlan(of, historyOf(of, stored), { toRevision: previous, run, expected });
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
  const any = fc.record({
    template: fc.constantFrom(v1, v2, v3),
    changes: fc.boolean(),
    validated: fc.boolean(),
    annotations: fc.constant({}),
    leftOut: fc.constant<LeftOut[]>([]),
  });

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
        const writing = { by: 'rollback', run, time: new Date(0) } as const;
        const record: RollbackRecord = recordFor(of, past, { from, target: candidate }, writing);
        const plan = planFor(of, { kind: 'candidates', from, candidates: [candidate], notes: [] }, candidate, record, preview);
        if (!preview.changes) expect(plan).toBeUndefined();
        else expect(plan).toMatchObject({ kind: 'restore', target: { name: candidate.name }, preview });
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
  expect(choosePlan(of, historyOf(of, [controllerRevision(1, v1)]), { toRevision: previous, run })).toMatchObject({
    kind: 'refused',
    refusal: { reason: 'not-observed' },
  });
});
