import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { choosePlan } from '../../../src/daemonset/plan.ts';
import { TEMPLATE_GENERATION } from '../../../src/daemonset/pods.ts';
import { historyOf, type Revision } from '../../../src/daemonset/revision.ts';
import { LAST_ROLLBACK, type Run, readRecord, recordFor, stands } from '../../../src/daemonset/rollback-record.ts';
import { canonical, digest, versionDigest } from '../../../src/daemonset/template.ts';
import type { ControllerRevision, DaemonSet, PodTemplate } from '../../../src/daemonset/types.ts';
import { controllerRevision, daemonSet, recordedAt, template } from '../../helpers/builders.ts';

const [v1, v2, v3] = ['v1', 'v2', 'v3'].map((tag) => template(`agent:${tag}`)) as [PodTemplate, PodTemplate, PodTemplate];
const restart = (one: PodTemplate, at: string): PodTemplate => ({
  ...one,
  metadata: { labels: { app: 'agent' }, annotations: { 'kubectl.kubernetes.io/restartedAt': at } },
});

describe('a rollback record', () => {
  const record = recordedAt({ restored: v2, left: v3 });
  const at = (current: PodTemplate, templateGeneration: number, text = JSON.stringify(record)): DaemonSet =>
    daemonSet(current, { annotations: { [LAST_ROLLBACK]: text }, templateGeneration });
  const stored = (...all: [number, PodTemplate][]): ControllerRevision[] =>
    all.map(([number, one]) => controllerRevision(number, one, { name: `agent-${digest(one).slice(7, 12)}` }));

  test('is read back unchanged, and any other text is ignored', () => {
    expect(readRecord(at(v2, 8))).toEqual(record);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const read = readRecord(at(v2, 8, text));
        expect(read === undefined || typeof read.restored.digest === 'string').toBe(true);
      }),
    );
  });

  const again = restart(v2, 'now');
  test.each<[string, PodTemplate, number, [number, PodTemplate][], boolean]>([
    [
      'right after the write, before the controller has seen it',
      v2,
      8,
      [
        [2, v2],
        [3, v3],
      ],
      true,
    ],
    [
      'after the write',
      v2,
      8,
      [
        [3, v3],
        [4, v2],
      ],
      true,
    ],
    [
      'after a restart',
      again,
      9,
      [
        [3, v3],
        [4, v2],
        [5, again],
      ],
      true,
    ],
    [
      'after a restart that the controller has not seen',
      again,
      9,
      [
        [3, v3],
        [4, v2],
      ],
      false,
    ],
    ['after a restart, if the restored revision was pruned', again, 9, [[5, again]], false],
    [
      'after another deploy',
      v1,
      9,
      [
        [3, v3],
        [4, v2],
        [5, v1],
      ],
      false,
    ],
    [
      'after another deploy that landed before the controller has seen the rollback',
      v1,
      9,
      [
        [2, v2],
        [3, v3],
        [4, v1],
      ],
      false,
    ],
    [
      'after another deploy and one of the restored version',
      v2,
      10,
      [
        [3, v3],
        [5, v1],
        [6, v2],
      ],
      false,
    ],
    ['the same, if the one in between was pruned', v2, 10, [[6, v2]], false],
    [
      'if the write was undone',
      v3,
      7,
      [
        [2, v2],
        [3, v3],
      ],
      false,
    ],
    [
      'if the write was undone, after a deploy',
      v1,
      8,
      [
        [2, v2],
        [3, v3],
        [4, v1],
      ],
      false,
    ],
  ])('%s', (_name, current, templateGeneration, revisions, expected) => {
    const of = at(current, templateGeneration);
    expect(stands(record, of, historyOf(of, stored(...revisions)))).toBe(expected);
  });

  test('stands if only this action has written the template, whatever an admission webhook made of it', () => {
    const stamped = at({ ...v2, metadata: { labels: { app: 'agent' }, annotations: { 'example.com/stamp': '7' } } }, 8);
    const by = (manager: string): DaemonSet => ({
      ...stamped,
      metadata: { ...stamped.metadata, managedFields: [{ manager, operation: 'Update', fieldsV1: { 'f:spec': { 'f:template': {} } } }] },
    });
    expect([stamped, by('kubectl-set'), by('rollback-daemonset')].map((of) => stands(record, of, undefined))).toEqual([false, false, true]);
  });

  test('does not stand in an API server that does not count template changes', () => {
    expect(stands(record, daemonSet(v2), undefined)).toBe(false);
  });
});

/** What the API server and the DaemonSet controller do to one DaemonSet. */
class Model {
  template: PodTemplate = v1;
  generation = 1;
  record: string | undefined;
  revisions: { number: number; template: PodTemplate }[] = [{ number: 1, template: v1 }];
  /** Versions that a rollback left and that no one deployed since. */
  readonly rolledBack = new Set<string>();
  /** Whether anything but a restart has changed the template since the last rollback. */
  wasDeployed = true;

  write(template: PodTemplate): void {
    if (canonical(template) === canonical(this.template)) return;
    this.template = template;
    this.generation += 1;
  }

  deploy(template: PodTemplate): void {
    if (versionDigest(template) !== versionDigest(this.template)) this.wasDeployed = true;
    this.write(template);
    this.rolledBack.delete(versionDigest(template));
  }

  /** The controller sees the present template, renumbers its revision or creates one, and prunes the oldest. */
  observe(limit: number): void {
    const number = Math.max(0, ...this.revisions.filter((one) => !this.isCurrent(one)).map((one) => one.number)) + 1;
    const current = this.revisions.find((one) => this.isCurrent(one));
    if (!current) this.revisions.push({ number, template: this.template });
    else if (current.number < number) current.number = number;
    const old = this.revisions.filter((one) => !this.isCurrent(one)).sort((a, b) => b.number - a.number);
    const pruned = old.slice(limit);
    this.revisions = this.revisions.filter((one) => !pruned.includes(one));
  }

  isCurrent(one: { template: PodTemplate }): boolean {
    return canonical(one.template) === canonical(this.template);
  }

  get daemonSet(): DaemonSet {
    return daemonSet(this.template, {
      annotations: { [TEMPLATE_GENERATION]: String(this.generation), ...(this.record !== undefined && { [LAST_ROLLBACK]: this.record }) },
    });
  }

  get history(): ReturnType<typeof historyOf> {
    return historyOf(
      this.daemonSet,
      this.revisions.map(({ number, template }) =>
        controllerRevision(number, template, { name: `agent-${digest(template).slice(7, 15)}` }),
      ),
    );
  }
}

type Step =
  | { kind: 'deploy'; template: PodTemplate }
  | { kind: 'restart' }
  | { kind: 'undo'; nth: number }
  | { kind: 'rollback'; run: string; number: number | undefined };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('deploy' as const), template: fc.constantFrom(v1, v2, v3, template('agent:v4')) }),
    fc.record({ kind: fc.constant('restart' as const) }),
    fc.record({ kind: fc.constant('undo' as const), nth: fc.nat({ max: 9 }) }),
    fc.record({
      kind: fc.constant('rollback' as const),
      run: fc.constantFrom('1', '2'),
      number: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined, freq: 3 }),
    }),
  ),
  { maxLength: 30 },
);

test('whatever happens to a DaemonSet, a record stands only while nothing was deployed, and no version that was rolled back returns', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 10 }), fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), (all, limit, seen) => {
      const model = new Model();
      all.forEach((step: Step, index) => {
        if (step.kind === 'undo') {
          const { template } = model.revisions[step.nth % model.revisions.length] as { template: PodTemplate };
          model.deploy(template);
        } else if (step.kind === 'deploy') {
          model.deploy(step.template);
        } else if (step.kind === 'restart') {
          model.write(restart(model.template, String(index)));
        } else {
          // A rollback waits until the controller has seen the latest change.
          model.observe(limit);
          const { daemonSet: of, history } = model;
          const run: Run = { repository: 'o/r', id: step.run, url: 'https://github.example' };
          const record = readRecord(of);
          if (record && stands(record, of, history)) expect(model.wasDeployed).toBe(false);
          const toRevision =
            step.number === undefined ? ({ kind: 'previous' } as const) : ({ kind: 'number', number: step.number } as const);
          const intent = choosePlan(of, history, { toRevision, run });
          if (step.number === undefined && !model.wasDeployed) expect(['resume', 'already-rolled-back']).toContain(intent.kind);
          if (intent.kind !== 'candidates') return;
          const [target] = intent.candidates as [Revision];
          const version = versionDigest(target.template);
          if (step.number === undefined) expect(model.rolledBack).not.toContain(version);
          const writing = { by: 'rollback', run, time: new Date(0) } as const;
          if (digest(target.template) === digest(model.template)) return;
          if (version !== versionDigest(model.template)) model.rolledBack.add(versionDigest(model.template));
          model.rolledBack.delete(version);
          model.record = JSON.stringify(recordFor(of, history, { from: intent.from, target }, writing));
          model.write(target.template);
          model.wasDeployed = false;
        }
        if (seen[index]) model.observe(limit);
      });
    }),
    { numRuns: 1_000 },
  );
});
