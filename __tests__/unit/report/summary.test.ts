import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Command, Outcome } from '../../../src/daemonset/outcome.ts';
import type { Result } from '../../../src/daemonset/result.ts';
import type { Revision } from '../../../src/daemonset/revision.ts';
import { historyLines } from '../../../src/report/history.ts';
import { outputsOf } from '../../../src/report/outputs.ts';
import type { Report } from '../../../src/report/report.ts';
import { summaryOf } from '../../../src/report/summary.ts';
import { factsWith, template } from '../../helpers/builders.ts';

const revision = (number: number, text = ''): Revision => ({
  number,
  name: `agent-${number}${text}`,
  uid: `uid-${number}`,
  hash: 'h',
  changeCause: `cause ${number}${text}`,
  created: undefined,
  images: [`agent:${number}${text}`],
  template: template(`agent:${number}`),
  digest: String(number),
});

const rolledBack: Result = {
  daemonSet: { namespace: 'logging', name: 'agent' },
  outcome: 'rolled-back',
  reason: 'complete',
  facts: { kind: 'restored' },
  changed: true,
  old: revision(3),
  target: revision(2),
  newRevision: 4,
  controllerRevision: 'agent-2',
  counts: { desired: 10, updated: 10, available: 10 },
  notes: [],
};

function report(result: Partial<Result> = {}, rest: Partial<Report> = {}): Report {
  return {
    command: 'rollback',
    results: [{ ...rolledBack, ...result }],
    cluster: { server: 'https://c.example', context: 'prod' },
    showValues: false,
    hide: (text) => text,
    durationMs: 7_400,
    warnings: [],
    help: undefined,
    ...rest,
  };
}

const count = (text: string, part: string): number => text.split(part).length - 1;

describe('the summary', () => {
  test('shows the verdict first, then how the three revision numbers relate', () => {
    const lines = summaryOf(report()).split('\n');
    expect(lines[0]).toBe('## ✅ Rolled back: DaemonSet <code>logging/agent</code>');
    expect(lines[2]).toContain('Revision 3 → 4, which restores revision 2');
    const figures = [...summaryOf(report()).matchAll(/<h3>(.*?)<\/h3>([^<]*)/g)].map(([, figure, meaning]) => [figure, meaning]);
    expect(figures).toEqual([
      ['3&nbsp;→&nbsp;4', 'revision, restores 2'],
      ['10&nbsp;of&nbsp;10', 'nodes updated'],
      ['10&nbsp;of&nbsp;10', 'nodes available'],
      ['7.4&nbsp;s', 'took'],
    ]);
    expect(lines).toContainEqual(expect.stringContaining('<tr><td>Was running</td><td><strong>3</strong></td>'));
    expect(lines).toContainEqual(expect.stringContaining('<tr><td>Runs now</td><td><strong>4</strong> (was 2)</td>'));
  });

  test.each<[Outcome, string, string]>([
    ['rolled-back', ', rolled back', 'Runs now'],
    ['pending', ', rolled back', 'Restored'],
    ['timed-out', ', rollback incomplete', 'Restored'],
  ])('of a gate says what failed and how its rollback ended: %s', (outcome, verdict, row) => {
    const gate: Result = { ...rolledBack, outcome: 'failed', reason: 'crash-loop' };
    const rollback = { decision: { rollBack: true, because: 'timed-out' }, result: { ...rolledBack, outcome }, gate } as const;
    const text = summaryOf(report({ outcome: 'failed', reason: 'crash-loop', rollback }, { command: 'status' }));
    expect(text).toMatch(new RegExp(`^## ❌ Pods cannot start${verdict}: DaemonSet `));
    expect(text).toContain(`<tr><td>${row}</td><td><strong>4</strong> (was 2)</td>`);
  });

  test.each<[string, Partial<Result>, string]>([
    ['was written but not confirmed', { outcome: 'error', facts: { kind: 'write-unknown', why: '' } }, ', rollback not confirmed'],
    ['was refused', { outcome: 'refused', changed: false }, ', not rolled back'],
  ])('of a gate whose rollback %s says so', (_name, back, verdict) => {
    const gate: Result = { ...rolledBack, outcome: 'failed', reason: 'crash-loop' };
    const rollback = { decision: { rollBack: true, because: 'timed-out' }, result: { ...rolledBack, ...back }, gate } as const;
    const text = summaryOf(report({ outcome: 'failed', reason: 'crash-loop', rollback }, { command: 'status' }));
    expect(text).toMatch(new RegExp(`^## ❌ Pods cannot start${verdict}: DaemonSet `));
  });

  test.each<[Outcome, string, Command?]>([
    ['recorded', '✅', 'guard'],
    ['absent', '🟡', 'guard'],
    ['pending', '🟡', 'guard'],
    ['superseded', '❌', 'guard'],
    ['unchanged', '✅'],
    ['complete', '✅', 'status'],
    ['pending', '❌', 'status'],
    ['dry-run', '🟡'],
    ['pending', '🟡'],
    ['listed', '📋'],
    ['refused', '❌'],
    ['timed-out', '❌'],
    ['superseded', '❌'],
    ['deleted', '❌'],
    ['cancelled', '❌'],
    ['error', '❌'],
  ])('%s is shown as %s', (outcome, sign, command = 'rollback') => {
    expect(summaryOf(report({ outcome }, { command }))).toMatch(new RegExp(`^## ${sign} `));
  });

  test('of a failure shows the reason in an alert, with a link to the explanation', () => {
    const failed = report(
      { outcome: 'timed-out', reason: 'timeout', facts: factsWith('Too late.') },
      { help: 'https://github.com/o/r/blob/v1/docs/troubleshooting.md#timeout' },
    );
    expect(summaryOf(failed)).toContain('> [!CAUTION]\n> <p>Too late.</p>');
    expect(summaryOf(failed)).toContain('<a href="https://github.com/o/r/blob/v1/docs/troubleshooting.md#timeout">');
    expect(summaryOf(report({}, { help: 'https://github.com/o/r' }))).not.toContain('<a ');
  });

  test.each<[Partial<Result>, string[]]>([
    [{}, []],
    [{ outcome: 'dry-run', reason: 'validated' }, ['Template: 1 difference']],
    [{ outcome: 'refused', reason: 'revision-not-found' }, ['History: 2 revisions']],
    [{ outcome: 'refused', reason: 'no-previous-revision' }, []],
  ])('expands what the reader needs to check: %j', (result, open) => {
    const changes = [{ path: 'spec.hostNetwork', before: undefined, after: true, sensitive: false }];
    const summary = summaryOf(report({ changes, history: { before: [revision(3), revision(2)], asOf: 0 }, ...result }));
    expect([...summary.matchAll(/<details open>\n<summary>(.*)<\/summary>/g)].map(([, title]) => title)).toEqual(open);
    expect(count(summary, '<details')).toBe(2);
  });

  test('hides sensitive values unless they are requested', () => {
    const changes = [{ path: 'spec.containers[a].env[T].value', before: 'hunter1', after: 'hunter2', sensitive: true }];
    expect(summaryOf(report({ changes }))).not.toContain('hunter');
    expect(summaryOf(report({ changes }, { showValues: true }))).toContain('hunter2');
  });

  test('and the outputs hide what a change-cause of --record says about secrets, unless it is requested', () => {
    const secret = (number: number): Revision => ({
      ...revision(number),
      changeCause: 'kubectl set env ds/agent TOKEN=hunter2 --record=true',
    });
    const listed = {
      old: secret(3),
      target: secret(2),
      outcome: 'listed' as const,
      history: { before: [secret(3), secret(2)], after: [{ ...secret(2), number: 4, current: true }], asOf: 0 },
      facts: { kind: 'revision-not-found', asked: { kind: 'number', number: 9 } } as const,
    };
    const all = (showValues: boolean): string =>
      summaryOf(report(listed, { showValues })) + JSON.stringify(outputsOf(report(listed, { showValues })));
    expect(all(false)).toContain('kubectl set env ds/agent TOKEN=<hidden> --record=true');
    expect(all(false)).not.toContain('hunter2');
    expect(count(all(true), 'hunter2')).toBe(8);
    expect(historyLines(listed.history).join()).not.toContain('hunter2');
    expect(historyLines(listed.history, undefined, true).join()).toContain('hunter2');
  });

  test('stays below 1 MiB whatever its content, with every block closed', () => {
    const text = fc.string({ unit: 'binary', maxLength: 2_000 });
    const hostile = fc.oneof(text, fc.constantFrom('</details>', '|'.repeat(3_000), '\n```\n', '<details>'));
    fc.assert(
      fc.property(hostile, fc.integer({ min: 0, max: 2_000 }), (any, many) => {
        const before = Array.from({ length: Math.min(many, 60) }, (_, index) => revision(index, any));
        const changes = Array.from({ length: many }, (_, index) => ({ path: `${any}${index}`, before: any, after: any, sensitive: false }));
        const summary = summaryOf(
          report(
            {
              facts: factsWith(any),
              changes,
              history: { before, asOf: 0 },
              notes: [{ kind: 'known-good', number: 1, time: any, run: any }],
            },
            { warnings: [any] },
          ),
        );
        expect(Buffer.byteLength(summary)).toBeLessThan(1024 * 1024);
        expect(summary.match(/^<details/gm)?.length).toBe(summary.match(/^<\/details>$/gm)?.length);
        expect([...summary.matchAll(/^(`{3,})(diff)?$/gm)].filter(([, , opens]) => !opens).map(([, ticks]) => ticks)).toEqual(
          [...summary.matchAll(/^(`{3,})diff$/gm)].map(([, ticks]) => ticks),
        );
      }),
      { numRuns: 50 },
    );
  });

  test('works for a step that ended before anything was known', () => {
    const early = report({ daemonSet: { namespace: '', name: '' }, outcome: 'error', reason: 'invalid-input' }, { cluster: undefined });
    for (const key of ['old', 'target', 'newRevision', 'controllerRevision', 'counts'] as const) delete early.results[0][key];
    expect(summaryOf(early)).toMatch(/^## ❌ Failed\n/);
    expect(outputsOf(early)).toMatchObject({ outcome: 'error', 'old-revision': '', desired: '', 'duration-seconds': '7.4' });
  });
});

describe('several DaemonSets', () => {
  const named = (name: string, result: Partial<Result> = {}): Result => ({
    ...rolledBack,
    daemonSet: { namespace: 'logging', name },
    ...result,
  });
  const late: Partial<Result> = { outcome: 'timed-out', reason: 'timeout', facts: factsWith('Too late.') };

  test('have the worst verdict, followed by how each one ended', () => {
    const lines = summaryOf(report({}, { results: [named('a'), named('b', late), named('c')] })).split('\n');
    expect(lines[0]).toBe('## ❌ Timed out: 1 of 3 DaemonSets');
    expect(lines[2]).toBe('<p>Rolled back: logging/a, logging/c. Timed out: logging/b.</p>');
    expect(
      lines
        .filter((line) => /^<tr><td>[✅❌]/u.test(line))
        .map((line) =>
          line
            .split(/<\/?td[^>]*>/)
            .filter((_, index) => index % 2)
            .slice(0, 4),
        ),
    ).toEqual([
      ['❌ <code>logging/b</code>', 'timed-out (timeout)', '3 → 4', '10 of 10'],
      ['✅ <code>logging/a</code>', 'rolled-back (complete)', '3 → 4', '10 of 10'],
      ['✅ <code>logging/c</code>', 'rolled-back (complete)', '3 → 4', '10 of 10'],
    ]);
    expect(lines.filter((line) => line.startsWith('<details open>'))).toHaveLength(1);
    expect(summaryOf(report({}, { results: [named('a'), named('b')] }))).toMatch(/^## ✅ Rolled back: 2 DaemonSets\n/);
  });

  test('have the worst outcome, no single values, and an entry each in results', () => {
    const outputs = outputsOf(report({}, { results: [named('a'), named('b', { ...late, changed: false })] }));
    expect(outputs).toMatchObject({
      outcome: 'timed-out',
      reason: 'timeout',
      changed: 'true',
      'old-revision': '',
      images: '',
      desired: '',
    });
    expect((JSON.parse(outputs['results'] ?? '') as object[]).map((entry) => entry)).toMatchObject([
      { name: 'a', outcome: 'rolled-back', oldRevision: 3 },
      { name: 'b', outcome: 'timed-out', message: 'Too late.' },
    ]);
  });

  test('have results below 512 KiB that keep an entry for each as long as possible', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => named(`agent-${index}`, { facts: factsWith('x'.repeat(2_000)) }));
    const { results = '' } = outputsOf(report({}, { results: many as [Result, ...Result[]] }));
    expect(results.length).toBeLessThan(512 * 1024);
    expect(JSON.parse(results)).toHaveLength(1_000);
  });
});

test('outputs are single lines, and results is JSON', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (any) => {
      const outputs = outputsOf(report({ target: { ...revision(2), changeCause: any, images: [any] }, facts: factsWith(any) }));
      for (const value of Object.values(outputs)) expect(value).not.toMatch(/[\r\n]/);
      expect(JSON.parse(outputs['results'] ?? '')).toHaveLength(1);
    }),
  );
});
