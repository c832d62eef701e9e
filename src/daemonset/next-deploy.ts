import { isDefault } from './defaults.ts';
import { isObject, own } from './json.ts';
import type { Candidate } from './known-good.ts';
import { appliersOf, isServerSideApplied } from './managed-fields.ts';
import { isAbsent, isKeyed, mergeKeyOf } from './merge-keys.ts';
import type { Left, LeftBy, LeftPart } from './notes.ts';
import { helmReleaseOf } from './owners.ts';
import { CHANGE_CAUSE } from './revision.ts';
import { isRestartStamp } from './template.ts';
import type { DaemonSet, Json, JsonObject } from './types.ts';

/** @param isLastAppliedStale the rollback does not change what `kubectl apply` compares with, although it is used. */
export function leftByNextDeploy(daemonSet: DaemonSet, target: Candidate, isLastAppliedStale: boolean): Left[] {
  const appliers = appliersOf(daemonSet);
  const reasons: LeftBy[] = [];
  const release = appliers.length === 0 ? helmReleaseOf(daemonSet) : undefined;
  if (release) reasons.push({ kind: 'helm', ...release });
  if (appliers.length > 1) reasons.push({ kind: 'appliers', managers: appliers.map(({ manager = '' }) => manager).sort() });
  if (appliers.length === 0 && isServerSideApplied(daemonSet)) reasons.push({ kind: 'no-applier' });
  if (isLastAppliedStale && appliers.length === 0) reasons.push({ kind: 'kubectl-apply' });
  const parts = reasons.length > 0 ? partsOnlyIn(target, daemonSet) : [];
  return parts.length > 0 ? reasons.map((by) => ({ by, parts })) : [];
}

/** What the restored version has and the present one does not, defaults aside. */
function partsOnlyIn({ template, spec, changeCause }: Candidate, { metadata, spec: now }: DaemonSet): LeftPart[] {
  const found: LeftPart[] = [];
  for (const field of ['metadata', 'spec']) collect([], own(now.template, field), own(template, field), { into: found });
  for (const [field, value] of Object.entries(spec ?? {})) {
    const before = own(now as unknown as JsonObject, field);
    const isNew = isAbsent(before) || isDefault(field, before, {});
    if (!isAbsent(value) && isNew && !isDefault(field, value, {})) found.push({ list: '', name: field, isOfDaemonSet: true });
  }
  if (changeCause !== undefined && metadata.annotations?.[CHANGE_CAUSE] === undefined) {
    found.push({ list: 'annotations', name: CHANGE_CAUSE, isOfDaemonSet: true });
  }
  return found;
}

interface Search {
  /** The container that is searched. */
  container?: LeftPart['container'];
  into: LeftPart[];
}

/** Objects whose fields are named one by one, even if the whole object is new. */
const OPENED: ReadonlySet<string> = new Set(['labels', 'annotations', 'securityContext']);

/** @param path to the value, in the metadata or spec of the template, or in the container. */
function collect(path: string[], before: Json | undefined, after: Json | undefined, search: Search): void {
  const [list = ''] = path.slice(-1);
  const key = mergeKeyOf(list);
  if (key !== undefined && isKeyed(after, key)) {
    collectItems({ list, key }, isKeyed(before, key) ? before : [], after, search);
  } else if (isObject(after) && (isObject(before) || OPENED.has(list))) {
    for (const field of Object.keys(after)) collectField(path, field, isObject(before) ? before : {}, after, search);
  } else if (isAbsent(before)) {
    const [parent = ''] = path.slice(-2);
    const isInMap = path.length === 2 && (parent === 'labels' || parent === 'annotations');
    search.into.push({
      list: isInMap ? parent : '',
      name: isInMap ? list : path.join('.'),
      ...(search.container && { container: search.container }),
    });
  }
}

function collectField(path: string[], field: string, before: JsonObject, after: JsonObject, search: Search): void {
  const [then, value] = [own(before, field), own(after, field)];
  if (isAbsent(value) || isRestartStamp(field) || isDefault(field, value, after)) return;
  collect([...path, field], isDefault(field, then, before) ? undefined : then, value, search);
}

function collectItems({ list, key }: { list: string; key: string }, before: JsonObject[], after: JsonObject[], search: Search): void {
  const { container, into } = search;
  for (const item of after) {
    const name = String(item[key]);
    const then = before.find((one) => one[key] === item[key]);
    if (!then) {
      into.push({ list, name, ...(container && { container }) });
      continue;
    }
    const inside = list === 'containers' || list === 'initContainers' ? { into, container: { list, name } } : search;
    const path = inside === search ? [list, name] : [];
    for (const field of Object.keys(item)) collectField(path, field, then, item, inside);
  }
}
