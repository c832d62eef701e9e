import type { Revision } from './revision.ts';

/** A revision by its number or its name. */
export type NamedRevision =
  | { kind: 'number'; number: number }
  /** The name of a ControllerRevision, or its hash. */
  | { kind: 'name'; name: string };

/** A revision relative to the current one. */
export interface RelativeRevision {
  kind: 'previous' | 'last-good';
}

/** A value of the input `to-revision`. */
export type AskedRevision = RelativeRevision | NamedRevision;

/** Whether the value means another revision after each rollback. */
export function isRelative(asked: AskedRevision): asked is RelativeRevision {
  return asked.kind === 'previous' || asked.kind === 'last-good';
}

/** Whether this is the revision with that number, name or hash. A hash can consist of digits, and then looks like a number. */
export function isCalled({ number, name, hash }: Pick<Revision, 'number' | 'name' | 'hash'>, asked: NamedRevision): boolean {
  return asked.kind === 'number'
    ? number === asked.number || hash === String(asked.number)
    : name === asked.name || (hash !== '' && hash === asked.name);
}
