import type { DaemonSet } from './types.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * Who else writes this DaemonSet and will undo a rollback, by the labels and annotations that Argo CD, Flux, Helm and
 * `kubectl apply` leave: for each what will happen, and what makes the rollback last.
 */
export function ownersOf({ metadata }: DaemonSet): string[] {
  const { labels = {}, annotations = {} } = metadata;
  const owners: string[] = [];

  const application = annotations['argocd.argoproj.io/tracking-id']?.split(':')[0] ?? labels['argocd.argoproj.io/instance'];
  if (application !== undefined) {
    owners.push(
      `Argo CD (application ${safe(application)}) puts back what is in Git when it syncs. To make the rollback last, revert the commit there; to keep it until then: argocd app set ${safe(application)} --sync-policy none`,
    );
  }
  for (const [kind, prefix] of [
    ['kustomization', 'kustomize.toolkit.fluxcd.io'],
    ['helmrelease', 'helm.toolkit.fluxcd.io'],
  ] as const) {
    const name = labels[`${prefix}/name`];
    if (name === undefined) continue;
    owners.push(
      `Flux (${kind} ${safe(name)}) puts back what is in Git when it reconciles. To make the rollback last, revert the commit there; to keep it until then: flux suspend ${kind} ${safe(name)} --namespace ${safe(labels[`${prefix}/namespace`] ?? '')}`,
    );
  }
  const release = annotations['meta.helm.sh/release-name'];
  if (release !== undefined && labels['helm.toolkit.fluxcd.io/name'] === undefined) {
    owners.push(
      `It belongs to the Helm release ${safe(release)}, whose history does not know of this rollback: the next helm upgrade starts from the version that was left. To make it last: helm rollback ${safe(release)} --namespace ${safe(annotations['meta.helm.sh/release-namespace'] ?? metadata.namespace)}`,
    );
  }
  if (annotations[LAST_APPLIED] !== undefined && owners.length === 0) {
    owners.push(
      'It is deployed by kubectl apply, whose record of the last applied manifest stays that of the version that is left. Revert the manifest before the next apply, which would bring that version back; to bring the record in line: kubectl apply set-last-applied --filename MANIFEST',
    );
  }
  return owners;
}

/** A name that can be pasted into a shell, or a placeholder: whoever may write the object may write anything there. */
function safe(name: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(name) ? name : 'NAME';
}

/** Who wrote the template last, as the server recorded it: `manager at time`. Undefined where it recorded nothing. */
export function templateWriter({ metadata }: DaemonSet, except?: string): string | undefined {
  const writers = (metadata.managedFields ?? []).filter(({ manager, fieldsV1 }) => {
    if (manager === except) return false;
    const spec = fieldsV1?.['f:spec'];
    return typeof spec === 'object' && spec !== null && 'f:template' in spec;
  });
  // Times are in seconds; of those in the same second the server lists the later manager last.
  const last = writers.sort((a, b) => (a.time ?? '').localeCompare(b.time ?? '')).at(-1);
  return last?.manager === undefined ? undefined : `${last.manager}${last.time ? ` at ${last.time}` : ''}`;
}
