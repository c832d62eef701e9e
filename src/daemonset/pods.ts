import type { Revision } from './revision.ts';
import { canonical, containersOf } from './template.ts';
import type { DaemonSet, Json, JsonObject, ObjectMeta, Pod } from './types.ts';

/** The annotation that counts the changes of a DaemonSet's template. Its pods have the number as the label `pod-template-generation`. */
export const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

/** How many pods run each ControllerRevision, by its name. */
export type PodCounts = Readonly<Record<string, { ready: number; total: number }>>;

/**
 * The pods of a DaemonSet that do not run its template, whatever the counters say. When the controller removes a twin revision, it
 * relabels all pods (DaemonSet controller: dedupCurHistories), so that the label proves nothing. A pod runs the template if its
 * `pod-template-generation` is the DaemonSet's, or if every container of the template has the same image, command, args and env in the pod.
 */
export function wrongPods(daemonSet: DaemonSet, pods: Pod[]): Pod[] {
  const generation = daemonSet.metadata.annotations?.[TEMPLATE_GENERATION];
  const { spec } = daemonSet.spec.template;
  return pods
    .filter(({ metadata }) => isOwned(metadata, daemonSet) && metadata.deletionTimestamp === undefined)
    .filter((pod) => {
      const label = pod.metadata.labels?.['pod-template-generation'];
      if (generation !== undefined && label === generation) return false;
      return !(runsContainers(spec, pod.spec, 'containers') && runsContainers(spec, pod.spec, 'initContainers'));
    });
}

/** How many pods of a DaemonSet run each ControllerRevision, by their labels. Pods that are being deleted do not count. */
export function podCounts(daemonSet: DaemonSet, pods: Pod[], revisions: Revision[]): PodCounts {
  const counts = new Map(revisions.map(({ name }) => [name, { ready: 0, total: 0 }]));
  const names = new Map(revisions.map(({ hash, name }) => [hash, name]));
  for (const { metadata, status } of pods) {
    if (!isOwned(metadata, daemonSet) || metadata.deletionTimestamp !== undefined) continue;
    const count = counts.get(names.get(metadata.labels?.['controller-revision-hash'] ?? '') ?? '');
    if (!count) continue;
    count.total += 1;
    if (status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True')) count.ready += 1;
  }
  return Object.fromEntries(counts);
}

/** Whether the DaemonSet is the controller of an object, by UID. */
export function isOwned({ ownerReferences }: ObjectMeta, daemonSet: DaemonSet): boolean {
  return ownerReferences?.some((owner) => owner.controller === true && owner.uid === daemonSet.metadata.uid) ?? false;
}

function runsContainers(template: Json | undefined, pod: JsonObject | undefined, key: 'containers' | 'initContainers'): boolean {
  const running = new Map(containersOf(pod, key).map(({ name, raw }) => [name, raw]));
  return containersOf(template, key).every(({ name, raw }) => {
    const actual = running.get(name);
    return (
      actual !== undefined &&
      ['image', 'command', 'args', 'env'].every((field) => canonical(raw[field] ?? null) === canonical(actual[field] ?? null))
    );
  });
}
