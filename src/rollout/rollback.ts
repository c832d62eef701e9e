import type { GoodMark } from '../daemonset/good-mark.ts';
import { ownersOf } from '../daemonset/owners.ts';
import type { Plan } from '../daemonset/plan.ts';
import type { Conclusion, HistoryEntry, Note, Version } from '../daemonset/result.ts';
import { type History, hasTwin, historyOf, nextNumber, type Revision, twinsOf } from '../daemonset/revision.ts';
import type { RollbackRecord } from '../daemonset/rollback-record.ts';
import { identicalTemplate, versionDigest } from '../daemonset/template.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import { changeLines, differences, historyLines } from '../report/lines.ts';
import { noteText } from '../report/messages/notes.ts';
import { revisionText } from '../report/messages/revisions.ts';
import { noNodeMatchesText } from '../report/messages/rollout.ts';
import { conclusionOf } from './conclude.ts';
import type { Context, Known } from './context.ts';
import { type Decision, decide, type Look, type Order } from './decide.ts';
import { interrupted } from './failure.ts';
import { markGood, withdrawGood } from './known-good.ts';
import { returnOwnership } from './ownership.ts';
import { restore, undoAnnotations } from './patch.ts';
import { learnFrom, type Task } from './tasks.ts';
import { type Waited, type WaitOptions, wait } from './wait.ts';

type Restore = Extract<Plan, { kind: 'restore' }>;

/** Carries out a decision. If someone else changed the DaemonSet first, decides again. */
export async function finish(order: Order, task: Task, first: Decision): Promise<Conclusion> {
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
    task.context.log.info('The DaemonSet changed in the meantime. Reading it and deciding again.');
    decision = await decide(order, task, { from: look.daemonSet, to: plan.target });
  }
}

/** Notes that are warnings. */
const LOUD: ReadonlySet<Note['kind']> = new Set<Note['kind']>(['older-code', 'no-history', 'annotations-left-out', 'left-by-next-deploy']);

function announce({ order, context: { log }, known, daemonSet, history }: Look, { from, target, changes }: Restore): void {
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
  { order, context, known, daemonSet, history }: Look,
  { from, target, record, preview: seen }: Restore,
): Promise<Conclusion | 'moved'> {
  const { log } = context;
  // Until the API server has refused it, the rollback may be written.
  known.changed = true;
  const patched = await restore(context, daemonSet, target, record, seen).catch((error: unknown) => {
    known.changed = false;
    throw error;
  });
  if (patched.kind === 'moved') {
    known.changed = false;
    return 'moved';
  }
  if (patched.kind === 'unknown') {
    const facts = { kind: 'write-unknown', why: patched.why } as const;
    return context.signal.aborted ? { ...interrupted(context.signal.reason), facts } : { outcome: 'error', reason: 'unreachable', facts };
  }
  if (patched.kind === 'undone') {
    known.changed = false;
    await undoAnnotations(context, daemonSet, seen.annotations);
    return { outcome: 'error', reason: 'admission-denied', facts: { kind: 'write-undone' } };
  }
  const identical = identicalTemplate(target.template, patched.template);
  known.newRevision = nextNumber(history, identical ? target : undefined);
  log.info(
    `daemonset.apps/${known.daemonSet.name} rolled back: revision ${from.number} → ${known.newRevision}, which restores revision ${target.number}`,
  );
  if (record.templateGeneration !== undefined) {
    const templateGeneration = record.templateGeneration + 1;
    context.ledger.append(record.uid, { kind: 'wrote', by: order.by, templateGeneration, version: versionDigest(patched.template) });
  }
  await withdrawGood(context, known.daemonSet.namespace, history, { left: from, restored: target });
  // A webhook that answers differently each time would change the template again.
  const isSettled = versionDigest(patched.template) === versionDigest(seen.template);
  const current = isSettled ? await returnOwnership(context, patched.daemonSet, daemonSet) : patched.daemonSet;

  // The controller renumbers the ControllerRevision with the same bytes. Only then is its name known without another read.
  const renewed = identical && !hasTwin(history, target);
  if (renewed) {
    known.renewed = true;
    known.controllerRevision = target.name;
    recordHistoryAfter(known, history, target, known.newRevision);
  }
  if (!order.wait) return NOT_WAITED;
  const { unfinished, waited } = await follow(context, known, current, 'restored', {
    template: patched.template,
    ...(identical && { revisions: twinsOf(history, target) }),
    limits: order.limits,
  });
  const isGone = unfinished?.outcome === 'deleted';
  const restored = renewed ? target : isGone ? undefined : await readHistoryAfter(context, known, current, target, waited.history);
  if (restored) await remember(context, known, waited, restored, target.good);
  return unfinished ?? { outcome: 'rolled-back', reason: 'complete', facts: { kind: 'restored' } };
}

const NOT_WAITED: Conclusion = { outcome: 'pending', reason: 'not-waited', facts: { kind: 'restored-not-waited' } };

/** Nothing has to be written. With `wait`, every node must run the revision all the same. */
async function stayAt(look: Look, at: Revision): Promise<Conclusion> {
  const { order, context, known, daemonSet } = look;
  known.target = at;
  known.newRevision = at.number;
  known.controllerRevision = at.name;
  known.changes = [];
  context.log.info(`daemonset.apps/${daemonSet.metadata.name} skipped rollback (current template already matches revision ${at.number})`);
  const unfinished = order.wait && !order.dryRun ? await followCurrent(look, at, 'deployed') : undefined;
  return unfinished ?? { outcome: 'unchanged', reason: 'complete', facts: { kind: 'already-current' } };
}

/** An earlier attempt of this run wrote the rollback. This attempt ends as that one would have ended. */
async function resume(look: Look, at: Revision, { left: leftThen, restored, time }: RollbackRecord): Promise<Conclusion> {
  const { order, context, known, daemonSet, history } = look;
  const left = history.revisions.find(({ name }) => name === leftThen.name);
  if (left) known.old = { ...left, number: leftThen.revision };
  else delete known.old;
  known.target = { ...at, number: restored.revision };
  known.newRevision = at.number;
  known.controllerRevision = at.name;
  known.renewed = at.name === restored.name;
  context.log.info(`This run rolled back already (at ${time}). Nothing is written again.`);
  known.notes.push({ kind: 'resumed', time });
  if (order.dryRun) return { outcome: 'dry-run', reason: 'resumed', facts: { kind: 'dry-run-of-resumed', time } };
  if (left) await withdrawGood(context, known.daemonSet.namespace, history, { left, restored: at });
  // The first attempt may have ended before it did this.
  await returnOwnership(context, daemonSet, daemonSet);
  if (!order.wait) return NOT_WAITED;
  const unfinished = await followCurrent(look, at, 'restored');
  return unfinished ?? { outcome: 'rolled-back', reason: 'resumed', facts: { kind: 'restored' } };
}

/** Waits for the template that was read, after nothing was written. */
async function followCurrent(
  { order, context, known, daemonSet, history }: Look,
  at: Revision,
  version: Version,
): Promise<Conclusion | undefined> {
  const { unfinished, waited } = await follow(context, known, daemonSet, version, {
    template: daemonSet.spec.template,
    revisions: twinsOf(history, at),
    limits: order.limits,
  });
  await remember(context, known, waited, waited.history?.current ?? at, at.good);
  return unfinished;
}

/** Waits for the rollout. `unfinished` is undefined if it succeeded. */
async function follow(
  context: Context,
  known: Known,
  daemonSet: DaemonSet,
  version: Version,
  options: WaitOptions,
): Promise<{ unfinished: Conclusion | undefined; waited: Waited }> {
  const waited = await wait(context, daemonSet, { ...options, limits: { ...options.limits, failsFor: 'all-nodes' } });
  learnFrom(waited, known, context);
  if (waited.kind === 'complete' && waited.counts.desired === 0) context.log.warning(noNodeMatchesText(waited.daemonSet));
  return { unfinished: conclusionOf(waited, version), waited };
}

/** Marks a version that was seen on every node as good. */
async function remember(
  context: Context,
  known: Known,
  { images }: Waited,
  revision: Revision,
  before: GoodMark | undefined,
): Promise<void> {
  if (!images) return;
  const note = await markGood(context, known.daemonSet.namespace, revision, images, before);
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
  { cluster, signal, log }: Context,
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
