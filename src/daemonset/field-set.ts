import { isObject, own, parseText } from './json.ts';
import type { Json, JsonObject } from './types.ts';

/**
 * A set of fields, as `fieldsV1` of a managedFields entry stores it (structured-merge-diff, FieldsV1): one level for each step of a path, such as
 * `f:spec`, or `k:{"name":"agent"}` for an item of a list. A field that belongs to the set has no steps below it, or the step `.`.
 */
export type FieldSet = JsonObject;

const SELF = '.';

/** The fields of either set. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA || inB);
}

/** The fields that both sets have. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA && inB);
}

/** The fields of the first set that the second one does not have. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA && !inB);
}

export function isEmpty(set: FieldSet): boolean {
  return Object.keys(set).length === 0;
}

type Keep = (inA: boolean, inB: boolean) => boolean;

function combine(a: FieldSet, b: FieldSet, keep: Keep): FieldSet {
  const steps = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((step) => step !== SELF);
  return Object.fromEntries(
    steps.flatMap((step) => {
      const [one, other] = [at(a, step), at(b, step)];
      const isKept = keep(isMember(one), isMember(other));
      const below = combine(one ?? {}, other ?? {}, keep);
      if (isEmpty(below)) return isKept ? [[step, {}]] : [];
      return [[step, isKept ? { [SELF]: {}, ...below } : below]];
    }),
  );
}

function at(set: FieldSet, step: string): FieldSet | undefined {
  const value = own(set, step);
  return isObject(value) ? value : undefined;
}

/** Whether a field belongs to the set that has this below it. */
export function isMember(below: FieldSet | undefined): boolean {
  return below !== undefined && (isEmpty(below) || Object.hasOwn(below, SELF));
}

/** What a set has below a field of an object. */
export function belowField(set: FieldSet | undefined, name: string): FieldSet | undefined {
  return set && at(set, `f:${name}`);
}

/** What a set has below the item of a list whose field `key` has this value. */
export function belowItem(set: FieldSet | undefined, key: string, value: Json | undefined): FieldSet | undefined {
  if (!set) return undefined;
  const step = Object.keys(set).find((one) => {
    const keys = one.startsWith('k:') ? (parseText(one.slice(2)) as Json | undefined) : undefined;
    return isObject(keys) && keys[key] === value;
  });
  return step === undefined ? undefined : at(set, step);
}
