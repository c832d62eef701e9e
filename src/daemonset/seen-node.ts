import { isPlacedOn } from './placement.ts';
import type { Node, PodTemplate } from './types.ts';

/** What a diagnosis needs of a node. */
export interface SeenNode {
  ready: boolean;
  /** The template is placed on it. */
  placed: boolean;
  /** What else may prevent pods on it: `cordoned`, `MemoryPressure`. */
  marks: string[];
  message: string;
  created: number;
}

export function seeNode(node: Node, template: PodTemplate): SeenNode {
  const { metadata, spec = {}, status = {} } = node;
  const conditions = status.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'Ready');
  const pressures = conditions.filter(({ type, status: is }) => /Pressure$|^NetworkUnavailable$/.test(type) && is === 'True');
  return {
    ready: ready?.status === 'True',
    placed: isPlacedOn(template, node),
    marks: [...(spec.unschedulable === true ? ['cordoned'] : []), ...pressures.map(({ type }) => type)],
    message: ready?.message ?? '',
    created: Date.parse(metadata.creationTimestamp ?? '') || 0,
  };
}
