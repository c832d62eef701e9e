import { ClusterError } from '../cluster/cluster.ts';
import { holdValue } from '../daemonset/hold.ts';
import { type Candidate, otherVersions } from '../daemonset/known-good.ts';
import type { Note } from '../daemonset/notes.ts';
import { alreadyThere, choosePlan, needsPods, type Plan, planFor, planWithout, refusalIfHeld, type Terms } from '../daemonset/plan.ts';
import type { Obstacle, PreflightMode } from '../daemonset/preflight.ts';
import { type Conclusion, refused } from '../daemonset/result.ts';
import { type History, historyOf, isSameVersion, type Revision } from '../daemonset/revision.ts';
import { type RolledBackBy, readRecord, recordFor, wasRolledBack } from '../daemonset/rollback-record.ts';
import { keepsNoHistory, rolloutOf } from '../daemonset/rollout.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import type { Limits } from '../daemonset/verdict.ts';
import { revisionText } from '../report/messages/revisions.ts';
import { notObserved } from './conclude.ts';
import type { Context } from './context.ts';
import { getDaemonSet } from './find.ts';
import { readPodCounts } from './history.ts';
import { preview } from './patch.ts';
import { type Checks, checksFor, couldStart, preflight, preflightNotes } from './preflight.ts';
import { settle } from './settle.ts';
import { requireStableFor } from './stable-for.ts';
import type { Task } from './tasks.ts';

/** How to roll back. */
export interface RollbackOptions {
  /** For the rollback record. */
  by: RolledBackBy;
  /** Undefined: that of the restored revision. */
  changeCause: string | undefined;
  /** Hold the DaemonSet at what is restored. */
  hold: boolean;
  wait: boolean;
  dryRun: boolean;
  showValues: boolean;
  limits: Limits;
  /** Whether pods of the version must be able to start. */
  preflight: PreflightMode;
}

/** Chooses what to restore, from a settled DaemonSet and its history. */
export type Choose = (daemonSet: DaemonSet, history: History, context: Context) => Promise<Plan> | Plan;

/** A plan that can be carried out, and the settled DaemonSet that it is based on. */
export interface Planned {
  plan: Exclude<Plan, { kind: 'candidates' | 'refused' | 'ended' }>;
  daemonSet: DaemonSet;
  history: History;
}

/** Chooses what the inputs ask for. */
export function chooserFor(terms: Pick<Terms, 'toRevision' | 'expected' | 'isDeployedByRun'>): Choose {
  return async (daemonSet, history, context) => {
    const pods = needsPods(daemonSet, history, terms.toRevision) ? await readPodCounts(context, daemonSet, history) : undefined;
    return choosePlan(daemonSet, history, { ...terms, run: context.run, pods });
  };
}

/** A plan that was not carried out, because the DaemonSet was changed. */
export interface Moved {
  /** What it was based on. */
  from: DaemonSet;
  /** What would have been restored. */
  to: Revision;
}

/**
 * find → settle → plan, of one DaemonSet.
 *
 * @param before the last plan, if there was one.
 * @returns a conclusion if there is nothing to carry out.
 */
export async function makePlan(task: Task, choose: Choose, options: RollbackOptions, before?: Moved): Promise<Planned | Conclusion> {
  const { context, found } = task;
  let last = before;
  for (;;) {
    context.signal.throwIfAborted();
    const listed = last ? undefined : found.daemonSet;
    const daemonSet = await settle(context, listed ?? (await getDaemonSet(context, found.name)));
    if (!daemonSet) return notObserved();
    if (last && isUnchanged(daemonSet, last.from)) {
      throw new ClusterError(
        'conflict',
        'The API server rejects a patch that fits the object, again. Does something change the DaemonSet?',
      );
    }
    const history = historyOf(daemonSet, await context.cluster.listControllerRevisions(daemonSet, context.signal));
    const { current, revisions } = history;
    task.learn({
      history: { before: revisions, asOf: context.clock.now(), ...(current && { currentBefore: current.name }) },
      ...(current && { old: current }),
      counts: rolloutOf(daemonSet).counts,
    });
    const plan = await check(task, await choose(daemonSet, history, context), { daemonSet, history }, options, last?.to);
    if (plan.kind === 'refused') return plan.refusal;
    if (plan.kind === 'ended') return plan.end;
    if (plan.kind === 'moved') {
      last = { from: daemonSet, to: plan.to };
      context.log.info('The DaemonSet changed in the meantime. Reading it again.');
      continue;
    }
    task.learn({ changed: plan.kind === 'resume', notes: [] });
    if (plan.kind === 'restore') {
      const { target, changes, notes } = plan;
      if (keepsNoHistory(daemonSet)) task.note({ kind: 'no-history' });
      task.note(...notes, ...(target.why ? [target.why] : []));
      task.learn({ target, changes });
      if (options.wait) await requireStableFor(context, daemonSet, options.limits);
    }
    return { plan, daemonSet, history };
  }
}

function isUnchanged({ metadata: now }: DaemonSet, { metadata: before }: DaemonSet): boolean {
  return now.uid === before.uid && now.generation === before.generation;
}

/**
 * The plan once the API server has checked its candidates: the first one that changes the DaemonSet is restored.
 *
 * @param aim what would have been restored before the DaemonSet was changed. If someone has deployed exactly that, no older version is.
 */
async function check(
  { context }: Task,
  plan: Plan,
  { daemonSet, history }: Pick<Planned, 'daemonSet' | 'history'>,
  options: RollbackOptions,
  aim: Revision | undefined,
): Promise<Exclude<Plan, { kind: 'candidates' }> | { kind: 'moved'; to: Revision }> {
  const { by, changeCause, hold, dryRun } = options;
  const held = hold ? undefined : refusalIfHeld(daemonSet);
  if (plan.kind === 'already-rolled-back') return { ...plan, ...held, kind: plan.kind };
  if (plan.kind !== 'candidates') return plan;
  if (aim && isSameVersion(aim, plan.from)) return { kind: 'unchanged', at: plan.from };
  const broken: Broken[] = [];
  let checks: Checks | undefined;
  for (const revision of plan.candidates) {
    if (alreadyThere(daemonSet, revision)) continue;
    if (held) return held;
    const candidate: Candidate = { ...revision, changeCause: changeCause ?? revision.changeCause };
    const writing = { by, run: context.run, time: new Date(context.clock.now()) };
    const record = recordFor(daemonSet, history, { from: plan.from, target: candidate }, writing);
    const seen = await preview(context, daemonSet, candidate, record, {
      readOnly: dryRun,
      hold: hold ? holdValue(writing, changeCause) : undefined,
    });
    if (!seen) return { kind: 'moved', to: candidate };
    const restore = planFor(daemonSet, plan, candidate, record, seen);
    if (!restore) {
      context.log.info(`Restoring ${revisionText(candidate)} would change nothing.`);
      continue;
    }
    if (restore.kind === 'refused') return restore;
    if (options.preflight !== 'off') checks ??= checksFor(context, daemonSet, history);
    const checked = checks && (await preflight(checks, candidate));
    const obstacles = options.preflight === 'enforce' ? (checked?.obstacles ?? []) : [];
    if (obstacles.length === 0) {
      const passedOver = broken.map((one): Note => ({ kind: 'passed-over-broken', ...one }));
      return { ...restore, notes: [...passedOver, ...restore.notes, ...(checked ? preflightNotes(checked) : [])] };
    }
    broken.push({ revision: candidate, obstacles });
    // Only this target leaves the choice to the action.
    if (plan.asked?.kind !== 'last-good') break;
  }
  const [first] = broken;
  if (!first) return planWithout(plan.asked, plan.from);
  const startable = checks && (await newestStartable(checks, broken));
  return refused('would-not-start', { kind: 'would-not-start', target: first.revision, obstacles: first.obstacles, startable });
}

/** A version whose pods certainly cannot start. */
interface Broken {
  revision: Revision;
  obstacles: Obstacle[];
}

/** How many other versions are checked for one that would start. */
const MOST_CHECKED = 3;

/** The newest other version that has no obstacle and was not rolled back before, to name it. */
async function newestStartable(checks: Checks, broken: readonly Broken[]): Promise<Revision | undefined> {
  const { daemonSet, history } = checks;
  const record = readRecord(daemonSet);
  const others = otherVersions(history)
    .map(([newest]) => newest)
    .filter((one) => !broken.some(({ revision }) => isSameVersion(one, revision)) && !wasRolledBack(record, one, history));
  for (const revision of others.slice(0, MOST_CHECKED)) {
    if (await couldStart(checks, revision)) return revision;
  }
  return undefined;
}
