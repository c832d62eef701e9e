import type { CauseGroup } from '../daemonset/cause-groups.ts';
import type { SeenHold } from '../daemonset/hold.ts';
import { worstOf } from '../daemonset/outcome.ts';
import type { Result } from '../daemonset/result.ts';
import { changeCauseText } from './messages/change-cause.ts';
import { messageOf } from './messages/conclusion.ts';
import { noteText } from './messages/notes.ts';
import type { Report } from './report.ts';
import { oneLine } from './text.ts';

/** The largest output, in bytes; GitHub limits the outputs of a job to 1 MiB together. */
const LARGEST = 500 * 1024;

/**
 * The outputs of the step, as in action.yml. Empty if unknown, or if there are several DaemonSets and only one could have it. They have no
 * known secret: later steps print them, and GitHub drops an output of a job that has one.
 */
export function outputsOf({ results, durationMs, showValues, hide }: Report): Record<string, string> {
  const { outcome, reason } = worstOf(results);
  const only: Partial<Result> = results.length === 1 ? results[0] : {};
  const { old, target, newRevision, controllerRevision, counts } = only;
  const number = (value: number | undefined): string => (value === undefined ? '' : String(value));
  return {
    outcome,
    reason,
    changed: String(results.some(({ changed }) => changed)),
    'old-revision': number(old?.number),
    'target-revision': number(target?.number),
    'new-revision': number(newRevision),
    'controller-revision': hide(controllerRevision ?? ''),
    'change-cause': hide(oneLine(changeCauseText(target?.changeCause ?? '', showValues))),
    images: hide((target?.images ?? []).map(oneLine).join(',')),
    desired: number(counts?.desired),
    updated: number(counts?.updated),
    available: number(counts?.available),
    'duration-seconds': (durationMs / 1_000).toFixed(1),
    history: results.some((result) => result.outcome === 'listed')
      ? list(
          results.flatMap((result) => historyOf(result, showValues)),
          hide,
        ).text
      : '',
    results: resultsOf(results, showValues, hide),
  };
}

type Hide = Report['hide'];

/** Entries that are words of ours, which later steps compare: they stay, whatever the secrets are. */
const WORDS: ReadonlySet<string> = new Set(['outcome', 'reason', 'cause']);

/** An entry as JSON, with its texts shown by `show`. */
export function jsonOf(entry: object, show: Hide): string {
  return JSON.stringify(entry, (key, value: unknown) => (typeof value === 'string' && !WORDS.has(key) ? show(value) : value));
}

/** As many entries as fit, as a JSON array. */
function list(entries: object[], hide: Hide): { text: string; whole: boolean } {
  const texts: string[] = [];
  let size = 2;
  for (const entry of entries) {
    const text = jsonOf(entry, hide);
    size += Buffer.byteLength(text) + 1;
    if (size > LARGEST) break;
    texts.push(text);
  }
  return { text: `[${texts.join(',')}]`, whole: texts.length === entries.length };
}

/** The revisions of one DaemonSet, the newest first. */
export function historyOf({ history, daemonSet }: Result, showValues: boolean): object[] {
  const { before = [], currentBefore, pods } = history ?? {};
  return before.map(({ number, name, created, changeCause, images, good }) => ({
    revision: number,
    name,
    namespace: daemonSet.namespace,
    controller: `DaemonSet/${daemonSet.name}`,
    current: name === currentBefore,
    created: created ?? null,
    changeCause: changeCause === undefined ? null : changeCauseText(changeCause, showValues),
    images,
    pods: pods?.[name] ?? null,
    good: good ?? null,
  }));
}

/** An entry for each DaemonSet, with everything. */
export function entriesOf(results: Result[], showValues: boolean, hide: Hide): object[] {
  return results.map((result) => entryOf(result, showValues, hide));
}

/** An entry for each DaemonSet: with everything, or if that is too large, with what the next steps need. */
function resultsOf(results: Result[], showValues: boolean, hide: Hide): string {
  const { text, whole } = list(entriesOf(results, showValues, hide), hide);
  return whole ? text : list(results.map(briefEntryOf), hide).text;
}

function briefEntryOf({ daemonSet, outcome, reason, changed, old, target, newRevision, controllerRevision }: Result): object {
  return {
    namespace: daemonSet.namespace,
    name: daemonSet.name,
    outcome,
    reason,
    changed,
    oldRevision: old?.number ?? null,
    targetRevision: target?.number ?? null,
    newRevision: newRevision ?? null,
    controllerRevision: controllerRevision ?? null,
  };
}

function entryOf(result: Result, showValues: boolean, hide: Hide): object {
  const { target, counts, renewed, toReplace, causes = [], rollback, hold, notes } = result;
  return {
    ...briefEntryOf(result),
    message: oneLine(messageOf(result)),
    changeCause: target?.changeCause === undefined ? null : changeCauseText(target.changeCause, showValues),
    images: target?.images ?? [],
    desired: counts?.desired ?? null,
    updated: counts?.updated ?? null,
    available: counts?.available ?? null,
    renewed: renewed ?? null,
    toReplace: toReplace ?? [],
    causes: causes.map((group) => causeOf(group, hide)),
    rollback: rollback?.result ? rollbackOf(rollback.result) : null,
    hold: hold ? holdOf(hold, showValues, hide) : null,
    notes: notes.map(noteText),
  };
}

function holdOf({ time, run, reason, enforcement }: SeenHold, showValues: boolean, hide: Hide): object {
  return {
    time: time ?? null,
    run: run ?? null,
    reason: reason === undefined ? null : hide(changeCauseText(reason, showValues)),
    enforcement,
  };
}

function rollbackOf(result: Result): object {
  return { outcome: result.outcome, reason: result.reason, message: oneLine(messageOf(result)) };
}

/** Nodes that are named for a cause; `count` has the number of all. */
const MOST_NODES = 100;

function causeOf({ cause, stuck, nodes, example }: CauseGroup, hide: Hide): object {
  const { reason, message, container, init, image, exitCode, restarts } = example.failure;
  return {
    cause,
    stuck,
    count: nodes.length,
    nodes: nodes.slice(0, MOST_NODES).map(({ node }) => node),
    pod: example.pod,
    reason: hide(reason),
    message: oneLine(message),
    container: container ?? null,
    initContainer: init ?? false,
    image: image ?? null,
    exitCode: exitCode ?? null,
    restarts: restarts ?? null,
  };
}
