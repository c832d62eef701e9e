/** The history of a DaemonSet as a table: in the log, and in the summary. */
import type { HistoryEntry, Result } from '../daemonset/result.ts';
import type { Revision } from '../daemonset/revision.ts';
import type { DaemonSetName } from '../daemonset/types.ts';
import { formatAge } from '../duration.ts';
import { changeCauseText } from './messages/change-cause.ts';
import type { Report } from './report.ts';
import { code, details, html, htmlTable, largest, oneLine, prose, truncate } from './text.ts';

const MOST_REVISIONS = 50;
const LONGEST_VALUE = 200;

/** Reasons after which the reader chooses a revision: the history is expanded. */
const TO_CHOOSE: ReadonlySet<string> = new Set(['revision-not-found', 'ambiguous-revision', 'already-rolled-back', 'no-known-good']);

type History = NonNullable<Result['history']>;

/** A revision of the history. Of one that was created since it was read, less is known. */
type Row = Pick<Revision, 'name' | 'changeCause' | 'images'> & Partial<Revision>;

/** A column that the log and the summary share. */
interface Column {
  headings: { log: string; summary: string };
  /** The cell in the log. */
  text: (row: Row) => string;
  /** The cell in the summary, in HTML. By default it is the same text. */
  html?: (row: Row) => string;
}

interface SummaryColumn {
  heading: string;
  html: (row: Row) => string;
}

/**
 * For the log: a line of headings, then a line for each revision, in aligned columns.
 *
 * @param controller the DaemonSet, if each line names it.
 */
export function historyLines(history: History, controller?: DaemonSetName, showValues = false): string[] {
  const columns = [numberColumn(history), ...otherColumns(history, controller, showValues)];
  const table = [columns.map(({ headings }) => headings.log), ...history.before.map((row) => columns.map(({ text }) => text(row)))];
  const widths = columns.map((_, column) =>
    largest(
      0,
      table.map((row) => row[column]?.length ?? 0),
    ),
  );
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}

/** For the summary: a row for each ControllerRevision, after a rollback with its number before and its number now. */
export function renderHistory({ showValues }: Report, { history, outcome, reason, daemonSet }: Result): string {
  if (!history || history.before.length === 0) return '';
  const isListed = outcome === 'listed';
  const columns = [
    inSummary(numberColumn(history)),
    ...(history.after ? [numberNowColumn(history.after)] : []),
    ...otherColumns(history, isListed ? daemonSet : undefined, showValues).map(inSummary),
  ];
  const revisions = rowsOf(history);
  const rows = revisions.slice(0, MOST_REVISIONS).map((row) => columns.map((column) => column.html(row)));
  const more = revisions.length > MOST_REVISIONS ? [[`and ${revisions.length - MOST_REVISIONS} older`]] : [];
  const table = htmlTable(
    columns.map(({ heading }) => heading),
    [...rows, ...more],
  );
  if (isListed) return table;
  const title = `History: ${revisions.length} ${revisions.length === 1 ? 'revision' : 'revisions'}`;
  return details(title, table, TO_CHOOSE.has(reason));
}

/** A change-cause in HTML. */
export function renderChangeCause(text: string, showValues: boolean): string {
  return prose(truncate(changeCauseText(text, showValues), LONGEST_VALUE));
}

/** The number when the history was read. */
function numberColumn({ after, currentBefore }: History): Column {
  return {
    headings: { log: 'REVISION', summary: after ? 'Revision before' : 'Revision' },
    text: ({ number, name }) => (number === undefined ? '' : `${number}${name === currentBefore ? ' (current)' : ''}`),
  };
}

/** The number after a rollback, which only the summary shows. */
function numberNowColumn(after: HistoryEntry[]): SummaryColumn {
  const now = new Map(after.map((entry) => [entry.name, entry]));
  return {
    heading: 'Revision now',
    html: ({ name }) => {
      const entry = now.get(name);
      if (!entry) return 'deleted';
      return entry.current ? `<strong>${entry.number}</strong> (current)` : String(entry.number);
    },
  };
}

/** What `kubectl rollout history` and `kubectl get controllerrevisions` show besides the number, and more. */
function otherColumns({ before, pods, asOf }: History, controller: DaemonSetName | undefined, showValues: boolean): Column[] {
  const shortened = (text: string): string => truncate(oneLine(text), LONGEST_VALUE);
  const causeOf = ({ changeCause }: Row): string => changeCause ?? '<none>';
  const columns: (Column | false)[] = [
    { headings: { log: 'CONTROLLERREVISION', summary: 'ControllerRevision' }, text: ({ name }) => name, html: ({ name }) => code(name) },
    controller !== undefined && {
      headings: { log: 'CONTROLLER', summary: 'Controller' },
      text: () => `DaemonSet/${controller.name}`,
      html: () => code(`DaemonSet/${controller.name}`),
    },
    { headings: { log: 'AGE', summary: 'Age' }, text: ({ created }) => ageOf(created, asOf) },
    pods !== undefined && {
      headings: { log: 'PODS', summary: 'Pods ready' },
      text: ({ name }) => `${pods[name]?.ready ?? 0}/${pods[name]?.total ?? 0}`,
    },
    before.some(({ good }) => good) && {
      headings: { log: 'KNOWN-GOOD SINCE', summary: 'Known-good since' },
      text: ({ good }) => good?.time ?? '',
    },
    {
      headings: { log: 'CHANGE-CAUSE', summary: 'Change-cause' },
      text: (row) => shortened(changeCauseText(causeOf(row), showValues)),
      html: (row) => renderChangeCause(causeOf(row), showValues),
    },
    {
      headings: { log: 'IMAGES', summary: 'Images' },
      text: ({ images }) => shortened(images.join(', ')),
      html: ({ images }) => images.map(code).join('<br>'),
    },
  ];
  return columns.filter((column) => column !== false);
}

function inSummary({ headings, text, html: cell = (row) => html(text(row)) }: Column): SummaryColumn {
  return { heading: headings.summary, html: cell };
}

/** The revisions after a rollback, then those that it deleted. */
function rowsOf({ before, after = [] }: History): Row[] {
  const rows = new Map<string, Row>(after.map(({ name, changeCause, images }) => [name, { name, changeCause, images }]));
  for (const revision of before) rows.set(revision.name, revision);
  return [...rows.values()];
}

/** The age of an object, as `kubectl get` shows it. */
function ageOf(created: string | undefined, asOf: number): string {
  const time = Date.parse(created ?? '');
  return Number.isNaN(time) ? '<unknown>' : formatAge(asOf - time);
}
