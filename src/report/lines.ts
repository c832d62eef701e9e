import { dump } from 'js-yaml';
import { type TemplateChange, withoutLiterals } from '../daemonset/diff.ts';
import { isObject, stringify } from '../daemonset/json.ts';
import type { Revision } from '../daemonset/revision.ts';
import type { Json } from '../daemonset/types.ts';
import { oneLine, truncate } from './text.ts';

/** What the lines of a group in the log are; by default, anything. */
export type GroupKind = 'diff' | 'table';

/** Longer values are truncated, in UTF-16 code units a line. */
const LONGEST_VALUE = 200;
/** Longer lines of a template are truncated, in UTF-16 code units. */
const LONGEST_TEMPLATE_LINE = 2_000;
/** Lines of one value that is an object or a list. */
const MOST_LINES = 40;

/**
 * The differences of two templates as a unified diff shows them, for the log and for a `diff` fence: a line `@@ path @@`,
 * then the old (`-`) and the new (`+`) value. Of a value that may be secret, only that it changed is shown, unless `showValues`.
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
  const lines = typeof value === 'object' && value !== null ? stringify(value, 2).split('\n') : [String(value)];
  const shown = lines.slice(0, MOST_LINES).map((line) => truncate(oneLine(line), LONGEST_VALUE));
  return lines.length > MOST_LINES ? [...shown, `… and ${lines.length - MOST_LINES} more lines`] : shown;
}

/** A template in full, as YAML. Values that may be secret are hidden, unless `showValues`. */
export function templateLines({ template }: Pick<Revision, 'template'>, showValues: boolean): string[] {
  const text = dump(withoutBigints(showValues ? template : withoutLiterals(template)), { lineWidth: -1, noRefs: true });
  return text
    .trimEnd()
    .split('\n')
    .map((line) => truncate(oneLine(line), LONGEST_TEMPLATE_LINE));
}

/** The YAML library cannot write a bigint: such an integer is shown as text. */
function withoutBigints(value: Json): Json {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map(withoutBigints);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, withoutBigints(child ?? null)]));
}
