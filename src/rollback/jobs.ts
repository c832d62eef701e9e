import type { Conclusion, Result } from '../daemonset/result.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { toleratedNote } from './conclude.ts';
import { failureOf } from './failure.ts';
import { type Found, locate } from './find.ts';
import { logCauses } from './progress-log.ts';
import type { Tracked } from './track.ts';
import { about, type World } from './world.ts';

/** What is known about a DaemonSet so far. Whatever happens next, the report includes it. */
export type Known = Omit<Result, keyof Conclusion>;

/** The work on one DaemonSet. */
export interface Job {
  found: Found;
  known: Known;
  /** If there are several DaemonSets, each line of its log names this one. */
  world: World;
}

/** A job for each DaemonSet that the step is about. @throws ClusterError as `locate` does. */
export async function jobsFor(world: World, asked: AskedDaemonSets): Promise<Job[]> {
  const all = await locate(world, asked);
  return all.map((found) => ({
    found,
    known: { daemonSet: found.name, changed: false, notes: [] },
    world: all.length > 1 ? about(found.name, world) : world,
  }));
}

/** The result of a job. Nothing is thrown: whatever happens to one DaemonSet, the others are reported too. */
export async function resultOf({ known }: Job, work: Promise<Conclusion>): Promise<Result> {
  const conclusion = await work.catch((error: unknown) => failureOf(error, known.changed));
  return { ...known, ...conclusion };
}

/** Adds what a wait has found out, however it ended. */
export function learnFrom(tracked: Tracked, known: Known, { log }: World): void {
  const { counts, samples, causes, everywhere, toReplace } = tracked;
  logCauses(log, causes, known.daemonSet.namespace);
  known.counts = counts;
  known.samples = samples;
  known.everywhere = everywhere;
  if (causes.length > 0) known.causes = causes;
  if (toReplace) known.toReplace = toReplace;
  const note = toleratedNote(tracked);
  if (note) known.notes.push(note);
}
