/** Sentences about holds. */
import type { Enforcement, Hold, SeenHold } from '../../daemonset/hold.ts';
import type { LeftOut } from '../../daemonset/notes.ts';
import { changeCauseText } from './change-cause.ts';
import { whyText } from './next-deploy.ts';

/** `since TIME by RUN, reason "REASON"`. */
export function originText({ time, run, reason }: Hold): string {
  if (time === undefined) return 'it is unknown by whom, because the annotation is not one of this action';
  const by = run === undefined ? '' : ` by ${run}`;
  return `since ${time}${by}${reason === undefined ? '' : `, reason "${changeCauseText(reason, false)}"`}`;
}

const ENFORCEMENTS: Readonly<Record<Enforcement, string>> = {
  enforced: 'The API server enforces that: it denies every change of the pod template, by any tool.',
  advisory:
    'That is advisory: the API server accepts changes of the pod template, and only this action heeds the hold. To enforce it, apply policy/hold.yaml from the repository of the action.',
  unknown: 'Could not determine whether the API server enforces that.',
};

/** Who holds a DaemonSet, whether the API server enforces that, and how it ends. */
export function heldText({ enforcement, ...hold }: SeenHold): string {
  return `The DaemonSet is held (${originText(hold)}). ${ENFORCEMENTS[enforcement]} A hold is a safety catch, not access control: anyone who is allowed to patch the DaemonSet can end it. To release it: command: release.`;
}

export function heldRefusalText(hold: Hold): string {
  return `Nothing was written: the DaemonSet is held (${originText(hold)}). To end the hold, run command: release. To roll back all the same and hold the result, set hold: true.`;
}

export function holdRejectedText(why: LeftOut['why']): string {
  return `Nothing was written: the DaemonSet cannot be held, because ${whyText(why)}. To roll back without a hold, remove hold: true.`;
}

export function releasedText(hold: Hold): string {
  return `The hold was released. The DaemonSet was held: ${originText(hold)}. A deploy can change it again.`;
}

export function dryRunOfReleaseText(hold: Hold): string {
  return `The hold would be released. The DaemonSet is held: ${originText(hold)}. Nothing was written.`;
}

export function releaseUnknownText(why: string): string {
  return `It is not known whether the hold was released (${why}). Run this step again: it releases what is still held.`;
}

export const NOTHING_HELD = 'Nothing was written: the DaemonSet is not held.';

export const NOT_HELD_NOTE = 'The DaemonSet is not held: hold: true holds only what the step itself writes.';
