import { type Command, isSuccess, worstOf } from '../daemonset/outcome.ts';
import type { Result } from '../daemonset/result.ts';
import type { Revision } from '../daemonset/revision.ts';
import { formatDuration } from '../duration.ts';
import { renderCauses, renderChart, renderEvidence, renderNodes } from './findings.ts';
import { full, MOST_DAEMONSETS, roundup, sign, verdictOf } from './headline.ts';
import { renderChangeCause, renderHistory } from './history.ts';
import { changeLines, differences, templateLines } from './lines.ts';
import { messageOf } from './messages/conclusion.ts';
import { heldText } from './messages/hold.ts';
import { noteText } from './messages/notes.ts';
import { preflightLines } from './messages/preflight.ts';
import type { Report } from './report.ts';
import { code, codeInMarkdown, details, fence, htmlTable, prose, truncate } from './text.ts';

/** In bytes. Above 1 MiB GitHub shows no summary at all. */
const LARGEST = 1_000_000;
const MOST_CHANGES = 100;
const MOST_PODS = 100;
const MOST_WARNINGS = 50;

/** The job summary: verdict, numbers, then the details. GitHub-flavoured Markdown below 1 MiB; all text from a cluster stands in HTML in it. */
export function summaryOf(report: Report): string {
  for (let leftOut = 0; ; leftOut++) {
    const whole = compose(report, leftOut);
    if (Buffer.byteLength(whole) <= LARGEST || leftOut === KEPT.length) return whole;
  }
}

/** The longest line about what could prevent pods from starting. */
const LONGEST_LINE = 1_000;

/** The details about a DaemonSet, in the order in which they are left out if the summary would be too large. */
const KEPT = ['evidence', 'shown', 'history', 'changes', 'pods', 'nodes', 'chart', 'causes'] as const;

type Particular = (typeof KEPT)[number];

/** @param leftOut how many kinds of details are left out. */
function compose(report: Report, leftOut: number): string {
  const { command, results, warnings } = report;
  const [first, ...others] = results;
  const without = new Set<Particular>(KEPT.slice(0, leftOut));
  const head = `## ${sign(worstOf(results).outcome, command)} ${verdictOf(report, codeInMarkdown)}`;
  const notice =
    leftOut === 0 ? '' : 'Some details are left out, because together they exceed the size limit of a summary. The log has them.';
  const parts =
    others.length === 0
      ? [
          renderMessage(first, command),
          renderNumbers(report, first),
          renderVersions(report, first),
          renderNotes(first, warnings),
          renderAlerts('WARNING', warnings.slice(0, MOST_WARNINGS)),
          ...renderParticulars(report, first, without),
        ]
      : [
          renderParagraph(roundup(report)),
          renderTable(report),
          renderAlerts('WARNING', warnings.slice(0, MOST_WARNINGS)),
          ...(leftOut === KEPT.length ? [] : results.map((result) => renderSection(report, result, without))),
        ];
  return join([head, ...parts, notice, renderFooter(report)]);
}

function join(sections: string[]): string {
  return `${sections.filter(Boolean).join('\n\n')}\n`;
}

function renderMessage(result: Result, command: Command): string {
  const text = messageOf(result);
  return isSuccess(result.outcome, command) ? renderParagraph(text) : renderAlerts('CAUTION', [text]);
}

function renderParagraph(text: string): string {
  return `<p>${prose(text)}</p>`;
}

function renderAlerts(kind: 'NOTE' | 'WARNING' | 'CAUTION', texts: string[]): string {
  return texts.map((text) => `> [!${kind}]\n> ${renderParagraph(text)}`).join('\n\n');
}

/** The figures side by side, one large cell each. The last line of a cell is empty to balance the space above a heading. */
function renderNumbers({ durationMs }: Report, { old, target, newRevision, counts }: Result): string {
  const cells: [string, string][] = [];
  if (old && newRevision !== undefined && newRevision !== old.number) {
    cells.push([`${old.number} → ${newRevision}`, target ? `revision, restores ${target.number}` : 'revision']);
  } else if (old) {
    cells.push([String(old.number), target && target.number !== old.number ? `revision, asked for ${target.number}` : 'revision']);
  }
  if (counts) {
    cells.push(
      [`${counts.updated} of ${counts.desired}`, 'nodes updated'],
      [`${counts.available} of ${counts.desired}`, 'nodes available'],
    );
  }
  if (cells.length === 0) return '';
  cells.push([formatDuration(durationMs), 'took']);
  const row = cells.map(([figure, meaning]) => `<td align="center"><h3>${figure.replaceAll(' ', '&nbsp;')}</h3>${meaning}<br>&nbsp;</td>`);
  return `<table><tr>${row.join('')}</tr></table>`;
}

/** A row for each DaemonSet, the failures first. */
export function renderTable({ command, results }: Pick<Report, 'command' | 'results'>, most = MOST_DAEMONSETS): string {
  const failed = (result: Result): boolean => !isSuccess(result.outcome, command);
  const rows = [...results.filter(failed), ...results.filter((result) => !failed(result))].map((result) => {
    const { daemonSet, outcome, reason, old, target, newRevision, counts } = result;
    const from = old ? String(old.number) : '';
    const to = newRevision ?? target?.number;
    const revision = to === undefined || to === old?.number ? from : `${from} → ${to}`;
    const nodes = counts ? `${counts.available} of ${counts.desired}` : '';
    const images = (target ?? old)?.images ?? [];
    const why = reason === outcome ? '' : ` (${reason})`;
    return [`${sign(outcome, command)} ${code(full(daemonSet))}`, `${outcome}${why}`, revision, nodes, images.map(code).join('<br>')];
  });
  const more = rows.length > most ? [[`and ${rows.length - most} more`]] : [];
  return htmlTable(['DaemonSet', 'Outcome', 'Revision', 'Nodes available', 'Images'], [...rows.slice(0, most), ...more]);
}

/** The hold and the notes, unless they are shown as warnings. */
function renderNotes({ hold, notes }: Result, warnings: readonly string[]): string {
  return renderAlerts(
    'NOTE',
    [...(hold ? [heldText(hold)] : []), ...notes.map(noteText)].filter((text) => !warnings.includes(text)),
  );
}

/** Everything about one of several DaemonSets, collapsed unless it needs attention. */
function renderSection(report: Report, result: Result, without: ReadonlySet<Particular>): string {
  const { command } = report;
  const open = !isSuccess(result.outcome, command) || result.outcome === 'listed';
  const content = [
    renderMessage(result, command),
    renderVersions(report, result),
    renderNotes(result, report.warnings),
    ...renderParticulars(report, result, without),
  ];
  return details(
    `${sign(result.outcome, command)} ${code(full(result.daemonSet))}: ${result.outcome}`,
    content.filter(Boolean).join('\n\n'),
    open,
  );
}

/** The details about one DaemonSet. */
function renderParticulars(report: Report, result: Result, without: ReadonlySet<Particular>): string[] {
  const all: [Particular, () => string][] = [
    ['causes', () => renderCauses(result)],
    ['chart', () => renderChart(result, report.command)],
    ['nodes', () => renderNodes(result)],
    ['evidence', () => renderEvidence(result)],
    ['pods', () => renderPodsToReplace(result)],
    ['changes', () => renderChanges(report, result)],
    ['shown', () => renderShown(report, result)],
    ['history', () => renderHistory(report, result)],
  ];
  return all.filter(([name]) => !without.has(name)).map(([, of]) => of());
}

/** The versions before and after, with the images by which people know them. */
function renderVersions({ showValues }: Report, { outcome: end, rollback, old, target, newRevision }: Result): string {
  const outcome = rollback?.result?.outcome ?? end;
  if (!old || !target || old.name === target.name) return '';
  const row = (name: string, number: string, { images, changeCause }: Revision): string[] => [
    name,
    number,
    images.map(code).join('<br>'),
    changeCause === undefined ? '' : renderChangeCause(changeCause, showValues),
  ];
  const restored = newRevision === undefined ? 'Asked for' : outcome === 'rolled-back' ? 'Runs now' : 'Restored';
  const number = newRevision === undefined ? `<strong>${target.number}</strong>` : `<strong>${newRevision}</strong> (was ${target.number})`;
  return htmlTable(
    ['', 'Revision', 'Images', 'Change-cause'],
    [row(newRevision === undefined ? 'Current' : 'Was running', `<strong>${old.number}</strong>`, old), row(restored, number, target)],
  );
}

function renderPodsToReplace({ toReplace = [] }: Result): string {
  if (toReplace.length === 0) return '';
  const rows = toReplace.slice(0, MOST_PODS).map(({ name, node }) => [code(name), code(node)]);
  const more = toReplace.length > MOST_PODS ? [[`and ${toReplace.length - MOST_PODS} more`]] : [];
  return details(`Pods to replace: ${toReplace.length}`, htmlTable(['Pod', 'Node'], [...rows, ...more]), false);
}

function renderChanges({ showValues }: Report, { changes: all = [], outcome }: Result): string {
  return all.length === 0 ? '' : details(`Template: ${differences(all)}`, renderDiff(all, showValues), outcome === 'dry-run');
}

function renderDiff(all: NonNullable<Result['changes']>, showValues: boolean): string {
  const lines = changeLines(all.slice(0, MOST_CHANGES), showValues);
  if (all.length > MOST_CHANGES) lines.push(`@@ and ${all.length - MOST_CHANGES} more @@`);
  return fence('diff', lines);
}

/** The revision that `history` shows in full, and what restoring it would change. */
function renderShown({ showValues }: Report, { shown: one }: Result): string {
  if (!one) return '';
  const { revision, changes, preflight } = one;
  const template = fence('yaml', templateLines(revision, showValues));
  const parts = [
    details(`Template of revision ${revision.number} (${code(revision.name)})`, template, true),
    changes.length === 0
      ? 'This is the current template.'
      : details(`From the current template to revision ${revision.number}: ${differences(changes)}`, renderDiff(changes, showValues), true),
  ];
  const lines = preflight ? preflightLines(revision, preflight).map((line) => `<p>${prose(truncate(line, LONGEST_LINE))}</p>`) : [];
  return [...lines, ...parts].join('\n\n');
}

function renderFooter({ command, results, cluster, durationMs, help }: Report): string {
  const { outcome, reason } = worstOf(results);
  const shown = `reason ${code(reason)}`;
  const parts = [
    ...(cluster ? [code(cluster.server), `context ${code(cluster.context)}`] : []),
    ...(results.length > 1 ? [`took ${formatDuration(durationMs)}`] : []),
    help === undefined || isSuccess(outcome, command) ? shown : `${shown}: <a href="${encodeURI(help)}">what it means and what to do</a>`,
  ];
  return `<p><sub>${parts.join(' · ')}</sub></p>`;
}
