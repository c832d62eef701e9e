import { ClusterError } from '../cluster/cluster.ts';
import type { AskedRevision, NamedRevision } from '../daemonset/asked-revision.ts';
import type { GoodMark } from '../daemonset/good-mark.ts';
import type { Candidate } from '../daemonset/last-good.ts';
import { ownersOf } from '../daemonset/owners.ts';
import { alreadyThere, type Intent, intend, needsPods, type Plan, planFor, planWithout } from '../daemonset/plan.ts';
import type { Conclusion, HistoryEntry, Note, Version } from '../daemonset/result.ts';
import { type History, hasTwin, historyOf, isSameVersion, nextNumber, type Revision, twinsOf } from '../daemonset/revision.ts';
import { type RollbackRecord, type RolledBackBy, recordFor } from '../daemonset/rollback-record.ts';
import { keepsNoHistory, rolloutOf } from '../daemonset/rollout.ts';
import { identicalTemplate, versionDigest } from '../daemonset/template.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import type { Limits } from '../daemonset/verdict.ts';
import { changeLines, differences, historyLines } from '../report/lines.ts';
import { noteText } from '../report/messages/notes.ts';
import { revisionText } from '../report/messages/revisions.ts';
import { noNodeMatchesText } from '../report/messages/rollout.ts';
import { requireStableFor } from '../rollout/stable-for.ts';
import { type Waited, type WaitOptions, wait } from '../rollout/wait.ts';
import { conclusionOf, notObserved } from './conclude.ts';
import { interrupted } from './failure.ts';
import { find } from './find.ts';
import { markGood, withdrawGood } from './good.ts';
import { readPodCounts } from './history.ts';
import { type Job, learnFrom } from './jobs.ts';
import { returnOwnership } from './ownership.ts';
import { preview, restore, undoAnnotations } from './patch.ts';
import { settle } from './settle.ts';
import type { Known, World } from './world.ts';

/** What to restore, and how. */
export interface Order {
  /** What to try, from a settled DaemonSet and its history. */
  choose(daemonSet: DaemonSet, history: History, world: World): Promise<Intent> | Intent;
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
    choose: async (daemonSet, history, world) => {
      const pods = needsPods(daemonSet, history, toRevision) ? await readPodCounts(world, daemonSet, history) : undefined;
      return intend(daemonSet, history, { toRevision, run: world.run, expected, isDeployedByRun, pods });
    },
  };
}

/** The settled DaemonSet that a decision is based on. */
interface Look {
  order: Order;
  world: World;
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
export async function decide(order: Order, { found, known, world }: Job, before?: Moved): Promise<Decision> {
  const { log, signal } = world;
  let last = before?.from;
  let aim = before?.to;
  for (;;) {
    signal.throwIfAborted();
    const listed = last ? undefined : found.daemonSet;
    const daemonSet = await settle(world, listed ?? (await find(world, found.name)));
    if (!daemonSet) return notObserved();
    if (last?.metadata.uid === daemonSet.metadata.uid && last.metadata.generation === daemonSet.metadata.generation) {
      throw new ClusterError(
        'conflict',
        'The API server rejects a patch that fits the object, again. Does something change the DaemonSet?',
      );
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
      if (order.wait) await requireStableFor(world, daemonSet, order.limits);
    }
    return { look, plan };
  }
}

/** @param aim what would have been restored before the DaemonSet was changed. If someone has deployed exactly that, no older version is. */
async function makePlan(
  { order, world, daemonSet, history }: Look,
  aim: Revision | undefined,
): Promise<Plan | { kind: 'moved'; to: Revision }> {
  const intent = await order.choose(daemonSet, history, world);
  if (intent.kind !== 'candidates') return intent;
  if (aim && isSameVersion(aim, intent.from)) return { kind: 'unchanged', at: intent.from };
  for (const revision of intent.candidates) {
    if (alreadyThere(daemonSet, revision)) continue;
    const candidate: Candidate = { ...revision, changeCause: order.changeCause ?? revision.changeCause };
    const writing = { by: order.by, run: world.run, time: new Date(world.clock.now()) };
    const record = recordFor(daemonSet, history, { from: intent.from, target: candidate }, writing);
    const seen = await preview(world, daemonSet, candidate, record, { readOnly: order.dryRun });
    if (!seen) return { kind: 'moved', to: candidate };
    const plan = planFor(daemonSet, intent, candidate, record, seen);
    if (plan) return plan;
    world.log.info(`Restoring ${revisionText(candidate)} would change nothing.`);
  }
  return order.otherwise(intent.from);
}

type Restore = Extract<Plan, { kind: 'restore' }>;

/** A DaemonSet that another run has rolled back already, in a list of several: nothing is written, and it must run what was restored. */
export function countAsDone(decision: Decision): Decision {
  if ('outcome' in decision || decision.plan.kind !== 'already-rolled-back') return decision;
  const { look, plan } = decision;
  const { time, run } = plan.record;
  look.known.notes.push({ kind: 'rolled-back-already', time, run });
  return { look, plan: { kind: 'unchanged', at: plan.at } };
}

/** Carries out a decision. If someone else changed the DaemonSet first, decides again. */
export async function finish(order: Order, job: Job, first: Decision): Promise<Conclusion> {
  for (let decision = first; ; ) {
    if ('outcome' in decision) return decision;
    const { look, plan } = decision;
    if (plan.kind === 'unchanged') return stayAt(look, plan.at);
    if (plan.kind === 'resume') return resume(look, plan.at, plan.record);
    if (plan.kind === 'already-rolled-back') return plan.refusal;
    announce(look, plan);
    if (order.dryRun) return dryRun(plan);
    const conclusion = await carryOut(look, plan);
    if (conclusion !== 'moved') return conclusion;
    job.world.log.info('The DaemonSet changed in the meantime. Reading it and deciding again.');
    decision = await decide(order, job, { from: look.daemonSet, to: plan.target });
  }
}

/** Notes that are warnings. */
const LOUD: ReadonlySet<Note['kind']> = new Set<Note['kind']>(['older-code', 'no-history', 'annotations-left-out', 'left-by-next-deploy']);

function announce({ order, world: { log }, known, daemonSet, history }: Look, { from, target, changes }: Restore): void {
  const what = order.dryRun ? 'Would roll back' : 'Rolling back';
  log.info(`${what} from ${revisionText(from)} to ${revisionText(target)}: ${target.images.join(', ')}`);
  for (const note of known.notes) {
    if (LOUD.has(note.kind)) log.warning(noteText(note));
    else log.info(noteText(note));
  }
  log.group(`Template: ${differences(changes)}`, changeLines(changes, order.showValues));
  if (known.history) log.group(`History: ${history.revisions.length} revisions`, historyLines(known.history, undefined, order.showValues));
  for (const owner of ownersOf(daemonSet)) log.warning(noteText({ kind: 'owner', owner }));
}

function dryRun({ preview: { validated } }: Restore): Conclusion {
  return { outcome: 'dry-run', reason: validated ? 'validated' : 'not-validated', facts: { kind: 'dry-run', validated } };
}

async function carryOut(
  { order, world, known, daemonSet, history }: Look,
  { from, target, record, preview: seen }: Restore,
): Promise<Conclusion | 'moved'> {
  const { log } = world;
  // Until the API server has refused it, the rollback may be written.
  known.changed = true;
  const patched = await restore(world, daemonSet, target, record, seen).catch((error: unknown) => {
    known.changed = false;
    throw error;
  });
  if (patched.kind === 'moved') {
    known.changed = false;
    return 'moved';
  }
  if (patched.kind === 'unknown') {
    const facts = { kind: 'write-unknown', why: patched.why } as const;
    return world.signal.aborted ? { ...interrupted(world.signal.reason), facts } : { outcome: 'error', reason: 'unreachable', facts };
  }
  if (patched.kind === 'undone') {
    known.changed = false;
    await undoAnnotations(world, daemonSet, seen.annotations);
    return { outcome: 'error', reason: 'admission-denied', facts: { kind: 'write-undone' } };
  }
  const identical = identicalTemplate(target.template, patched.template);
  known.newRevision = nextNumber(history, identical ? target : undefined);
  log.info(
    `daemonset.apps/${known.daemonSet.name} rolled back: revision ${from.number} → ${known.newRevision}, which restores revision ${target.number}`,
  );
  if (record.templateGeneration !== undefined) {
    const templateGeneration = record.templateGeneration + 1;
    world.ledger.append(record.uid, { kind: 'wrote', by: order.by, templateGeneration, version: versionDigest(patched.template) });
  }
  await withdrawGood(world, known.daemonSet.namespace, history, { left: from, restored: target });
  // A webhook that answers differently each time would change the template again.
  const isSettled = versionDigest(patched.template) === versionDigest(seen.template);
  const current = isSettled ? await returnOwnership(world, patched.daemonSet, daemonSet) : patched.daemonSet;

  // The controller renumbers the ControllerRevision with the same bytes. Only then is its name known without another read.
  const renewed = identical && !hasTwin(history, target);
  if (renewed) {
    known.renewed = true;
    known.controllerRevision = target.name;
    recordHistoryAfter(known, history, target, known.newRevision);
  }
  if (!order.wait) return NOT_WAITED;
  const { unfinished, waited } = await follow(world, known, current, 'restored', {
    template: patched.template,
    ...(identical && { revisions: twinsOf(history, target) }),
    limits: order.limits,
  });
  const isGone = unfinished?.outcome === 'deleted';
  const restored = renewed ? target : isGone ? undefined : await readHistoryAfter(world, known, current, target, waited.history);
  if (restored) await remember(world, known, waited, restored, target.good);
  return unfinished ?? { outcome: 'rolled-back', reason: 'complete', facts: { kind: 'restored' } };
}

const NOT_WAITED: Conclusion = { outcome: 'pending', reason: 'not-waited', facts: { kind: 'restored-not-waited' } };

/** Nothing has to be written. With `wait`, every node must run the revision all the same. */
async function stayAt(look: Look, at: Revision): Promise<Conclusion> {
  const { order, world, known, daemonSet } = look;
  known.target = at;
  known.newRevision = at.number;
  known.controllerRevision = at.name;
  known.changes = [];
  world.log.info(`daemonset.apps/${daemonSet.metadata.name} skipped rollback (current template already matches revision ${at.number})`);
  const unfinished = order.wait && !order.dryRun ? await followCurrent(look, at, 'deployed') : undefined;
  return unfinished ?? { outcome: 'unchanged', reason: 'complete', facts: { kind: 'already-current' } };
}

/** An earlier attempt of this run wrote the rollback. This attempt ends as that one would have ended. */
async function resume(look: Look, at: Revision, { left: leftThen, restored, time }: RollbackRecord): Promise<Conclusion> {
  const { order, world, known, daemonSet, history } = look;
  const left = history.revisions.find(({ name }) => name === leftThen.name);
  if (left) known.old = { ...left, number: leftThen.revision };
  else delete known.old;
  known.target = { ...at, number: restored.revision };
  known.newRevision = at.number;
  known.controllerRevision = at.name;
  known.renewed = at.name === restored.name;
  world.log.info(`This run rolled back already (at ${time}). Nothing is written again.`);
  known.notes.push({ kind: 'resumed', time });
  if (order.dryRun) return { outcome: 'dry-run', reason: 'resumed', facts: { kind: 'dry-run-of-resumed', time } };
  if (left) await withdrawGood(world, known.daemonSet.namespace, history, { left, restored: at });
  // The first attempt may have ended before it did this.
  await returnOwnership(world, daemonSet, daemonSet);
  if (!order.wait) return NOT_WAITED;
  const unfinished = await followCurrent(look, at, 'restored');
  return unfinished ?? { outcome: 'rolled-back', reason: 'resumed', facts: { kind: 'restored' } };
}

/** Waits for the template that was read, after nothing was written. */
async function followCurrent(
  { order, world, known, daemonSet, history }: Look,
  at: Revision,
  version: Version,
): Promise<Conclusion | undefined> {
  const { unfinished, waited } = await follow(world, known, daemonSet, version, {
    template: daemonSet.spec.template,
    revisions: twinsOf(history, at),
    limits: order.limits,
  });
  await remember(world, known, waited, waited.history?.current ?? at, at.good);
  return unfinished;
}

/** Waits for the rollout. `unfinished` is undefined if it succeeded. */
async function follow(
  world: World,
  known: Known,
  daemonSet: DaemonSet,
  version: Version,
  options: WaitOptions,
): Promise<{ unfinished: Conclusion | undefined; waited: Waited }> {
  const waited = await wait(world, daemonSet, { ...options, limits: { ...options.limits, failsFor: 'all-nodes' } });
  learnFrom(waited, known, world);
  if (waited.kind === 'complete' && waited.counts.desired === 0) world.log.warning(noNodeMatchesText(waited.daemonSet));
  return { unfinished: conclusionOf(waited, version), waited };
}

/** Marks a version that was seen on every node as good. */
async function remember(world: World, known: Known, { images }: Waited, revision: Revision, before: GoodMark | undefined): Promise<void> {
  if (!images) return;
  const note = await markGood(world, known.daemonSet.namespace, revision, images, before);
  if (note) known.notes.push(note);
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

/** Which ControllerRevision the controller created, or chose among twins. Undefined if that cannot be read. */
async function readHistoryAfter(
  { cluster, signal, log }: World,
  known: Known,
  daemonSet: DaemonSet,
  target: Revision,
  read: History | undefined,
): Promise<Revision | undefined> {
  try {
    const history = read ?? historyOf(daemonSet, await cluster.listControllerRevisions(daemonSet, signal));
    if (!history.current) return undefined;
    const { number, name } = history.current;
    known.newRevision = number;
    known.controllerRevision = name;
    known.renewed = name === target.name;
    recordHistoryAfter(known, history, history.current, number);
    if (known.renewed) return history.current;
    const why = history.current.digest === target.digest ? 'other-serialization' : 'webhook';
    known.notes.push({ kind: 'new-controller-revision', created: { number, name }, target, why });
    return history.current;
  } catch (error) {
    log.debug(`Could not read the history after the rollback: ${(error as Error).message}`);
    return undefined;
  }
}
