import { type Mark, markFor } from '../daemonset/mark.ts';
import type { End, HistoryEntry, Result } from '../daemonset/outcome.ts';
import { alreadyThere, intend, type Plan, planFor } from '../daemonset/plan.ts';
import { type History, hasTwin, historyOf, nextNumber, type Revision } from '../daemonset/revision.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { AskedRevision } from '../daemonset/target.ts';
import { digest, identicalTemplate } from '../daemonset/template.ts';
import type { DaemonSet, DaemonSetName } from '../daemonset/types.ts';
import { changeLines, differences, historyLines } from '../report/lines.ts';
import { dryRunEnd, endOf, notObserved, notWaited, refusal, restoredMessage, unknownMessage } from '../rollback/ends.ts';
import { failureOf, interrupted } from '../rollback/failure.ts';
import { find } from '../rollback/find.ts';
import { isServerSideApplied, preview, restore, yieldOwnership } from '../rollback/patch.ts';
import { settle } from '../rollback/settle.ts';
import { type TrackOptions, track } from '../rollback/track.ts';
import type { World } from '../rollback/world.ts';

export interface RollbackRequest {
  command: 'rollback';
  /** Undefined namespace: the context's. */
  daemonSet: { namespace: string | undefined; name: string };
  toRevision: AskedRevision;
  wait: boolean;
  dryRun: boolean;
  showValues: boolean;
}

/** What is known of a rollback so far; whatever happens next, the report tells it. */
type Known = Omit<Result, keyof End>;

/** One settled look at the DaemonSet, and what it is looked at for. */
interface Look {
  request: RollbackRequest;
  world: World;
  known: Known;
  daemonSet: DaemonSet;
  history: History;
}

/** find → settle → plan → patch → track. Every end is a result; nothing is thrown. */
export async function rollback(request: RollbackRequest, world: World): Promise<Result> {
  const daemonSet: DaemonSetName = { namespace: request.daemonSet.namespace ?? world.cluster.namespace, name: request.daemonSet.name };
  const known: Known = { daemonSet, changed: false, notes: [] };
  try {
    const end = await attempt(request, world, known);
    return { ...known, ...end };
  } catch (error) {
    return { ...known, ...failureOf(error, known.changed) };
  }
}

async function attempt(request: RollbackRequest, world: World, known: Known): Promise<End> {
  const { log, signal } = world;
  let before: DaemonSet | undefined;
  for (;;) {
    signal.throwIfAborted();
    const daemonSet = await settle(world, await find(world, known.daemonSet));
    if (!daemonSet) return notObserved();
    if (before?.metadata.uid === daemonSet.metadata.uid && before.metadata.generation === daemonSet.metadata.generation) {
      throw new Error('The API server refuses a patch that fits the object');
    }
    before = daemonSet;
    known.notes = [];
    const history = historyOf(daemonSet, await world.cluster.listControllerRevisions(daemonSet, signal));
    known.history = { before: history.revisions, ...(history.current && { currentBefore: history.current.name }) };
    if (history.current) known.old = history.current;
    known.counts = rolloutOf(daemonSet).counts;

    const look: Look = { request, world, known, daemonSet, history };
    const plan = await makePlan(look);
    if (plan === 'moved') {
      log.info('The DaemonSet was changed meanwhile; reading it again.');
      continue;
    }
    switch (plan.kind) {
      case 'refused':
        return refusal(plan.refusal.reason, plan.refusal.message);
      case 'unchanged':
        return stayAt(look, plan.at);
      case 'resume':
        return resume(look, plan.at, plan.mark);
      case 'restore': {
        known.target = plan.target;
        known.changes = plan.changes;
        if (plan.passedOver.length > 0) {
          known.notes.push(
            `Passed over, because they are the current version (equal, or changed only by "kubectl rollout restart"): revision ${plan.passedOver.map(({ number }) => number).join(', ')}.`,
          );
        }
        log.info(
          `${request.dryRun ? 'Would roll back' : 'Rolling back'} from revision ${plan.from.number} (${plan.from.name}) to revision ${plan.target.number} (${plan.target.name}): ${plan.target.images.join(', ')}`,
        );
        log.group(`Template: ${differences(plan.changes)}`, changeLines(plan.changes, request.showValues));
        log.group(`History: ${history.revisions.length} revisions`, historyLines(known.history));
        if (request.dryRun) return dryRunEnd(plan.from, plan.target, plan.validated);
        const end = await carryOut(look, plan);
        if (end !== 'moved') return end;
        log.info('The DaemonSet was changed meanwhile; reading it again, and deciding again.');
      }
    }
  }
}

async function makePlan({ request, world, daemonSet, history }: Look): Promise<Plan | 'moved'> {
  const intent = intend(daemonSet, history, request.toRevision, world.run);
  if (intent.kind !== 'candidates') return intent;
  for (const candidate of intent.candidates) {
    if (alreadyThere(daemonSet, candidate)) continue;
    const seen = await preview(world, daemonSet, candidate, { readOnly: request.dryRun });
    if (!seen) return 'moved';
    const plan = planFor(daemonSet, intent.from, candidate, intent.passedOver, seen);
    if (plan) return plan;
    world.log.info(`Revision ${candidate.number} (${candidate.name}) would change nothing.`);
  }
  if (request.toRevision.kind !== 'previous') return { kind: 'unchanged', at: intent.from };
  return {
    kind: 'refused',
    refusal: {
      reason: 'no-previous-revision',
      message: 'There is nothing to go back to: to the API server every other revision in the history means what runs now.',
    },
  };
}

type Restore = Extract<Plan, { kind: 'restore' }>;

async function carryOut({ request, world, known, daemonSet, history }: Look, { from, target, merged }: Restore): Promise<End | 'moved'> {
  const { log, clock, run } = world;
  const patched = await restore(world, daemonSet, target, markFor(from, target, digest(merged), run, new Date(clock.now())));
  if (patched.kind === 'moved') return 'moved';
  known.changed = true;
  if (patched.kind === 'unknown') {
    const message = unknownMessage(patched.why, known.daemonSet);
    return world.signal.aborted ? { ...interrupted(world.signal.reason), message } : { outcome: 'error', reason: 'unreachable', message };
  }
  known.newRevision = nextNumber(history, target);
  log.info(
    `daemonset.apps/${known.daemonSet.name} rolled back: revision ${from.number} → ${known.newRevision}, which restores revision ${target.number}`,
  );
  let current = patched.daemonSet;
  if (isServerSideApplied(daemonSet)) current = await yieldOwnership(world, current);

  // The controller renumbers the ControllerRevision of the same bytes; only then is its name known without another look.
  const renewed = identicalTemplate(target.template, patched.daemonSet.spec.template) && !hasTwin(history, target);
  if (renewed) {
    known.controllerRevision = target.name;
    recordHistoryAfter(known, history, target, known.newRevision);
  }
  if (!request.wait) return notWaited(known);
  const end = await follow(world, known, current, { wanted: patched.digest, verifyPods: hasTwin(history, target) });
  if (!renewed && end.outcome !== 'deleted') await readHistoryAfter(world, known, current);
  return end.outcome === 'rolled-back' ? { ...end, message: restoredMessage(known) } : end;
}

/** Nothing had to be written; with `wait`, every node must run it all the same. */
async function stayAt(look: Look, at: Revision): Promise<End> {
  const { request, world, known, daemonSet } = look;
  known.target = at;
  known.newRevision = at.number;
  known.controllerRevision = at.name;
  known.changes = [];
  world.log.info(`daemonset.apps/${daemonSet.metadata.name} skipped rollback (current template already matches revision ${at.number})`);
  const message = `Nothing was written: the DaemonSet is at revision ${at.number} (${at.name}) already.`;
  if (!request.wait || request.dryRun) return { outcome: 'unchanged', reason: 'complete', message };
  const end = await followAsItIs(look, at);
  return end.outcome === 'rolled-back' ? { ...end, outcome: 'unchanged', message } : end;
}

/** An earlier attempt of this run has written the rollback; this one ends as that would have ended. */
async function resume(look: Look, at: Revision, mark: Mark): Promise<End> {
  const { request, world, known, history } = look;
  const left = history.revisions.find(({ name }) => name === mark.left.name);
  if (left) known.old = { ...left, number: mark.left.revision };
  else delete known.old;
  known.target = { ...at, number: mark.restored.revision };
  known.newRevision = at.number;
  known.controllerRevision = at.name;
  known.changed = true;
  const said = `This run has rolled back already (at ${mark.time})`;
  world.log.info(`${said}; nothing is written again.`);
  known.notes.push(`${said}; this attempt wrote nothing and waited for the same rollout.`);
  if (request.dryRun) return { outcome: 'dry-run', reason: 'resumed', message: `${said}: nothing would be written.` };
  if (!request.wait) return notWaited(known);
  const end = await followAsItIs(look, at);
  return end.outcome === 'rolled-back' ? { ...end, reason: 'resumed', message: restoredMessage(known) } : end;
}

/** Waits where nothing is written: for the template that was read. */
function followAsItIs({ world, known, daemonSet, history }: Look, at: Revision): Promise<End> {
  return follow(world, known, daemonSet, { wanted: digest(daemonSet.spec.template), verifyPods: hasTwin(history, at) });
}

/** Waits for the rollout. Its good end is `rolled-back`, without words yet. */
async function follow(world: World, known: Known, daemonSet: DaemonSet, options: TrackOptions): Promise<End> {
  const tracked = await track(world, daemonSet, options);
  known.counts = tracked.counts;
  if (tracked.kind === 'complete' && tracked.counts.desired === 0) {
    known.notes.push('No node matches the DaemonSet (desired is 0): nothing runs it.');
  }
  return endOf(tracked, known.daemonSet);
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

/** The controller made a new ControllerRevision, or chose among twins: only a look tells which. */
async function readHistoryAfter({ cluster, signal, log }: World, known: Known, daemonSet: DaemonSet): Promise<void> {
  try {
    const history = historyOf(daemonSet, await cluster.listControllerRevisions(daemonSet, signal));
    if (!history.current) return;
    known.newRevision = history.current.number;
    recordHistoryAfter(known, history, history.current, history.current.number);
    known.controllerRevision = history.current.name;
  } catch (error) {
    log.debug(`The history afterwards could not be read: ${(error as Error).message}`);
  }
}
