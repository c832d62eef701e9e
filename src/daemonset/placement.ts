import { isObject } from './json.ts';
import { canonical } from './template.ts';
import type { Json, JsonObject, Node, PodTemplate } from './types.ts';

/** The fields of a pod spec that decide on which nodes a DaemonSet runs. */
const FIELDS = ['nodeName', 'nodeSelector', 'affinity', 'tolerations'];

/** Whether two templates are placed by the same rules. */
export function hasSamePlacement(one: PodTemplate, other: PodTemplate): boolean {
  const [a, b] = [specOf(one), specOf(other)];
  return FIELDS.every((field) => canonical(a[field] ?? null) === canonical(b[field] ?? null));
}

/** The nodes that a version matched and another one no longer matches, by name. */
export function lostNodes(nodes: readonly Node[], before: PodTemplate, now: PodTemplate): string[] {
  return nodes.filter((node) => isPlacedOn(before, node) && !isPlacedOn(now, node)).map(({ metadata }) => metadata.name);
}

/** Whether the DaemonSet controller creates a pod of a template on a node (DaemonSet controller: NodeShouldRunDaemonPod). */
export function isPlacedOn(template: PodTemplate, { metadata, spec = {} }: Node): boolean {
  const { nodeName, nodeSelector, affinity, tolerations } = specOf(template);
  if (typeof nodeName === 'string' && nodeName !== '' && nodeName !== metadata.name) return false;
  const labels = metadata.labels ?? {};
  if (isObject(nodeSelector) && Object.entries(nodeSelector).some(([key, value]) => labels[key] !== value)) return false;
  const required = fieldOf(fieldOf(affinity, 'nodeAffinity'), 'requiredDuringSchedulingIgnoredDuringExecution');
  const terms = fieldOf(required, 'nodeSelectorTerms');
  if (Array.isArray(terms) && !terms.some((term) => meets(term, labels, metadata.name))) return false;
  const tolerated = [...DEFAULT_TOLERATIONS, ...(Array.isArray(tolerations) ? tolerations.filter(isObject) : [])];
  return taintsOf(spec).every((taint) => tolerated.some((toleration) => tolerates(toleration, taint)));
}

function specOf({ spec }: PodTemplate): JsonObject {
  return isObject(spec) ? spec : {};
}

function fieldOf(value: Json | undefined, key: string): Json | undefined {
  return isObject(value) ? value[key] : undefined;
}

/** A term without expressions matches nothing. */
function meets(term: Json, labels: Readonly<Record<string, string>>, name: string): boolean {
  const [expressions, fields] = ['matchExpressions', 'matchFields']
    .map((key) => fieldOf(term, key))
    .map((list) => (Array.isArray(list) ? list : []));
  const all = [
    ...(expressions ?? []).map((one) => [one, labels[String(fieldOf(one, 'key'))]] as const),
    ...(fields ?? []).map((one) => [one, name] as const),
  ];
  return all.length > 0 && all.every(([one, actual]) => meetsOne(one, actual));
}

/** One requirement on a label or field (Kubernetes API: NodeSelectorRequirement). */
function meetsOne(requirement: Json, actual: string | undefined): boolean {
  const list = fieldOf(requirement, 'values');
  const values = Array.isArray(list) ? list.map(String) : [];
  switch (fieldOf(requirement, 'operator')) {
    case 'In':
      return actual !== undefined && values.includes(actual);
    case 'NotIn':
      return actual === undefined || !values.includes(actual);
    case 'Exists':
      return actual !== undefined;
    case 'DoesNotExist':
      return actual === undefined;
    case 'Gt':
      return actual !== undefined && Number.parseInt(actual, 10) > Number.parseInt(values[0] ?? '', 10);
    case 'Lt':
      return actual !== undefined && Number.parseInt(actual, 10) < Number.parseInt(values[0] ?? '', 10);
    default:
      return false;
  }
}

interface Taint {
  key: string;
  value: string;
  effect: string;
}

/** The taints that keep pods away. */
function taintsOf(spec: object): Taint[] {
  const { taints } = spec as { taints?: Json };
  return (Array.isArray(taints) ? taints.filter(isObject) : [])
    .map(({ key, value, effect }) => ({ key: String(key ?? ''), value: String(value ?? ''), effect: String(effect ?? '') }))
    .filter(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute');
}

/** The tolerations that the controller adds to each pod, the last one on the host network (DaemonSet controller: AddOrUpdateDaemonPodTolerations). */
export const CONTROLLER_TOLERATIONS: readonly { key: string; operator: 'Exists'; effect: string }[] = (
  [
    ['not-ready', 'NoExecute'],
    ['unreachable', 'NoExecute'],
    ['disk-pressure', 'NoSchedule'],
    ['memory-pressure', 'NoSchedule'],
    ['pid-pressure', 'NoSchedule'],
    ['unschedulable', 'NoSchedule'],
    ['network-unavailable', 'NoSchedule'],
  ] as const
).map(([condition, effect]) => ({ key: `node.kubernetes.io/${condition}`, operator: 'Exists', effect }));

/** For the placement, each counts for every effect. */
const DEFAULT_TOLERATIONS: readonly JsonObject[] = CONTROLLER_TOLERATIONS.map(({ key, operator }) => ({ key, operator }));

/** Whether a toleration matches a taint (Kubernetes API: Toleration). */
function tolerates({ key = '', operator, value = '', effect = '' }: JsonObject, taint: Taint): boolean {
  if (effect !== '' && effect !== null && effect !== taint.effect) return false;
  if (key === '' || key === null) return operator === 'Exists';
  if (key !== taint.key) return false;
  return operator === 'Exists' || (value ?? '') === taint.value;
}
