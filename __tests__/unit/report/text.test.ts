import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import { renderMarkdown, visibleText } from '../../../preview/page.ts';
import { annotationText, code, codeInMarkdown, fence, htmlTable, logLine, oneLine, prose, truncate } from '../../../src/report/text.ts';

/** Whether the runner reads a printed line as a command (actions/runner: ActionCommand.TryParseV2 and TryParse). */
function isCommand(line: string): boolean {
  return line.trimStart().startsWith('::') || line.includes('##[');
}

const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '::',
        '##[',
        '#',
        '[',
        ':',
        '\n',
        '\r',
        '\u2028',
        '\u0085',
        '\u00a0',
        '\ufeff',
        '\u200b',
        '\v',
        ' ',
        '\t',
        '`',
        '```',
        '|',
        '<b>',
        '</code>',
        '</details>',
        '<script>',
        '@octocat',
        '#1',
        'https://evil.example',
        'www.evil.example',
        '![x](y)',
        '[x](y)',
        '&lt;',
        '\\',
        '*',
        '_',
        '~~',
        '$x$',
        '-->',
        '\ud800',
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

describe('logLine', () => {
  test.each([
    ['::error::x', '> ::error::x'],
    ['  ::set-output name=a::b', '>   ::set-output name=a::b'],
    ['a ##[error]x', 'a ## [error]x'],
    ['a\r::stop-commands::x', 'a ::stop-commands::x'],
    [':\u200b:error::x', '> ::error::x'],
    ['#\u200b#[error]x', '## [error]x'],
    ['\u001b[31mred', '[31mred'],
    ['plain: a::b', 'plain: a::b'],
  ])('%j becomes %j', (text, line) => {
    expect(logLine(text)).toBe(line);
  });

  test('is one line that the runner never reads as a command, whatever the text', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const line = logLine(text);
        expect(line).not.toMatch(/[\r\n\u2028\u2029\u0085]/);
        expect(isCommand(line)).toBe(false);
        expect(line.isWellFormed()).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

test('annotationText contains nothing that a runner reads as the end of the properties', () => {
  expect(annotationText('a ::error::b ::: c')).toBe('a : :error: :b : : : c');
  fc.assert(
    fc.property(hostile, (text) => {
      const line = annotationText(text);
      expect(line).not.toContain('::');
      expect(isCommand(line)).toBe(false);
      expect(line.length).toBeLessThanOrEqual(4_000);
    }),
  );
});

const anything = fc.oneof(hostile, fc.string({ unit: 'binary' }), fc.string());

describe('in a summary', () => {
  test.each([
    ['code', code],
    ['prose', prose],
  ])('%s() shows the text and nothing else, in a paragraph, an alert, a table and a title', async (_name, of) => {
    await fc.assert(
      fc.asyncProperty(anything, async (text) => {
        const markdown = [
          `<p>x${of(text)}x</p>`,
          `> [!NOTE]\n> <p>x${of(text)}x</p>`,
          htmlTable(['a', 'b'], [[`x${of(text)}x`, 'end']]),
          `<details>\n<summary>x${of(text)}x</summary>\n\nend\n\n</details>`,
        ].join('\n\n');
        const html = await renderMarkdown(markdown);
        const cells = [...html.matchAll(/<(p|td|summary)>(?:<[ac][a-z]*>)?(x.*?x)(?:<\/[a-z]+>)?<\/\1>/g)].map(([, , cell = '']) => cell);
        expect(cells.map(visibleText)).toEqual(cells.map(() => `x${oneLine(text)}x`));
        expect(cells).toHaveLength(4);
        // Only what prose() itself adds.
        for (const cell of cells) expect(cell.replace(/^x<(code|a)>([^<]*)<\/\1>x$/, 'x$2x')).not.toContain('<');
      }),
      { numRuns: 150 },
    );
  });

  test('text without & and < stays unchanged, so that the runner finds the secrets in it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), hostile), (text) => {
        const plain = oneLine(text).replace(/[&<]/g, '');
        expect(prose(plain)).toContain(plain);
        expect(code(plain)).toContain(plain);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['@octocat', 'code'],
    ['see (@octocat)', 'code'],
    ['fixes #1', 'code'],
    ['octo/fleet#12', 'code'],
    ['GH-7', 'code'],
    ['gh-7', 'code'],
    ['0123456789abcdef0123456789abcdef01234567', 'code'],
    ['$x$', 'code'],
    ['https://evil.example', 'a'],
    ['www.evil.example', 'a'],
    ['mailto:a', 'a'],
    ['octocat@github.example', 'a'],
    ['agent@sha256:4b2f401c8d', ''],
    ['registry.example:5000/agent:v2 (node-1, node-2): no such host', ''],
    ['revision 3 (agent-5fb484bc78)', ''],
  ])('GitHub links nothing in %j: it stands in "%s"', (text, element) => {
    expect(prose(text)).toBe(element === '' ? text : `<${element}>${text}</${element}>`);
  });

  test('codeInMarkdown() shows the text and nothing else in a heading', async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (text) => {
        const html = await renderMarkdown(`## x ${codeInMarkdown(text)}`);
        const shown = oneLine(text);
        const [, heading = ''] = /^<h2>(.*)<\/h2>$/s.exec(html) ?? [];
        expect(visibleText(heading).trimEnd()).toBe(`x ${shown}`.trimEnd());
        expect(heading.replace(/^x <code>([^<]*)<\/code>$/, '')).not.toContain('<');
      }),
      { numRuns: 150 },
    );
    expect(codeInMarkdown('kube-system/csi.node-1')).toBe('<code>kube-system/csi.node-1</code>');
  });
});

test('truncate keeps to the length, and the text stays well-formed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 20 }), (text, length) => {
      const cut = truncate(text.toWellFormed(), length);
      expect(cut.length).toBeLessThanOrEqual(length);
      expect(cut.isWellFormed()).toBe(true);
    }),
  );
});

test('fence() gives one code block, whatever the lines contain', () => {
  const render = (text: string): string => micromark(text, { allowDangerousHtml: true, extensions: [gfm()], htmlExtensions: [gfmHtml()] });
  fc.assert(
    fc.property(fc.array(hostile), (lines) => {
      const html = render(`${fence('diff', lines)}\n\n<b>after</b>`);
      expect(html).toMatch(/^<pre><code class="language-diff">[^<]*<\/code><\/pre>\n<p><b>after<\/b><\/p>$/);
    }),
  );
});

test('a fence holds any number of backticks, in any number of lines', () => {
  expect(fence('text', ['`x'.repeat(250_000), '```']).startsWith('````text\n')).toBe(true);
  expect(
    fence(
      'text',
      Array.from({ length: 250_000 }, () => '`'),
    ).startsWith('```text\n'),
  ).toBe(true);
});
