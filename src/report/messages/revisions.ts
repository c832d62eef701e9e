/** How messages name revisions. */
import type { NamedRevision } from '../../daemonset/asked-revision.ts';
import type { Revision, RevisionName } from '../../daemonset/revision.ts';
import { changeCauseText } from './change-cause.ts';

/** `revision 3`, `ControllerRevision "agent-5fb484bc78"`. */
export function askedText(asked: NamedRevision): string {
  return asked.kind === 'number' ? `revision ${asked.number}` : `ControllerRevision "${asked.name}"`;
}

/** `revision 3 (agent-5fb484bc78)`. */
export function revisionText({ number, name }: RevisionName): string {
  return `revision ${number} (${name})`;
}

/** Revisions that a message lists. */
const MOST_LISTED = 20;

/** The revisions that exist, in one sentence. */
export function existingText(revisions: readonly Revision[] = []): string {
  if (revisions.length === 0) return 'There are no revisions.';
  const shown = revisions
    .slice(0, MOST_LISTED)
    .map(({ number, name, changeCause }) => `${number} (${name}${changeCause ? `: ${changeCauseText(changeCause, false)}` : ''})`);
  const more = revisions.length > MOST_LISTED ? `, and ${revisions.length - MOST_LISTED} older` : '';
  return `Existing revisions: ${shown.join(', ')}${more}.`;
}
