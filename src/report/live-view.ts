/**
 * The live view of rollouts in a terminal. From the top: whether it is progressing and how far it is, what is broken, what happened last. If
 * there is little room, what is further down gives way.
 */
import type { LiveRollout } from '../daemonset/live-rollout.ts';
import type { ClusterName, DaemonSetName } from '../daemonset/types.ts';
import { conditionOf, type LiveNode, nodeRows, restText, worstFirst } from './live-nodes.ts';
import { bar, leftText, numbers, type State, stateOf, summary, times } from './live-state.ts';
import { nextCommand } from './messages/causes.ts';
import { fitName, fitText, flow, line, type Piece, padded, type Style, widthOf, widthOfAll } from './terminal-text.ts';
import { largest, oneLine } from './text.ts';

/** What a rollout is called, and its state. */
export interface LiveEntry {
  daemonSet: DaemonSetName;
  state: LiveRollout;
}

/** Everything that the view shows. */
export interface Screen {
  /** `context` is empty without one. */
  cluster: ClusterName | undefined;
  rollouts: readonly LiveEntry[];
  /** Lines of the log, the oldest first, with their time of day: `12:31:02`. */
  events: readonly { clock: string; line: string }[];
  /** Hides secrets. */
  hide?: (text: string) => string;
}

export interface Size {
  columns: number;
  rows: number;
}

/** Makes text from a cluster safe. */
type Say = (text: string) => string;

/** The widest bar, and the narrowest one that has its numbers beside it. */
const LONGEST_BAR = 60;
const SHORTEST_BAR = 20;
/** Several rollouts have no bars in a narrower window. */
const NARROW = 60;
/** Lines of the log that are shown at most, and kept free for them in a window of the usual height. */
const MOST_EVENTS = 10;
const LEAST_EVENTS = 4;

/** The lines of the view: at most one less than there are rows, for the cursor, and none wider than the columns. */
export function liveLines(screen: Screen, { columns, rows }: Size, style: Style): string[] {
  const { cluster, events, hide = (text) => text, rollouts } = screen;
  const say: Say = (text) => oneLine(hide(text));
  const height = Math.max(0, rows - 1);
  const where = cluster ? [whereLine(cluster, say)] : [];
  const [first] = rollouts;
  const top =
    first === undefined
      ? []
      : rollouts.length === 1
        ? detailed(first, where, columns, say)
        : overview(rollouts, where, height, columns, say);
  const shown = first ? fitHead(top, height) : where.slice(0, height);
  const room = height - shown.length;
  const wished = Math.min(events.length, room >= 10 ? LEAST_EVENTS : room >= 6 ? 2 : 0);
  const nodes = nodeBlock(rollouts, room - (wished > 0 ? wished + 1 : 0), columns, say);
  const log = eventBlock(events, Math.min(room - nodes.length, MOST_EVENTS + 1), say);
  return [...shown, ...nodes, ...log].map((pieces) => line(pieces, columns, style));
}

const EMPTY: Piece[] = [];

/** A line of the head. The ones with the highest rank give way first. */
interface HeadLine {
  pieces: Piece[];
  rank: number;
}

function fitHead(lines: readonly HeadLine[], height: number): Piece[][] {
  const kept = lines.toSorted((a, b) => a.rank - b.rank).slice(0, roomForHead(height, lines));
  return lines.filter((one) => kept.includes(one)).map(({ pieces }) => pieces);
}

/** In a low window, empty lines and the cluster make room for the nodes. */
function roomForHead(height: number, lines: readonly HeadLine[]): number {
  const needed = lines.filter(({ rank }) => rank < 3).length;
  return height >= 14 ? height : Math.min(height, needed);
}

function whereLine({ context, server }: ClusterName, say: Say): Piece[] {
  return [{ text: [context && `context ${say(context)}`, server && say(server)].filter(Boolean).join(' · '), as: 'faint' }];
}

/** The head for one rollout. */
function detailed({ daemonSet, state }: LiveEntry, where: Piece[][], columns: number, say: Say): HeadLine[] {
  const { sign, text, as } = stateOf(state);
  const name = `${say(daemonSet.namespace)}/${say(daemonSet.name)}`;
  const title = state.title === '' ? [] : [{ text: `  ${say(state.title)}` }];
  const headline: Piece[] = [{ text: sign, as }, { text: ' ' }, { text, as }];
  const rank = (rank: number) => (pieces: Piece[]) => ({ pieces, rank });
  return [
    rank(1)([{ text: name, as: 'strong' }, ...title]),
    ...where.map(rank(3)),
    rank(4)(EMPTY),
    ...flow([headline, ...times(state)], ' · ', columns).map((pieces, index) => rank(index === 0 ? 0 : 2)(pieces)),
    ...barLines(state, columns).map(rank(1)),
  ];
}

/** The bar with its numbers beside it, or above them in a narrow window. */
function barLines(state: LiveRollout, columns: number): Piece[][] {
  const gap = '  ';
  const [beside = []] = flow(numbers(state), gap, Number.POSITIVE_INFINITY);
  const left = columns - widthOfAll(beside) - gap.length;
  if (left >= SHORTEST_BAR) return [[...bar(state, Math.min(left, LONGEST_BAR)), { text: gap }, ...beside]];
  return [bar(state, Math.min(columns, LONGEST_BAR)), ...flow(numbers(state), gap, columns)];
}

/** The head for several rollouts: a line for each, the worst first. */
function overview(rollouts: readonly LiveEntry[], where: Piece[][], height: number, columns: number, say: Say): HeadLine[] {
  const ordered = rollouts.map((entry) => ({ ...entry, is: stateOf(entry.state) })).sort((a, b) => a.is.rank - b.is.rank);
  const [open] = ordered.filter(({ state }) => state.end === undefined);
  const since = Math.min(...rollouts.map(({ state }) => state.begun));
  const spent = times({ ...(open ?? (ordered[0] as LiveEntry)).state, begun: since, leftMs: undefined });
  const most = Math.max(1, Math.ceil(height / 2) - 2);
  const shown = ordered.length > most ? ordered.slice(0, Math.max(1, most - 1)) : ordered;
  const complete = ordered.filter(({ is }) => is.as === 'good' && is.sign === '✓').length;
  const title: Piece[] = [{ text: `${ordered.length} DaemonSets`, as: 'strong' }, { text: `, ${complete} complete` }];
  const rest = ordered.length - shown.length;
  return [
    ...flow([title, ...spent], ' · ', columns).map((pieces, index) => ({ pieces, rank: index === 0 ? 0 : 2 })),
    ...where.map((pieces) => ({ pieces, rank: 3 })),
    { pieces: EMPTY, rank: 4 },
    ...overviewRows(shown, columns, say).map((pieces, index) => ({ pieces, rank: 1 + index / 1_000 })),
    ...(rest > 0 ? [{ pieces: [{ text: `… and ${rest} more`, as: 'faint' as const }], rank: 2 }] : []),
  ];
}

function overviewRows(entries: readonly (LiveEntry & { is: State })[], columns: number, say: Say): Piece[][] {
  const names = entries.map(({ daemonSet: { namespace, name } }) => `${say(namespace)}/${say(name)}`);
  const counts = entries.map(({ state: { rollout, stable } }) => `${stable ?? rollout.counts.available}/${rollout.counts.desired}`);
  const [name, count] = [Math.min(largest(0, names.map(widthOf)), Math.floor(columns * 0.4)), largest(0, counts.map(widthOf))];
  const cells = columns < NARROW ? 0 : Math.min(24, Math.floor((columns - name) * 0.35));
  return entries.map(({ state, is }, index) => {
    const left = leftText(state);
    const row: Piece[] = [
      { text: is.sign, as: is.as },
      { text: ` ${padded(fitName(names[index] ?? '', name), name)}  `, as: 'strong' },
      ...(cells > 0 ? [...bar(state, cells), { text: '  ' }] : []),
      { text: `${(counts[index] ?? '').padStart(count)}  ` },
      { text: is.brief ?? is.text, as: is.as },
      ...(left === undefined ? [] : [{ text: `, ${left}` }]),
    ];
    // Only in full: a part of it could be misread.
    const title: Piece = { text: `  ${say(state.title)}`, as: 'faint' };
    return widthOfAll([...row, title]) <= columns ? [...row, title] : row;
  });
}

/** The nodes that are not right, as many as there is room for, then how many are in each condition, and how to learn more about the worst. */
function nodeBlock(rollouts: readonly LiveEntry[], room: number, columns: number, say: Say): Piece[][] {
  if (room < 1 || rollouts.length === 0) return [];
  const all = rollouts.flatMap(({ daemonSet: { namespace }, state: { failing, now } }) =>
    failing.map((one): LiveNode => ({ namespace, failing: one, now })),
  );
  const listed = worstFirst(all.filter(({ failing }) => conditionOf(failing) !== 'waiting'));
  const [first] = rollouts;
  const counts = rollouts.length === 1 && first && all.length > 0 ? flow(summary(first.state), ' · ', columns).slice(0, 2) : [];
  const command = room >= 8 && rollouts.some(({ state }) => state.end === undefined) ? commandLine(listed[0], columns, say) : [];
  const around = [...counts, ...command];
  const empty = room - around.length >= 4 ? [EMPTY] : [];
  const left = room - around.length - empty.length;
  if (left < 1) return around.slice(0, room);
  const isCut = listed.length > left;
  const shown = listed.slice(0, isCut ? left - 1 : left);
  const rest: Piece[][] = isCut ? [[{ text: restText(listed.slice(shown.length), columns, say), as: 'faint' }]] : [];
  const block = [...nodeRows(shown, columns, say), ...rest, ...around];
  return block.length > 0 ? [...empty, ...block] : [];
}

/** The command to type to learn more about the worst node, if that is broken. Never a part of it. */
function commandLine(worst: LiveNode | undefined, columns: number, say: Say): Piece[][] {
  if (!worst || conditionOf(worst.failing) !== 'broken') return [];
  const { failing, namespace } = worst;
  const command = nextCommand({ cause: failing.failure.cause, stuck: true, nodes: [failing], example: failing }, namespace);
  if (command === undefined || say(command) !== command) return [];
  const text = `Next: ${command}`;
  return fitText(text, columns) === text ? [[{ text }]] : [];
}

/** The last lines of the log. */
function eventBlock(events: Screen['events'], room: number, say: Say): Piece[][] {
  const shown = room < 2 ? [] : events.slice(1 - room);
  if (shown.length === 0) return [];
  return [EMPTY, ...shown.map(({ clock, line }): Piece[] => [{ text: `${clock}  `, as: 'faint' }, { text: say(line) }])];
}
