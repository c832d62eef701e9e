/** The nodes of a live view that are not right: the worst first, in a table. */
import type { FailingNode } from '../daemonset/diagnosis.ts';
import { type Cause, mayBeUnrecoverable } from '../daemonset/pod-failure.ts';
import { formatAge } from '../duration.ts';
import { causeInBrief, messageInBrief } from './messages/causes.ts';
import { fitName, fitText, type Piece, padded, type Style, widthOf } from './terminal-text.ts';
import { largest } from './text.ts';

/** `broken`: it needs a person, or soon may. `starting`: it is under way. `waiting`: it runs another version, and nothing is wrong. */
export type Condition = 'broken' | 'starting' | 'waiting';

const ORDER: readonly Condition[] = ['broken', 'starting', 'waiting'];

/** A node of one of the rollouts, and the time on the clock of its wait. */
export interface LiveNode {
  namespace: string;
  failing: FailingNode;
  now: number;
}

/** Causes of a node or a pod of its own, or that block the controller. */
const BLOCKED: ReadonlySet<Cause> = new Set<Cause>(['node-not-ready', 'evicted', 'old-pod-unavailable']);

export function conditionOf({ failure }: FailingNode): Condition {
  const { cause, message } = failure;
  if (mayBeUnrecoverable(failure) || BLOCKED.has(cause)) return 'broken';
  if (cause !== 'not-replaced') return 'starting';
  return message === '' ? 'waiting' : 'broken';
}

/** How many nodes are in each condition. */
export function tally(failing: readonly FailingNode[]): Record<Condition, number> {
  const counts = { broken: 0, starting: 0, waiting: 0 };
  for (const one of failing) counts[conditionOf(one)] += 1;
  return counts;
}

let collator: Intl.Collator | undefined;

/** The worst first; among equals, the one that has had its problem for the longest. */
export function worstFirst(nodes: readonly LiveNode[]): LiveNode[] {
  // Created late, because it takes a moment.
  collator ??= new Intl.Collator('en', { numeric: true });
  const { compare } = collator;
  const rank = ({ failing }: LiveNode): number => ORDER.indexOf(conditionOf(failing));
  const since = ({ failing }: LiveNode): number => sinceOf(failing) ?? Number.MAX_SAFE_INTEGER;
  return nodes.toSorted((a, b) => rank(a) - rank(b) || since(a) - since(b) || compare(a.failing.node, b.failing.node));
}

function sinceOf({ since, created }: FailingNode): number | undefined {
  return since ?? created;
}

const SIGNS: Readonly<Record<Condition, Piece>> = {
  broken: { text: '×', as: 'bad' },
  starting: { text: '○', as: 'busy' },
  waiting: { text: '·', as: 'faint' },
};

const COLORS: Readonly<Record<Condition, keyof Style>> = { broken: 'bad', starting: 'busy', waiting: 'faint' };

/** A cell for each column. */
interface Row {
  condition: Condition;
  node: string;
  pod: string;
  age: string;
  cause: string;
}

function rowOf({ failing, now }: LiveNode, say: (text: string) => string): Row {
  const { node, pod, failure, stableAt } = failing;
  const since = sinceOf(failing);
  const message = messageInBrief(failure);
  const brief =
    stableAt === undefined ? causeInBrief(failing) : `${causeInBrief(failing)}, stable in ${formatAge(Math.max(0, stableAt - now))}`;
  return {
    condition: conditionOf(failing),
    node: say(node) || '(no pod)',
    pod: say(pod),
    age: since === undefined ? '' : formatAge(Math.max(0, now - since)),
    cause: say(message === '' ? brief : `${brief}: ${message}`),
  };
}

/** Columns that the cause gets at least, as far as it needs them. */
const LEAST_CAUSE = 30;
/** The name of a pod that has less than this is left out. */
const LEAST_POD = 12;
const GAP = '  ';

/** How wide the columns are. Names give way to the cause; first that of the pod, which the name of the node leads to. */
function widthsOf(rows: readonly Row[], columns: number): { node: number; pod: number; age: number } {
  const widest = (of: (row: Row) => string): number => largest(0, rows.map(of).map(widthOf));
  const [node, pod, age, cause] = [
    widest(({ node }) => node),
    widest(({ pod }) => pod),
    widest(({ age }) => age),
    widest(({ cause }) => cause),
  ];
  const signs = 2;
  const room = columns - signs - GAP.length * 3 - age - Math.min(cause, LEAST_CAUSE, Math.floor(columns / 2));
  if (node + pod <= room) return { node, pod, age };
  const nodeShare = Math.max(Math.floor(room * 0.45), Math.min(node, room - pod));
  if (room - nodeShare < LEAST_POD) return { node: Math.max(1, Math.min(node, room + GAP.length)), pod: 0, age };
  return { node: Math.min(node, nodeShare), pod: Math.min(pod, room - Math.min(node, nodeShare)), age };
}

/** A line for each of the nodes. */
export function nodeRows(nodes: readonly LiveNode[], columns: number, say: (text: string) => string): Piece[][] {
  const rows = nodes.map((node) => rowOf(node, say));
  const { node, pod, age } = widthsOf(rows, columns);
  return rows.map((row) => [
    SIGNS[row.condition],
    { text: ` ${padded(fitName(row.node, node), node)}${GAP}`, ...(row.condition === 'broken' && { as: 'strong' as const }) },
    ...(pod > 0 ? [{ text: `${padded(fitName(row.pod, pod), pod)}${GAP}` }] : []),
    ...(age > 0 ? [{ text: `${row.age.padStart(age)}${GAP}`, as: 'faint' as const }] : []),
    { text: row.cause, as: COLORS[row.condition] },
  ]);
}

/** Causes that the line about the rest names. */
const MOST_CAUSES = 3;

/** `… and 37 more: 30 CrashLoopBackOff, 7 ImagePullBackOff`. */
export function restText(nodes: readonly LiveNode[], columns: number, say: (text: string) => string): string {
  const by = Map.groupBy(nodes, ({ failing: { failure } }) => failure.reason || failure.cause);
  const most = [...by].map(([reason, { length }]) => ({ reason, length })).sort((a, b) => b.length - a.length);
  const shown = most.slice(0, MOST_CAUSES).map(({ reason, length }) => `${length} ${say(reason)}`);
  return fitText(`… and ${nodes.length} more: ${shown.join(', ')}${most.length > MOST_CAUSES ? ', …' : ''}`, columns);
}
