import type { FailingNode } from './diagnosis.ts';
import type { Cause } from './pod-failure.ts';

/** Nodes with the same problem. */
export interface CauseGroup {
  cause: Cause;
  /** Waiting does not help: at least one of the nodes has had the problem for too long. */
  stuck: boolean;
  nodes: FailingNode[];
  /** The node to inspect: the one with the most restarts. */
  example: FailingNode;
  /** What was read about the example. */
  evidence?: Evidence;
}

export interface Evidence {
  /** Warnings about the pod, the newest last: `Failed: Error: ErrImagePull`. */
  events: string[];
  /** The last lines of the container's log. Undefined if it was not read. */
  log: string[] | undefined;
  /** Which run of the container the log is from: the one before its last restart, the last one, which has ended, or the present one. */
  run: 'previous' | 'ended' | 'present';
}

/** From the most significant cause to the least: what cannot start, what blocks the controller, what is merely not done yet. */
const ORDER: readonly Cause[] = [
  'oom-killed',
  'probe-failed',
  'crash-loop',
  'image-pull',
  'invalid-image',
  'config-error',
  'start-error',
  'storage-limit',
  'volume-mount',
  'pod-sandbox',
  'unschedulable',
  'pod-rejected',
  'node-not-ready',
  'terminating',
  'old-pod-unavailable',
  'evicted',
  'not-ready',
  'not-stable',
  'starting',
  'min-ready-seconds',
  'no-pod',
  'not-replaced',
];

/** The nodes grouped by problem, the most significant first. If one node of a group is stuck, the others will be. */
export function groupCauses(failing: readonly FailingNode[], stuck: readonly FailingNode[]): CauseGroup[] {
  const groups = new Map<string, CauseGroup>();
  for (const one of failing) {
    const { cause, container = '', image = '' } = one.failure;
    const key = JSON.stringify([cause, container, image]);
    const group = groups.get(key) ?? { cause, stuck: false, nodes: [], example: one };
    groups.set(key, group);
    group.nodes.push(one);
    group.stuck ||= stuck.includes(one);
    if ((one.failure.restarts ?? 0) > (group.example.failure.restarts ?? 0)) group.example = one;
  }
  // `node-2` before `node-10`. Created late, because it takes a tenth of the time of a rollback.
  const { compare } = new Intl.Collator('en', { numeric: true });
  for (const { nodes } of groups.values()) nodes.sort((a, b) => compare(a.node, b.node));
  return mostSignificantFirst([...groups.values()]);
}

export function mostSignificantFirst(groups: readonly CauseGroup[]): CauseGroup[] {
  const weight = ({ cause, stuck }: CauseGroup): number => (stuck ? 0 : 100) + ORDER.indexOf(cause);
  return groups.toSorted((a, b) => weight(a) - weight(b) || b.nodes.length - a.nodes.length);
}
