import { isObject } from './json.ts';
import { containersOf } from './template.ts';
import type { Json, JsonObject, PodTemplate } from './types.ts';

export type ReferenceKind = 'ConfigMap' | 'Secret' | 'PersistentVolumeClaim';

/** An object in the namespace of the DaemonSet that its pods refer to. */
export interface Reference {
  kind: ReferenceKind;
  name: string;
  /** The keys that a container or a volume names, each once and sorted. */
  keys: string[];
  /** Pods cannot start without it. False for an image pull secret: the image can be there, or need no secret. */
  isRequired: boolean;
}

/**
 * What the pods of a template refer to, each object once. What is optional is left out, since pods start without it. Sources: the Kubernetes
 * API (PodSpec: env, envFrom, volumes, imagePullSecrets), for all containers and init containers.
 */
export function referencesOf({ spec }: PodTemplate): Reference[] {
  const all = new Map<string, Reference>();
  const add = (kind: ReferenceKind, name: Json | undefined, keys: Json[] = [], isRequired = true): void => {
    if (typeof name !== 'string' || name === '') return;
    const known = all.get(`${kind}/${name}`);
    const named = new Set([...(known?.keys ?? []), ...keys.filter((key) => typeof key === 'string')]);
    all.set(`${kind}/${name}`, { kind, name, keys: [...named].sort(), isRequired: isRequired || known?.isRequired === true });
  };
  if (!isObject(spec)) return [];
  const containers = [...containersOf(spec, 'initContainers'), ...containersOf(spec)].map(({ raw }) => raw);
  for (const container of containers) addContainer(container, add);
  const used = new Set(
    containers.flatMap((raw) => ['volumeMounts', 'volumeDevices'].flatMap((key) => listIn(raw, key).map(({ name }) => name))),
  );
  for (const volume of listIn(spec, 'volumes')) {
    // The scheduler asks for the claim of any volume; a kubelet ignores a volume that no container uses (kubelet: GetPodVolumeNames).
    add('PersistentVolumeClaim', needed(volume, 'persistentVolumeClaim')?.['claimName']);
    if (used.has(volume['name'])) addVolume(volume, add);
  }
  for (const { name } of listIn(spec, 'imagePullSecrets')) add('Secret', name, [], false);
  return [...all.values()];
}

type Add = (kind: ReferenceKind, name: Json | undefined, keys?: Json[]) => void;

function addContainer(container: JsonObject, add: Add): void {
  for (const { valueFrom } of listIn(container, 'env')) {
    const [configMap, secret] = [needed(valueFrom, 'configMapKeyRef'), needed(valueFrom, 'secretKeyRef')];
    if (configMap) add('ConfigMap', configMap['name'], [configMap['key'] ?? null]);
    if (secret) add('Secret', secret['name'], [secret['key'] ?? null]);
  }
  for (const source of listIn(container, 'envFrom')) {
    add('ConfigMap', needed(source, 'configMapRef')?.['name']);
    add('Secret', needed(source, 'secretRef')?.['name']);
  }
}

/** Where volumes of other kinds name a Secret (Kubernetes API: Volume). */
const SECRET_OF_VOLUME: readonly (readonly [volume: string, field: string])[] = [
  ['csi', 'nodePublishSecretRef'],
  ['cephfs', 'secretRef'],
  ['flexVolume', 'secretRef'],
  ['iscsi', 'secretRef'],
  ['rbd', 'secretRef'],
  ['scaleIO', 'secretRef'],
  ['storageos', 'secretRef'],
];

function addVolume(volume: JsonObject, add: Add): void {
  const configMap = needed(volume, 'configMap');
  if (configMap) add('ConfigMap', configMap['name'], keysOf(configMap));
  const secret = needed(volume, 'secret');
  if (secret) add('Secret', secret['secretName'], keysOf(secret));
  for (const source of listIn(needed(volume, 'projected') ?? {}, 'sources')) {
    const [config, projected] = [needed(source, 'configMap'), needed(source, 'secret')];
    if (config) add('ConfigMap', config['name'], keysOf(config));
    if (projected) add('Secret', projected['name'], keysOf(projected));
  }
  add('Secret', needed(volume, 'azureFile')?.['secretName']);
  for (const [kind, field] of SECRET_OF_VOLUME) add('Secret', needed(needed(volume, kind), field)?.['name']);
}

/** The keys that a volume mounts as files. Without `items` it mounts those that there are. */
function keysOf(source: JsonObject): Json[] {
  return listIn(source, 'items').map(({ key }) => key ?? null);
}

/** An object under a key, unless it says that it is optional. */
function needed(parent: Json | undefined, key: string): JsonObject | undefined {
  const child = isObject(parent) ? parent[key] : undefined;
  return isObject(child) && child['optional'] !== true ? child : undefined;
}

function listIn(parent: JsonObject, key: string): JsonObject[] {
  const list = parent[key];
  return Array.isArray(list) ? list.filter(isObject) : [];
}
