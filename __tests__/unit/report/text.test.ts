import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import { annotationText, code, fence, logLine, markdown, oneLine, truncate } from '../../../src/report/text.ts';

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
    ['::error::x', ': :error::x'],
    ['  ::set-output name=a::b', '  : :set-output name=a::b'],
    ['a ##[error]x', 'a ## [error]x'],
    ['a\r::stop-commands::x', 'a ::stop-commands::x'],
    [':\u200b:error::x', ': :error::x'],
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

const render = (text: string): string => micromark(text, { extensions: [gfm()], htmlExtensions: [gfmHtml()], allowDangerousHtml: true });
const unescaped = (html: string): string =>
  html
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&');

describe('in Markdown', () => {
  test('code() in a table shows the text and nothing else', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const html = render(`| a | b |\n| - | - |\n| x${code(text)}x | end |`);
        const shown = oneLine(text);
        const cell = /<td>x(.*?)x<\/td>\n<td>end<\/td>/s.exec(html)?.[1] ?? 'no cell';
        expect(unescaped(cell)).toBe(shown === '' ? '' : `<code>${shown}</code>`.replace(/\s+$/, ''));
      }),
      { numRuns: 2_000 },
    );
  });

  test('markdown() gives plain text: no markup, no HTML, no link, no mention', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const html = render(`x${markdown(text)}x`);
        expect(html).toMatch(/^<p>x[^<]*x<\/p>$/s);
        expect(unescaped(html.slice(3, -4)).replaceAll('@\u200b', '@')).toBe(`x${oneLine(text)}x`);
        expect(html).not.toMatch(/@\w/);
      }),
      { numRuns: 2_000 },
    );
  });

  test('markdown() at the start of a line starts no block', () => {
    for (const start of ['# x', '- x', '1. x', '> x', '    x', '+ x', '```', '---', '<b>', '| a |'])
      expect(render(markdown(start).trimStart())).toMatch(/^<p>[^<]*<\/p>$/);
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
