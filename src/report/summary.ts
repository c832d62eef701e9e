import type { TemplateChange } from '../daemonset/diff.ts';
import { isSuccess, type Outcome, type Result } from '../daemonset/outcome.ts';
import type { Revision } from '../daemonset/revision.ts';
import type { Json } from '../daemonset/types.ts';
import { formatDuration } from '../duration.ts';
import type { Report } from './report.ts';
import { code, markdown, truncate } from './text.ts';

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
  refused: 'Refused, nothing was written',
  'timed-out': 'Timed out',
  superseded: 'Superseded by another change',
  deleted: 'The DaemonSet is gone',
  cancelled: 'Cancelled',
  error: 'Rollback failed',
};

/** The job summary: verdict, numbers, then what there is to look up. GitHub-flavoured Markdown below 1 MiB. */
export function summaryOf(report: Report): string {
  const { result, cluster, warnings } = report;
  const essential = [heading(result), markdown(result.message), numbers(report)];
  const rest = [
    notes([...result.notes, ...warnings]),
    changes(result.changes, report.showValues),
    history(result),
    cluster ? `<sub>${code(cluster.server)} · context ${code(cluster.context)}</sub>` : '',
  ];
  const whole = join([...essential, ...rest]);
  return Buffer.byteLength(whole) <= LARGEST
    ? whole
    : join([...essential, 'The details are left out: together they are larger than a summary may be.']);
}

function join(sections: string[]): string {
  return `${sections.filter(Boolean).join('\n\n')}\n`;
}

function heading({ outcome, daemonSet }: Result): string {
  const sign = outcome === 'pending' || outcome === 'dry-run' ? '🟡' : isSuccess(outcome) ? '✅' : '❌';
  const of = daemonSet.name === '' ? '' : `: DaemonSet ${code(`${daemonSet.namespace}/${daemonSet.name}`)}`;
  return `## ${sign} ${VERDICTS[outcome]}${of}`;
}

function numbers({ result, duration }: Report): string {
  const { old, target, newRevision, counts } = result;
  const took = `Took ${formatDuration(duration)}.`;
  if (!old && !target && !counts) return took;
  const revision = (of: Revision | undefined): string =>
    of
      ? `${of.images.map(code).join('<br>')}${of.changeCause === undefined ? '' : `<br>${markdown(truncate(of.changeCause, LONGEST_VALUE))}`}`
      : '';
  const rows: string[] = [];
  if (old || target) {
    rows.push(
      '|  | Revision | Version |',
      '| :-- | --: | :-- |',
      `| Was running | ${old ? `**${old.number}**` : ''} | ${revision(old)} |`,
      `| Asked for | ${target ? `**${target.number}**` : ''} | ${revision(target)} |`,
      `| Is now | ${newRevision === undefined ? '' : `**${newRevision}**`} | ${newRevision === undefined ? '' : revision(target)} |`,
      '',
    );
  }
  if (counts) {
    rows.push(
      '| Nodes desired | Updated | Available |',
      '| --: | --: | --: |',
      `| **${counts.desired}** | **${counts.updated}** | **${counts.available}** |`,
      '',
    );
  }
  return [...rows, took].join('\n');
}

function notes(all: string[]): string {
  return all.map((note) => `> [!NOTE]\n> ${markdown(note)}`).join('\n\n');
}

function changes(all: TemplateChange[] | undefined, showValues: boolean): string {
  if (!all || all.length === 0) return '';
  const rows = all.slice(0, MOST_CHANGES).map(({ path, before, after, sensitive }) => {
    const hidden = sensitive && !showValues;
    return `| ${code(truncate(path, LONGEST_VALUE))} | ${value(before, hidden)} | ${value(after, hidden)} |`;
  });
  const more = all.length > MOST_CHANGES ? [`| and ${all.length - MOST_CHANGES} more | | |`] : [];
  return details(`Template: ${all.length} ${all.length === 1 ? 'difference' : 'differences'}`, [
    '| Field | Was | Restored |',
    '| :-- | :-- | :-- |',
    ...rows,
    ...more,
  ]);
}

function value(of: Json | undefined, hidden: boolean): string {
  if (of === undefined) return '';
  if (hidden) return code('<changed>');
  return code(truncate(typeof of === 'string' ? of : JSON.stringify(of), LONGEST_VALUE));
}

/** One row for each ControllerRevision: its number before, and its number now. */
function history({ history: all }: Result): string {
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
    return `| ${was ? `${was.number}${mark}` : ''} |${now} ${code(name)} | ${markdown(truncate(changeCause ?? '<none>', LONGEST_VALUE))} | ${images.map(code).join('<br>')} |`;
  });
  const more = names.length > MOST_REVISIONS ? [`| and ${names.length - MOST_REVISIONS} older |${all.after ? ' |' : ''} | | |`] : [];
  const head = all.after
    ? ['| Revision before | Revision now | ControllerRevision | Change-cause | Images |', '| --: | --: | :-- | :-- | :-- |']
    : ['| Revision | ControllerRevision | Change-cause | Images |', '| --: | :-- | :-- | :-- |'];
  return details(`History: ${names.length} ${names.length === 1 ? 'revision' : 'revisions'}`, [...head, ...rows, ...more]);
}

function details(title: string, lines: string[]): string {
  return `<details>\n<summary>${title}</summary>\n\n${lines.join('\n')}\n\n</details>`;
}
