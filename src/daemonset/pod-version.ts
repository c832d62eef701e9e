import { createHash } from 'node:crypto';
import { isObject } from './json.ts';
import { mergeKeyOf } from './merge-keys.ts';
import { canonical, isRestartStamp } from './template.ts';
import type { Json, JsonObject, Pod, PodTemplate } from './types.ts';

/** How to recognize the pods of the version that is waited for. */
export interface WantedVersion {
  /** The DaemonSet's annotation `deprecated.daemonset.template.generation`. */
  generation: string | undefined;
  /** The hashes of the ControllerRevisions with its template. Undefined if they could not be read. */
  hashes: ReadonlySet<string> | undefined;
}

/** What decides which version a pod runs. */
export interface PodVersion {
  /** Label `controller-revision-hash`. */
  hash: string;
  /** Label `pod-template-generation`. */
  generation: string;
  /** The spec was changed after the pod was created (`metadata.generation` of the pod). */
  changedInPlace: boolean;
  /** Where the pod differs from the template. Undefined: nowhere. */
  deviations: Deviations | undefined;
}

/** The paths of the fields that have another value in the pod than in the template, and a digest of that value. */
export type Deviations = ReadonlyMap<string, string>;

/** What admission did to the pods that certainly are of the version. */
export interface Peers {
  count: number;
  /** Path and digest of each of their deviations. */
  deviations: ReadonlySet<string>;
}

/**
 * Whether a pod runs the version. Its labels alone do not prove it: after `kubectl delete --cascade=orphan`, pods of another DaemonSet can
 * have the generation, and when the controller removes a twin revision, it gives the hash to pods of every version (DaemonSet controller:
 * dedupCurHistories). Where the labels disagree, the spec decides; what admission added to or changed in a pod is not another version.
 */
export function runsVersion(pod: PodVersion, { generation, hashes }: WantedVersion, peers: Peers): boolean {
  const { deviations } = pod;
  if (hashes && !hashes.has(pod.hash)) return false;
  if (!deviations) return true;
  const unexplained = [...deviations].filter(([path, value]) => !peers.deviations.has(keyOf(path, value))).map(([path]) => path);
  const isCertain = hashes !== undefined && isPeer(pod, { generation, hashes });
  if (isCertain) return !pod.changedInPlace || !unexplained.some(isEssential);
  return peers.count > 0 ? unexplained.length === 0 : !unexplained.some(isEssential);
}

/** Whether both labels of a pod are those of the version. */
export function isPeer({ hash, generation }: PodVersion, wanted: WantedVersion): boolean {
  return wanted.hashes?.has(hash) === true && wanted.generation !== undefined && generation === wanted.generation;
}

/** The pods of which both labels are those of the version, and whose spec was not changed since. */
export function peersAmong(pods: Iterable<PodVersion>, wanted: WantedVersion): Peers {
  const deviations = new Set<string>();
  let count = 0;
  for (const pod of pods) {
    if (pod.changedInPlace || !isPeer(pod, wanted)) continue;
    count += 1;
    for (const [path, value] of pod.deviations ?? []) deviations.add(keyOf(path, value));
  }
  return { count, deviations };
}

const keyOf = (path: string, value: string): string => `${path}=${value}`;

/** The fields to compare if no other pod shows what admission changed: containers, their images, commands and variables. */
const ESSENTIAL = /^spec\.(containers|initContainers)\[[^\]]*\](\.(image|command|args|env(\[.*)?))?$/;

function isEssential(path: string): boolean {
  return ESSENTIAL.test(path);
}

/** What a pod says about its version. */
export function podVersionOf(pod: Pod, template: PodTemplate): PodVersion {
  const { labels = {}, generation = 1 } = pod.metadata;
  const deviations = deviationsOf(pod, template);
  return {
    hash: labels['controller-revision-hash'] ?? '',
    generation: labels['pod-template-generation'] ?? '',
    changedInPlace: generation > 1,
    deviations: deviations.size > 0 ? deviations : undefined,
  };
}

/** The fields of a pod spec that Kubernetes itself sets in each pod. */
const SET_BY_KUBERNETES = new Set(['affinity', 'nodeName']);

/** Where a pod has something else than the template sets. What the template does not set does not count. */
function deviationsOf({ metadata, spec = {} }: Pod, template: PodTemplate): Deviations {
  const found = new Map<string, string>();
  const note = (path: string, actual: Json | undefined): void => {
    found.set(
      path,
      createHash('sha256')
        .update(canonical(actual ?? null))
        .digest('hex')
        .slice(0, 16),
    );
  };

  const compare = (path: string, wanted: Json, actual: Json | undefined): void => {
    const key = mergeKeyOf(path.slice(path.lastIndexOf('.') + 1));
    if (isObject(wanted) && isObject(actual)) compareFields(path, wanted, actual);
    else if (key !== undefined && Array.isArray(wanted) && Array.isArray(actual)) compareItems(path, key, wanted, actual);
    else if (!isSameValue(path, wanted, actual)) note(path, actual);
  };
  const compareFields = (path: string, wanted: JsonObject, actual: JsonObject): void => {
    for (const [key, value] of Object.entries(wanted))
      if (value !== undefined && value !== null) compare(`${path}.${key}`, value, actual[key]);
  };
  const compareItems = (path: string, key: string, wanted: Json[], actual: Json[]): void => {
    for (const item of wanted) {
      const name = isObject(item) ? String(item[key] ?? '') : '';
      const at = `${path}[${name}]`;
      const other = actual.find((one) => isObject(one) && String(one[key] ?? '') === name);
      if (other === undefined) note(at, null);
      else compare(at, item, other);
    }
  };

  if (isObject(template['spec'])) {
    const { spec: wanted } = template;
    for (const [key, value] of Object.entries(wanted))
      if (!SET_BY_KUBERNETES.has(key) && value !== undefined && value !== null) compare(`spec.${key}`, value, spec[key]);
  }
  const { metadata: meta } = template;
  const { labels, annotations } = isObject(meta) ? meta : {};
  for (const [key, value] of Object.entries(isObject(labels) ? labels : {}))
    if (metadata.labels?.[key] !== value) note(`metadata.labels.${key}`, metadata.labels?.[key]);
  for (const [key, value] of Object.entries(isObject(annotations) ? annotations : {}))
    if (!isRestartStamp(key) && metadata.annotations?.[key] !== value) note(`metadata.annotations.${key}`, metadata.annotations?.[key]);
  return found;
}

function isSameValue(path: string, wanted: Json, actual: Json | undefined): boolean {
  if (wanted === actual) return true;
  if (canonical(wanted) === canonical(actual ?? null)) return true;
  if (Array.isArray(wanted) && Array.isArray(actual))
    return isUnordered(path) && wanted.every((item) => actual.some((other) => canonical(other) === canonical(item)));
  return path.endsWith('.image') && typeof wanted === 'string' && typeof actual === 'string' && isSameImage(wanted, actual);
}

/** The order of a command and of its arguments means something. */
function isUnordered(path: string): boolean {
  return !/\.(command|args)$/.test(path);
}

/**
 * Whether the image of a pod can be what admission made of an image: the same repository name and tag from another registry, or with the
 * digest that the tag has.
 */
export function isSameImage(wanted: string, actual: string): boolean {
  const [one, other] = [partsOf(wanted), partsOf(actual)];
  if (one.name !== other.name) return false;
  if (one.digest !== '') return one.digest === other.digest;
  return other.tag === one.tag || (other.tag === '' && other.digest !== '');
}

function partsOf(image: string): { name: string; tag: string; digest: string } {
  const [, name = '', tag = '', digest = ''] = /([^/:@]*)(?::([^/@]*))?(?:@(.*))?$/.exec(image) ?? [];
  return { name, tag: tag || (digest === '' ? 'latest' : ''), digest };
}
