import { DEFAULT_SCALAR_STYLE_RULES, dump, SCALAR_STYLE, type ScalarStyleRule } from 'js-yaml';
import { type Command, type Outcome, type Reason, worstOf } from '../daemonset/outcome.ts';
import type { ClusterName } from '../daemonset/types.ts';
import { entriesOf, historyOf, jsonOf } from './outputs.ts';
import type { Report } from './report.ts';

/** What `--output json` and `yaml` print, and `--results` writes: the outputs of the action, typed. */
export interface Document {
  command: Command;
  /** With several DaemonSets, the worst. */
  outcome: Outcome;
  reason: Reason;
  exitStatus: number;
  /** A DaemonSet was changed: by this run, or by an earlier attempt of the same one. */
  changed: boolean;
  /** Null if the run ended before a cluster was chosen. */
  cluster: ClusterName | null;
  durationSeconds: number;
  warnings: string[];
  /** As in the output `results` of the action, without its limit of size. */
  results: object[];
  /** As in the output `history` of the action; only with the command `history`. */
  history?: object[];
}

/** The document of a run. It contains plain JSON values, no known secret, and only well-formed Unicode. */
export function documentOf(report: Report, exitStatus: number): Document {
  const { command, asked = command, results, cluster, durationMs, warnings, showValues, hide } = report;
  const { outcome, reason } = worstOf(results);
  const shown = (text: string): string => hide(text).toWellFormed();
  const wellFormed = (_: string, value: unknown): unknown => (typeof value === 'string' ? value.toWellFormed() : value);
  const plain = (entries: object[]): object[] => entries.map((entry) => JSON.parse(jsonOf(entry, hide), wellFormed) as object);
  return {
    command: asked,
    outcome,
    reason,
    exitStatus,
    changed: results.some(({ changed }) => changed),
    cluster: cluster ? { server: shown(cluster.server), context: shown(cluster.context) } : null,
    durationSeconds: Number((durationMs / 1_000).toFixed(1)),
    warnings: warnings.map(shown),
    results: plain(entriesOf(results, showValues, hide)),
    ...(command === 'history' && { history: plain(results.flatMap((result) => historyOf(result, showValues))) }),
  };
}

/**
 * The text of a document, with a line break at its end. A job prints it, so no line of it is a command of a CI system (see `logLine`), and it has
 * no control characters. A reader of JSON or YAML gets each text unchanged all the same.
 */
export function documentText(document: Document, format: 'json' | 'yaml'): string {
  const text =
    format === 'json'
      ? `${JSON.stringify(document, undefined, 2)}\n`
      : dump(document, {
          lineWidth: -1,
          noRefs: true,
          scalarStyleRules: [inDoubleQuotes, ...Object.values(DEFAULT_SCALAR_STYLE_RULES)],
        });
  return text.replaceAll('##', '#\\u0023').replace(/[\u007f-\u009f\u2028\u2029]/g, escaped);
}

/** In double quotes, a text stays on one line behind its key, and `##` and control characters can be escaped as in JSON. */
const inDoubleQuotes: ScalarStyleRule = (layout) => {
  if (/\n|##/.test(layout.node.value)) layout.style = SCALAR_STYLE.DOUBLE_QUOTED;
};

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
