import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type GuardTerms, recordOf, returnTo } from '../../../src/daemonset/guard.ts';
import type { LedgerEntry } from '../../../src/daemonset/ledger.ts';
import type { Plan } from '../../../src/daemonset/plan.ts';
import { TEMPLATE_GENERATION } from '../../../src/daemonset/pods.ts';
import { CHANGE_CAUSE, type History, historyOf, type Revision } from '../../../src/daemonset/revision.ts';
import { versionDigest } from '../../../src/daemonset/template.ts';
import type { DaemonSet, PodTemplate } from '../../../src/daemonset/types.ts';
import { messageOf } from '../../../src/report/messages/conclusion.ts';
import { controllerRevision, daemonSet, resultWith, template } from '../../helpers/builders.ts';

const v1 = template('agent:v1');
const v2 = template('agent:v2');
const v3 = template('agent:v3');
const restarted: PodTemplate = {
  ...v1,
  metadata: { labels: { app: 'agent' }, annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } },
};
const restartOf = (one: PodTemplate): PodTemplate => ({
  ...one,
  metadata: { labels: { app: 'agent' }, annotations: { 'kubectl.kubernetes.io/restartedAt': 'later' } },
});
const endOf = (intent: Plan): string =>
  intent.kind === 'refused' ? intent.refusal.reason : intent.kind === 'ended' ? intent.end.outcome : intent.kind;
const plain: GuardTerms = { deployed: undefined, expected: undefined, ifAmbiguous: false };
const deployed: GuardTerms = { ...plain, deployed: true };

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
const recorded = recordOf(before, past(before, v1), past(before, v1).current as Revision);

describe('the record of a guard', () => {
  test('holds the current DaemonSet with its template and change-cause', () => {
    expect(recorded).toMatchObject({
      kind: 'recorded',
      daemonSet: { namespace: 'logging', name: 'agent' },
      uid: 'uid-1',
      templateGeneration: 5,
      revision: { number: 1, name: 'agent-1', template: v1, changeCause: 'deploy 5', images: ['agent:v1'] },
    });
    expect(JSON.parse(JSON.stringify(recorded))).toEqual(recorded);
  });

  test.each(['', '-1', '1e3', 'x'])('has no template generation if the annotation is %j', (generation) => {
    const odd = at(v1, generation);
    expect(recordOf(odd, past(odd, v1), past(odd, v1).current as Revision).templateGeneration).toBeUndefined();
  });
});

describe('after a job that failed', () => {
  const named = (name: string): GuardTerms => ({ ...plain, expected: { kind: 'name', name } });
  const numbered = (number: number): GuardTerms => ({ ...plain, expected: { kind: 'number', number } });

  test.each<[string, DaemonSet, PodTemplate[], GuardTerms, string]>([
    ['restores after exactly one change', at(v2, 6), [v1, v2], plain, 'candidates'],
    [
      'restores after one change of the template, whatever else of the spec changed',
      at(v2, 6, { generation: 99 }),
      [v1, v2],
      plain,
      'candidates',
    ],
    ['leaves an unchanged DaemonSet', at(v1, 5), [v1], plain, 'unchanged'],
    ['leaves a template that was changed and changed back', at(v1, 7), [v1, v2], plain, 'unchanged'],
    ['leaves a DaemonSet that was only restarted', at(restarted, 6), [v1, restarted], plain, 'unchanged'],
    ['leaves two changes, since one may be from someone else', at(v3, 7), [v1, v2, v3], plain, 'superseded'],
    ['restores after two changes if the last one is expected by name', at(v3, 7), [v1, v2, v3], named('agent-3'), 'candidates'],
    ['restores after two changes if the last one is expected by hash', at(v3, 7), [v1, v2, v3], named('hash3'), 'candidates'],
    ['restores after two changes if the last one is expected by number', at(v3, 7), [v1, v2, v3], numbered(3), 'candidates'],
    ['leaves two changes if another one is expected', at(v3, 7), [v1, v2, v3], named('agent-2'), 'superseded'],
    ['leaves one change if another one is expected', at(v2, 6), [v1, v2], named('agent-9'), 'superseded'],
    ['restores after one change and a restart', at(restartOf(v2), 7), [v1, v2, restartOf(v2)], plain, 'candidates'],
    ['restores after a restart and one change', at(v2, 7), [v1, restarted, v2], plain, 'candidates'],
    ['leaves one change and a restart that the controller has not seen', at(restartOf(v2), 7), [v1, restartOf(v2)], plain, 'superseded'],
    ['restores after any number of changes if the job deployed', at(v3, 9), [v1, v2, v3], deployed, 'candidates'],
    ['leaves any change if the job did not deploy', at(v2, 6), [v1, v2], { ...plain, deployed: false }, 'unchanged'],
    [
      'leaves any change if the job did not deploy, even with rollback-if-ambiguous',
      at(v3, 7),
      [v1, v2, v3],
      { deployed: false, expected: undefined, ifAmbiguous: true },
      'unchanged',
    ],
    [
      'leaves another version than the expected one, although the job deployed',
      at(v2, 6),
      [v1, v2],
      { ...deployed, ...named('agent-1') },
      'superseded',
    ],
    ['restores after two changes with rollback-if-ambiguous', at(v3, 7), [v1, v2, v3], { ...plain, ifAmbiguous: true }, 'candidates'],
    ['leaves a DaemonSet whose template generation is missing', at(v2, ''), [v1, v2], plain, 'superseded'],
    ['leaves a DaemonSet whose template generation decreased', at(v2, 4), [v1, v2], plain, 'superseded'],
    ['restores the recorded template when its ControllerRevision is gone', at(v2, 6), [v3, v2], plain, 'candidates'],
    ['leaves another object of the same name', at(v2, 1, { uid: 'uid-2' }), [], { ...plain, ifAmbiguous: true }, 'recreated'],
    ['leaves a DaemonSet that is being deleted', at(v2, 6, { deletionTimestamp: 'now' }), [v1, v2], plain, 'being-deleted'],
    ['leaves a current template without a ControllerRevision', at(v2, 6), [v1], plain, 'not-observed'],
  ])('%s', (_name, now, stored, terms, expected) => {
    const answer = returnTo(now, past(now, ...stored), recorded, terms, []);
    expect(endOf(answer)).toBe(expected);
    if (answer.kind !== 'candidates') return;
    expect(answer.candidates).toEqual([expect.objectContaining({ template: v1, changeCause: 'deploy 5' })]);
    expect(answer.from.template).toEqual(now.spec.template);
  });

  test('uses the current number of a ControllerRevision that was renumbered', () => {
    const now = at(v2, 6);
    const history = historyOf(now, [controllerRevision(7, v1, { name: 'agent-1' }), controllerRevision(8, v2)]);
    expect(returnTo(now, history, recorded, plain, [])).toMatchObject({ candidates: [{ number: 7, name: 'agent-1' }] });
  });

  test('names both revisions and the next step if the change may be someone else’s', () => {
    const now = at(v3, 7);
    const answer = returnTo(now, past(now, v1, v2, v3), recorded, named('agent-2'), []);
    const text = answer.kind === 'ended' ? messageOf(resultWith(answer.end, undefined, { recorded: recorded.revision })) : '';
    expect(text).toMatch(/not ControllerRevision "agent-2".*revision 3 \(agent-3\).*guard recorded revision 1/);
  });

  describe('with a ledger of the job', () => {
    const saw = (by: 'gate' | 'guard', templateGeneration: number, version: PodTemplate, complete = false): LedgerEntry => ({
      kind: 'saw',
      by,
      templateGeneration,
      version: versionDigest(version),
      complete,
    });
    const gateSaw = (at: number, version: PodTemplate, complete = false): LedgerEntry => saw('gate', at, version, complete);
    const guardSaw = (at: number, version: PodTemplate): LedgerEntry => saw('guard', at, version);
    const wrote = (templateGeneration: number, version: PodTemplate, by: 'gate' | 'rollback' = 'gate'): LedgerEntry => {
      return { kind: 'wrote', by, templateGeneration, version: versionDigest(version) };
    };

    test.each<[string, DaemonSet, PodTemplate[], GuardTerms, LedgerEntry[], string]>([
      [
        'restores after a gate rolled the deploy back to another version',
        at(v3, 7),
        [v1, v2, v3],
        plain,
        [gateSaw(6, v2), wrote(7, v3)],
        'candidates',
      ],
      ['the same, if the job says that it deployed', at(v3, 7), [v1, v2, v3], deployed, [gateSaw(6, v2), wrote(7, v3)], 'candidates'],
      [
        'leaves a deploy after a rollback to the recorded version',
        at(v3, 8),
        [v2, v1, v3],
        plain,
        [gateSaw(6, v2), wrote(7, v1)],
        'superseded',
      ],
      ['leaves a deploy after that rollback', at(v2, 8), [v1, v3, v2], deployed, [gateSaw(6, v2), wrote(7, v3)], 'superseded'],
      [
        'restores after a second guard has undone the second deploy',
        at(v2, 8),
        [v1, v3, v2],
        plain,
        [guardSaw(6, v2), wrote(8, v2)],
        'candidates',
      ],
      ['leaves what a step of the job rolled back to', at(v3, 7), [v1, v2, v3], deployed, [wrote(7, v3, 'rollback')], 'unchanged'],
      ['leaves two deploys that nothing explains', at(v3, 7), [v1, v2, v3], plain, [gateSaw(6, v2)], 'superseded'],
      ['leaves a deploy after the last look of a gate', at(v3, 7), [v1, v2, v3], deployed, [gateSaw(6, v2)], 'superseded'],
      [
        'restores after a restart after the last look of a gate',
        at(restartOf(v2), 7),
        [v1, v2, restartOf(v2)],
        deployed,
        [gateSaw(6, v2)],
        'candidates',
      ],
      ['restores if the gate looked before the deploy', at(v2, 6), [v1, v2], deployed, [gateSaw(5, v1, true)], 'candidates'],
      ['leaves a version that a gate saw complete', at(v2, 6), [v1, v2], plain, [gateSaw(6, v2, true)], 'unchanged'],
      ['leaves it if the job deployed, too', at(v2, 6), [v1, v2], deployed, [gateSaw(6, v2, true)], 'unchanged'],
      ['restores it if it is expected', at(v2, 6), [v1, v2], named('agent-2'), [gateSaw(6, v2, true)], 'candidates'],
      [
        'restores it with rollback-if-ambiguous',
        at(v2, 6),
        [v1, v2],
        { ...plain, ifAmbiguous: true },
        [gateSaw(6, v2, true)],
        'candidates',
      ],
      ['restores it if a later gate saw it fail', at(v2, 6), [v1, v2], deployed, [gateSaw(6, v2, true), gateSaw(6, v2)], 'candidates'],
    ])('%s', (_name, now, stored, terms, ledger, expected) => {
      expect(endOf(returnTo(now, past(now, ...stored), recorded, terms, ledger))).toBe(expected);
    });
  });

  describe('other fields of the spec', () => {
    const onDelete = (generation: number): DaemonSet => {
      const one = at(v2, 6, { generation });
      return { ...one, spec: { ...one.spec, updateStrategy: { type: 'OnDelete' }, minReadySeconds: 600 } };
    };

    test('come back if they changed together with the template', () => {
      expect(returnTo(onDelete(4), past(onDelete(4), v1, v2), recorded, deployed, [])).toMatchObject({
        candidates: [{ spec: { updateStrategy: { type: 'RollingUpdate' }, minReadySeconds: undefined } }],
        notes: [{ kind: 'fields-restored', fields: ['updateStrategy', 'minReadySeconds'] }],
      });
    });

    test('stay if the spec changed without the template too, and are named', () => {
      const answer = returnTo(onDelete(5), past(onDelete(5), v1, v2), recorded, deployed, []);
      expect(answer).toMatchObject({ notes: [{ kind: 'fields-left', fields: ['updateStrategy', 'minReadySeconds'] }] });
      expect(answer.kind === 'candidates' && answer.candidates[0]?.spec).toBeUndefined();
    });
  });

  test('restores only what was recorded, and only if the change is certainly the job’s', () => {
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
          const answer = returnTo(now, history, recorded, terms, []);
          if (answer.kind !== 'candidates') return;
          expect(answer.candidates.map((one) => one.digest)).toEqual([recorded.revision.digest]);
          expect(expected === undefined ? generation >= 6 : history.current?.number === expected).toBe(true);
          expect([v2, v3]).toContain(current);
        },
      ),
    );
  });
});
