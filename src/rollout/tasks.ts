import type { Conclusion, Result } from '../daemonset/result.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { toleratedNote } from './conclude.ts';
import { about, type Known, type PartialResult, type World } from './context.ts';
import { failureOf } from './failure.ts';
import { type Found, locate } from './find.ts';
import { logCauses } from './progress-log.ts';
import type { Waited } from './wait.ts';

/** The work on one DaemonSet. */
export interface Job extends PartialResult {
  found: Found;
  /** If there are several DaemonSets, each line of its log names this one. */
  world: World;
}

/** A job for each DaemonSet that the step is about. @throws ClusterError as `locate` does. */
export async function jobsFor(world: World, asked: AskedDaemonSets): Promise<Job[]> {
  const all = await locate(world, asked);
  const jobs = all.map((found) => ({
    found,
    known: { daemonSet: found.name, changed: false, notes: [] },
    world: all.length > 1 ? about(found.name, world) : world,
  }));
  world.partial.push(...jobs);
  return jobs;
}

/** The result of a job. Nothing is thrown: whatever happens to one DaemonSet, the others are reported too. */
export async function resultOf(job: Job, work: Promise<Conclusion>): Promise<Result> {
  const { known } = job;
  const conclusion = await work.catch((error: unknown) => failureOf(error, known.changed));
  job.result = { ...known, ...conclusion };
  return job.result;
}

/** Adds what a wait has found out, however it ended. */
export function learnFrom(waited: Waited, known: Known, { log }: World): void {
  const { counts, samples, causes, fault, isVerified, toReplace } = waited;
  logCauses(log, causes, known.daemonSet.namespace);
  known.counts = counts;
  known.samples = samples;
  if (causes.length > 0) known.causes = causes;
  if (fault) known.fault = fault;
  if (toReplace) known.toReplace = toReplace;
  if (waited.kind === 'complete' && counts.desired > 0 && !isVerified) known.notes.push({ kind: 'unverified' });
  const note = toleratedNote(waited);
  if (note) known.notes.push(note);
}
