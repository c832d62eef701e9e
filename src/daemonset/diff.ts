import { isObject, own, stringify } from './json.ts';
import { isRestartStamp, normalForm } from './template.ts';
import type { Json, JsonObject, PodTemplate } from './types.ts';

/** One difference between two templates. `path` is as `spec.containers[agent].image`. */
export interface TemplateChange {
  path: string;
  /** Undefined: the field was absent. */
  before: Json | undefined;
  /** Undefined: the field is absent now. */
  after: Json | undefined;
  /** It may hold a secret: see `holdsLiteral`. */
  sensitive: boolean;
}

/** The differences of two templates by meaning, in the order of their paths. */
export function diffTemplates(before: PodTemplate, after: PodTemplate): TemplateChange[] {
  const changes: TemplateChange[] = [];
  compare({ path: '', list: '', sensitive: false }, normalForm(before), normalForm(after), changes);
  return changes;
}

interface Place {
  path: string;
  /** The key of the list that this value is an item of. */
  list: string;
  sensitive: boolean;
}

function compare(place: Place, before: Json | undefined, after: Json | undefined, into: TemplateChange[]): void {
  if (stringify(before) === stringify(after)) return;
  if (isObject(before) && isObject(after)) {
    for (const key of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
      const [one, other] = [own(before, key), own(after, key)];
      const isLiteral = holdsLiteral(place.list, key, one) || holdsLiteral(place.list, key, other);
      compare({ path: join(place.path, key), list: key, sensitive: place.sensitive || isLiteral }, one, other, into);
    }
    return;
  }
  const found = into.length;
  const pairs = byIdentity(before, after);
  for (const [identity, [one, other]] of pairs ?? []) {
    compare({ ...place, path: `${place.path}[${identity}]` }, one, other, into);
  }
  if (into.length > found) return;
  const sensitive = place.sensitive || hasLiteral(place.list, before) || hasLiteral(place.list, after);
  into.push({ path: place.path, before, after, sensitive });
}

function join(path: string, key: string): string {
  if (!/^[\w$-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

/** Fields of any keys, whose values are strings: those of a CSI volume go to its driver. */
const STRINGS: ReadonlySet<string> = new Set(['annotations', 'volumeAttributes']);

/**
 * Fields that people put secrets into: commands, arguments, literal values of variables and headers, annotations, what is passed to the driver
 * of a volume, and the path of a probe or a hook if it has a query. The time of a restart is none.
 *
 * @param list the key of the object or list that has the field.
 */
function holdsLiteral(list: string, key: string, value: Json | undefined): boolean {
  if (value === undefined) return false;
  if (STRINGS.has(list)) return !(isRestartStamp(key) && typeof value === 'string' && TIME.test(value));
  switch (key) {
    case 'command':
    case 'args':
      return true;
    case 'value':
      return list === 'env' || list === 'httpHeaders';
    case 'path':
      return list === 'httpGet' && typeof value === 'string' && value.includes('?');
    case 'options':
      return list === 'flexVolume';
    default:
      return STRINGS.has(key) && !isObject(value);
  }
}

const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/;

/** The template with a placeholder for every value that may be secret. */
export function withoutLiterals(template: PodTemplate): PodTemplate {
  return hide('', template) as PodTemplate;
}

function hide(list: string, value: Json): Json {
  if (Array.isArray(value)) return value.map((item) => hide(list, item));
  if (!isObject(value)) return value;
  const hidden = Object.entries(value).map(([key, child]) => [
    key,
    holdsLiteral(list, key, child) ? placeholder(key, child) : hide(key, child ?? null),
  ]);
  return Object.fromEntries(hidden) as JsonObject;
}

/** Of a path, only the query is hidden. */
function placeholder(key: string, value: Json | undefined): string {
  return key === 'path' && typeof value === 'string' ? value.replace(/\?.*$/s, '?<hidden>') : '<hidden>';
}

/** Whether a value that was added or removed as a whole contains such a field. */
function hasLiteral(list: string, value: Json | undefined): boolean {
  if (Array.isArray(value)) return value.some((item) => hasLiteral(list, item));
  if (!isObject(value)) return false;
  return Object.keys(value).some((key) => holdsLiteral(list, key, value[key]) || hasLiteral(key, value[key]));
}

/** The keys that identify the items of a Kubernetes list, tried in this order. */
const IDENTITIES = ['name', 'mountPath', 'devicePath', 'containerPort', 'key', 'topologyKey', 'ip'];

/** The items of two lists side by side, or undefined if no key identifies them. */
function byIdentity(before: Json | undefined, after: Json | undefined): Map<string, [Json | undefined, Json | undefined]> | undefined {
  if (!Array.isArray(before) || !Array.isArray(after)) return undefined;
  for (const key of IDENTITIES) {
    const one = indexBy(before, key);
    const other = indexBy(after, key);
    if (!one || !other) continue;
    return new Map([...new Set([...one.keys(), ...other.keys()])].map((identity) => [identity, [one.get(identity), other.get(identity)]]));
  }
  return undefined;
}

function indexBy(list: Json[], key: string): Map<string, JsonObject> | undefined {
  const index = new Map<string, JsonObject>();
  for (const item of list) {
    if (!isObject(item) || item[key] === undefined) return undefined;
    index.set(String(item[key]), item);
  }
  return index.size === list.length ? index : undefined;
}
