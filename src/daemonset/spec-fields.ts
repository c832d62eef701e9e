import { canonical } from './template.ts';
import type { DaemonSet, Json } from './types.ts';

/** What a deploy can change in the spec of a DaemonSet besides the template. The selector never changes. */
const FIELDS = ['updateStrategy', 'minReadySeconds', 'revisionHistoryLimit'] as const;

export type SpecField = (typeof FIELDS)[number];

/** Undefined: the DaemonSet does not have the field. */
export type SpecFields = Partial<Record<SpecField, Json | undefined>>;

export function specFieldsOf({ spec }: DaemonSet): SpecFields {
  return Object.fromEntries(FIELDS.filter((field) => spec[field] !== undefined).map((field) => [field, spec[field] as Json]));
}

/** The fields that a DaemonSet has otherwise now. */
export function differingFields(daemonSet: DaemonSet, before: SpecFields): SpecField[] {
  const now = specFieldsOf(daemonSet);
  return FIELDS.filter((field) => canonical(now[field] ?? null) !== canonical(before[field] ?? null));
}
