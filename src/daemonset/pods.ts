import { isOwned } from './is-owned.ts';
import { type PodVersion, podVersionOf } from './pod-version.ts';
import type { Revision } from './revision.ts';
import { containersOf } from './template.ts';
import type { DaemonSet, Pod, PodTemplate } from './types.ts';

/** The annotation that counts the changes of a DaemonSet's template. Its pods have the number as the label `pod-template-generation`. */
export const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

/** The DaemonSet's count of template changes. Other changes of its spec do not count (DaemonSet strategy: PrepareForUpdate). */
export function templateGenerationOf({ metadata }: DaemonSet): number | undefined {
  const text = metadata.annotations?.[TEMPLATE_GENERATION] ?? '';
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** A pod as it is seen in a wait: without its specification, but with what was compared. */
export interface WatchedPod extends Pod {
  version: PodVersion;
}

/** How many pods run each ControllerRevision, by its name. */
export type PodCounts = Readonly<Record<string, { ready: number; total: number }>>;

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

/** What a wait keeps of a pod. There can be thousands of them, so fields that are not used are dropped. */
export function watchedPod(pod: Pod, template: PodTemplate): WatchedPod {
  const { metadata, spec, status } = pod;
  const { managedFields: _fields, annotations: _annotations, ...meta } = metadata;
  const { nodeName, affinity, terminationGracePeriodSeconds } = spec ?? {};
  // Of init containers, only their names and whether they are sidecars are used.
  const init = containersOf(spec, 'initContainers').map(({ name, raw: { restartPolicy } }) => ({ name, restartPolicy }));
  return {
    metadata: meta,
    spec: {
      ...(nodeName === undefined ? { affinity } : { nodeName }),
      ...(init.length > 0 && { initContainers: init }),
      terminationGracePeriodSeconds,
    },
    ...(status && { status }),
    version: podVersionOf(pod, template),
  };
}
