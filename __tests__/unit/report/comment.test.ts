import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import type { Result } from '../../../src/daemonset/result.ts';
import { commentOf } from '../../../src/report/comment.ts';
import { deploymentStatusOf } from '../../../src/report/deployment-status.ts';
import type { Report } from '../../../src/report/report.ts';
import { factsWith, template } from '../../helpers/builders.ts';

const MARKER = '<!-- rollback-daemonset 0123 -->';
const author = { workflow: 'Deploy', job: 'agents', link: 'https://github.com/octo/fleet/actions/runs/7/attempts/2' };

function result(changes: Partial<Result> = {}, text = ''): Result {
  const revision = (number: number): NonNullable<Result['old']> => ({
    number,
    name: `agent-${number}${text}`,
    uid: `uid-${number}`,
    hash: 'h',
    changeCause: `hush ${text}`,
    created: undefined,
    images: [`registry.example/agent:v${number}${text}`],
    template: template('agent'),
    digest: String(number),
  });
  return {
    daemonSet: { namespace: 'logging', name: `agent${text}` },
    outcome: 'rolled-back',
    reason: 'complete',
    facts: factsWith(`hush ${text}`),
    changed: true,
    old: revision(3),
    target: revision(2),
    newRevision: 4,
    counts: { desired: 10, updated: 10, available: 10 },
    notes: [{ kind: 'known-good', number: 1, time: `hush ${text}`, run: undefined }],
    ...changes,
  };
}

function report(first: Result, others: Result[] = [], rest: Partial<Report> = {}): Report {
  return {
    command: 'rollback',
    results: [first, ...others],
    cluster: { server: 'https://c.example', context: 'prod' },
    showValues: true,
    hide: (text) => text,
    durationMs: 7_400,
    warnings: ['hush'],
    help: undefined,
    ...rest,
  };
}

const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('-->', '<!--', '@octocat', '#1', 'octo/fleet#1', '|', '\n', '```', '</code>', '<img src=x>', '[x](y)', '\u202e'),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

describe('the comment', () => {
  test('shows the verdict, the revisions, the restored image and a link to the run', () => {
    const [marker, head, , ...rest] = commentOf(report(result()), MARKER, author).split('\n');
    expect([marker, head]).toEqual([MARKER, '### ✅ Rolled back: DaemonSet <code>logging/agent</code>']);
    const text = rest.join('\n');
    expect(text).toMatch(
      /<td>rolled-back \(complete\)<\/td><td>3 → 4<\/td><td>10 of 10<\/td><td><code>registry\.example\/agent:v2<\/code><\/td>/,
    );
    expect(text).toContain(
      `<a href="${author.link}">Workflow run</a> of <code>Deploy</code>, job <code>agents</code> · context <code>prod</code>`,
    );
  });

  test('of a failure links to the explanation of its reason', () => {
    const help = 'https://github.com/o/r/blob/v1/docs/troubleshooting.md#crash-loop';
    const failed = report(result({ outcome: 'failed', reason: 'crash-loop' }), [], { help });
    expect(commentOf(failed, MARKER, author)).toContain(`reason <code>crash-loop</code>: <a href="${help}">`);
  });

  test('contains no message, change-cause, warning, note or log', () => {
    const group = {
      cause: 'crash-loop' as const,
      stuck: true,
      nodes: [],
      example: { node: 'hush', pod: 'hush', marks: [], failure: { cause: 'crash-loop' as const, reason: 'Error', message: 'hush' } },
      evidence: { events: ['hush'], log: ['hush'], previous: true },
    };
    for (const command of ['rollback', 'status'] as const) {
      const failed = result({ outcome: 'failed', reason: 'crash-loop', causes: [group as never] });
      for (const others of [[], [result()]]) expect(commentOf(report(failed, others, { command }), MARKER, author)).not.toContain('hush');
    }
  });

  test('has at most 65,536 characters, starts with the marker, and contains no foreign mention, reference or markup', () => {
    const render = (text: string): string =>
      micromark(text, { extensions: [gfm()], htmlExtensions: [gfmHtml()], allowDangerousHtml: true });
    fc.assert(
      fc.property(hostile, hostile, fc.integer({ min: 1, max: 300 }), (text, workflow, many) => {
        const all = Array.from({ length: many }, (_, index) => result({}, `${text}${index}`));
        const comment = commentOf(report(result({}, text), all.slice(1)), MARKER, { ...author, workflow, job: text });
        expect(comment.length).toBeLessThanOrEqual(65_536);
        expect(comment.startsWith(`${MARKER}\n`)).toBe(true);
        const html = render(comment);
        expect(html.match(/<!--/g)).toHaveLength(1);
        expect(html).not.toMatch(/<img|<h[12]|<pre/);
        expect([...html.matchAll(/<a href="([^"]*)"/g)].map(([, address]) => address)).toEqual([author.link]);
        // In code, GitHub creates neither mentions nor references.
        expect(html.replace(/<code>[^<]*<\/code>/g, '')).not.toMatch(/@\w|#\d/);
      }),
      { numRuns: 200 },
    );
  });

  test('shows as many DaemonSets as fit', () => {
    const many = Array.from({ length: 300 }, (_, index) => result({}, `${'.'.repeat(400)}${index}`));
    const comment = commentOf(report(result(), many), MARKER, author);
    expect(comment).toMatch(/<td>and 281 more<\/td>/);
    const huge = commentOf(report(result({}, '.'.repeat(60_000))), MARKER, author);
    expect(huge).toContain(author.link);
    expect(huge.length).toBeLessThan(65_536);
  });

  test('has no table if no DaemonSet was found', () => {
    const none = result({ outcome: 'error', reason: 'not-found', daemonSet: { namespace: '', name: '' } });
    expect(commentOf(report(none), MARKER, author)).not.toContain('<table');
  });
});

describe('the status of the deployment', () => {
  const two = [result({ outcome: 'unchanged', changed: false }), result()] as const;
  test.each<[string, Partial<Report>, string | undefined]>([
    ['rolled back', { results: [result()] }, 'failure: Rolled back to revision 2 (registry.example/agent:v2)'],
    ['written, not waited for', { results: [result({ outcome: 'pending', reason: 'not-waited' })] }, 'failure: Rolled back to revision 2'],
    [
      'a rollback whose version cannot start either',
      { results: [result({ outcome: 'failed', reason: 'crash-loop' })] },
      'failure: Pods cannot start: DaemonSet logging/agent (crash-loop), after the rollback to revision 2',
    ],
    [
      'refused',
      { results: [result({ outcome: 'refused', reason: 'no-previous-revision', changed: false })] },
      'failure: Refused, nothing was written: DaemonSet logging/agent (no-previous-revision)',
    ],
    ['nothing to roll back', { results: [result({ outcome: 'unchanged', changed: false })] }, undefined],
    ['one of several', { results: [...two] }, 'failure: Rolled back: 1 of 2 DaemonSets'],
    ['a gate that is complete', { command: 'status', results: [result({ outcome: 'complete', changed: false })] }, 'success: Rolled out'],
    [
      'a gate that fails',
      { command: 'status', results: [result({ outcome: 'stalled', reason: 'no-progress', changed: false })] },
      'failure: Rollout stalled: DaemonSet logging/agent (no-progress)',
    ],
    ['a gate that rolled back', { command: 'status', results: [result()] }, 'failure: Rolled back to revision 2'],
    ...(['pending', 'refused', 'superseded', 'deleted', 'cancelled', 'error'] as const).map(
      (outcome): [string, Partial<Report>, undefined] => [
        `a gate that ends as ${outcome}`,
        { command: 'status', results: [result({ outcome, changed: false })] },
        undefined,
      ],
    ),
    ['a dry run', { results: [result({ outcome: 'dry-run', changed: false })] }, undefined],
  ])('%s', (_, rest, expected) => {
    const status = deploymentStatusOf(report(result(), [], rest));
    const said = status && `${status.state}: ${status.description}`;
    if (expected === undefined) expect(said).toBeUndefined();
    else expect(said?.startsWith(expected)).toBe(true);
  });

  test('is one line of at most 140 characters, whatever the image names are', () => {
    fc.assert(
      fc.property(hostile, fc.integer({ min: 0, max: 200 }), (text, times) => {
        const { description = '' } = deploymentStatusOf(report(result({}, text + 'x'.repeat(times)))) ?? {};
        expect(description.length).toBeLessThanOrEqual(140);
        expect(description).not.toMatch(/[\r\n\u2028\u202e]/);
        expect(description.isWellFormed()).toBe(true);
      }),
    );
  });
});
