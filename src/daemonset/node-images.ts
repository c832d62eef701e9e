import { isPlacedOn } from './placement.ts';
import type { ImagePresence } from './preflight.ts';
import { imagesOf } from './template.ts';
import type { Node, PodTemplate } from './types.ts';

/** On how many of these nodes, as far as the version matches them, all images of a template are present. Undefined if no kubelet reports images. */
export function imagePresence(nodes: readonly Node[], template: PodTemplate): ImagePresence | undefined {
  const images = imagesOf(template);
  const wanted = images.map(fullName);
  const placed = nodes.filter((node) => isPlacedOn(template, node));
  if (placed.every(({ status }) => (status?.images ?? []).length === 0)) return undefined;
  const present = placed.filter(({ status }) => {
    const names = new Set((status?.images ?? []).flatMap(({ names = [] }) => names.map(fullName)));
    return wanted.every((name) => names.has(name));
  });
  return { images, present: present.length, nodes: placed.length };
}

/** A reference to an image in full: `agent:v1` is `docker.io/library/agent:v1` (distribution: reference.ParseNormalizedNamed, TagNameOnly). */
export function fullName(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const path = hasHost ? image : rest.length > 0 ? `docker.io/${image}` : `docker.io/library/${image}`;
  const last = path.slice(path.lastIndexOf('/') + 1);
  return last.includes(':') || last.includes('@') ? path : `${path}:latest`;
}
