import { randomUUID } from 'node:crypto';
import type { Json, JsonObject } from './types.ts';

/** Objects and lists that are nested deeper than this are not Kubernetes objects. Recursive functions handle this depth. */
export const MAX_DEPTH = 100;

/**
 * Parses JSON. An integer that a number cannot represent exactly becomes a `bigint`, so that a template is written back unchanged.
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): Json {
  return /\d{16}/.test(text) ? parseExactly(text) : (JSON.parse(text) as Json);
}

/** What matters in a JSON text to find its numbers: quotes, escape sequences and numbers. */
const TOKENS = /"|\\.|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Parses large integers as strings with a prefix that the text cannot contain, and converts them. */
function parseExactly(text: string): Json {
  const prefix = `${randomUUID()}:`;
  let inString = false;
  const marked = text.replace(TOKENS, (token) => {
    if (token === '"') inString = !inString;
    const isLarge = !inString && /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token));
    return isLarge ? `"${prefix}${token}"` : token;
  });
  return withBigInts(JSON.parse(marked) as Json, prefix, MAX_DEPTH);
}

/** Values below the maximum depth stay unchanged: their object is rejected. */
function withBigInts(value: Json, prefix: string, depth: number): Json {
  if (typeof value === 'string') return value.startsWith(prefix) ? BigInt(value.slice(prefix.length)) : value;
  if (typeof value !== 'object' || value === null || depth < 0) return value;
  // In place: assigning to a key such as __proto__ of a copy would lose it.
  const children = value as Record<string, Json>;
  for (const key of Object.keys(children)) {
    const child = children[key] as Json;
    const converted = withBigInts(child, prefix, depth - 1);
    if (converted !== child) children[key] = converted;
  }
  return value;
}

/** The JSON of a value, with integers of any size, which are written as strings with a prefix at first. Undefined has none. */
export function stringify(value: Json, indent?: number): string;
export function stringify(value: Json | undefined, indent?: number): string | undefined;
export function stringify(value: Json | undefined, indent?: number): string | undefined {
  let prefix: string | undefined;
  const marked = (child: bigint): string => {
    prefix ??= `${randomUUID()}:`;
    return `${prefix}${child}`;
  };
  const text = JSON.stringify(value, (_key, child: unknown) => (typeof child === 'bigint' ? marked(child) : child), indent);
  return prefix === undefined ? text : text.replace(new RegExp(`"${prefix}(-?\\d+)"`, 'g'), '$1');
}

/** Whether objects and lists in a value are nested deeper than `MAX_DEPTH`. */
export function isTooDeep(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth < 0 || Object.values(value).some((child) => isTooDeep(child, depth - 1));
}

/** JSON that anyone may have written; undefined if it is not JSON. */
export function parseText(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A field of the object itself: a key such as `constructor` is not looked up in its prototype. */
export function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Whether a value is an object, and not a list. */
export function isObject(value: unknown): value is Record<string, unknown>;
export function isObject(value: Json | undefined): value is JsonObject;
export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
