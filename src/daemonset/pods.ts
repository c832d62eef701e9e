import { containersOf, isObject } from './template.ts';
import type { DaemonSet, Json, JsonObject, Pod } from './types.ts';

const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

/**
 * The pods of a DaemonSet that do not run its template, whatever the counters say. When the controller
 * removes a twin revision it relabels all pods (DaemonSet controller: dedupCurHistories), so a label
 * proves nothing. A pod is right when its `pod-template-generation` is the DaemonSet's, or when every container that the
 * template names has the same image, command, args and env in the pod.
 */
export function wrongPods(daemonSet: DaemonSet, pods: Pod[]): Pod[] {
  const generation = daemonSet.metadata.annotations?.[TEMPLATE_GENERATION];
  const { spec } = daemonSet.spec.template;
  return pods
    .filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.controller === true && owner.uid === daemonSet.metadata.uid))
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter((pod) => {
      const label = pod.metadata.labels?.['pod-template-generation'];
      if (generation !== undefined && label === generation) return false;
      return !(runsContainers(spec, pod.spec, 'containers') && runsContainers(spec, pod.spec, 'initContainers'));
    });
}

function runsContainers(template: Json | undefined, pod: JsonObject | undefined, key: 'containers' | 'initContainers'): boolean {
  const running = new Map(containersOf(pod, key).map(({ name, raw }) => [name, raw]));
  return containersOf(template, key).every(({ name, raw }) => {
    const actual = running.get(name);
    return actual !== undefined && ['image', 'command', 'args', 'env'].every((field) => sorted(raw[field]) === sorted(actual[field]));
  });
}

function sorted(value: Json | undefined): string {
  return JSON.stringify(value ?? null, (_key, child: Json) => (isObject(child) ? Object.fromEntries(Object.entries(child).sort()) : child));
}
