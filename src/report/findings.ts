/** What a wait has found out, as parts of a summary: causes, the rollout over time, nodes, events and logs. */
import { type Command, isSuccess } from '../daemonset/outcome.ts';
import type { Result } from '../daemonset/result.ts';
import { formatDuration } from '../duration.ts';
import { causeText, nextCommand, runText } from './messages/causes.ts';
import { code, details, fence, htmlTable, prose, truncate } from './text.ts';

const MOST_CAUSES = 10;
const MOST_NODES = 50;
const LONGEST_SENTENCE = 500;
const LONGEST_VALUE = 200;
/** Points of the diagram. */
const POINTS = 40;
/** A shorter rollout has no diagram. */
const SHORTEST_CHART_MS = 3_000;
/** GitHub's own blue and green, visible on light and on dark. */
const BLUE = '#2f81f7';
const GREEN = '#3fb950';

/** Flat and with a transparent background, because GitHub's dark theme and Mermaid's differ. Pixels. */
const LOOK = {
  xyChart: { width: 700, height: 280 },
  themeVariables: { xyChart: { backgroundColor: 'transparent', plotColorPalette: `${BLUE}, ${GREEN}` } },
};

/** Why nodes do not run the version, the most significant cause first, and the next command to type. */
export function renderCauses({ causes: all = [], daemonSet, rollback }: Result): string {
  if (all.length === 0) return '';
  const items = all.slice(0, MOST_CAUSES).map((group) => {
    const sentence = prose(truncate(causeText(group), LONGEST_SENTENCE));
    const command = nextCommand(group, daemonSet.namespace);
    return `<li>${group.stuck ? '❌' : '⏳'} <strong>${sentence}</strong>${command === undefined ? '' : `<br>Next: ${code(command)}`}</li>`;
  });
  const more = all.length > MOST_CAUSES ? [`<li>and ${all.length - MOST_CAUSES} more</li>`] : [];
  const heading = `### ${rollback?.result ? 'What failed' : 'What is blocking the rollout'}`;
  return [heading, '', '<ul>', ...items, ...more, '</ul>'].join('\n');
}

/** The nodes over the time of the wait, if anything changed. */
export function renderChart({ samples = [], outcome }: Result, command: Command): string {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.at - first.at < SHORTEST_CHART_MS) return '';
  if (samples.every(({ updated, available }) => updated === first.updated && available === first.available)) return '';
  const points = Array.from({ length: POINTS }, (_, index) => {
    const time = first.at + ((last.at - first.at) * index) / (POINTS - 1);
    return samples.findLast(({ at }) => at <= time) ?? first;
  });
  const most = Math.max(...samples.map(({ desired }) => desired), 1);
  const diagram = [
    `%%{init: ${JSON.stringify(LOOK)}}%%`,
    'xychart-beta',
    `  x-axis "seconds" 0 --> ${Math.max(1, Math.round((last.at - first.at) / 1_000))}`,
    `  y-axis "nodes" 0 --> ${most}`,
    `  line [${points.map(({ updated }) => updated).join(', ')}]`,
    `  line [${points.map(({ available }) => available).join(', ')}]`,
  ];
  const content = `${fence('mermaid', diagram)}\n\nBlue: nodes updated. Green: nodes available, whichever version they run.`;
  return details(`The rollout over time: ${formatDuration(last.at - first.at)}`, content, !isSuccess(outcome, command));
}

/** The nodes that do not run the version, the most significant causes first. */
export function renderNodes({ causes: all = [], rollback }: Result): string {
  const failing = all.flatMap((group) => group.nodes);
  if (failing.length === 0) return '';
  const rows = failing.slice(0, MOST_NODES).map(({ node, pod, failure, marks }) => {
    const { cause, reason, restarts = 0, exitCode, message: said } = failure;
    const what = reason === '' || reason === cause ? cause : `${cause} (${reason})`;
    return [
      code(node),
      code(pod),
      prose(what),
      restarts === 0 ? '' : String(restarts),
      exitCode === undefined ? '' : String(exitCode),
      prose(marks.join(', ')),
      prose(truncate(said, LONGEST_VALUE)),
    ];
  });
  const more = failing.length > MOST_NODES ? [[`and ${failing.length - MOST_NODES} more`]] : [];
  const headings = ['Node', 'Pod', 'Problem', 'Restarts', 'Exit code', 'Node state', 'Message from Kubernetes'];
  return details(
    `Nodes that ${rollback?.result ? 'did' : 'do'} not run the version: ${failing.length}`,
    htmlTable(headings, [...rows, ...more], ['Restarts', 'Exit code']),
    false,
  );
}

/** The events and container logs of the examples. */
export function renderEvidence({ causes: all = [] }: Result): string {
  const parts = all.flatMap(({ evidence: read, example }) => {
    if (!read) return [];
    const where = `${code(example.pod)}${example.node === '' ? '' : ` on ${code(example.node)}`}`;
    return [
      ...(read.events.length > 0 ? [details(`Events of ${where}`, fence('text', read.events), false)] : []),
      ...(read.log
        ? [details(`Log of ${where}, container ${code(example.failure.container ?? '')}, ${runText(read)}`, fence('text', read.log), false)]
        : []),
    ];
  });
  return parts.join('\n\n');
}
