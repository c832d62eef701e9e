import type { TemplateChange } from '../daemonset/diff.ts';
import type { Result } from '../daemonset/outcome.ts';
import type { Json } from '../daemonset/types.ts';
import { oneLine, truncate } from './text.ts';

/** Longer values are cut off, in UTF-16 code units a line. */
const LONGEST_VALUE = 200;
/** Lines of one value that is an object or a list. */
const MOST_LINES = 40;

/**
 * The differences of two templates as a unified diff shows them, for the log and for a `diff` fence: a line `@@ path @@`,
 * then what was (`-`) and what is (`+`). What may hold a secret is only said to have changed, unless `showValues`.
 */
export function changeLines(changes: TemplateChange[], showValues: boolean): string[] {
  return changes.flatMap(({ path, before, after, sensitive }) => [
    `@@ ${truncate(oneLine(path), LONGEST_VALUE)} @@`,
    ...(sensitive && !showValues
      ? ['! <changed>']
      : [...valueLines(before).map((line) => `- ${line}`), ...valueLines(after).map((line) => `+ ${line}`)]),
  ]);
}

/** `1 difference`, `2 differences`. */
export function differences(changes: TemplateChange[]): string {
  return `${changes.length} ${changes.length === 1 ? 'difference' : 'differences'}`;
}

function valueLines(value: Json | undefined): string[] {
  if (value === undefined) return [];
  const lines = typeof value === 'object' && value !== null ? JSON.stringify(value, null, 2).split('\n') : [String(value)];
  const shown = lines.slice(0, MOST_LINES).map((line) => truncate(oneLine(line), LONGEST_VALUE));
  return lines.length > MOST_LINES ? [...shown, `… and ${lines.length - MOST_LINES} more lines`] : shown;
}

/** A history in columns, as `kubectl rollout history` shows it and more: one line for each revision, under a line of headings. */
export function historyLines({ before, currentBefore }: NonNullable<Result['history']>): string[] {
  const rows = before.map(({ number, name, changeCause, images }) => [
    `${number}${name === currentBefore ? ' (current)' : ''}`,
    name,
    truncate(oneLine(changeCause ?? '<none>'), LONGEST_VALUE),
    truncate(oneLine(images.join(', ')), LONGEST_VALUE),
  ]);
  const table = [['REVISION', 'CONTROLLERREVISION', 'CHANGE-CAUSE', 'IMAGES'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}
