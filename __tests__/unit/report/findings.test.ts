import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import type { CauseGroup } from '../../../src/daemonset/cause-groups.ts';
import type { FailingNode } from '../../../src/daemonset/diagnosis.ts';
import type { Cause, PodFailure } from '../../../src/daemonset/pod-failure.ts';
import type { Sample } from '../../../src/daemonset/progress.ts';
import type { Result } from '../../../src/daemonset/result.ts';
import { renderCauses, renderChart, renderEvidence, renderNodes } from '../../../src/report/findings.ts';
import { outputsOf } from '../../../src/report/outputs.ts';
import type { Report } from '../../../src/report/report.ts';
import { summaryOf } from '../../../src/report/summary.ts';
import { factsWith } from '../../helpers/builders.ts';

function group(
  many: number,
  failure: Partial<PodFailure> = {},
  changes: Partial<CauseGroup> & { name?: string; marks?: string[] } = {},
): CauseGroup {
  const { name = '', marks = [], ...rest } = changes;
  const cause: Cause = failure.cause ?? 'crash-loop';
  const failing = Array.from(
    { length: many },
    (_, index): FailingNode => ({
      node: `node-${index}${name}`,
      pod: `agent-${index}${name}`,
      failure: {
        cause,
        reason: 'CrashLoopBackOff',
        message: 'last words',
        container: 'agent',
        image: 'agent:v2',
        exitCode: 1,
        restarts: 3,
        ...failure,
      },
      since: 0,
      marks,
      isNew: false,
    }),
  );
  return { cause, stuck: true, nodes: failing, example: failing[0] as FailingNode, ...rest };
}

const failed: Result = {
  daemonSet: { namespace: 'logging', name: 'agent' },
  outcome: 'failed',
  reason: 'crash-loop',
  facts: factsWith('Too bad.'),
  changed: true,
  counts: { desired: 10, updated: 5, available: 5 },
  notes: [],
};

function report(...results: Partial<Result>[]): Report {
  return {
    command: 'rollback',
    results: results.map((result) => ({ ...failed, ...result })) as [Result, ...Result[]],
    cluster: { server: 'https://c.example', context: 'prod' },
    showValues: false,
    hide: (text) => text,
    durationMs: 7_400,
    warnings: [],
    help: undefined,
  };
}

const count = (text: string, part: RegExp): number => text.match(part)?.length ?? 0;
const render = (text: string): string => micromark(text, { extensions: [gfm()], htmlExtensions: [gfmHtml()], allowDangerousHtml: true });

describe('the findings in the summary', () => {
  test('show each cause as a sentence with the next command, and which ones are stuck', () => {
    const all = [group(2), group(1, { cause: 'not-replaced', message: '' }, { stuck: false })];
    const lines = renderCauses({ ...failed, causes: all }).split('\n');
    expect(lines[0]).toBe('### What is blocking the rollout');
    expect(lines[3]).toMatch(/^<li>❌ <strong>2 pods crash.*<\/strong><br>Next: <code>kubectl logs .*--container agent<\/code><\/li>$/);
    expect(lines[4]).toMatch(/^<li>⏳ <strong>1 pod of the other version[^<]*<\/strong><\/li>$/);
    expect(renderCauses({ ...failed, causes: [] })).toBe('');
    const many = Array.from({ length: 12 }, () => group(1));
    expect(
      renderCauses({ ...failed, causes: many })
        .split('\n')
        .slice(-2),
    ).toEqual(['<li>and 2 more</li>', '</ul>']);
  });

  test('show a row for each affected node, at most fifty', () => {
    const table = renderNodes({
      ...failed,
      causes: [group(40), group(30, { cause: 'starting', reason: '', restarts: 0 }, { marks: ['cordoned', 'new'] })],
    });
    expect(table).toContain('<summary>Nodes that do not run the version: 70</summary>');
    expect(count(table, /^<tr><td><code>/gm)).toBe(50);
    expect(table).toContain(
      '<tr><td><code>node-0</code></td><td><code>agent-0</code></td><td>crash-loop (CrashLoopBackOff)</td><td align="right">3</td><td align="right">1</td><td></td><td>last words</td></tr>',
    );
    expect(table).toContain('<td>starting</td><td align="right"></td><td align="right">1</td><td>cordoned, new</td><td>last words</td>');
    expect(table).toContain('<td>and 20 more</td>');
  });

  test('show the events and the log of the example pod', () => {
    const read = { events: ['BackOff: again'], log: ['cannot open', 'exit'], run: 'previous' as const };
    const text = renderEvidence({
      ...failed,
      causes: [group(3, {}, { evidence: read }), group(1, {}, { evidence: { ...read, log: undefined } }), group(1)],
    });
    expect(count(text, /<summary>Events of <code>agent-0<\/code> on <code>node-0<\/code><\/summary>/g)).toBe(2);
    expect(count(text, /<summary>Log of .*, container <code>agent<\/code>, before its last restart<\/summary>/g)).toBe(1);
    expect(text).toContain('```text\ncannot open\nexit\n```');
  });

  const bits = [
    '</details>',
    '<details>',
    '\n```\n',
    '````',
    '|',
    '\n\n# x',
    '<script>',
    '<img src=x>',
    '</summary>',
    '</code>',
    '-->',
    '@octocat',
    '\r',
  ];
  const hostile = fc
    .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...bits)), { maxLength: 8 })
    .map((parts) => parts.join(''));

  test('keep text from the cluster in its place', () => {
    fc.assert(
      fc.property(hostile, fc.boolean(), fc.integer({ min: 1, max: 60 }), (any, previous, many) => {
        const failure = { reason: any, message: any, container: any, image: any };
        const read = { events: [any, any], log: any.split('\n'), run: previous ? ('previous' as const) : ('present' as const) };
        const summary = summaryOf(report({ causes: [group(many, failure, { name: any, marks: [any], evidence: read })] }));
        expect(Buffer.byteLength(summary)).toBeLessThan(1024 * 1024);
        const html = render(summary);
        expect([count(html, /<details/g), count(html, /<\/details>/g)]).toEqual([3, 3]);
        expect(html).not.toMatch(/<(script|img|h1)/);
        expect(count(html, /<pre><code class="language-text">/g)).toBe(2);
        expect(count(html, /<pre>/g)).toBe(2);
        for (const [row] of html.matchAll(/<tr><td.*?<\/tr>/g)) if (row.includes('agent-0')) expect(count(row, /<td/g)).toBe(7);
        expect(html.trimEnd()).toMatch(/<p><sub>[^\n]*<\/sub><\/p>$/);
      }),
      { numRuns: 200 },
    );
  });

  const log = (bytes: number): string[] => Array.from({ length: bytes / 100 }, (_, index) => `${index} `.padEnd(99, 'ü<`|'));
  const large = (bytes: number): CauseGroup[] =>
    Array.from({ length: 4 }, (_, index) =>
      group(500, { image: `agent:${index}` }, { evidence: { events: log(2_000), log: log(bytes), run: 'previous' } }),
    );

  test.each<[string, Report]>([
    ['one DaemonSet', report({ causes: large(400_000) })],
    [
      'many',
      report(
        ...Array.from({ length: 20 }, (_, index) => ({
          daemonSet: { namespace: 'logging', name: `agent-${index}` },
          causes: large(64_000),
        })),
      ),
    ],
  ])('stay within the size limit with 2,000 affected nodes and large logs: %s', (_name, one) => {
    const summary = summaryOf(one);
    expect(Buffer.byteLength(summary)).toBeLessThan(1_000_000);
    expect(summary).toMatch(/^## ❌ Pods cannot start: /);
    expect(summary).toContain('Some details are left out');
    expect(count(summary, /### What is blocking the rollout/g)).toBe(one.results.length);
    expect(count(summary, /<strong>500 pods crash/g)).toBe(4 * one.results.length);
    expect(count(summary, /<details/g)).toBe(count(summary, /<\/details>/g));
  });

  test('are complete if everything fits', () => {
    const summary = summaryOf(report({ causes: large(64_000) }));
    expect(summary).not.toContain('left out');
    expect(count(summary, /<summary>Log of /g)).toBe(4);
  });
});

describe('the diagram', () => {
  const draw = (samples: Sample[]): { lines: number[][]; axes: number[] } => {
    const text = renderChart({ ...failed, samples }, 'rollback');
    expect(text).toContain('```mermaid\n');
    return {
      lines: [...text.matchAll(/^ {2}line \[(.*)\]$/gm)].map(([, points = '']) => points.split(', ').map(Number)),
      axes: [...text.matchAll(/-axis ".*" 0 --> (\d+)$/gm)].map(([, end]) => Number(end)),
    };
  };

  test('goes from the first state to the last, through recorded states only', () => {
    const sample: fc.Arbitrary<Sample> = fc.record({
      desired: fc.integer({ min: 9, max: 2_000 }),
      updated: fc.nat(6),
      available: fc.nat(9),
      at: fc.nat(1e9),
    });
    fc.assert(
      fc.property(fc.uniqueArray(sample, { minLength: 1, maxLength: 240, selector: ({ at }) => at }), (any) => {
        const samples = any.sort((a, b) => a.at - b.at);
        const [first, latest] = [samples[0] as Sample, samples.at(-1) as Sample];
        const last = { ...latest, at: latest.at + 3_000, updated: 7, available: 8 };
        const { lines, axes } = draw([...samples, last]);
        expect(lines.map((points) => points.length)).toEqual([40, 40]);
        expect(lines.map((points) => points[0])).toEqual([first.updated, first.available]);
        expect(lines.map((points) => points.at(-1))).toEqual([7, 8]);
        const known = new Set([...samples, last].map(({ updated, available }) => `${updated}/${available}`));
        for (const index of lines[0]?.keys() ?? []) expect(known).toContain(`${lines[0]?.[index]}/${lines[1]?.[index]}`);
        expect(axes).toEqual([Math.round((last.at - first.at) / 1_000), Math.max(...samples.map(({ desired }) => desired))]);
      }),
    );
  });

  const sample = (at: number, updated = 1): Sample => ({ desired: 3, updated, available: 2, at });

  test.each<[string, Sample[]]>([
    ['there was no wait', []],
    ['the wait took no time', [sample(5)]],
    ['the wait took less than three seconds', [sample(0), sample(2_999, 2)]],
    ['no count changed', [sample(0), sample(4_000), sample(9_000)]],
  ])('is not drawn if %s', (_name, samples) => {
    expect(renderChart({ ...failed, samples }, 'rollback')).toBe('');
  });

  test('is expanded after a failure', () => {
    const samples = [sample(0), sample(9_000, 2)];
    expect(renderChart({ ...failed, samples }, 'rollback')).toMatch(/^<details open>\n<summary>The rollout over time: 9/);
    expect(renderChart({ ...failed, outcome: 'rolled-back', samples }, 'rollback')).toMatch(/^<details>\n/);
  });
});

test('the output results contains the causes', () => {
  const { results = '' } = outputsOf(
    report({ causes: [group(2_000, { message: 'last\nwords', init: true }), group(1, { cause: 'no-pod' }, { stuck: false })] }),
  );
  expect(results).not.toMatch(/[\r\n]/);
  const [{ causes: read }] = JSON.parse(results) as [{ causes: object[] }];
  expect(read).toMatchObject([
    {
      cause: 'crash-loop',
      stuck: true,
      count: 2_000,
      pod: 'agent-0',
      reason: 'CrashLoopBackOff',
      message: 'last words',
      container: 'agent',
      initContainer: true,
      image: 'agent:v2',
      exitCode: 1,
      restarts: 3,
    },
    { cause: 'no-pod', stuck: false, count: 1, nodes: ['node-0'] },
  ]);
  expect((read[0] as { nodes: string[] }).nodes).toHaveLength(100);
});
