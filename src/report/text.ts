/**
 * Makes untrusted text safe for its destination. Names, annotations, change-causes, images and messages come from a cluster, where anyone may
 * have written them. The runner executes commands in any printed line, and a summary is Markdown that may contain HTML.
 */

/** Longer lines are truncated, in UTF-16 code units. */
const LONGEST_LINE = 4_000;

/** The longest annotation that the runner keeps, in characters. */
const LONGEST_ANNOTATION = 4_000;

/** Control characters, line and paragraph separators, and characters that reorder or hide text. */
const INVISIBLE = /[\p{Cc}\p{Cn}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

/** Most lines: printable ASCII, arrows, and the signs that this program uses. They need no further check. */
const PLAIN = /^[\x20-\x7e\u2190-\u21ff\u2026\u2705\u274c]*$/;

/** One line without control characters; line breaks and tabs become spaces. */
export function oneLine(text: string): string {
  if (PLAIN.test(text)) return text;
  return text
    .toWellFormed()
    .replace(/\r\n|[\r\n\t\u2028\u2029\u0085]/g, ' ')
    .replace(INVISIBLE, '');
}

/** At most `length` UTF-16 code units; truncated text ends with an ellipsis. */
export function truncate(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).toWellFormed()}…`;
}

/**
 * A line of a job log that the runner does not take for a command. A command is a line that begins with `::`, after optional white space,
 * or has `##[` anywhere (actions/runner: ActionCommand.TryParseV2, TryParse); other systems have `##vso[` and `##teamcity[`. A line that begins so is quoted, because a prefix keeps the
 * text itself in one piece, and with it a secret that only the runner knows and masks.
 */
export function logLine(text: string): string {
  return truncate(oneLine(text), LONGEST_LINE)
    .replace(/##(?=[a-z]*\[)/gi, '## ')
    .replace(/^\s*::/, '> $&');
}

/**
 * The text of an annotation. GitHub's runner takes what follows the first `::`, others (nektos/act and programs based on it) what follows the
 * last one, so that a text with another `::` could be mistaken for the whole annotation.
 */
export function annotationText(text: string): string {
  return truncate(logLine(text).replace(/:(?=:)/g, ': '), LONGEST_ANNOTATION);
}

/*
 * Text from a cluster is put into HTML elements, which Markdown passes through unchanged up to the next blank line (CommonMark 4.6, HTML
 * blocks). So it needs none of Markdown's escapes, and stays as it was written: the runner masks a secret in a summary only if it finds it
 * there character by character, like in a log.
 */

/** Text in an HTML element, on one line. */
export function html(text: string): string {
  return oneLine(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** Text in a `code` element. */
export function code(text: string): string {
  const shown = html(text);
  return shown === '' ? '' : `<code>${shown}</code>`;
}

/** What GitHub makes a mention, a reference or a formula of, wherever it is in HTML: `@name`, `#1`, `octo/fleet#1`, `GH-1`, a commit. */
const REFERENCE = /(?<![\p{L}\p{N}_])@[\p{L}\p{N}_]|#\d|\bGH-\d|\b[0-9a-f]{40}\b|\$.*\$/iu;

/** What it may make a link of: an address, with or without a scheme, and an e-mail address. */
const ADDRESS = /:\/\/|\bwww\.|\b(mailto|xmpp):|@[\w-]+\.\w/i;

/**
 * A sentence in an HTML element. It is never changed or split: GitHub creates no references in `code` and no links in `a`, so a sentence that
 * it would link something in stands there as a whole. An `a` without `href` is plain text; the addresses of servers are common in messages.
 */
export function prose(text: string): string {
  const shown = html(text);
  if (REFERENCE.test(shown)) return `<code>${shown}</code>`;
  return ADDRESS.test(shown) ? `<a>${shown}</a>` : shown;
}

/** A name in a `code` element in the middle of Markdown, such as in a heading. */
export function codeInMarkdown(text: string): string {
  const shown = [...oneLine(text)].map((character) =>
    /[A-Za-z0-9 ,/.-]/.test(character) || character > '\u007f' ? character : entity(character),
  );
  return shown.length === 0 ? '' : `<code>${shown.join('').replace(/(www)\./gi, '$1&#46;')}</code>`;
}

/** A table in HTML, of cells in HTML. Columns of numbers are named. */
export function htmlTable(headings: readonly string[], rows: readonly (readonly string[])[], numbers: readonly string[] = []): string {
  const row = (cells: readonly string[], tag: 'th' | 'td'): string => {
    const shown = cells.map((cell, column) => {
      const align = numbers.includes(headings[column] ?? '') ? ' align="right"' : tag === 'th' ? ' align="left"' : '';
      return `<${tag}${align}>${cell}</${tag}>`;
    });
    return `<tr>${shown.join('')}</tr>`;
  };
  return ['<table>', row(headings, 'th'), ...rows.map((cells) => row(cells, 'td')), '</table>'].join('\n');
}

/**
 * Lines in a code fence of Markdown, which shows them literally. The fence is longer than any run of backticks in the lines, so that none of
 * them closes it.
 */
export function fence(language: string, lines: string[]): string {
  const shown = lines.map(oneLine);
  const longest = largest(
    2,
    shown.flatMap((line) => line.match(/`+/g) ?? []).map(({ length }) => length),
  );
  const ticks = '`'.repeat(longest + 1);
  return [`${ticks}${language}`, ...shown, ticks].join('\n');
}

/** The largest of some numbers, at least `least`. There may be more of them than a call takes arguments. */
export function largest(least: number, numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, number), least);
}

/** A collapsible section of Markdown. The title is HTML. */
export function details(title: string, content: string, open: boolean): string {
  return `<details${open ? ' open' : ''}>\n<summary>${title}</summary>\n\n${content}\n\n</details>`;
}

function entity(character: string): string {
  return `&#${character.codePointAt(0)};`;
}
