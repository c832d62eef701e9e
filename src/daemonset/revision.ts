import { type GoodMark, readGood } from './mark.ts';
import { digest, imagesOf, sameButForRestart, sameTemplate, storedTemplate } from './template.ts';
import type { ControllerRevision, DaemonSet, PodTemplate } from './types.ts';

/** Where Kubernetes' own tools keep why a version was rolled out. */
export const CHANGE_CAUSE = 'kubernetes.io/change-cause';

/** One ControllerRevision of a DaemonSet. */
export interface Revision {
  /** The revision number, as `kubectl rollout history` shows it. It changes when the controller renews the revision. */
  number: number;
  /** The ControllerRevision's name, which does not change. */
  name: string;
  uid: string;
  /** Label `controller-revision-hash` of its pods. */
  hash: string;
  changeCause: string | undefined;
  /** RFC 3339. */
  created: string | undefined;
  /** Our mark that it was seen running everywhere. */
  good?: GoodMark;
  images: string[];
  /** As stored, without `$patch`. */
  template: PodTemplate;
  /** Equal for revisions that mean the same. */
  digest: string;
}

/** The revisions of one DaemonSet. */
export interface History {
  /** Newest first: by number, then by name, so that the order is the same at every reading. */
  revisions: Revision[];
  /** The one whose template is the DaemonSet's now, by meaning (of twins, the newest). */
  current: Revision | undefined;
}

/**
 * The history of a DaemonSet from the ControllerRevisions that match its selector: those whose controller
 * is this very DaemonSet, by UID (`kubectl rollout history` takes the same). One that stores no pod
 * template cannot be restored, and is left out.
 */
export function historyOf(daemonSet: DaemonSet, controllerRevisions: ControllerRevision[]): History {
  const revisions = controllerRevisions
    .filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.controller === true && owner.uid === daemonSet.metadata.uid))
    .flatMap(toRevision)
    .sort((a, b) => b.number - a.number || (a.name < b.name ? -1 : 1));
  const { template } = daemonSet.spec;
  return { revisions, current: revisions.find((revision) => sameTemplate(revision.template, template)) };
}

function toRevision({ metadata, revision, data }: ControllerRevision): Revision[] {
  const template = storedTemplate(data);
  if (!template) return [];
  const good = readGood(metadata);
  return [
    {
      number: revision,
      name: metadata.name,
      uid: metadata.uid,
      hash: metadata.labels?.['controller-revision-hash'] ?? '',
      changeCause: metadata.annotations?.[CHANGE_CAUSE],
      created: metadata.creationTimestamp,
      images: imagesOf(template),
      template,
      digest: digest(template),
      ...(good && { good }),
    },
  ];
}

/** Whether another revision means the same as this one, so that counters cannot tell their pods apart. */
export function hasTwin(history: History, revision: Revision): boolean {
  return history.revisions.some((other) => other.name !== revision.name && other.digest === revision.digest);
}

/** Whether two revisions are one version: they mean the same, but for the time of a `kubectl rollout restart`. */
export function isSameVersion(one: Revision, other: Revision): boolean {
  return sameButForRestart(one.template, other.template);
}

/**
 * The number that the controller gives to a restored template: one more than the highest of the others
 * (DaemonSet controller: constructHistory). Of all, where it makes a new ControllerRevision for it (undefined).
 */
export function nextNumber(history: History, renewed: Revision | undefined): number {
  const others = history.revisions.filter(({ name }) => name !== renewed?.name).map(({ number }) => number);
  return Math.max(0, ...others) + 1;
}
