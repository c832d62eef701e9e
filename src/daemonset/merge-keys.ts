import { isObject, own } from './json.ts';
import type { Json, JsonObject } from './types.ts';

/** The field that identifies the items of a list in a strategic merge patch (k8s.io/api: patchMergeKey). Other lists change as a whole. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  claims: 'name',
  containers: 'name',
  env: 'name',
  hostAliases: 'ip',
  imagePullSecrets: 'name',
  initContainers: 'name',
  ports: 'containerPort',
  resourceClaims: 'name',
  topologySpreadConstraints: 'topologyKey',
  volumeDevices: 'devicePath',
  volumeMounts: 'mountPath',
  volumes: 'name',
};

export function mergeKeyOf(list: string): string | undefined {
  return Object.hasOwn(MERGE_KEYS, list) ? MERGE_KEYS[list] : undefined;
}

/** Whether a list has items with different values of a field. */
export function isKeyed(value: Json | undefined, key: string): value is JsonObject[] {
  if (!Array.isArray(value)) return false;
  const keys = value.map((item) => (isObject(item) ? own(item, key) : undefined));
  return !keys.some(isAbsent) && new Set(keys).size === value.length;
}

/** A field that is null has the same meaning as one that is missing. */
export function isAbsent(value: Json | undefined): value is null | undefined {
  return value === undefined || value === null;
}
