import { ClusterError } from '../cluster/cluster.ts';
import type { AskedRevision, NamedRevision } from '../daemonset/asked-revision.ts';
import type { Candidate } from '../daemonset/known-good.ts';
import { alreadyThere, type Intent, intend, needsPods, type Plan, planFor, planWithout } from '../daemonset/plan.ts';
import type { Conclusion } from '../daemonset/result.ts';
import { type History, historyOf, isSameVersion, type Revision } from '../daemonset/revision.ts';
import { type RolledBackBy, recordFor } from '../daemonset/rollback-record.ts';
import { keepsNoHistory, rolloutOf } from '../daemonset/rollout.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import type { Limits } from '../daemonset/verdict.ts';
import { revisionText } from '../report/messages/revisions.ts';
import { notObserved } from './conclude.ts';
import type { Context, Known } from './context.ts';
import { getDaemonSet } from './find.ts';
import { readPodCounts } from './history.ts';
import { preview } from './patch.ts';
import { settle } from './settle.ts';
import { requireStableFor } from './stable-for.ts';
import type { Task } from './tasks.ts';

/** What to restore, and how. */
export interface Order {
  /** What to try, from a settled DaemonSet and its history. */
  choose(daemonSet: DaemonSet, history: History, context: Context): Promise<Intent> | Intent;
  /** The plan if nothing that could be tried would change anything. */
  otherwise(at: Revision): Plan;
  /** For the rollback record. */
  by: RolledBackBy;
  /** Undefined: that of the restored revision. */
  changeCause: string | undefined;
  wait: boolean;
  dryRun: boolean;
  showValues: boolean;
  limits: Limits;
}

/** What the inputs ask for. */
export interface Wish extends Omit<Order, 'choose' | 'otherwise'> {
  toRevision: AskedRevision;
  /** The revision that has to be current; otherwise the rollback is refused. Undefined: any. */
  expectedRevision: NamedRevision | undefined;
  /** The inputs say that this run deployed what is current. */
  isDeployedByRun: boolean;
}

/** The order for what the inputs ask for. */
export function orderFor({ toRevision, expectedRevision: expected, isDeployedByRun, ...how }: Wish): Order {
  return {
    ...how,
    otherwise: (at) => planWithout(toRevision, at),
    choose: async (daemonSet, history, context) => {
      const pods = needsPods(daemonSet, history, toRevision) ? await readPodCounts(context, daemonSet, history) : undefined;
      return intend(daemonSet, history, { toRevision, run: context.run, expected, isDeployedByRun, pods });
    },
  };
}

/** The settled DaemonSet that a decision is based on. */
export interface Look {
  order: Order;
  context: Context;
  known: Known;
  daemonSet: DaemonSet;
  history: History;
}

/** A plan to carry out, with what it is based on; or a conclusion without one. */
export type Decision = { look: Look; plan: Exclude<Plan, { kind: 'refused' | 'ended' }> } | Conclusion;

/** A decision that was not carried out, because the DaemonSet was changed. */
interface Moved {
  /** What it was based on. */
  from: DaemonSet;
  /** What would have been restored. */
  to: Revision;
}

/**
 * find → settle → plan, of one DaemonSet.
 *
 * @param before the last decision, if there was one.
 */
export async function decide(order: Order, { found, known, context }: Task, before?: Moved): Promise<Decision> {
  const { log, signal } = context;
  let last = before?.from;
  let aim = before?.to;
  for (;;) {
    signal.throwIfAborted();
    const listed = last ? undefined : found.daemonSet;
    const daemonSet = await settle(context, listed ?? (await getDaemonSet(context, found.name)));
    if (!daemonSet) return notObserved();
    if (last?.metadata.uid === daemonSet.metadata.uid && last.metadata.generation === daemonSet.metadata.generation) {
      throw new ClusterError(
        'conflict',
        'The API server rejects a patch that fits the object, again. Does something change the DaemonSet?',
      );
    }
    last = daemonSet;
    const history = historyOf(daemonSet, await context.cluster.listControllerRevisions(daemonSet, signal));
    known.history = {
      before: history.revisions,
      asOf: context.clock.now(),
      ...(history.current && { currentBefore: history.current.name }),
    };
    if (history.current) known.old = history.current;
    known.counts = rolloutOf(daemonSet).counts;

    const look: Look = { order, context, known, daemonSet, history };
    const plan = await makePlan(look, aim);
    if (plan.kind === 'moved') {
      aim = plan.to;
      log.info('The DaemonSet changed in the meantime. Reading it again.');
      continue;
    }
    if (plan.kind === 'refused') return plan.refusal;
    if (plan.kind === 'ended') return plan.end;
    known.changed = plan.kind === 'resume';
    known.notes = [];
    if (plan.kind === 'restore') {
      if (keepsNoHistory(daemonSet)) known.notes.push({ kind: 'no-history' });
      known.notes.push(...plan.notes, ...(plan.target.why ? [plan.target.why] : []));
      known.target = plan.target;
      known.changes = plan.changes;
      if (order.wait) await requireStableFor(context, daemonSet, order.limits);
    }
    return { look, plan };
  }
}

/** @param aim what would have been restored before the DaemonSet was changed. If someone has deployed exactly that, no older version is. */
async function makePlan(
  { order, context, daemonSet, history }: Look,
  aim: Revision | undefined,
): Promise<Plan | { kind: 'moved'; to: Revision }> {
  const intent = await order.choose(daemonSet, history, context);
  if (intent.kind !== 'candidates') return intent;
  if (aim && isSameVersion(aim, intent.from)) return { kind: 'unchanged', at: intent.from };
  for (const revision of intent.candidates) {
    if (alreadyThere(daemonSet, revision)) continue;
    const candidate: Candidate = { ...revision, changeCause: order.changeCause ?? revision.changeCause };
    const writing = { by: order.by, run: context.run, time: new Date(context.clock.now()) };
    const record = recordFor(daemonSet, history, { from: intent.from, target: candidate }, writing);
    const seen = await preview(context, daemonSet, candidate, record, { readOnly: order.dryRun });
    if (!seen) return { kind: 'moved', to: candidate };
    const plan = planFor(daemonSet, intent, candidate, record, seen);
    if (plan) return plan;
    context.log.info(`Restoring ${revisionText(candidate)} would change nothing.`);
  }
  return order.otherwise(intent.from);
}

/** A DaemonSet that another run has rolled back already, in a list of several: nothing is written, and it must run what was restored. */
export function countAsDone(decision: Decision): Decision {
  if ('outcome' in decision || decision.plan.kind !== 'already-rolled-back') return decision;
  const { look, plan } = decision;
  const { time, run } = plan.record;
  look.known.notes.push({ kind: 'rolled-back-already', time, run });
  return { look, plan: { kind: 'unchanged', at: plan.at } };
}
