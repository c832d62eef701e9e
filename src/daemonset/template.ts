import { createHash } from 'node:crypto';
import { isObject, stringify } from './json.ts';
import type { Json, JsonObject, PodTemplate } from './types.ts';

/**
 * The annotations in a template that only restart pods: those of `kubectl rollout restart`, Rancher, Stakater Reloader, and the one that
 * Helm's documentation recommends.
 */
const RESTART_STAMPS: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/restartedAt',
  'cattle.io/timestamp',
  'reloader.stakater.com/last-reloaded-from',
  'rollme',
]);

export function isRestartStamp(annotation: string): boolean {
  return RESTART_STAMPS.has(annotation);
}

/**
 * The template without what has no meaning: the strategic-merge directive `$patch`, nulls, and `metadata.creationTimestamp` (a template has
 * none; Kubernetes before 1.34 wrote it as null, so that the same template has two serializations in a cluster that was upgraded). Keys are sorted.
 */
export function normalForm(template: PodTemplate): PodTemplate {
  const { $patch: _directive, ...kept } = template;
  const { metadata } = kept;
  if (isObject(metadata)) {
    const { creationTimestamp: _none, ...meta } = metadata;
    kept['metadata'] = meta;
  }
  return withoutNulls(kept) as PodTemplate;
}

function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const kept: [string, Json][] = [];
  for (const key of Object.keys(value).sort()) {
    const child = value[key];
    if (child !== undefined && child !== null) kept.push([key, withoutNulls(child)]);
  }
  return Object.fromEntries(kept);
}

/** Text with the keys sorted at every level, so that equal values have equal text. Nulls are kept. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return stringify(value);
  const fields = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] as Json)}`);
  return `{${fields.join(',')}}`;
}

/** `sha256:` and 64 hex digits of the normal form: equal for templates with the same meaning. */
export function digest(template: PodTemplate): string {
  return `sha256:${createHash('sha256')
    .update(canonical(normalForm(template)))
    .digest('hex')}`;
}

/** Whether two templates have the same meaning. */
export function sameTemplate(a: PodTemplate, b: PodTemplate): boolean {
  return canonical(normalForm(a)) === canonical(normalForm(b));
}

/**
 * Whether two templates have the same serialization, nulls included. The DaemonSet controller renumbers the ControllerRevision with the same
 * bytes as a restored template, or else creates a new one (DaemonSet controller: constructHistory, Match).
 */
export function identicalTemplate(a: PodTemplate, b: PodTemplate): boolean {
  return canonical(a) === canonical(b);
}

/** Whether two templates differ at most in what restarts pods. */
export function sameButForRestart(a: PodTemplate, b: PodTemplate): boolean {
  return sameTemplate(without(isRestartStamp, a), without(isRestartStamp, b));
}

/** The digest of a version: equal for templates that differ at most in what restarts pods. */
export function versionDigest(template: PodTemplate): string {
  return digest(without(isRestartStamp, template));
}

/**
 * Whether two templates of different versions differ only in annotations such as `checksum/config`, by which Helm charts roll out another
 * content of a ConfigMap or Secret.
 */
export function differInChecksums(a: PodTemplate, b: PodTemplate): boolean {
  const isIgnored = (annotation: string): boolean => isRestartStamp(annotation) || annotation.startsWith('checksum/');
  return !sameButForRestart(a, b) && sameTemplate(without(isIgnored, a), without(isIgnored, b));
}

function without(isIgnored: (annotation: string) => boolean, template: PodTemplate): PodTemplate {
  const { metadata, ...rest } = template;
  if (!isObject(metadata) || !isObject(metadata['annotations'])) return template;
  const annotations = Object.fromEntries(Object.entries(metadata['annotations']).filter(([key]) => !isIgnored(key)));
  const { annotations: _all, ...meta } = metadata;
  return { ...rest, metadata: Object.keys(annotations).length > 0 ? { ...meta, annotations } : meta };
}

/** The template that a ControllerRevision stores, without its `$patch` directive. */
export function storedTemplate(data: JsonObject | undefined): PodTemplate | undefined {
  const spec = data?.['spec'];
  const template = isObject(spec) ? spec['template'] : undefined;
  if (!isObject(template)) return undefined;
  const { $patch: _directive, ...rest } = template;
  return rest;
}

export interface Container {
  name: string;
  image: string;
  raw: JsonObject;
}

/** The containers of a PodSpec under one key, in their order. */
export function containersOf(podSpec: Json | undefined, key: 'containers' | 'initContainers' = 'containers'): Container[] {
  const list = isObject(podSpec) ? podSpec[key] : undefined;
  if (!Array.isArray(list)) return [];
  return list.filter(isObject).map((raw) => ({
    name: String(raw['name'] ?? ''),
    image: String(raw['image'] ?? ''),
    raw,
  }));
}

/** The names of the init containers of a PodSpec that continue to run beside the others. */
export function sidecarsOf(podSpec: Json | undefined): ReadonlySet<string> {
  const sidecars = containersOf(podSpec, 'initContainers').filter(({ raw }) => raw['restartPolicy'] === 'Always');
  return new Set(sidecars.map(({ name }) => name));
}

/** The images of a template, those of init containers first, each once. */
export function imagesOf(template: PodTemplate): string[] {
  const { spec } = template;
  return [...new Set([...containersOf(spec, 'initContainers'), ...containersOf(spec)].map(({ image }) => image))];
}
