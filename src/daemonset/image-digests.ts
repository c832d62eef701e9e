import { containersOf } from './template.ts';
import type { Pod, PodTemplate } from './types.ts';

/** The digest with which an image was seen, by the image as the template names it. */
export type ImageDigests = Readonly<Record<string, string>>;

/** An image that runs with several digests, or with another one than before. */
export interface OtherBytes {
  image: string;
  /** With which digest the version was known to be good; undefined if only the nodes differ. */
  before: string | undefined;
  /** Each digest with which it runs, and the nodes. */
  seen: { digest: string; nodes: string[] }[];
}

const DIGEST = /(?:^|@)(sha256:[0-9a-f]{64})$/;

/** The digest of the image of each container that has started, by its name. */
export function digestsOf({ status }: Pod): ReadonlyMap<string, string> {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return new Map(
    all.flatMap(({ name, imageID = '' }) => {
      const digest = DIGEST.exec(imageID)?.[1];
      return digest === undefined ? [] : [[name, digest] as const];
    }),
  );
}

interface PodWithDigests {
  node: string;
  digests: ReadonlyMap<string, string>;
}

/** Which bytes the pods of a version run: the nodes by digest, by the image as the template names it. */
export type SeenDigests = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

export function seenDigests(template: PodTemplate, pods: Iterable<PodWithDigests>): SeenDigests {
  const images = new Map(
    [...containersOf(template['spec'], 'initContainers'), ...containersOf(template['spec'])].map(({ name, image }) => [name, image]),
  );
  const seen = new Map<string, Map<string, Set<string>>>();
  for (const { node, digests } of pods) {
    for (const [container, digest] of digests) {
      const image = images.get(container);
      if (image === undefined) continue;
      const nodes = seen.get(image) ?? new Map<string, Set<string>>();
      seen.set(image, nodes.set(digest, (nodes.get(digest) ?? new Set()).add(node)));
    }
  }
  return seen;
}

/** The digest of each image, for the good mark. */
export function toMark(seen: SeenDigests): ImageDigests {
  return Object.fromEntries([...seen].map(([image, nodes]) => [image, [...nodes.keys()][0] ?? '']));
}

/** The images that run with several digests, or with another one than before. */
export function otherBytes(seen: SeenDigests, before: ImageDigests = {}): OtherBytes[] {
  return [...seen].flatMap(([image, nodes]) => {
    const known = before[image];
    const isOther = known !== undefined && [...nodes.keys()].some((digest) => digest !== known);
    if (nodes.size < 2 && !isOther) return [];
    const all = [...nodes].map(([digest, names]) => ({ digest, nodes: [...names].sort() }));
    return [{ image, before: isOther ? known : undefined, seen: all }];
  });
}
