import { belowField, difference, type FieldSet, intersection, isEmpty, isMember, union } from './field-set.ts';
import { isObject } from './json.ts';
import { TEMPLATE_GENERATION } from './pods.ts';
import { type DaemonSet, FIELD_MANAGER, type ManagedFieldsEntry, type ObjectMeta } from './types.ts';

/** The annotation in which `kubectl apply` keeps the manifest that it applied last. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Whether a manager of fields has written some of the template. */
export function writesTemplate({ fieldsV1 }: ManagedFieldsEntry): boolean {
  const spec = fieldsV1?.['f:spec'];
  return isObject(spec) && 'f:template' in spec;
}

/** The managers that apply fields of the template by server-side apply. */
export function appliersOf({ metadata }: DaemonSet): ManagedFieldsEntry[] {
  return entriesOf(metadata).filter((entry) => entry.operation === 'Apply' && writesTemplate(entry));
}

/** Whether any manager uses server-side apply for this DaemonSet. */
export function isServerSideApplied({ metadata }: DaemonSet): boolean {
  return entriesOf(metadata).some(({ operation }) => operation === 'Apply');
}

/** The entries of other managers, for the object itself. */
function entriesOf({ managedFields = [] }: ObjectMeta): ManagedFieldsEntry[] {
  return managedFields.filter((entry) => !entry.subresource && !isOurs(entry));
}

function isOurs({ manager, operation, subresource }: ManagedFieldsEntry): boolean {
  return manager === FIELD_MANAGER && operation === 'Update' && !subresource;
}

/**
 * Whether a manager is a command that a person types once, such as `kubectl set image`. Unlike an applier or a controller, it does not need its
 * fields any more after their rollback. Client-side apply is not one.
 */
function isOneTime({ manager = '', operation }: ManagedFieldsEntry): boolean {
  return operation === 'Update' && /^kubectl($|-(?!client-side-apply$))/.test(manager);
}

/** The fields that managers other than the one of client-side apply have, and need after a rollback, too. */
export function fieldsOfOthers({ metadata }: DaemonSet): FieldSet {
  const isApplier = ({ fieldsV1 }: ManagedFieldsEntry): boolean =>
    isMember(belowField(belowField(belowField(fieldsV1, 'metadata'), 'annotations'), LAST_APPLIED));
  const entries = entriesOf(metadata).filter((entry) => !isOneTime(entry));
  // After a rollback that was not followed by a deploy, this action has the annotation: which of the others applied it is unknown.
  const isKnown = entries.some(isApplier);
  return entries
    .filter((entry) => entry.operation === 'Apply' || (isKnown && !isApplier(entry)))
    .reduce<FieldSet>((all, { fieldsV1 = {} }) => union(all, fieldsV1), {});
}

/** One managedFields entry that changes: `index` is its place, undefined if it has to be added. */
export interface EntryChange {
  index: number | undefined;
  entry: ManagedFieldsEntry;
  /** The fields that it has afterwards. */
  fieldsV1: FieldSet;
}

/** How the fields that a rollback has written return to other managers: our entry is removed, and others get its fields. */
export interface OwnershipReturn {
  ours: { index: number; entry: ManagedFieldsEntry };
  others: EntryChange[];
}

/**
 * After a rollback of a DaemonSet that is deployed by server-side apply, each field of our managedFields entry returns to the managers that had it
 * before the rollback. What none of them had goes to the only one that applies the template, so that its next apply removes what its manifest does not
 * have; with several such managers, or none, to no manager. Our own annotations have no manager afterwards. The model is `csaupgrade` of client-go.
 *
 * @returns undefined if there is nothing to return, or no manager uses server-side apply.
 */
export function ownershipReturn({ metadata: now }: DaemonSet, before: DaemonSet): OwnershipReturn | undefined {
  if (!isServerSideApplied(before)) return undefined;
  const { managedFields = [] } = now;
  const index = managedFields.findIndex(isOurs);
  const entry = managedFields[index];
  if (!entry?.fieldsV1) return undefined;
  const returned = difference(entry.fieldsV1, unmanagedFields(entry.fieldsV1));
  const shares = new Map<string, { entry: ManagedFieldsEntry; fields: FieldSet }>();
  const give = (to: ManagedFieldsEntry, fields: FieldSet): void => {
    if (!isEmpty(fields)) shares.set(keyOf(to), { entry: to, fields: union(shares.get(keyOf(to))?.fields ?? {}, fields) });
  };
  let rest = returned;
  for (const manager of entriesOf(before.metadata)) {
    if (manager.apiVersion !== entry.apiVersion || isOneTime(manager)) continue;
    const fields = intersection(returned, manager.fieldsV1 ?? {});
    give(manager, fields);
    rest = difference(rest, fields);
  }
  const [applier, ...others] = appliersOf(before);
  if (applier && others.length === 0 && applier.apiVersion === entry.apiVersion) give(applier, rest);

  return {
    ours: { index, entry },
    others: [...shares].map(([key, share]) => {
      const place = managedFields.findIndex((one) => keyOf(one) === key);
      const present = managedFields[place];
      return present
        ? { index: place, entry: present, fieldsV1: union(present.fieldsV1 ?? {}, share.fields) }
        : { index: undefined, entry: share.entry, fieldsV1: share.fields };
    }),
  };
}

/** Our own annotations, and the one that the API server changes with each template. */
function unmanagedFields(fields: FieldSet): FieldSet {
  const annotations = belowField(belowField(fields, 'metadata'), 'annotations') ?? {};
  const own = Object.keys(annotations).filter((step) => step.startsWith(`f:${FIELD_MANAGER}/`) || step === `f:${TEMPLATE_GENERATION}`);
  return { 'f:metadata': { 'f:annotations': Object.fromEntries(own.map((step) => [step, {}])) } };
}

function keyOf({ manager, operation, subresource, apiVersion }: ManagedFieldsEntry): string {
  return JSON.stringify([manager, operation, subresource, apiVersion]);
}
