import type { GoodMark } from '../daemonset/good-mark.ts';
import type { Note } from '../daemonset/notes.ts';
import { ownersOf } from '../daemonset/owners.ts';
import type { Plan } from '../daemonset/plan.ts';
import type { Conclusion, HistoryEntry, Version } from '../daemonset/result.ts';
import { type History, hasTwin, historyOf, nextNumber, type Revision, twinsOf } from '../daemonset/revision.ts';
import { identicalTemplate, versionDigest } from '../daemonset/template.ts';
import type { DaemonSet, PodTemplate } from '../daemonset/types.ts';
import { historyLines } from '../report/history.ts';
import { changeLines, differences } from '../report/lines.ts';
import { noteText } from '../report/messages/notes.ts';
import { revisionText } from '../report/messages/revisions.ts';
import { noNodeMatchesText } from '../report/messages/rollout.ts';
import { conclusionOf, DECLINED } from './conclude.ts';
import type { Confirm, Deadline, PartialResult, Proposal } from './context.ts';
import { unanswered } from './failure.ts';
import { noteHold } from './hold.ts';
import { markGood, withdrawGood } from './known-good.ts';
import { returnOwnership } from './ownership.ts';
import { type Patched, restore, undoAnnotations } from './patch.ts';
import { type Choose, makePlan, type Planned, type RollbackOptions } from './plan.ts';
import { learnFrom, type Task } from './tasks.ts';
import { type Waited, type WaitOptions, wait } from './wait.ts';

type Restore = Extract<Plan, { kind: 'restore' }>;
type Resume = Extract<Plan, { kind: 'resume' }>;

/** The write of a plan, for a person to confirm. Undefined if it writes nothing. */
export function proposalOf({ found, known }: Task, { plan }: Planned): Proposal | undefined {
  if (plan.kind !== 'restore') return undefined;
  const change = `${revisionText(plan.from)} to ${revisionText(plan.target)}`;
  return { daemonSet: found.name, change, nodes: known.counts?.desired ?? 0 };
}

/** A person confirms each plan before it is written. */
export interface Confirmation {
  confirm: Confirm;
  /** What follows an answer has a timeout of its own. */
  renew: () => Deadline;
  /** The plan that was announced and confirmed already. */
  confirmed: Planned | undefined;
}

/**
 * Carries out a plan. If someone else changed the DaemonSet first, plans again.
 *
 * @param confirmation undefined: nothing is asked.
 */
export async function carryOut(
  task: Task,
  choose: Choose,
  options: RollbackOptions,
  first: Planned | Conclusion,
  confirmation?: Confirmation,
): Promise<Conclusion> {
  for (let planned = first; ; ) {
    if ('outcome' in planned) return planned;
    const { plan, daemonSet } = planned;
    if (plan.kind === 'unchanged') return stayAt(task, planned, plan.at, options);
    if (plan.kind === 'resume') return resume(task, planned, plan, options);
    if (plan.kind === 'already-rolled-back') return plan.refusal;
    if (!confirmation || planned !== confirmation.confirmed) {
      announce(task, planned, options);
      if (options.dryRun) return dryRun(plan, options);
      if (confirmation && !(await isConfirmed(task, planned, confirmation))) return DECLINED;
    }
    const patched = await write(task, daemonSet, plan);
    if (patched.kind !== 'moved') return concludeWrite(task, planned, plan, patched, options);
    task.context.log.info('The DaemonSet changed in the meantime. Reading it and deciding again.');
    planned = await makePlan(task, choose, options, { from: daemonSet, to: plan.target });
  }
}

async function isConfirmed(task: Task, planned: Planned, { confirm, renew }: Confirmation): Promise<boolean> {
  const proposal = proposalOf(task, planned);
  const isYes = proposal === undefined || (await confirm([proposal], task.context.signal));
  if (isYes) task.renew(renew());
  return isYes;
}

/** Notes that are warnings. */
const LOUD: ReadonlySet<Note['kind']> = new Set<Note['kind']>([
  'older-code',
  'no-history',
  'annotations-left-out',
  'left-by-next-deploy',
  'passed-over-broken',
  'might-not-start',
]);

/** Logs what a plan writes, or would write if a person confirms it. */
export function announce({ context: { confirm, log }, known }: Task, planned: Planned, { dryRun, showValues }: RollbackOptions): void {
  const { daemonSet, history, plan } = planned;
  if (plan.kind !== 'restore') return;
  const { from, target, changes } = plan;
  const what = dryRun || confirm ? 'Would roll back' : 'Rolling back';
  log.info(`${what} from ${revisionText(from)} to ${revisionText(target)}: ${target.images.join(', ')}`);
  for (const note of known.notes) {
    if (LOUD.has(note.kind)) log.warning(noteText(note));
    else log.info(noteText(note));
  }
  log.group(`Template: ${differences(changes)}`, changeLines(changes, showValues), 'diff');
  if (known.history)
    log.group(`History: ${history.revisions.length} revisions`, historyLines(known.history, undefined, showValues), 'table');
  for (const owner of ownersOf(daemonSet)) log.warning(noteText({ kind: 'owner', owner }));
}

function dryRun({ preview: { validated } }: Restore, { hold: holds }: RollbackOptions): Conclusion {
  return {
    outcome: 'dry-run',
    reason: validated ? 'validated' : 'not-validated',
    facts: { kind: 'dry-run', validated, ...(holds && { holds }) },
  };
}

/** The one write. Until the API server has refused it, the rollback may be written. */
async function write(task: Task, daemonSet: DaemonSet, { target, record, preview }: Restore): Promise<Patched> {
  let changed = false;
  task.learn({ changed: true });
  try {
    const patched = await restore(task.context, daemonSet, target, record, preview);
    changed = patched.kind === 'written' || patched.kind === 'unknown';
    return patched;
  } finally {
    task.learn({ changed });
  }
}

/** What the write led to: the end, or the wait for what it stored. */
async function concludeWrite(
  task: Task,
  { daemonSet, history }: Planned,
  plan: Restore,
  patched: Exclude<Patched, { kind: 'moved' }>,
  { by, hold, wait, limits }: RollbackOptions,
): Promise<Conclusion> {
  const { context } = task;
  const { from, target, record, preview } = plan;
  if (patched.kind === 'unknown') return unanswered(context.signal, { kind: 'write-unknown', why: patched.why });
  if (patched.kind === 'undone') {
    await undoAnnotations(context, daemonSet, preview.annotations);
    return { outcome: 'error', reason: 'admission-denied', facts: { kind: 'write-undone' } };
  }
  const { template } = patched;
  const written = factsOfWrite(task.known, history, target, template);
  task.learn(written);
  noteHold(task, patched.daemonSet, hold);
  context.log.info(
    `daemonset.apps/${task.found.name.name} rolled back: revision ${from.number} → ${written.newRevision}, which restores revision ${target.number}`,
  );
  if (record.templateGeneration !== undefined) {
    const templateGeneration = record.templateGeneration + 1;
    context.ledger.append(record.uid, { kind: 'wrote', by, templateGeneration, version: versionDigest(template) });
  }
  await withdrawGood(context, task.found.name.namespace, history, { left: from, restored: target });
  // A webhook that answers differently each time would change the template again.
  const isSettled = versionDigest(template) === versionDigest(preview.template);
  const current = isSettled ? await returnOwnership(context, patched.daemonSet, daemonSet) : patched.daemonSet;
  if (!wait) return NOT_WAITED;
  const title = `revision ${from.number} → ${written.newRevision}, restores revision ${target.number}`;
  const twins = identicalTemplate(target.template, template) && { revisions: twinsOf(history, target) };
  const { unfinished, waited } = await follow(task, current, 'restored', { template, ...twins, limits, title });
  const isGone = unfinished?.outcome === 'deleted';
  const restored = written.renewed ? target : isGone ? undefined : await readRestored(task, current, target, waited.history);
  if (restored) await remember(task, waited, restored, target.good);
  return unfinished ?? { outcome: 'rolled-back', reason: 'complete', facts: { kind: 'restored' } };
}

/**
 * What is certain once the template is stored. The controller renumbers the ControllerRevision with the same bytes, and only then is its name
 * known without another read.
 */
function factsOfWrite(
  known: PartialResult,
  history: History,
  target: Revision,
  stored: PodTemplate,
): Pick<PartialResult, 'renewed' | 'controllerRevision' | 'history'> & { newRevision: number } {
  const identical = identicalTemplate(target.template, stored);
  const newRevision = nextNumber(history, identical ? target : undefined);
  if (!identical || hasTwin(history, target)) return { newRevision };
  return { newRevision, renewed: true, controllerRevision: target.name, ...historyAfter(known, history, target, newRevision) };
}

const NOT_WAITED: Conclusion = { outcome: 'pending', reason: 'not-waited', facts: { kind: 'restored-not-waited' } };

/** Nothing has to be written. With `wait`, every node must run the revision all the same. */
async function stayAt(task: Task, planned: Planned, at: Revision, options: RollbackOptions): Promise<Conclusion> {
  const { hold, wait, dryRun, limits } = options;
  task.learn({ target: at, newRevision: at.number, controllerRevision: at.name, changes: [] });
  task.context.log.info(`daemonset.apps/${task.found.name.name} skipped rollback (current template already matches revision ${at.number})`);
  noteHold(task, planned.daemonSet, hold);
  const unfinished = wait && !dryRun ? await followCurrent(task, planned, at, 'deployed', limits) : undefined;
  return unfinished ?? { outcome: 'unchanged', reason: 'complete', facts: { kind: 'already-current' } };
}

/** An earlier attempt of this run wrote the rollback. This attempt ends as that one would have ended. */
async function resume(
  task: Task,
  planned: Planned,
  { at, record }: Resume,
  { hold, wait, dryRun, limits }: RollbackOptions,
): Promise<Conclusion> {
  const { context } = task;
  const { daemonSet, history } = planned;
  const { restored, time } = record;
  const left = history.revisions.find(({ name }) => name === record.left.name);
  if (left) task.learn({ old: { ...left, number: record.left.revision } });
  else task.forget('old');
  task.learn({
    target: { ...at, number: restored.revision },
    newRevision: at.number,
    controllerRevision: at.name,
    renewed: at.name === restored.name,
  });
  context.log.info(`This run rolled back already (at ${time}). Nothing is written again.`);
  task.note({ kind: 'resumed', time });
  noteHold(task, daemonSet, hold);
  if (dryRun) return { outcome: 'dry-run', reason: 'resumed', facts: { kind: 'dry-run-of-resumed', time } };
  if (left) await withdrawGood(context, task.found.name.namespace, history, { left, restored: at });
  // The first attempt may have ended before it did this.
  await returnOwnership(context, daemonSet, daemonSet);
  if (!wait) return NOT_WAITED;
  const unfinished = await followCurrent(task, planned, at, 'restored', limits);
  return unfinished ?? { outcome: 'rolled-back', reason: 'resumed', facts: { kind: 'restored' } };
}

/** Waits for the template that was read, after nothing was written. */
async function followCurrent(
  task: Task,
  { daemonSet, history }: Planned,
  at: Revision,
  version: Version,
  limits: RollbackOptions['limits'],
): Promise<Conclusion | undefined> {
  const options = { template: daemonSet.spec.template, revisions: twinsOf(history, at), limits, title: revisionText(at) };
  const { unfinished, waited } = await follow(task, daemonSet, version, options);
  await remember(task, waited, waited.history?.current ?? at, at.good);
  return unfinished;
}

/** Waits for the rollout. `unfinished` is undefined if it succeeded. */
async function follow(
  task: Task,
  daemonSet: DaemonSet,
  version: Version,
  options: WaitOptions,
): Promise<{ unfinished: Conclusion | undefined; waited: Waited }> {
  const waited = await wait(task.context, daemonSet, { ...options, limits: { ...options.limits, failsFor: 'all-nodes' } });
  learnFrom(task, waited);
  if (waited.kind === 'complete' && waited.counts.desired === 0) task.context.log.warning(noNodeMatchesText(waited.daemonSet));
  return { unfinished: conclusionOf(waited, version), waited };
}

/** Marks a version that was seen on every node as good. */
async function remember(task: Task, { images }: Waited, revision: Revision, before: GoodMark | undefined): Promise<void> {
  if (!images) return;
  const note = await markGood(task.context, task.found.name.namespace, revision, images, before);
  if (note) task.note(note);
}

/** The known history, with what it is after the rollback. */
function historyAfter(known: PartialResult, { revisions }: History, restored: Revision, number: number): Pick<PartialResult, 'history'> {
  if (!known.history) return {};
  const entry = ({ name, changeCause, images }: Revision, number: number, current: boolean): HistoryEntry => ({
    number,
    name,
    current,
    changeCause,
    images,
  });
  const others = revisions.filter(({ name }) => name !== restored.name);
  const after = [entry(restored, number, true), ...others.map((revision) => entry(revision, revision.number, false))];
  return { history: { ...known.history, after } };
}

/** Which ControllerRevision the controller created, or chose among twins. Undefined if that cannot be read. */
async function readRestored(task: Task, daemonSet: DaemonSet, target: Revision, read: History | undefined): Promise<Revision | undefined> {
  const { cluster, signal, log } = task.context;
  try {
    const history = read ?? historyOf(daemonSet, await cluster.listControllerRevisions(daemonSet, signal));
    const { current } = history;
    if (!current) return undefined;
    const { number, name } = current;
    const renewed = name === target.name;
    task.learn({ newRevision: number, controllerRevision: name, renewed, ...historyAfter(task.known, history, current, number) });
    if (renewed) return current;
    const why = current.digest === target.digest ? 'other-serialization' : 'webhook';
    task.note({ kind: 'new-controller-revision', created: { number, name }, target, why });
    return current;
  } catch (error) {
    log.debug(`Could not read the history after the rollback: ${(error as Error).message}`);
    return undefined;
  }
}
