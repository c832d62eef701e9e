import type { Candidate } from '../daemonset/last-good.ts';
import { type Mark, markFor } from '../daemonset/mark.ts';
import type { End, HistoryEntry } from '../daemonset/outcome.ts';
import { ownersOf } from '../daemonset/owners.ts';
import { alreadyThere, type Intent, intend, needsPods, type Plan, planFor, planWithout } from '../daemonset/plan.ts';
import { type History, hasTwin, historyOf, nextNumber, type Revision } from '../daemonset/revision.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { AskedRevision, NamedRevision } from '../daemonset/target.ts';
import { digest, identicalTemplate } from '../daemonset/template.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import { changeLines, differences, historyLines } from '../report/lines.ts';
import { dryRunEnd, endOf, noNodeMatches, notObserved, notWaited, refusal, restoredMessage, unknownMessage, type Version } from './ends.ts';
import { interrupted } from './failure.ts';
import { find } from './find.ts';
import { markGood, withdrawGood } from './good.ts';
import { readPodCounts } from './history.ts';
import { type Job, type Known, learnFrom } from './jobs.ts';
import { isServerSideApplied, preview, restore, yieldOwnership } from './patch.ts';
import { settle } from './settle.ts';
import { type Limits, type TrackOptions, track } from './track.ts';
import type { World } from './world.ts';

/** What is to be restored, and how. */
export interface Order {
  /** What should be tried, from a settled DaemonSet and its history. */
  choose(daemonSet: DaemonSet, history: History, world: World): Promise<Intent> | Intent;
  /** What it means that nothing that should be tried would change anything. */
  otherwise(at: Revision): Plan;
  /** Undefined: the target's own. */
  changeCause: string | undefined;
  wait: boolean;
  dryRun: boolean;
  showValues: boolean;
  limits: Limits;
}

/** What is asked for by a revision's number, name or standing. */
export interface Wish extends Omit<Order, 'choose' | 'otherwise'> {
  toRevision: AskedRevision;
  /** What has to be current, else it is refused. Undefined: anything. */
  expectedRevision: NamedRevision | undefined;
}

/** The order for such a wish. */
export function orderFor({ toRevision, expectedRevision, ...how }: Wish): Order {
  return {
    ...how,
    otherwise: (at) => planWithout(toRevision, at),
    choose: async (daemonSet, history, world) => {
      const pods = needsPods(daemonSet, history, toRevision) ? await readPodCounts(world, daemonSet, history) : undefined;
      return intend(daemonSet, history, toRevision, world.run, expectedRevision, pods);
    },
  };
}

/** One settled look at the DaemonSet, and what it is looked at for. */
interface Look {
  order: Order;
  world: World;
  known: Known;
  daemonSet: DaemonSet;
  history: History;
}

/** A plan that may be carried out, with what it was made from; or the end that it came to before. */
export type Decision = { look: Look; plan: Exclude<Plan, { kind: 'refused' | 'ended' }> } | End;

/**
 * find → settle → plan, of one DaemonSet.
 *
 * @param before what it was decided on the last time, if it was.
 */
export async function decide(order: Order, { found, known, world }: Job, before?: DaemonSet): Promise<Decision> {
  const { log, signal } = world;
  let last = before;
  for (;;) {
    signal.throwIfAborted();
    const listed = last ? undefined : found.daemonSet;
    const daemonSet = await settle(world, listed ?? (await find(world, found.name)));
    if (!daemonSet) return notObserved();
    if (last?.metadata.uid === daemonSet.metadata.uid && last.metadata.generation === daemonSet.metadata.generation) {
      throw new Error('The API server refuses a patch that fits the object');
    }
    last = daemonSet;
    const history = historyOf(daemonSet, await world.cluster.listControllerRevisions(daemonSet, signal));
    known.history = {
      before: history.revisions,
      asOf: world.clock.now(),
      ...(history.current && { currentBefore: history.current.name }),
    };
    if (history.current) known.old = history.current;
    known.counts = rolloutOf(daemonSet).counts;

    const look: Look = { order, world, known, daemonSet, history };
    const plan = await makePlan(look);
    if (plan === 'moved') {
      log.info('The DaemonSet was changed meanwhile; reading it again.');
      continue;
    }
    if (plan.kind === 'refused') return refusal(plan.refusal.reason, plan.refusal.message);
    if (plan.kind === 'ended') return plan.end;
    known.changed = plan.kind === 'resume';
    known.notes = plan.kind === 'restore' ? [...passedOver(plan), ...(plan.target.why === undefined ? [] : [plan.target.why])] : [];
    if (plan.kind === 'restore') {
      known.target = plan.target;
      known.changes = plan.changes;
    }
    return { look, plan };
  }
}

async function makePlan({ order, world, daemonSet, history }: Look): Promise<Plan | 'moved'> {
  const intent = await order.choose(daemonSet, history, world);
  if (intent.kind !== 'candidates') return intent;
  for (const revision of intent.candidates) {
    if (alreadyThere(daemonSet, revision)) continue;
    const candidate: Candidate = { ...revision, changeCause: order.changeCause ?? revision.changeCause };
    const seen = await preview(world, daemonSet, candidate, { readOnly: order.dryRun });
    if (!seen) return 'moved';
    const plan = planFor(daemonSet, intent.from, candidate, intent.passedOver, seen);
    if (plan) return plan;
    world.log.info(`Revision ${candidate.number} (${candidate.name}) would change nothing.`);
  }
  return order.otherwise(intent.from);
}

type Restore = Extract<Plan, { kind: 'restore' }>;

function passedOver({ passedOver }: Restore): string[] {
  if (passedOver.length === 0) return [];
  const numbers = passedOver.map(({ number }) => number).join(', ');
  return [`Passed over, because they are the current version (equal, or changed only by "kubectl rollout restart"): revision ${numbers}.`];
}

/** Carries out what was decided; where somebody was faster, decides again. */
export async function finish(order: Order, job: Job, first: Decision): Promise<End> {
  for (let decision = first; ; ) {
    if ('outcome' in decision) return decision;
    const { look, plan } = decision;
    if (plan.kind === 'unchanged') return stayAt(look, plan.at);
    if (plan.kind === 'resume') return resume(look, plan.at, plan.mark);
    announce(look, plan);
    if (order.dryRun) return dryRunEnd(plan.from, plan.target, plan.validated);
    const end = await carryOut(look, plan);
    if (end !== 'moved') return end;
    job.world.log.info('The DaemonSet was changed meanwhile; reading it again, and deciding again.');
    decision = await decide(order, job, look.daemonSet);
  }
}

function announce({ order, world: { log }, known, daemonSet, history }: Look, { from, target, changes }: Restore): void {
  const what = order.dryRun ? 'Would roll back' : 'Rolling back';
  log.info(
    `${what} from revision ${from.number} (${from.name}) to revision ${target.number} (${target.name}): ${target.images.join(', ')}`,
  );
  if (target.why) log.info(target.why);
  log.group(`Template: ${differences(changes)}`, changeLines(changes, order.showValues));
  if (known.history) log.group(`History: ${history.revisions.length} revisions`, historyLines(known.history));
  for (const owner of ownersOf(daemonSet)) log.warning(owner);
}

async function carryOut({ order, world, known, daemonSet, history }: Look, { from, target, merged }: Restore): Promise<End | 'moved'> {
  const { log, clock, run } = world;
  const patched = await restore(world, daemonSet, target, markFor(from, target, digest(merged), run, new Date(clock.now())));
  if (patched.kind === 'moved') return 'moved';
  known.changed = true;
  if (patched.kind === 'unknown') {
    const message = unknownMessage(patched.why, known.daemonSet);
    return world.signal.aborted ? { ...interrupted(world.signal.reason), message } : { outcome: 'error', reason: 'unreachable', message };
  }
  const identical = identicalTemplate(target.template, patched.daemonSet.spec.template);
  known.newRevision = nextNumber(history, identical ? target : undefined);
  log.info(
    `daemonset.apps/${known.daemonSet.name} rolled back: revision ${from.number} → ${known.newRevision}, which restores revision ${target.number}`,
  );
  await withdrawGood(world, known.daemonSet.namespace, history, { left: from, restored: target });
  let current = patched.daemonSet;
  if (isServerSideApplied(daemonSet)) current = await yieldOwnership(world, current);

  // The controller renumbers the ControllerRevision of the same bytes; only then is its name known without another look.
  const renewed = identical && !hasTwin(history, target);
  if (renewed) {
    known.renewed = true;
    known.controllerRevision = target.name;
    recordHistoryAfter(known, history, target, known.newRevision);
  }
  if (!order.wait) return notWaited(known);
  const end = await follow(world, known, current, 'restored', {
    wanted: patched.digest,
    ...(renewed && { hash: target.hash }),
    verifyPods: hasTwin(history, target) ? 'doubt' : 'no',
    limits: order.limits,
  });
  const restored = renewed ? target : end.outcome === 'deleted' ? undefined : await readHistoryAfter(world, known, current, target);
  if (restored && known.everywhere) await markGood(world, known.daemonSet.namespace, restored);
  return end.outcome === 'rolled-back' ? { ...end, message: restoredMessage(known) } : end;
}

/** Nothing had to be written; with `wait`, every node must run it all the same. */
async function stayAt(look: Look, at: Revision): Promise<End> {
  const { order, world, known, daemonSet } = look;
  known.target = at;
  known.newRevision = at.number;
  known.controllerRevision = at.name;
  known.changes = [];
  world.log.info(`daemonset.apps/${daemonSet.metadata.name} skipped rollback (current template already matches revision ${at.number})`);
  const message = `Nothing was written: the DaemonSet is at revision ${at.number} (${at.name}) already.`;
  if (!order.wait || order.dryRun) return { outcome: 'unchanged', reason: 'complete', message };
  const end = await followAsItIs(look, at, 'deployed');
  return end.outcome === 'rolled-back' ? { ...end, outcome: 'unchanged', message } : end;
}

/** An earlier attempt of this run has written the rollback; this one ends as that would have ended. */
async function resume(look: Look, at: Revision, mark: Mark): Promise<End> {
  const { order, world, known, history } = look;
  const left = history.revisions.find(({ name }) => name === mark.left.name);
  if (left) known.old = { ...left, number: mark.left.revision };
  else delete known.old;
  known.target = { ...at, number: mark.restored.revision };
  known.newRevision = at.number;
  known.controllerRevision = at.name;
  known.renewed = at.name === mark.restored.name;
  const said = `This run has rolled back already (at ${mark.time})`;
  world.log.info(`${said}; nothing is written again.`);
  known.notes.push(`${said}; this attempt wrote nothing and waited for the same rollout.`);
  if (order.dryRun) return { outcome: 'dry-run', reason: 'resumed', message: `${said}: nothing would be written.` };
  if (left) await withdrawGood(world, known.daemonSet.namespace, history, { left, restored: at });
  if (!order.wait) return notWaited(known);
  const end = await followAsItIs(look, at, 'restored');
  return end.outcome === 'rolled-back' ? { ...end, reason: 'resumed', message: restoredMessage(known) } : end;
}

/** Waits where nothing is written: for the template that was read. */
async function followAsItIs({ order, world, known, daemonSet, history }: Look, at: Revision, version: Version): Promise<End> {
  const end = await follow(world, known, daemonSet, version, {
    wanted: digest(daemonSet.spec.template),
    hash: at.hash,
    verifyPods: hasTwin(history, at) ? 'doubt' : 'no',
    limits: order.limits,
  });
  if (known.everywhere) await markGood(world, known.daemonSet.namespace, at);
  return end;
}

/** Waits for the rollout. Its good end is `rolled-back`, without words yet. */
async function follow(world: World, known: Known, daemonSet: DaemonSet, version: Version, options: TrackOptions): Promise<End> {
  const tracked = await track(world, daemonSet, options);
  learnFrom(tracked, known, world);
  if (tracked.kind === 'complete' && tracked.counts.desired === 0) world.log.warning(noNodeMatches(tracked.daemonSet));
  return endOf(tracked, known.daemonSet, version);
}

function recordHistoryAfter(known: Known, { revisions }: History, restored: Revision, number: number): void {
  if (!known.history) return;
  const entry = ({ name, changeCause, images }: Revision, number: number, current: boolean): HistoryEntry => ({
    number,
    name,
    current,
    changeCause,
    images,
  });
  known.history.after = [
    entry(restored, number, true),
    ...revisions.filter(({ name }) => name !== restored.name).map((revision) => entry(revision, revision.number, false)),
  ];
}

/** The controller made a new ControllerRevision, or chose among twins: only a look tells which. Undefined where it does not. */
async function readHistoryAfter(
  { cluster, signal, log }: World,
  known: Known,
  daemonSet: DaemonSet,
  target: Revision,
): Promise<Revision | undefined> {
  try {
    const history = historyOf(daemonSet, await cluster.listControllerRevisions(daemonSet, signal));
    if (!history.current) return undefined;
    const { number, name } = history.current;
    known.newRevision = number;
    known.controllerRevision = name;
    known.renewed = name === target.name;
    recordHistoryAfter(known, history, history.current, number);
    if (known.renewed) return history.current;
    const why =
      history.current.digest === target.digest
        ? 'It means the same, but the API server spells it otherwise than when that was stored.'
        : 'The API server stored something else than was sent: an admission webhook changes it.';
    known.notes.push(
      `Revision ${number} is a new ControllerRevision (${name}), not the one that was revision ${target.number} (${target.name}). ${why}`,
    );
    return history.current;
  } catch (error) {
    log.debug(`The history afterwards could not be read: ${(error as Error).message}`);
    return undefined;
  }
}
