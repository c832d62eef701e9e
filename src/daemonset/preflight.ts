/** What is known, before a version is restored, about whether its pods could start. */
import type { Denial } from './pod-admission.ts';
import { type Reference, referencesOf } from './references.ts';
import type { PodTemplate } from './types.ts';

/** What the input `preflight` asks for: refuse, warn, or check nothing. */
export const PREFLIGHTS = ['enforce', 'warn', 'off'] as const;

export type PreflightMode = (typeof PREFLIGHTS)[number];

type Named = Pick<Reference, 'kind' | 'name'>;

/** Why a pod certainly cannot start. */
export type Obstacle =
  | { kind: 'missing-object'; object: Named }
  | { kind: 'missing-keys'; object: Named; keys: string[] }
  | { kind: 'denied'; denial: Denial };

/** What could prevent a pod from starting, or could not be checked. */
export type Doubt =
  /** The kubelet pulls without it: the image can be there, or need no secret. */
  | { kind: 'missing-pull-secret'; name: string }
  | { kind: 'denied'; denial: Denial }
  /** The account lacks a right. `why` names the rule to add. */
  | { kind: 'not-allowed'; why: string }
  | { kind: 'no-answer'; why: string };

/** On how many of the nodes that the version matches its images are present, by what the kubelets report. */
export interface ImagePresence {
  images: string[];
  present: number;
  nodes: number;
}

export interface Preflight {
  obstacles: Obstacle[];
  doubts: Doubt[];
  /** Undefined if the nodes were not read. */
  images?: ImagePresence;
}

/**
 * What to look up for a version. What a Ready pod of the current version refers to as well is there.
 *
 * @param current the template of the current version, if a pod of it is Ready.
 */
export function referencesToCheck(template: PodTemplate, current: PodTemplate | undefined): Reference[] {
  const there = new Map((current ? referencesOf(current) : []).map((one) => [`${one.kind}/${one.name}`, one]));
  return referencesOf(template).filter(({ kind, name, keys, isRequired }) => {
    const known = there.get(`${kind}/${name}`);
    return !known || (isRequired && !known.isRequired) || keys.some((key) => !known.keys.includes(key));
  });
}
