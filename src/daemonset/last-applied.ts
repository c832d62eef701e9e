import { isDefault } from './defaults.ts';
import { belowField, belowItem, type FieldSet, isMember } from './field-set.ts';
import { isObject, isTooDeep, own, parseJson } from './json.ts';
import type { Candidate } from './known-good.ts';
import { fieldsOfOthers, LAST_APPLIED } from './managed-fields.ts';
import { isAbsent, isKeyed, mergeKeyOf } from './merge-keys.ts';
import { CHANGE_CAUSE } from './revision.ts';
import { canonical, isRestartStamp } from './template.ts';
import type { DaemonSet, Json, JsonObject } from './types.ts';

/**
 * The manifest that `kubectl apply` is to take for the one that it applied last, after a rollback: with the restored template, change-cause and fields
 * of the spec. The next apply removes what this manifest has and its own does not. Left out are defaults, the stamps of restarts, and what only other
 * managers set. What the rollback does not change stays unchanged.
 *
 * @returns the text of the annotation; undefined if the DaemonSet has none; `unreadable` if it is not a manifest.
 */
export function lastAppliedAfter(daemonSet: DaemonSet, target: Candidate): { text: string } | 'unreadable' | undefined {
  const text = daemonSet.metadata.annotations?.[LAST_APPLIED];
  if (text === undefined) return undefined;
  const manifest = manifestIn(text);
  if (!manifest) return 'unreadable';
  const spec = daemonSet.spec as unknown as JsonObject;
  const restored = { ...target.spec, template: target.template };
  const rebased = rebaseObject({
    before: {
      metadata: { annotations: { [CHANGE_CAUSE]: daemonSet.metadata.annotations?.[CHANGE_CAUSE] } },
      spec: Object.fromEntries(Object.keys(restored).map((field) => [field, spec[field]])),
    },
    after: { metadata: { annotations: { [CHANGE_CAUSE]: target.changeCause } }, spec: restored },
    applied: manifest,
    others: fieldsOfOthers(daemonSet),
  });
  return { text: canonical(rebased) === canonical(manifest) ? text : encoded(rebased) };
}

/** The text that kubectl writes: with sorted keys, a line break at the end, and Go's escapes, so that it takes the same manifest for unchanged. */
function encoded(manifest: JsonObject): string {
  const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `${canonical(manifest).replace(/[<>&\u2028\u2029]/g, escaped)}\n`;
}

function manifestIn(text: string): JsonObject | undefined {
  try {
    const manifest = parseJson(text);
    return isObject(manifest) && isObject(manifest['spec']) && !isTooDeep(manifest) ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** A value before and after the rollback, in the applied manifest, and which of its fields other managers have. */
interface Rebased<T> {
  before: Json | undefined;
  after: T;
  applied: T;
  others: FieldSet | undefined;
}

function rebase(name: string, { before, after, applied, others }: Rebased<Json | undefined>): Json | undefined {
  if (isAbsent(after)) return isSame(before, after) ? applied : undefined;
  if (isAbsent(applied)) return added(name, after, others);
  if (isObject(after) && isObject(applied)) return rebaseObject({ before, after, applied, others });
  const key = mergeKeyOf(name);
  if (key !== undefined && isKeyed(after, key) && isKeyed(applied, key)) return rebaseList(key, { before, after, applied, others });
  return isSame(before, after) ? applied : after;
}

function rebaseObject({ before, after, applied, others }: Rebased<JsonObject>): JsonObject {
  const fields = [...new Set([...Object.keys(applied), ...Object.keys(after)])];
  return Object.fromEntries(
    fields.flatMap((field) => {
      const [now, value] = [own(applied, field), own(after, field)];
      const isLeftOut = isRestartStamp(field) || (isAbsent(now) && isDefault(field, value, after));
      const child = isLeftOut
        ? now
        : rebase(field, {
            before: isObject(before) ? own(before, field) : undefined,
            after: value,
            applied: now,
            others: belowField(others, field),
          });
      return child === undefined ? [] : [[field, child]];
    }),
  );
}

function rebaseList(key: string, { before, after, applied, others }: Rebased<JsonObject[]>): JsonObject[] {
  const item = (list: Json | undefined, value: Json | undefined): JsonObject | undefined =>
    Array.isArray(list) ? list.filter(isObject).find((one) => one[key] === value) : undefined;
  const names = [...new Set([...applied, ...after].map((one) => one[key]))];
  return names.flatMap((name) => {
    const [then, value, now] = [item(before, name), item(after, name), item(applied, name)];
    const below = belowItem(others, key, name);
    if (value && now) return [rebaseObject({ before: then, after: value, applied: now, others: below })];
    const kept = value ? addedItem(key, value, below) : now && isSame(then, value) ? now : undefined;
    return kept ? [kept] : [];
  });
}

/** A value that the manifest does not have yet, without defaults, stamps, and what other managers have. */
function added(name: string, value: Json, others: FieldSet | undefined): Json | undefined {
  const key = mergeKeyOf(name);
  if (key !== undefined && isKeyed(value, key)) {
    const items = value.map((item) => addedItem(key, item, belowItem(others, key, item[key]))).filter((item) => item !== undefined);
    return items.length === 0 && value.length > 0 ? undefined : items;
  }
  if (!isObject(value)) return isMember(others) ? undefined : value;
  const fields = Object.entries(value).flatMap(([field, child]) => {
    if (isAbsent(child) || isRestartStamp(field) || isDefault(field, child, value)) return [];
    const kept = added(field, child, belowField(others, field));
    return kept === undefined ? [] : [[field, kept] as const];
  });
  const isLeftOut = fields.length === 0 && (Object.keys(value).length > 0 || isMember(others));
  return isLeftOut ? undefined : Object.fromEntries(fields);
}

/** An item without fields of its own is left out if another manager has it. */
function addedItem(key: string, item: JsonObject, others: FieldSet | undefined): JsonObject | undefined {
  const { [key]: _name, ...fields } = item;
  const kept = added('', fields, others);
  if (isObject(kept)) return { [key]: item[key], ...kept };
  return others ? undefined : { [key]: item[key] };
}

function isSame(one: Json | undefined, other: Json | undefined): boolean {
  return canonical(one ?? null) === canonical(other ?? null);
}
