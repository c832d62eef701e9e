import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type GuardTerms, recordOf, returnTo } from '../../../src/daemonset/guard.ts';
import type { Intent } from '../../../src/daemonset/plan.ts';
import { TEMPLATE_GENERATION } from '../../../src/daemonset/pods.ts';
import { CHANGE_CAUSE, type History, historyOf, type Revision } from '../../../src/daemonset/revision.ts';
import type { DaemonSet, PodTemplate } from '../../../src/daemonset/types.ts';
import { controllerRevision, daemonSet, template } from '../builders.ts';

const v1 = template('agent:v1');
const v2 = template('agent:v2');
const v3 = template('agent:v3');
const restarted: PodTemplate = {
  ...v1,
  metadata: { labels: { app: 'agent' }, annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } },
};
const endOf = (intent: Intent): string =>
  intent.kind === 'refused' ? intent.refusal.reason : intent.kind === 'ended' ? intent.end.outcome : intent.kind;
const plain: GuardTerms = { expected: undefined, ifAmbiguous: false };

function at(current: PodTemplate, generation: number | string, changes: Partial<DaemonSet['metadata']> = {}): DaemonSet {
  const one = daemonSet(current, { annotations: { [TEMPLATE_GENERATION]: String(generation), [CHANGE_CAUSE]: `deploy ${generation}` } });
  return { ...one, metadata: { ...one.metadata, ...changes } };
}

function past(current: DaemonSet, ...stored: PodTemplate[]): History {
  return historyOf(
    current,
    stored.map((one, index) => controllerRevision(index + 1, one)),
  );
}

const before = at(v1, 5);
const recorded = recordOf(before, past(before, v1).current as Revision);

describe('a record', () => {
  test('holds the DaemonSet as it is, with its own template and change-cause', () => {
    expect(recorded).toMatchObject({
      kind: 'recorded',
      daemonSet: { namespace: 'logging', name: 'agent' },
      uid: 'uid-1',
      templateGeneration: 5,
      revision: { number: 1, name: 'agent-1', template: v1, changeCause: 'deploy 5', images: ['agent:v1'] },
    });
    expect(JSON.parse(JSON.stringify(recorded))).toEqual(recorded);
  });

  test.each(['', '-1', '1e3', 'x'])('the template generation %j is none', (generation) => {
    const odd = at(v1, generation);
    expect(recordOf(odd, past(odd, v1).current as Revision).templateGeneration).toBeUndefined();
  });
});

describe('after a job that failed', () => {
  const named = (name: string): GuardTerms => ({ ...plain, expected: { kind: 'name', name } });
  const numbered = (number: number): GuardTerms => ({ ...plain, expected: { kind: 'number', number } });

  test.each<[string, DaemonSet, PodTemplate[], GuardTerms, string]>([
    ['one change is the job’s', at(v2, 6), [v1, v2], plain, 'candidates'],
    ['one change, whatever else of the spec', at(v2, 6, { generation: 99 }), [v1, v2], plain, 'candidates'],
    ['no change', at(v1, 5), [v1], plain, 'unchanged'],
    ['changed and changed back', at(v1, 7), [v1, v2], plain, 'unchanged'],
    ['only restarted', at(restarted, 6), [v1, restarted], plain, 'unchanged'],
    ['two changes may be somebody else’s', at(v3, 7), [v1, v2, v3], plain, 'superseded'],
    ['two changes, the last one named by its name', at(v3, 7), [v1, v2, v3], named('agent-3'), 'candidates'],
    ['two changes, the last one named by its hash', at(v3, 7), [v1, v2, v3], named('hash3'), 'candidates'],
    ['two changes, the last one named by its number', at(v3, 7), [v1, v2, v3], numbered(3), 'candidates'],
    ['two changes, another one named', at(v3, 7), [v1, v2, v3], named('agent-2'), 'superseded'],
    ['one change is enough, though another is named', at(v2, 6), [v1, v2], named('agent-9'), 'candidates'],
    ['two changes, and it is wanted all the same', at(v3, 7), [v1, v2, v3], { ...plain, ifAmbiguous: true }, 'candidates'],
    ['a count that was lost', at(v2, ''), [v1, v2], plain, 'superseded'],
    ['a count that goes back', at(v2, 4), [v1, v2], plain, 'superseded'],
    ['the ControllerRevision is gone: the template was recorded', at(v2, 6), [v3, v2], plain, 'candidates'],
    ['another object of that name', at(v2, 1, { uid: 'uid-2' }), [], { ...plain, ifAmbiguous: true }, 'recreated'],
    ['on its way out', at(v2, 6, { deletionTimestamp: 'now' }), [v1, v2], plain, 'being-deleted'],
    ['a current template that no ControllerRevision holds', at(v2, 6), [v1], plain, 'not-observed'],
  ])('%s', (_name, now, stored, terms, expected) => {
    const answer = returnTo(now, past(now, ...stored), recorded, terms);
    expect(endOf(answer)).toBe(expected);
    if (answer.kind !== 'candidates') return;
    expect(answer.candidates).toEqual([expect.objectContaining({ template: v1, changeCause: 'deploy 5' })]);
    expect(answer.from.template).toEqual(now.spec.template);
  });

  test('a ControllerRevision that was renumbered has its number of now', () => {
    const now = at(v2, 6);
    const history = historyOf(now, [controllerRevision(7, v1, { name: 'agent-1' }), controllerRevision(8, v2)]);
    expect(returnTo(now, history, recorded, plain)).toMatchObject({ candidates: [{ number: 7, name: 'agent-1' }] });
  });

  test('what may be somebody else’s is told with both revisions, and what to do', () => {
    const now = at(v3, 7);
    const answer = returnTo(now, past(now, v1, v2, v3), recorded, named('agent-2'));
    expect(answer).toMatchObject({
      end: { message: expect.stringMatching(/changed 2 times .*"agent-2".*Revision 3 .*agent-3.*recorded was revision 1/) },
    });
  });

  test('nothing is restored unless the change is certainly the job’s, and only what was recorded', () => {
    const versions = [v1, v2, v3, restarted];
    fc.assert(
      fc.property(
        fc.constantFrom(...versions),
        fc.integer({ min: 0, max: 9 }),
        fc.subarray(versions),
        fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
        (current, generation, stored, expected) => {
          const now = at(current, generation);
          const history = past(now, ...stored);
          const terms = expected === undefined ? plain : numbered(expected);
          const answer = returnTo(now, history, recorded, terms);
          if (answer.kind !== 'candidates') return;
          expect(answer.candidates.map((one) => one.digest)).toEqual([recorded.revision.digest]);
          expect(generation === 6 || history.current?.number === expected).toBe(true);
          expect([v2, v3]).toContain(current);
        },
      ),
    );
  });
});
