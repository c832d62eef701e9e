import { isObject } from './json.ts';
import { CONTROLLER_TOLERATIONS } from './placement.ts';
import type { DaemonSet, Json, JsonObject, PodTemplate } from './types.ts';

/** A name that no node has: a pod with it is never scheduled. */
const PLACEHOLDER_NODE = 'rollback-daemonset-preflight';

/**
 * A pod of a template, as the DaemonSet controller would create it (DaemonSet controller: CreatePodTemplate, syncNodes), for a dry run. It is
 * bound to a node that does not exist. The owner is the DaemonSet, without `blockOwnerDeletion`, which would need another right.
 */
export function controllerPod({ metadata }: DaemonSet, template: PodTemplate, hash: string): JsonObject {
  const meta = isObject(template['metadata']) ? template['metadata'] : {};
  const spec = isObject(template['spec']) ? template['spec'] : {};
  const labels = isObject(meta['labels']) ? meta['labels'] : {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${metadata.name}-`,
      namespace: metadata.namespace,
      labels: { ...labels, 'controller-revision-hash': hash },
      ...(isObject(meta['annotations']) && { annotations: meta['annotations'] }),
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: metadata.name, uid: metadata.uid, controller: true }],
    },
    spec: { ...spec, affinity: onNode(spec['affinity']), tolerations: withDefaults(spec['tolerations'], spec['hostNetwork'] === true) },
  };
}

/** The affinity to one node replaces the required node affinity of the template (DaemonSet controller: ReplaceDaemonSetPodNodeNameNodeAffinity). */
function onNode(affinity: Json | undefined): JsonObject {
  const given = isObject(affinity) ? affinity : {};
  const nodeAffinity = isObject(given['nodeAffinity']) ? given['nodeAffinity'] : {};
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [PLACEHOLDER_NODE] }];
  const required = { nodeSelectorTerms: [{ matchFields }] };
  return { ...given, nodeAffinity: { ...nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required } };
}

function withDefaults(tolerations: Json | undefined, isOnHostNetwork: boolean): Json[] {
  const given = Array.isArray(tolerations) ? tolerations : [];
  const added = isOnHostNetwork ? CONTROLLER_TOLERATIONS : CONTROLLER_TOLERATIONS.slice(0, -1);
  const isAdded = (one: Json): boolean => isObject(one) && added.some(({ key, effect }) => one['key'] === key && one['effect'] === effect);
  return [...given.filter((one) => !isAdded(one)), ...added];
}
