/** How a rollout is going, in a few words and as a bar. */
import type { LiveRollout } from '../daemonset/live-rollout.ts';
import { formatAge } from '../duration.ts';
import { tally } from './live-nodes.ts';
import type { Piece, Style } from './terminal-text.ts';

/** Without progress for this long, a rollout is not said to be progressing. */
const IDLE_MS = 30_000;

/** A sign and a few words. Several rollouts are in the order of their rank: the one that needs a person first. */
export interface State {
  rank: number;
  sign: string;
  text: string;
  /** In even fewer words. */
  brief?: string;
  as: keyof Style;
}

const ENDS: Readonly<Record<NonNullable<LiveRollout['end']>, Omit<State, 'sign'>>> = {
  failed: { rank: 0, text: 'Failed', as: 'bad' },
  stalled: { rank: 0, text: 'Stalled', as: 'bad' },
  timeout: { rank: 0, text: 'Timed out', as: 'bad' },
  deleted: { rank: 0, text: 'Deleted', as: 'bad' },
  recreated: { rank: 0, text: 'Deleted and created again', as: 'bad' },
  superseded: { rank: 0, text: 'Superseded by a newer change', as: 'bad' },
  'on-delete': { rank: 0, text: 'Waiting for someone to delete the pods (OnDelete)', as: 'busy' },
  cancelled: { rank: 0, text: 'No longer watched; the rollout continues', as: 'busy' },
  'not-waited': { rank: 3, text: 'Not waited for', as: 'busy' },
  complete: { rank: 5, text: 'Complete', as: 'good' },
};

export function stateOf({ end, failing, now, progressedAt, rollout, stable }: LiveRollout): State {
  if (end) {
    const state = ENDS[end];
    const text = end === 'complete' && failing.length > 0 ? `Complete, except for ${nodesText(failing.length)}` : state.text;
    return { ...state, text, sign: state.as === 'good' ? '✓' : state.as === 'bad' ? '×' : '!' };
  }
  const { broken } = tally(failing);
  if (broken > 0) return { rank: 1, sign: '×', text: `${nodesText(broken)} broken`, brief: `${broken} broken`, as: 'bad' };
  if (rollout.kind === 'unobserved')
    return { rank: 3, sign: '▸', text: 'Waiting for the DaemonSet controller', brief: 'Not observed', as: 'busy' };
  // Only time is missing, and nothing has to happen in it.
  const isSettling = rollout.kind === 'complete' && failing.every(({ stableAt }) => stableAt !== undefined);
  if (isSettling) return { rank: 4, sign: '▸', text: stable === undefined ? 'Checking the pods' : 'Checking stability', as: 'good' };
  const idle = now - progressedAt;
  if (idle >= IDLE_MS)
    return { rank: 2, sign: '!', text: `No progress for ${formatAge(idle)}`, brief: `Idle ${formatAge(idle)}`, as: 'busy' };
  return { rank: 3, sign: '▸', text: 'Progressing', as: 'good' };
}

export function nodesText(count: number): string {
  return `${count} ${count === 1 ? 'node' : 'nodes'}`;
}

/** The grades of a node on the way to the version, with the sign of each in a bar. */
const GRADES = { stable: '█', available: '▓', updated: '▒', broken: '×', rest: '░' } as const;

/**
 * A bar: nodes on which the version is stable, available, broken, not yet available; and those that it has not reached. Each part is rounded
 * down, so that it is full only at the end.
 */
export function bar({ failing, rollout, stable = 0 }: LiveRollout, columns: number): Piece[] {
  const { desired, updated, available } = rollout.counts;
  const cells = (nodes: number): number =>
    desired <= 0 ? columns : Math.floor((Math.min(Math.max(nodes, 0), desired) * columns) / desired);
  const toStable = cells(Math.min(stable, available, updated));
  const toAvailable = Math.max(toStable, cells(Math.min(available, updated)));
  const toUpdated = Math.max(toAvailable, cells(updated));
  const [pending, { broken }] = [updated - available, tally(failing)];
  const share = pending <= 0 ? 0 : Math.min(1, broken / pending);
  const brokenCells = Math.ceil((toUpdated - toAvailable) * share);
  const parts: Piece[] = [
    { text: GRADES.stable.repeat(toStable), as: 'good' },
    { text: GRADES.available.repeat(toAvailable - toStable), as: 'good' },
    { text: GRADES.broken.repeat(brokenCells), as: 'bad' },
    { text: GRADES.updated.repeat(toUpdated - toAvailable - brokenCells), as: 'busy' },
    { text: GRADES.rest.repeat(columns - toUpdated), as: 'faint' },
  ];
  return parts.filter(({ text }) => text !== '');
}

/** The numbers of the grades, each with its sign in the bar. */
export function numbers({ rollout: { counts }, stable }: LiveRollout): Piece[][] {
  const of = (grade: 'updated' | 'available' | 'stable', nodes: number, as: keyof Style): Piece[] => [
    { text: `${GRADES[grade]} `, as },
    { text: `${nodes}/${counts.desired}`, as: 'strong' },
    { text: ` ${grade}` },
  ];
  return [
    of('updated', counts.updated, 'busy'),
    of('available', counts.available, 'good'),
    ...(stable === undefined ? [] : [of('stable', stable, 'good')]),
  ];
}

/** How long it has taken, how long the rest takes, and how long until the timeout. */
export function times({ begun, deadline, end, leftMs, now }: LiveRollout): Piece[][] {
  const spent = formatAge(Math.max(0, now - begun));
  if (end) return [[{ text: `after ${spent}` }]];
  const left = leftText({ leftMs });
  const untilTimeout = deadline - now;
  const isShort = untilTimeout < (leftMs ?? 0) || untilTimeout < 30_000;
  return [
    [{ text: `${spent} so far` }],
    ...(left === undefined ? [] : [[{ text: `about ${left}`, as: 'strong' as const }]]),
    [{ text: untilTimeout > 0 ? `timeout in ${formatAge(untilTimeout)}` : 'the time is up', ...(isShort && { as: 'bad' as const }) }],
  ];
}

/** `12s left`. Undefined if that is unknown, or over: what takes longer than estimated is not about to end. */
export function leftText({ leftMs }: Pick<LiveRollout, 'leftMs'>): string | undefined {
  return leftMs === undefined || leftMs < 1_000 ? undefined : `${formatAge(leftMs)} left`;
}

/** How many nodes run the version, and how many are in each condition. */
export function summary({ failing, rollout, stable }: LiveRollout): Piece[][] {
  const { broken, starting, waiting } = tally(failing);
  const of = (nodes: number, what: string, as: keyof Style): Piece[][] => (nodes === 0 ? [] : [[{ text: `${nodes} ${what}`, as }]]);
  const right = stable ?? rollout.counts.available;
  return [
    [{ text: `${nodesText(right)} ${right === 1 ? 'runs' : 'run'} it`, as: 'good' }],
    ...of(broken, 'broken', 'bad'),
    ...of(starting, 'starting', 'busy'),
    ...of(waiting, 'to be replaced', 'faint'),
  ];
}
