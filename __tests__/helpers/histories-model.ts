/** What a random history allows the action to do. The model knows who deployed what, and nothing of how the action decides. */

/** A template without the stamps of restarts, in short: `v2`, or `v2/v1` for the image v2 and the environment of v1. */
export type Version = string;

/** What the API server shows of a DaemonSet that its controller has observed. */
export interface Seen {
  version: Version;
  /** Counts each change of the spec. */
  generation: number;
  /** The current one first. */
  revisions: { number: number; name: string; version: Version }[];
}

/** A run of a workflow, which has attempts. */
export interface Run {
  id: number;
  attempt: number;
}

type Writer = 'rollback' | 'gate' | 'guard';

/** A step of the action that can write, and what the API server showed before and after it. */
export interface Deed {
  by: Writer;
  run: Run;
  before: Seen;
  after: Seen;
  /** How many patches of the DaemonSet the API server received. */
  writes: number;
  /** Whether the target depends on what is current: `previous` or `last-good`. */
  isRelative: boolean;
  /** The name of the revision that has to be current. */
  expected?: string | undefined;
  /** What the step says about itself; a post step has no outputs. */
  outputs?: Record<string, string>;
}

interface LastRollback {
  by: Writer;
  run: number;
  left: Version;
  restored: Version;
  /**
   * Whether no one has changed the version since. `perhaps`: a change without a number of its own, such as an undo of a restart, gave the
   * revision that the rollback restored another number, so that the history cannot show it.
   */
  stands: 'yes' | 'no' | 'perhaps';
}

export class Model {
  /** Versions that a rollback left and no one deployed since. */
  readonly #left = new Set<Version>();
  #last: LastRollback | undefined;
  /** What each run left last. */
  readonly #leftByRun = new Map<number, Version>();

  /** Someone deployed a version, which may be the current one. */
  deployed(before: Seen, after: Seen): void {
    this.#left.delete(after.version);
    if (!this.#last || this.#last.stands === 'no' || before.generation === after.generation) return;
    const isNumbered = after.revisions.some(({ name }) => before.revisions.every((revision) => revision.name !== name));
    if (before.version !== after.version) this.#last.stands = 'no';
    else if (!isNumbered) this.#last.stands = 'perhaps';
  }

  /** The version that this run left last; undefined if it has not rolled back. */
  leftBy({ id }: Run): Version | undefined {
    return this.#leftByRun.get(id);
  }

  /** Throws if the step broke a rule. */
  judge({ by, run, before, after, writes, isRelative, expected, outputs }: Deed): void {
    const last = this.#last;
    const isOwn = last?.run === run.id;
    const stands = last?.stands === 'yes';
    check(writes <= 1, `it wrote ${writes} times`);
    const wrote = writes > 0;
    check(
      wrote === before.generation < after.generation,
      `${writes} writes moved the generation from ${before.generation} to ${after.generation}`,
    );
    check(!wrote || !isRelative || before.version !== after.version, `it went from ${before.version} to itself`);
    if (wrote && by !== 'guard') {
      check(
        !isRelative || !this.#left.has(after.version),
        `it brought back ${after.version}, which was rolled back and not deployed since`,
      );
      check(!stands || !isOwn, 'its run had rolled back already');
      check(!last || last.stands === 'no' || !isRelative, 'another run had rolled back already');
      check(expected === undefined || before.revisions[0]?.name === expected, `it expected ${expected}, which was not current`);
      const left = this.leftBy(run);
      check(
        left === undefined || expected !== undefined || before.version === left,
        `its run left ${left}, and wrote over ${before.version}`,
      );
    }
    if (outputs) {
      const changed = wrote || (isOwn && stands);
      // A gate checks the version first, and only if that fails what another step of its run wrote.
      const isEither = isOwn && !wrote && (last.stands === 'perhaps' || (by === 'gate' && last.by === 'rollback'));
      check(isEither || outputs['changed'] === String(changed), `changed is ${outputs['changed']}, and not ${changed}`);
      const isDone = outputs['outcome'] === 'rolled-back' || outputs['outcome'] === 'pending';
      if (isDone)
        check(after.version === this.#target(outputs, before, wrote), `it says ${outputs['outcome']}, but ${after.version} is current`);
    }
    if (!wrote) return;
    this.#leftByRun.set(run.id, before.version);
    this.#left.add(before.version);
    this.#left.delete(after.version);
    this.#last = { by, run: run.id, left: before.version, restored: after.version, stands: 'yes' };
  }

  #target(outputs: Record<string, string>, { revisions }: Seen, wrote: boolean): Version | undefined {
    if (!wrote) return this.#last?.restored;
    return revisions.find(({ number }) => String(number) === outputs['target-revision'])?.version;
  }
}

/** A job with a guard, as it is when its post step starts. */
export interface GuardedJob {
  /** The input `deploy-outcome`. */
  deployOutcome: 'success' | 'skipped' | undefined;
  ifAmbiguous: boolean;
  recorded: Version;
  current: Version;
  /** How often someone changed the version, the job's gate aside. */
  changes: number;
  gate?: { saw: Version; isComplete: boolean; wrote: boolean; isFollowedByChange: boolean } | undefined;
}

/** Whether the guard restores what it recorded. */
export function restores({ deployOutcome, ifAmbiguous, recorded, current, changes, gate }: GuardedJob): 'yes' | 'no' | 'perhaps' {
  if (current === recorded || deployOutcome === 'skipped') return 'no';
  if (ifAmbiguous) return 'yes';
  if (gate?.saw === recorded && gate.wrote) return 'perhaps';
  if (gate && gate.saw !== recorded && (gate.isComplete || gate.isFollowedByChange)) return 'no';
  return deployOutcome === 'success' || changes === 1 ? 'yes' : 'no';
}

export function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}
