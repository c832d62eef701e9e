import type { DaemonSet, ObjectMeta } from './types.ts';

/** Whether the DaemonSet is the controller of an object, by UID. */
export function isOwned({ ownerReferences }: ObjectMeta, daemonSet: DaemonSet): boolean {
  return ownerReferences?.some((owner) => owner.controller === true && owner.uid === daemonSet.metadata.uid) ?? false;
}
