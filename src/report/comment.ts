import { isSuccess, worstOf } from '../daemonset/outcome.ts';
import { sign, verdictOf } from './headline.ts';
import type { Report } from './report.ts';
import { renderTable } from './summary.ts';
import { code, codeInMarkdown } from './text.ts';

/** The longest comment that GitHub accepts, in characters. */
const LONGEST = 65_536;
/** Rows of the table, from what is preferred to what always fits. */
const ROWS = [100, 20, 0];

/** The job that writes the comment. */
export interface Author {
  workflow: string;
  job: string;
  /** The page of the run. */
  link: string;
}

/**
 * The verdict for a pull request, with a link to the run. GitHub-flavoured Markdown of at most 65,536 characters.
 *
 * It has no messages, nor other text of the cluster or of a credential plugin: that may include a container's output, and the runner masks
 * secrets in logs but not in comments. Those that are known are replaced here.
 *
 * @param marker the first line, by which the comment is found again.
 */
export function commentOf(report: Report, marker: string, author: Author): string {
  const texts = ROWS.map((rows) => compose(report, marker, author, rows));
  return texts.find((text) => text.length <= LONGEST) ?? `${marker}\n\n${report.hide(footer(report, author))}\n`;
}

function compose(report: Report, marker: string, author: Author, rows: number): string {
  const { command, results } = report;
  const head = `### ${sign(worstOf(results).outcome, command)} ${verdictOf(report, codeInMarkdown)}`;
  const parts = [head, rows === 0 || results[0].daemonSet.name === '' ? '' : renderTable(report, rows), footer(report, author)];
  return `${marker}\n${report.hide(parts.filter(Boolean).join('\n\n'))}\n`;
}

function footer({ command, results, cluster, help }: Report, { workflow, job, link }: Author): string {
  const { outcome, reason } = worstOf(results);
  const explained =
    help === undefined || isSuccess(outcome, command) ? '' : `: <a href="${encodeURI(help)}">what it means and what to do</a>`;
  const parts = [
    `<a href="${encodeURI(link)}">Workflow run</a> of ${code(workflow)}, job ${code(job)}`,
    ...(cluster ? [`context ${code(cluster.context)}`] : []),
    `reason ${code(reason)}${explained}`,
  ];
  return `<p><sub>${parts.join(' · ')}</sub></p>`;
}
