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
 * or has `##[` anywhere (actions/runner: ActionCommand.TryParseV2, TryParse).
 */
export function logLine(text: string): string {
  return truncate(oneLine(text), LONGEST_LINE)
    .replaceAll('##[', '## [')
    .replace(/^(\s*):(?=:)/, '$1: ');
}

/**
 * The text of an annotation. GitHub's runner takes what follows the first `::`, others (nektos/act and programs based on it) what follows the
 * last one, so that a text with another `::` could be mistaken for the whole annotation.
 */
export function annotationText(text: string): string {
  return truncate(logLine(text).replace(/:(?=:)/g, ': '), LONGEST_ANNOTATION);
}

/** Text that Markdown shows literally: no markup, no HTML, no link, no mention, one line. */
export function markdown(text: string): string {
  return [...oneLine(text)]
    .map((character) => (/[A-Za-z0-9 ,]/.test(character) || character > '\u007f' ? character : entity(character)))
    .join('')
    .replaceAll('&#64;', '&#64;\u200b');
}

/** Text in a `code` element of Markdown, in a table cell too. */
export function code(text: string): string {
  const shown = oneLine(text);
  return shown === ''
    ? ''
    : `<code>${[...shown].map((character) => (/[A-Za-z0-9 ,/-]/.test(character) || character > '\u007f' ? character : entity(character))).join('')}</code>`;
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
