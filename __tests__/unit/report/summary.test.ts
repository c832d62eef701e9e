import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Outcome, Result } from '../../../src/daemonset/outcome.ts';
import type { Revision } from '../../../src/daemonset/revision.ts';
import { outputsOf } from '../../../src/report/outputs.ts';
import type { Report } from '../../../src/report/report.ts';
import { summaryOf } from '../../../src/report/summary.ts';
import { template } from '../builders.ts';

const revision = (number: number, text = ''): Revision => ({
  number,
  name: `agent-${number}${text}`,
  hash: 'h',
  changeCause: `cause ${number}${text}`,
  created: undefined,
  images: [`agent:${number}${text}`],
  template: template(`agent:${number}`),
  digest: String(number),
});

function report(result: Partial<Result> = {}, rest: Partial<Report> = {}): Report {
  return {
    result: {
      daemonSet: { namespace: 'logging', name: 'agent' },
      outcome: 'rolled-back',
      reason: 'complete',
      message: 'Revision 3 → 4, which restores revision 2.',
      changed: true,
      old: revision(3),
      target: revision(2),
      newRevision: 4,
      controllerRevision: 'agent-2',
      counts: { desired: 10, updated: 10, available: 10 },
      notes: [],
      ...result,
    },
    cluster: { server: 'https://c.example', context: 'prod' },
    showValues: false,
    duration: 7_400,
    warnings: [],
    ...rest,
  };
}

const count = (text: string, part: string): number => text.split(part).length - 1;

describe('the summary', () => {
  test('says the verdict first, then how the three numbers relate', () => {
    const lines = summaryOf(report()).split('\n');
    expect(lines[0]).toBe('## ✅ Rolled back: DaemonSet <code>logging/agent</code>');
    expect(lines[2]).toContain('Revision 3 → 4, which restores revision 2');
    expect(lines.filter((line) => /^\| (Was running|Asked for|Is now) /.test(line)).map((line) => line.split('|')[2]?.trim())).toEqual([
      '**3**',
      '**2**',
      '**4**',
    ]);
  });

  test.each<[Outcome, string]>([
    ['unchanged', '✅'],
    ['dry-run', '🟡'],
    ['pending', '🟡'],
    ['refused', '❌'],
    ['timed-out', '❌'],
    ['superseded', '❌'],
    ['deleted', '❌'],
    ['cancelled', '❌'],
    ['error', '❌'],
  ])('%s is shown as %s', (outcome, sign) => {
    expect(summaryOf(report({ outcome }))).toMatch(new RegExp(`^## ${sign} `));
  });

  test('hides what may be secret unless it is asked for', () => {
    const changes = [{ path: 'spec.containers[a].env[T].value', before: 'hunter1', after: 'hunter2', sensitive: true }];
    expect(summaryOf(report({ changes }))).not.toContain('hunter');
    expect(summaryOf(report({ changes }, { showValues: true }))).toContain('hunter2');
  });

  test('of anything stays below 1 MiB, with everything closed', () => {
    const text = fc.string({ unit: 'binary', maxLength: 2_000 });
    const hostile = fc.oneof(text, fc.constantFrom('</details>', '|'.repeat(3_000), '\n```\n', '<details>'));
    fc.assert(
      fc.property(hostile, fc.integer({ min: 0, max: 2_000 }), (any, many) => {
        const before = Array.from({ length: Math.min(many, 60) }, (_, index) => revision(index, any));
        const changes = Array.from({ length: many }, (_, index) => ({ path: `${any}${index}`, before: any, after: any, sensitive: false }));
        const summary = summaryOf(report({ message: any, changes, history: { before }, notes: [any] }, { warnings: [any] }));
        expect(Buffer.byteLength(summary)).toBeLessThan(1024 * 1024);
        expect(count(summary, '<details>')).toBe(count(summary, '</details>'));
        expect(count(summary, '```')).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  test('of a step that ended before anything was known', () => {
    const { result, duration, warnings } = report();
    const { daemonSet: _name, old: _old, target: _target, counts: _counts, ...bare } = result;
    const early: Report = {
      result: { ...bare, daemonSet: { namespace: '', name: '' }, outcome: 'error', reason: 'invalid-input' },
      cluster: undefined,
      showValues: false,
      duration,
      warnings,
    };
    expect(summaryOf(early)).toMatch(/^## ❌ Rollback failed\n/);
    expect(outputsOf(early)).toMatchObject({ outcome: 'error', 'old-revision': '', desired: '', 'duration-seconds': '7.4' });
  });
});

test('outputs are single lines, and results is JSON', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (any) => {
      const outputs = outputsOf(report({ target: { ...revision(2), changeCause: any, images: [any] }, message: any }));
      for (const value of Object.values(outputs)) expect(value).not.toMatch(/[\r\n]/);
      expect(JSON.parse(outputs['results'] ?? '')).toHaveLength(1);
    }),
  );
});
