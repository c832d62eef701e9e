import { type GoodMark, readGood } from './good-mark.ts';
import { isOwned } from './is-owned.ts';
import { digest, imagesOf, sameButForRestart, sameTemplate, storedTemplate } from './template.ts';
import type { ControllerRevision, DaemonSet, PodTemplate } from './types.ts';

/** The annotation in which Kubernetes' own tools keep why a version was rolled out. */
export const CHANGE_CAUSE = 'kubernetes.io/change-cause';

/** One ControllerRevision of a DaemonSet. */
export interface Revision {
  /** The revision number, as `kubectl rollout history` shows it. It changes if the controller renews the revision. */
  number: number;
  /** The ControllerRevision's name, which does not change. */
  name: string;
  uid: string;
  /** Label `controller-revision-hash` of its pods. */
  hash: string;
  changeCause: string | undefined;
  /** RFC 3339. */
  created: string | undefined;
  /** The good mark. */
  good?: GoodMark;
  images: string[];
  /** As stored, without `$patch`. */
  template: PodTemplate;
  /** Equal for revisions with the same meaning. */
  digest: string;
}

/** The revisions of one DaemonSet. */
export interface History {
  /** The newest first: by number, then by name, so that the order never varies. */
  revisions: Revision[];
  /** The revision that has the DaemonSet's present template, by meaning (of twins, the newest). */
  current: Revision | undefined;
}

/**
 * The history of a DaemonSet, from the ControllerRevisions that match its selector: those whose controller is this DaemonSet, by UID
 * (`kubectl rollout history` does the same). A ControllerRevision without a pod template cannot be restored and is left out.
 */
export function historyOf(daemonSet: DaemonSet, controllerRevisions: ControllerRevision[]): History {
  const revisions = controllerRevisions
    .filter(({ metadata }) => isOwned(metadata, daemonSet))
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

/** Whether another revision has the same meaning as this one, so that counters do not distinguish their pods. */
export function hasTwin(history: History, revision: Revision): boolean {
  return twinsOf(history, revision).some(({ name }) => name !== revision.name);
}

/** The revisions with the same meaning as this one, itself included. */
export function twinsOf({ revisions }: History, { digest }: Revision): Revision[] {
  return revisions.filter((other) => other.digest === digest);
}

/** Whether two revisions are the same version: their meaning is the same, apart from the time of a `kubectl rollout restart`. */
export function isSameVersion(one: Revision, other: Revision): boolean {
  return sameButForRestart(one.template, other.template);
}

/**
 * The number that the controller gives to a restored template: one more than the highest of the other revisions (DaemonSet controller:
 * constructHistory).
 *
 * @param renewed the ControllerRevision that gets the number; undefined if the controller creates a new one.
 */
export function nextNumber(history: History, renewed: Revision | undefined): number {
  return highestNumber({ revisions: history.revisions.filter(({ name }) => name !== renewed?.name) }) + 1;
}

/** The highest revision number; 0 without revisions. */
export function highestNumber({ revisions }: Pick<History, 'revisions'>): number {
  return revisions.reduce((highest, { number }) => Math.max(highest, number), 0);
}

/** Enough of a revision to name it. */
export type RevisionName = Pick<Revision, 'number' | 'name'>;
