import type { End, Result } from '../daemonset/outcome.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { toleratedNote } from './ends.ts';
import { failureOf } from './failure.ts';
import { type Found, locate } from './find.ts';
import { tellCauses } from './tell.ts';
import type { Tracked } from './track.ts';
import { about, type World } from './world.ts';

/** What is known of a DaemonSet so far; whatever happens next, the report tells it. */
export type Known = Omit<Result, keyof End>;

/** One DaemonSet on its way through the steps. */
export interface Job {
  found: Found;
  known: Known;
  /** Its log says which DaemonSet it is about, where there are several. */
  world: World;
}

/** A job for each DaemonSet that is meant. @throws ClusterError as `locate` does. */
export async function jobsFor(world: World, asked: AskedDaemonSets): Promise<Job[]> {
  const all = await locate(world, asked);
  return all.map((found) => ({
    found,
    known: { daemonSet: found.name, changed: false, notes: [] },
    world: all.length > 1 ? about(found.name, world) : world,
  }));
}

/** What became of a job. Nothing is thrown: whatever happens to one DaemonSet, the others are reported too. */
export async function resultOf({ known }: Job, work: Promise<End>): Promise<Result> {
  const end = await work.catch((error: unknown) => failureOf(error, known.changed));
  return { ...known, ...end };
}

/** What a wait has found out, whatever its end. */
export function learnFrom(tracked: Tracked, known: Known, { log }: World): void {
  const { counts, samples, causes, everywhere, toReplace } = tracked;
  tellCauses(log, causes, known.daemonSet.namespace);
  known.counts = counts;
  known.samples = samples;
  known.everywhere = everywhere;
  if (causes.length > 0) known.causes = causes;
  if (toReplace) known.toReplace = toReplace;
  const note = toleratedNote(tracked);
  if (note) known.notes.push(note);
}
