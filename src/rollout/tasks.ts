import type { Note } from '../daemonset/notes.ts';
import type { Conclusion, Result } from '../daemonset/result.ts';
import type { AskedDaemonSets } from '../daemonset/types.ts';
import { toleratedNote } from './conclude.ts';
import { about, type Context, type Deadline, type PartialResult, type WorkSoFar } from './context.ts';
import { failureOf } from './failure.ts';
import { type Found, resolveDaemonSets } from './find.ts';
import { logCauses } from './progress-log.ts';
import type { Waited } from './wait.ts';

/** The work on one DaemonSet. What is known is replaced, never changed in place, and only here. */
export class Task implements WorkSoFar {
  readonly found: Found;
  /** The result, once the work is complete. */
  result?: Result;
  /** What runs beside the work, and never fails. */
  readonly #beside: Promise<void>[] = [];
  #known: PartialResult;
  #context: Context;

  constructor(found: Found, context: Context) {
    this.found = found;
    this.#context = context;
    this.#known = { daemonSet: found.name, changed: false, notes: [] };
  }

  /** If there are several DaemonSets, each line of its log names this one. */
  get context(): Context {
    return this.#context;
  }

  /** Gives the work that follows a time limit of its own. */
  renew(deadline: Deadline): void {
    this.#context = { ...this.#context, ...deadline };
  }

  /** What is known so far. */
  get known(): PartialResult {
    return this.#known;
  }

  /** Adds facts to what is known, or replaces them. */
  learn(facts: Partial<PartialResult>): void {
    this.#known = { ...this.#known, ...facts };
  }

  /** Removes a fact that turned out to be about something else. */
  forget(fact: 'old'): void {
    const { [fact]: _wrong, ...known } = this.#known;
    this.#known = known;
  }

  /** Work that only adds facts: the result includes them, and nothing else waits for it. */
  beside(work: Promise<void>): void {
    this.#beside.push(work);
  }

  /** Waits for what runs beside the work. */
  async settled(): Promise<void> {
    await Promise.all(this.#beside);
  }

  /** Adds notes to those that are known. */
  note(...notes: readonly Note[]): void {
    this.learn({ notes: [...this.#known.notes, ...notes] });
  }
}

/** A task for each DaemonSet that the step is about. @throws ClusterError as `resolveDaemonSets` does. */
export async function tasksFor(context: Context, asked: AskedDaemonSets): Promise<Task[]> {
  const all = await resolveDaemonSets(context, asked);
  const tasks = all.map((found) => new Task(found, all.length > 1 ? about(found.name, context) : context));
  context.partial.push(...tasks);
  return tasks;
}

/** A new task for the same DaemonSet, with a time limit of its own. Should the step be given up, its state is what counts. */
export function followUp(task: Task, deadline: Deadline): Task {
  const { found, context } = task;
  const next = new Task({ name: found.name }, { ...context, ...deadline });
  context.partial.splice(context.partial.indexOf(task), 1, next);
  return next;
}

/** The result of a task. Nothing is thrown: whatever happens to one DaemonSet, the others are reported too. */
export async function resultOf(task: Task, work: Promise<Conclusion>): Promise<Result> {
  const conclusion = await work.catch((error: unknown) => failureOf(error, task.known.changed));
  await task.settled();
  task.result = { ...task.known, ...conclusion };
  return task.result;
}

/** Adds what a wait has found out, however it ended, and logs the causes. */
export function learnFrom(task: Task, waited: Waited): void {
  const { counts, samples, causes, fault, isVerified, toReplace } = waited;
  logCauses(task.context.log, causes, task.known.daemonSet.namespace);
  task.learn({ counts, samples, ...(causes.length > 0 && { causes }), ...(fault && { fault }), ...(toReplace && { toReplace }) });
  if (waited.kind === 'complete' && counts.desired > 0 && !isVerified) task.note({ kind: 'unverified' });
  const note = toleratedNote(waited);
  if (note) task.note(note);
}
