import type { FailingNode } from '../../src/daemonset/diagnosis.ts';
import type { LiveRollout } from '../../src/daemonset/live-rollout.ts';
import type { Cause, PodFailure } from '../../src/daemonset/pod-failure.ts';
import type { LiveEntry } from '../../src/report/live-view.ts';

/** The present moment of every state, in ms. */
export const NOW = 1_000_000;

/** A node that is not right, for a while. */
export function failingNode(node: string, cause: Cause, failure: Partial<PodFailure> = {}, more: Partial<FailingNode> = {}): FailingNode {
  const pod = node === '' ? '' : `log-agent-${node.slice(-5)}`;
  return { node, pod, failure: { cause, reason: '', message: '', ...failure }, since: NOW - 42_000, marks: [], isNew: false, ...more };
}

export const crash = (node: string, restarts = 3): FailingNode =>
  failingNode(node, 'crash-loop', { reason: 'CrashLoopBackOff', container: 'agent', restarts, exitCode: 1 });

export const starting = (node: string): FailingNode =>
  failingNode(node, 'starting', { reason: 'ContainerCreating' }, { since: NOW - 3_000 });

export const waiting = (node: string): FailingNode => failingNode(node, 'not-replaced', {}, { since: undefined });

/** A rollout in progress, a minute after its beginning, with nine minutes left. */
export function liveState(
  [updated, available, stable, desired]: [updated: number, available: number, stable: number | undefined, desired: number],
  failing: readonly FailingNode[] = [],
  more: Partial<LiveRollout> = {},
): LiveRollout {
  const kind = updated < desired ? 'updating' : available < desired ? 'unavailable' : 'complete';
  return {
    title: 'revision 3 → 4, restores revision 2',
    rollout: { kind, message: '', counts: { desired, updated, available } },
    stable,
    failing,
    leftMs: undefined,
    begun: NOW - 65_000,
    progressedAt: NOW - 2_000,
    now: NOW,
    deadline: NOW + 535_000,
    ...more,
  };
}

export function entry(name: string, state: LiveRollout, namespace = 'logging'): LiveEntry {
  return { daemonSet: { namespace, name }, state };
}
