/** Text for a terminal: how many columns it takes, and how it fits into fewer. */
import stringWidth from 'string-width';

/** What text means, and so how it is shown: a function for each adds colors, or returns the text unchanged. */
export interface Style {
  strong(text: string): string;
  faint(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  busy(text: string): string;
}

const unchanged = (text: string): string => text;

/** Without colors. */
export const PLAIN: Style = { strong: unchanged, faint: unchanged, good: unchanged, bad: unchanged, busy: unchanged };

/** A part of a line. Without control characters. */
export interface Piece {
  text: string;
  as?: keyof Style;
}

const ASCII = /^[\x20-\x7e]*$/;

/**
 * The columns of a text without control characters. Terminals differ about characters that are combined into one: this is the most that any
 * takes.
 */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  return graphemes(text).reduce((sum, one) => sum + graphemeWidth(one), 0);
}

let segmenter: Intl.Segmenter | undefined;

function graphemes(text: string): string[] {
  // Created late, because it takes a moment.
  segmenter ??= new Intl.Segmenter();
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

function graphemeWidth(grapheme: string): number {
  if (ASCII.test(grapheme)) return grapheme.length;
  const apart = Array.from(grapheme).reduce((sum, character) => sum + stringWidth(character), 0);
  return Math.max(stringWidth(grapheme), apart);
}

/** How many characters fitText, from the start. */
function countThatFit(characters: readonly string[], columns: number): number {
  let width = 0;
  const end = characters.findIndex((one) => {
    width += graphemeWidth(one);
    return width > columns;
  });
  return end === -1 ? characters.length : end;
}

/** At most so many columns. Truncated text ends with an ellipsis. */
export function fitText(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  if (columns < 1) return '';
  const all = graphemes(text);
  return `${all.slice(0, countThatFit(all, columns - 1)).join('')}…`;
}

/** At most so many columns, without the middle: the names of pods differ at the end, those of nodes often at the start. */
export function fitName(name: string, columns: number): string {
  if (widthOf(name) <= columns) return name;
  if (columns < 5) return fitText(name, columns);
  const all = graphemes(name);
  const half = Math.floor((columns - 1) / 2);
  const start = all.slice(0, countThatFit(all, columns - 1 - half));
  const end = all.slice(all.length - countThatFit(all.toReversed(), half));
  return `${start.join('')}…${end.join('')}`;
}

/** Text with spaces up to a width; unchanged if it is wider. */
export function padded(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

export function widthOfAll(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { text }) => sum + widthOf(text), 0);
}

/** One line of pieces, truncated to the columns. */
export function line(pieces: readonly Piece[], columns: number, style: Style): string {
  let left = columns;
  const shown: string[] = [];
  for (const { text, as } of pieces) {
    const fitted = fitText(text, left);
    if (fitted !== '') shown.push(as ? style[as](fitted) : fitted);
    left -= widthOf(fitted);
    if (fitted !== text) break;
  }
  return shown.join('');
}

/** Groups of pieces, as many in a line as fitText, with a separator between them. */
export function flow(groups: readonly (readonly Piece[])[], separator: string, columns: number): Piece[][] {
  const lines: Piece[][] = [];
  let width = 0;
  for (const group of groups) {
    const its = widthOfAll(group);
    const last = lines.at(-1);
    if (last && width + separator.length + its <= columns) {
      last.push({ text: separator, as: 'faint' }, ...group);
      width += separator.length + its;
    } else {
      lines.push([...group]);
      width = its;
    }
  }
  return lines;
}
