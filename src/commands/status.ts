import type { AskedRevision, NamedRevision } from '../daemonset/asked-revision.ts';
import { shouldRollBack } from '../daemonset/auto-rollback.ts';
import type { Outcome } from '../daemonset/outcome.ts';
import { toleratedOf } from '../daemonset/patience.ts';
import { unexpected } from '../daemonset/plan.ts';
import type { PreflightMode } from '../daemonset/preflight.ts';
import { type Conclusion, type Result, refuse } from '../daemonset/result.ts';
import { twinsOf } from '../daemonset/revision.ts';
import { isOurs, standingRecord } from '../daemonset/rollback-record.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { AskedDaemonSets, DaemonSet } from '../daemonset/types.ts';
import type { Limits } from '../daemonset/verdict.ts';
import { messageOf } from '../report/messages/conclusion.ts';
import { revisionText } from '../report/messages/revisions.ts';
import { decisionText, noNodeMatchesText } from '../report/messages/rollout.ts';
import { conclusionOf, notObserved } from '../rollout/conclude.ts';
import type { Context, Deadline } from '../rollout/context.ts';
import { getDaemonSet } from '../rollout/find.ts';
import { readHistory, warnWithoutHistory } from '../rollout/history.ts';
import { noteHold } from '../rollout/hold.ts';
import { markGood } from '../rollout/known-good.ts';
import { findLostNodes, type LostNodes } from '../rollout/lost-nodes.ts';
import { chooserFor, makePlan, type RollbackOptions } from '../rollout/plan.ts';
import { carryOut } from '../rollout/rollback.ts';
import { recordSeen } from '../rollout/seen.ts';
import { settle } from '../rollout/settle.ts';
import { requireStableFor } from '../rollout/stable-for.ts';
import { followUp, learnFrom, resultOf, type Task, tasksFor } from '../rollout/tasks.ts';
import { wait as waitFor } from '../rollout/wait.ts';

export interface StatusRequest {
  command: 'status';
  daemonSets: AskedDaemonSets;
  /** Undefined: any revision. */
  expectedRevision: NamedRevision | undefined;
  wait: boolean;
  showValues: boolean;
  limits: Limits;
  /** What to do if the rollout does not succeed; undefined: nothing. */
  rollback?: {
    toRevision: AskedRevision;
    changeCause: string | undefined;
    preflight: PreflightMode;
    hold: boolean;
    /** Also if the rollout merely did not complete in time. */
    onTimeout: boolean;
  };
}

/**
 * The gate: find → settle → track, for all DaemonSets at the same time. With `rollback-on-failure`, one that failed is rolled back at once.
 * Otherwise nothing is written but the good mark of a version that runs on every node.
 *
 * @param renew gives the rollback a timeout of its own. @throws ClusterError as `resolveDaemonSets` does.
 */
export async function status(request: StatusRequest, context: Context, renew: () => Deadline): Promise<Result[]> {
  const tasks = await tasksFor(context, request.daemonSets);
  return Promise.all(tasks.map((task) => gateAndRollBack(request, task, renew)));
}

/** Outcomes after which a gate may roll back. */
const BAD: ReadonlySet<Outcome> = new Set(['failed', 'stalled', 'timed-out']);

async function gateAndRollBack(request: StatusRequest, task: Task, renew: () => Deadline): Promise<Result> {
  const result = await resultOf(task, gate(request, task));
  const { rollback, limits, showValues } = request;
  if (!rollback || !BAD.has(result.outcome) || !result.old) return result;
  const decision = shouldRollBack(result, rollback);
  const why = decisionText(decision);
  task.context.log.info(decision.rollBack ? `${messageOf(result)} ${why} The rollback has a timeout of its own.` : why);
  if (!decision.rollBack) return { ...result, rollback: { decision, gate: result } };
  const { toRevision, changeCause, hold, preflight } = rollback;
  // Only the version that failed is left: a newer change takes precedence.
  const expected: NamedRevision = { kind: 'name', name: result.old.name };
  const choose = chooserFor({ toRevision, expected, isDeployedByRun: request.expectedRevision !== undefined });
  const options: RollbackOptions = { by: 'gate', changeCause, hold, wait: true, dryRun: false, showValues, limits, preflight };
  const next = followUp(task, renew());
  const back = await resultOf(
    next,
    makePlan(next, choose, options).then((planned) => carryOut(next, choose, options, planned)),
  );
  return {
    ...(back.changed ? withRollback(back, result) : result),
    rollback: { decision, result: back, gate: result },
    notes: [...result.notes, ...back.notes],
  };
}

/** The numbers of the rollback, and the conclusion and causes of the gate: the step still fails. */
export function withRollback(back: Result, gate: Result): Result {
  const { outcome, reason, facts, causes, samples } = gate;
  return { ...back, outcome, reason, facts, ...(causes && { causes }), ...(samples && { samples }) };
}

async function gate({ expectedRevision, wait, limits, rollback }: StatusRequest, task: Task): Promise<Conclusion> {
  const { context, found } = task;
  const daemonSet = await settle(context, found.daemonSet ?? (await getDaemonSet(context, found.name)));
  if (!daemonSet) return notObserved();
  const { counts } = rolloutOf(daemonSet);
  task.learn({ counts });
  noteHold(task, daemonSet);
  const history = await readHistory(context, daemonSet, { needed: expectedRevision !== undefined || rollback !== undefined });
  const current = history?.current;
  if (history) {
    task.learn({ history: { before: history.revisions, asOf: context.clock.now(), ...(current && { currentBefore: current.name }) } });
  }
  if (current) {
    task.learn({ old: current, target: current, newRevision: current.number, controllerRevision: current.name });
    context.log.info(`Waiting for ${revisionText(current)}: ${current.images.join(', ')}`);
  }
  const mismatch = expectedRevision && history && unexpected(history, expectedRevision);
  if (mismatch) return mismatch.refusal;
  const record = standingRecord(daemonSet, history);
  if (record && record.by !== 'rollback' && isOurs(record, context.run) && !expectedRevision) {
    task.learn({ changed: true });
    const { time, by, left } = record;
    return refuse('already-rolled-back', { kind: 'rolled-back-by-run', time, by, left, current });
  }
  if (rollback) warnWithoutHistory(task, daemonSet);

  const lost = history && (await findLostNodes(context, daemonSet, history));
  if (lost && isTooMany(lost, counts.desired, limits)) return noNodes(lost, daemonSet);
  await requireStableFor(context, daemonSet, limits);
  const revisions = history && current ? twinsOf(history, current) : undefined;
  const waited = await waitFor(context, daemonSet, {
    template: daemonSet.spec.template,
    ...(revisions && { revisions }),
    ...(current && { title: revisionText(current) }),
    limits: { ...limits, failsFor: rollback ? 'a-rollback' : 'a-node' },
    once: !wait,
  });
  learnFrom(task, waited);
  const unfinished = conclusionOf(waited, 'deployed');
  // Of a newer change, the guard must know that it came after this look.
  const seen = waited.kind === 'superseded' ? daemonSet : waited.daemonSet;
  recordSeen(context, seen, { by: 'gate', complete: waited.kind === 'complete' });
  if (unfinished) return unfinished;
  const now = waited.history?.current ?? current;
  if (wait && now && waited.images) {
    const note = await markGood(context, found.name.namespace, now, waited.images, (current ?? now).good);
    if (note) task.note(note);
  }
  if (waited.counts.desired === 0) context.log.warning(noNodeMatchesText(waited.daemonSet));
  return { outcome: 'complete', reason: 'complete', facts: { kind: 'rolled-out' } };
}

/** Whether a version fails because of nodes that it no longer matches. If they are unknown, it does if no node is left. */
function isTooMany({ nodes }: LostNodes, desired: number, { tolerateUnavailable }: Limits): boolean {
  return nodes === undefined ? desired === 0 : nodes.length > toleratedOf(tolerateUnavailable, desired + nodes.length);
}

function noNodes({ before, nodes }: LostNodes, daemonSet: DaemonSet): Conclusion {
  const { number, name } = before;
  return {
    outcome: 'failed',
    reason: 'no-nodes',
    facts: { kind: 'no-nodes', before: { number, name }, nodes, template: daemonSet.spec.template },
  };
}
