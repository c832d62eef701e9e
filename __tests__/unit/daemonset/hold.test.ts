import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { annotationChanges } from '../../../src/daemonset/annotation-changes.ts';
import { HOLD, type Hold, holdValue, isDenialOfHold, readHold } from '../../../src/daemonset/hold.ts';
import type { LeftOut } from '../../../src/daemonset/notes.ts';
import { planFor, refusalIfHeld } from '../../../src/daemonset/plan.ts';
import { historyOf, type Revision } from '../../../src/daemonset/revision.ts';
import { recordFor } from '../../../src/daemonset/rollback-record.ts';
import type { DaemonSet } from '../../../src/daemonset/types.ts';
import { heldText } from '../../../src/report/messages/hold.ts';
import { controllerRevision, daemonSet, template } from '../../helpers/builders.ts';

const run = { repository: 'o/r', id: '7', url: 'https://github.example/o/r/actions/runs/7' };
const [v1, v2] = [template('agent:v1'), template('agent:v2')];
const held = (value: string): DaemonSet => daemonSet(v2, { annotations: { [HOLD]: value } });
const read = (value: string): Hold | undefined => readHold(held(value).metadata);
const times = fc.date({ noInvalidDate: true, min: new Date('2000-01-01'), max: new Date('2200-01-01') });

describe('the value of a hold', () => {
  test('is read back: the run, the time, and the beginning of the reason', () => {
    fc.assert(
      fc.property(
        fc.option(fc.constant(run), { nil: undefined }),
        times,
        fc.string({ unit: 'binary', maxLength: 2_000 }),
        (by, time, reason) => {
          const hold = read(holdValue({ run: by, time }, reason));
          expect(hold).toEqual({
            ...(by && { run: by.url }),
            time: time.toISOString(),
            reason: reason.slice(0, 500).toWellFormed(),
          });
        },
      ),
    );
  });

  test('differs from that of another run, and from that of another time', () => {
    const time = new Date(0);
    const other = { ...run, id: '8', url: `${run.url}8` };
    const values = [holdValue({ run, time }, 'x'), holdValue({ run: other, time }, 'x'), holdValue({ run, time: new Date(1) }, 'x')];
    expect(new Set(values).size).toBe(3);
  });

  test.each([
    ['', 'an empty text'],
    ['yes', 'another text'],
    ['{"time":7}', 'another JSON'],
    ['null', 'null'],
    ['{"run":"javascript:alert(1)","time":"2026-01-01T00:00:00Z"}', 'an address of another kind'],
    ['{"run":"https://x.example/ y","time":"2026-01-01T00:00:00Z"}', 'an address with a space'],
    [`{"time":"2026-01-01T00:00:00Z","reason":"${'x'.repeat(501)}"}`, 'a long reason'],
    [`{"time":"2026-01-01T00:00:00Z"${' '.repeat(5_000)}}`, 'a long text'],
  ])('%j is a hold by someone unknown: %s', (value) => {
    expect(read(value)).toEqual({});
  });

  test('is never ignored, and what is shown of it is short, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constant('{"__proto__":{"time":"2026"}}')), (value) => {
        const hold = read(value);
        expect(hold).toBeDefined();
        expect(refusalIfHeld(held(value))).toMatchObject({ kind: 'refused', refusal: { outcome: 'refused', reason: 'held' } });
        expect(heldText({ ...hold, enforcement: 'unknown' }).length).toBeLessThan(2_000);
      }),
    );
  });

  test('without the annotation, there is no hold', () => {
    expect(readHold(daemonSet(v2).metadata)).toBeUndefined();
    expect(readHold({})).toBeUndefined();
    expect(refusalIfHeld(daemonSet(v2))).toBeUndefined();
  });
});

describe('a rollback with a hold', () => {
  const past = historyOf(daemonSet(v2), [controllerRevision(1, v1), controllerRevision(2, v2)]);
  const [from, target] = past.revisions as [Revision, Revision];
  const record = recordFor(daemonSet(v2), past, { from, target }, { by: 'rollback', run, time: new Date(0) });
  const value = holdValue({ run, time: new Date(0) }, undefined);

  test('writes it together with the rollback record, also over another hold', () => {
    for (const one of [daemonSet(v2), held('yes')]) expect(annotationChanges(one, target, record, value).changes[HOLD]).toBe(value);
    expect(annotationChanges(daemonSet(v2), target, record).changes).not.toHaveProperty([HOLD]);
  });

  test.each<[number, boolean]>([
    [256 * 1024 - 800, true],
    [256 * 1024 - 300, true],
    [256 * 1024 - 50, false],
  ])('leaves out everything else first: beside %d bytes, it is written: %s', (size, isWritten) => {
    const { changes, leftOut } = annotationChanges(daemonSet(v2, { annotations: { p: 'x'.repeat(size) } }), target, record, value);
    expect(HOLD in changes).toBe(isWritten);
    expect(leftOut.flatMap(({ keys }) => keys).includes(HOLD)).toBe(!isWritten);
  });

  test.each<LeftOut['why']>([{ kind: 'no-room' }, { kind: 'removed' }, { kind: 'rejected', message: 'no' }])(
    'is refused if the hold is left out: %j',
    (why) => {
      const preview = { template: v1, validated: true, changes: true, annotations: {}, leftOut: [{ keys: [HOLD], why }] };
      const plan = planFor(daemonSet(v2), { kind: 'candidates', from, candidates: [target], notes: [] }, target, record, preview);
      expect(plan).toEqual({
        kind: 'refused',
        refusal: { outcome: 'refused', reason: 'hold-rejected', facts: { kind: 'hold-rejected', why } },
      });
    },
  );
});

test.each([
  [
    "daemonsets.apps \"agent\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: annotation rollback-daemonset/hold",
    true,
  ],
  ["daemonsets.apps \"agent\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no annotations on pods", false],
  ['admission webhook "w" denied the request: rollback-daemonset/hold', false],
])('%j shows that a policy enforces the hold: %s', (message, expected) => {
  expect(isDenialOfHold(message)).toBe(expected);
});
