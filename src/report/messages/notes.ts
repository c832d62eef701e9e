import type { OtherBytes } from '../../daemonset/image-digests.ts';
import type { Note } from '../../daemonset/notes.ts';
import { causeText } from './causes.ts';
import { NOT_HELD_NOTE } from './hold.ts';
import { leftOutText, leftText } from './next-deploy.ts';
import { ownerText } from './owners.ts';
import { imagesText, mightNotStartText, obstaclesText } from './preflight.ts';
import { revisionText } from './revisions.ts';

/** What else a person should know, as a sentence. */
export function noteText(note: Note): string {
  switch (note.kind) {
    case 'passed-over':
      return `Passed over, because they are the current version (equal, or changed only by "kubectl rollout restart"): revision ${note.numbers.join(', ')}.`;
    case 'older-code':
      return `Passed over revision ${note.numbers.join(', ')}, because the current revision ${note.current} only restarted its pods: the previous version is older code, revision ${note.target}. If the restart broke the pods, the cause may be outside of the template, for example in a ConfigMap or an image tag that was moved, and older code might not help.`;
    case 'rolled-back-before':
      return `Passed over, because they were rolled back before and not deployed again since: revision ${note.numbers.join(', ')}.`;
    case 'passed-over-broken':
      return `Passed over ${revisionText(note.revision)}, because its pods cannot start: ${obstaclesText(note.obstacles)}.`;
    case 'might-not-start':
      return mightNotStartText(note);
    case 'not-checked':
      return `Not everything could be checked before the rollback. ${note.why}`;
    case 'images-present':
      return imagesText(note);
    case 'rolled-back-already':
      return `Nothing was written: this DaemonSet was rolled back already, at ${note.time}${note.run === undefined ? '' : ` by run ${note.run}`}.`;
    case 'no-history':
      return 'The DaemonSet has revisionHistoryLimit: 0, so Kubernetes deletes a revision as soon as it has no pods, and a later rollback finds none. Set it to 1 or more; the default is 10.';
    case 'assumed-change':
      return 'That this job changed the template is an assumption: it changed exactly once since the guard recorded it. To be certain, set deploy-outcome to the outcome of the deploy step, and concurrency in the workflow.';
    case 'fields-restored':
      return `Restored with the template, as they were before the job: ${note.fields.join(', ')}.`;
    case 'fields-left':
      return `These fields of the spec differ from what the guard recorded and stay unchanged, because the spec was also changed without the template, perhaps by someone else: ${note.fields.join(', ')}.`;
    case 'annotations-left-out':
      return leftOutText(note);
    case 'left-by-next-deploy':
      return leftText(note);
    case 'known-good':
      return `Revision ${note.number} has the good mark: it was seen running on every node at ${note.time}${note.run === undefined ? '' : ` by ${note.run}`}.`;
    case 'most-ready':
      return `No version other than the current one has the good mark; revision ${note.number} has the most Ready pods: ${note.ready}.`;
    case 'only-other':
      return `No version other than the current one has the good mark or a pod; revision ${note.number} is the only other version. It was not seen running on every node.`;
    case 'ran-before':
      return `No version other than the current one has the good mark or a pod; revision ${note.number} is the version that was current before. It was not seen running on every node.`;
    case 'resumed':
      return `This run rolled back already (at ${note.time}); this attempt wrote nothing and waited for the same rollout.`;
    case 'not-held':
      return NOT_HELD_NOTE;
    case 'owner':
      return ownerText(note.owner);
    case 'new-controller-revision':
      return `${capitalized(revisionText(note.created))} is a new ControllerRevision, not the one that was ${revisionText(note.target)}. ${
        note.why === 'other-serialization'
          ? 'It means the same, but the API server serializes it differently from when the old one was stored.'
          : 'The API server stored something other than what was sent: an admission webhook changes it.'
      }`;
    case 'unverified':
      return 'Only the counters of the DaemonSet controller were checked, because this account is not allowed to list pods. They do not show whether containers crash, or which version each pod runs. The version gets no good mark.';
    case 'other-bytes':
      return note.images.map(otherBytesText).join(' ');
    case 'tolerated':
      return `Not every node runs the version. Tolerated, by tolerate-unavailable or because the node joined during the wait: ${note.causes.map(causeText).join('; ')}.`;
    case 'current-not-in-history':
      return 'None of these revisions has the current template of the DaemonSet.';
  }
}

/** Digests and nodes that a sentence names. */
const MOST_DIGESTS = 3;
const MOST_NODES = 5;

function otherBytesText({ image, before, seen }: OtherBytes): string {
  const listed = seen.slice(0, MOST_DIGESTS).map(({ digest, nodes }) => {
    const more = nodes.length > MOST_NODES ? ', …' : '';
    return `${digest} (${nodes.slice(0, MOST_NODES).join(', ')}${more})`;
  });
  const what =
    before === undefined
      ? `The nodes run different images of the same name ${image}`
      : `The image ${image} is not the one that was known to be good: its tag was moved from ${before}`;
  return `${what}: ${listed.join('; ')}. The template is the same and the bytes are not, so the version gets no good mark. Use digests or tags that never move.`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
