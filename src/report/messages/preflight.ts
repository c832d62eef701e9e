import type { Denial } from '../../daemonset/pod-admission.ts';
import type { Doubt, ImagePresence, Obstacle, Preflight } from '../../daemonset/preflight.ts';
import type { Facts } from '../../daemonset/result.ts';
import type { RevisionName } from '../../daemonset/revision.ts';
import { revisionText } from './revisions.ts';

/** What prevents pods from starting: `ConfigMap app-config does not exist; …`. */
export function obstaclesText(obstacles: readonly Obstacle[]): string {
  return obstacles.map(obstacleText).join('; ');
}

function obstacleText(obstacle: Obstacle): string {
  switch (obstacle.kind) {
    case 'missing-object':
      return `${obstacle.object.kind} ${obstacle.object.name} does not exist`;
    case 'missing-keys':
      return `${obstacle.object.kind} ${obstacle.object.name} has no key ${obstacle.keys.join(', ')}`;
    case 'denied':
      return denialText(obstacle.denial);
  }
}

function denialText({ by, message }: Denial): string {
  return by === 'unknown'
    ? `the API server did not admit such a pod in a dry run: ${message}`
    : `the API server does not admit such a pod: ${message}`;
}

function doubtText(doubt: Doubt): string {
  switch (doubt.kind) {
    case 'missing-pull-secret':
      return `the image pull secret ${doubt.name} does not exist`;
    case 'denied':
      return denialText(doubt.denial);
    case 'not-allowed':
    case 'no-answer':
      return doubt.why;
  }
}

/** How to make the version startable. */
const REMEDY = 'Create again what is missing, or set preflight: warn to restore it all the same.';

export function wouldNotStartText({ target, obstacles, startable }: Extract<Facts, { kind: 'would-not-start' }>): string {
  const other = startable
    ? `To restore the newest version without such a problem, set to-revision to ${startable.name}, which is revision ${startable.number}.`
    : 'No other version without such a problem was found.';
  return `Nothing was written: the pods of ${revisionText(target)} cannot start: ${obstaclesText(obstacles)}. ${other} ${REMEDY}`;
}

export function mightNotStartText({ obstacles, doubts }: { obstacles: readonly Obstacle[]; doubts: readonly Doubt[] }): string {
  const certain = obstacles.length > 0 ? `The pods of this version cannot start: ${obstaclesText(obstacles)}.` : '';
  const open = doubts.length > 0 ? `The pods of this version might not start: ${doubts.map(doubtText).join('; ')}.` : '';
  return [certain, open].filter(Boolean).join(' ');
}

export function imagesText({ images, present, nodes }: ImagePresence): string {
  const what = images.length === 1 ? `The image ${images[0]} is` : `The ${images.length} images are`;
  return `${what} present on ${present} of ${nodes} nodes, as the kubelets report it. A kubelet reports at most 50 images.`;
}

/** For the log of `history`: whether a revision would start. */
export function preflightLines(revision: RevisionName, { obstacles, doubts, images }: Preflight): string[] {
  const open = doubts.filter(({ kind }) => kind !== 'not-allowed');
  const verdict =
    obstacles.length > 0
      ? `The pods of ${revisionText(revision)} cannot start: ${obstaclesText(obstacles)}.`
      : open.length > 0
        ? `The pods of ${revisionText(revision)} might not start: ${open.map(doubtText).join('; ')}.`
        : `Nothing was found that prevents the pods of ${revisionText(revision)} from starting.`;
  const unchecked = doubts.flatMap((one) => (one.kind === 'not-allowed' ? [`Not everything could be checked. ${one.why}`] : []));
  return [verdict, ...unchecked, ...(images ? [imagesText(images)] : [])];
}
