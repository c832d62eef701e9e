import { isSuccess, type Outcome, type Result } from '../daemonset/outcome.ts';
import type { Revision } from '../daemonset/revision.ts';
import { formatDuration } from '../duration.ts';
import { changeLines, differences } from './lines.ts';
import type { Report } from './report.ts';
import { code, fence, markdown, truncate } from './text.ts';

/** GitHub shows no summary at all above 1 MiB. */
const LARGEST = 1_000_000;
const MOST_CHANGES = 100;
const MOST_REVISIONS = 50;
const LONGEST_VALUE = 200;

const VERDICTS: Readonly<Record<Outcome, string>> = {
  'rolled-back': 'Rolled back',
  unchanged: 'Nothing to roll back',
  'dry-run': 'Dry run',
  pending: 'Rollback written, nodes still to follow',
  listed: 'Revisions',
  refused: 'Refused, nothing was written',
  'timed-out': 'Timed out',
  superseded: 'Superseded by another change',
  deleted: 'The DaemonSet is gone',
  cancelled: 'Cancelled',
  error: 'Failed',
};

/** Refusals that end with a choice: the history is there to choose from. */
const TO_CHOOSE: ReadonlySet<string> = new Set(['revision-not-found', 'ambiguous-revision', 'already-rolled-back']);

/** The job summary: verdict, numbers, then what there is to look up. GitHub-flavoured Markdown below 1 MiB. */
export function summaryOf(report: Report): string {
  const { result, warnings } = report;
  const essential = [`## ${sign(result.outcome)} ${verdictOf(result, code)}`, message(result), numbers(report), versions(result)];
  const rest = [alerts('NOTE', result.notes), alerts('WARNING', warnings), changes(report), history(result)];
  const foot = footer(report);
  const whole = join([...essential, ...rest, foot]);
  return Buffer.byteLength(whole) <= LARGEST
    ? whole
    : join([...essential, 'The details are left out: together they are larger than a summary may be.', foot]);
}

/** The headline: how it ended, and for which DaemonSet, whose name `name` marks as such. */
export function verdictOf({ outcome, daemonSet }: Result, name: (text: string) => string = (text) => text): string {
  const of = daemonSet.name === '' ? '' : `: DaemonSet ${name(`${daemonSet.namespace}/${daemonSet.name}`)}`;
  return `${VERDICTS[outcome]}${of}`;
}

function join(sections: string[]): string {
  return `${sections.filter(Boolean).join('\n\n')}\n`;
}

function sign(outcome: Outcome): string {
  if (outcome === 'listed') return '📋';
  if (outcome === 'pending' || outcome === 'dry-run') return '🟡';
  return isSuccess(outcome) ? '✅' : '❌';
}

function message({ outcome, message }: Result): string {
  return isSuccess(outcome) ? markdown(message) : alerts('CAUTION', [message]);
}

function alerts(kind: 'NOTE' | 'WARNING' | 'CAUTION', texts: string[]): string {
  return texts.map((text) => `> [!${kind}]\n> ${markdown(text)}`).join('\n\n');
}

/** The figures side by side, large: one cell each. The last line of a cell is empty, as GitHub leaves one above a heading. */
function numbers({ result, duration }: Report): string {
  const { old, target, newRevision, counts } = result;
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
  cells.push([formatDuration(duration), 'took']);
  const row = cells.map(([figure, meaning]) => `<td align="center"><h3>${figure.replaceAll(' ', '&nbsp;')}</h3>${meaning}<br>&nbsp;</td>`);
  return `<table><tr>${row.join('')}</tr></table>`;
}

/** What was there and what is now, with the images that tell people which version is meant. */
function versions({ outcome, old, target, newRevision }: Result): string {
  if (!old || !target || old.name === target.name) return '';
  const row = (name: string, number: string, { images, changeCause }: Revision): string =>
    `| ${name} | ${number} | ${images.map(code).join('<br>')} | ${cause(changeCause)} |`;
  const restored = newRevision === undefined ? 'Asked for' : outcome === 'rolled-back' ? 'Runs now' : 'Restored';
  const number = newRevision === undefined ? `**${target.number}**` : `**${newRevision}** (was ${target.number})`;
  return [
    '|  | Revision | Images | Change-cause |',
    '| :-- | :-- | :-- | :-- |',
    row(newRevision === undefined ? 'Current' : 'Was running', `**${old.number}**`, old),
    row(restored, number, target),
  ].join('\n');
}

function cause(text: string | undefined): string {
  return text === undefined ? '' : markdown(truncate(text, LONGEST_VALUE));
}

function changes({ result, showValues }: Report): string {
  const { changes: all = [], outcome } = result;
  if (all.length === 0) return '';
  const lines = changeLines(all.slice(0, MOST_CHANGES), showValues);
  if (all.length > MOST_CHANGES) lines.push(`@@ and ${all.length - MOST_CHANGES} more @@`);
  return details(`Template: ${differences(all)}`, fence('diff', lines), outcome === 'dry-run');
}

/** One row for each ControllerRevision: its number before, and its number now. */
function history({ history: all, outcome, reason }: Result): string {
  if (!all || all.before.length === 0) return '';
  const after = new Map(all.after?.map((entry) => [entry.name, entry]));
  const before = new Map(all.before.map((revision) => [revision.name, revision]));
  const names = [...new Set([...(all.after ?? []).map(({ name }) => name), ...before.keys()])];
  const rows = names.slice(0, MOST_REVISIONS).map((name) => {
    const was = before.get(name);
    const is = after.get(name);
    const now = !all.after ? '' : !is ? ' gone |' : ` ${is.current ? `**${is.number}** (current)` : is.number} |`;
    const { changeCause, images = [] } = was ?? is ?? {};
    const mark = name === all.currentBefore ? ' (current)' : '';
    return `| ${was ? `${was.number}${mark}` : ''} |${now} ${code(name)} | ${cause(changeCause ?? '<none>')} | ${images.map(code).join('<br>')} |`;
  });
  const more = names.length > MOST_REVISIONS ? [`| and ${names.length - MOST_REVISIONS} older |${all.after ? ' |' : ''} | | |`] : [];
  const head = all.after
    ? ['| Revision before | Revision now | ControllerRevision | Change-cause | Images |', '| :-- | :-- | :-- | :-- | :-- |']
    : ['| Revision | ControllerRevision | Change-cause | Images |', '| :-- | :-- | :-- | :-- |'];
  const table = [...head, ...rows, ...more].join('\n');
  if (outcome === 'listed') return table;
  return details(`History: ${names.length} ${names.length === 1 ? 'revision' : 'revisions'}`, table, TO_CHOOSE.has(reason));
}

function details(title: string, content: string, open: boolean): string {
  return `<details${open ? ' open' : ''}>\n<summary>${title}</summary>\n\n${content}\n\n</details>`;
}

function footer({ result, cluster, help }: Report): string {
  const reason = `reason ${code(result.reason)}`;
  const parts = [
    ...(cluster ? [code(cluster.server), `context ${code(cluster.context)}`] : []),
    help === undefined || isSuccess(result.outcome) ? reason : `${reason}: <a href="${encodeURI(help)}">what it means, and what to do</a>`,
  ];
  return `<sub>${parts.join(' · ')}</sub>`;
}
