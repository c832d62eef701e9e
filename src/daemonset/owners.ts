import { LAST_APPLIED, writesTemplate } from './managed-fields.ts';
import type { DaemonSet } from './types.ts';

/** A tool that also writes this DaemonSet and will undo a rollback. Names are as the cluster has them: hostile until quoted. */
export type Owner =
  | { kind: 'argo-cd'; application: string }
  | { kind: 'flux'; object: 'kustomization' | 'helmrelease'; name: string; namespace: string }
  | { kind: 'helm'; release: string; namespace: string }
  /** The object whose controller manages the DaemonSet, such as the custom resource of an operator. */
  | { kind: 'controller'; object: string; name: string; namespace: string }
  | { kind: 'addon-manager' }
  | { kind: 'kubectl-apply' };

/**
 * The tools that will undo a rollback, by the owner reference of an operator, the label of the addon manager, and the labels and
 * annotations that Argo CD, Flux, Helm and `kubectl apply` leave.
 */
export function ownersOf({ metadata }: DaemonSet): Owner[] {
  const { labels = {}, annotations = {} } = metadata;
  const owners: Owner[] = (metadata.ownerReferences ?? [])
    .filter(({ controller }) => controller === true)
    .map(({ kind: object, name }) => ({ kind: 'controller', object, name, namespace: metadata.namespace }));

  const application = annotations['argocd.argoproj.io/tracking-id']?.split(':')[0] ?? labels['argocd.argoproj.io/instance'];
  if (application !== undefined) owners.push({ kind: 'argo-cd', application });
  for (const [object, prefix] of [
    ['kustomization', 'kustomize.toolkit.fluxcd.io'],
    ['helmrelease', 'helm.toolkit.fluxcd.io'],
  ] as const) {
    const name = labels[`${prefix}/name`];
    if (name !== undefined) owners.push({ kind: 'flux', object, name, namespace: labels[`${prefix}/namespace`] ?? '' });
  }
  const release = helmReleaseOf({ metadata });
  if (release && labels['helm.toolkit.fluxcd.io/name'] === undefined) owners.push({ kind: 'helm', ...release });
  // Kubernetes, cluster/addons/addon-manager: only this mode restores the manifest; EnsureExists keeps changes.
  if (labels['addonmanager.kubernetes.io/mode'] === 'Reconcile') owners.push({ kind: 'addon-manager' });
  if (annotations[LAST_APPLIED] !== undefined && owners.length === 0) owners.push({ kind: 'kubectl-apply' });
  return owners;
}

/** The Helm release that a DaemonSet belongs to. */
export function helmReleaseOf({ metadata }: Pick<DaemonSet, 'metadata'>): { release: string; namespace: string } | undefined {
  const { annotations = {}, namespace } = metadata;
  const release = annotations['meta.helm.sh/release-name'];
  return release === undefined ? undefined : { release, namespace: annotations['meta.helm.sh/release-namespace'] ?? namespace };
}

/** The last writer of the template, as the API server recorded it: `manager at time`. Undefined if it recorded none. */
export function templateWriter({ metadata }: DaemonSet, except?: string): string | undefined {
  const writers = (metadata.managedFields ?? []).filter((entry) => entry.manager !== except && writesTemplate(entry));
  // Times are in seconds; within the same second the server lists the later manager last.
  const last = writers.sort((a, b) => (a.time ?? '').localeCompare(b.time ?? '')).at(-1);
  return last?.manager === undefined ? undefined : `${last.manager}${last.time ? ` at ${last.time}` : ''}`;
}
