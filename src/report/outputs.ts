import type { CauseGroup } from '../daemonset/diagnosis.ts';
import { type Result, worstOf } from '../daemonset/outcome.ts';
import type { Report } from './report.ts';
import { oneLine } from './text.ts';

/** Bytes of an output; the outputs of a job together may have 1 MiB. */
const LARGEST = 500 * 1024;

/** The outputs of the step, as in action.yml. What is not known is the empty string, as is of several what only one can have. */
export function outputsOf({ results, duration }: Report): Record<string, string> {
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
    'controller-revision': controllerRevision ?? '',
    'change-cause': oneLine(target?.changeCause ?? ''),
    images: (target?.images ?? []).map(oneLine).join(','),
    desired: number(counts?.desired),
    updated: number(counts?.updated),
    available: number(counts?.available),
    'duration-seconds': (duration / 1_000).toFixed(1),
    history: results.some((result) => result.outcome === 'listed') ? list(results.flatMap(historyOf)).text : '',
    results: resultsOf(results),
  };
}

/** As many entries as fit, as a JSON list. */
function list(entries: object[]): { text: string; whole: boolean } {
  const texts: string[] = [];
  let size = 2;
  for (const entry of entries) {
    const text = JSON.stringify(entry);
    size += Buffer.byteLength(text) + 1;
    if (size > LARGEST) break;
    texts.push(text);
  }
  return { text: `[${texts.join(',')}]`, whole: texts.length === entries.length };
}

/** The revisions of one DaemonSet, the newest first. */
function historyOf({ history, daemonSet }: Result): object[] {
  const { before = [], currentBefore, pods } = history ?? {};
  return before.map(({ number, name, created, changeCause, images, good }) => ({
    revision: number,
    name,
    namespace: daemonSet.namespace,
    controller: `DaemonSet/${daemonSet.name}`,
    current: name === currentBefore,
    created: created ?? null,
    changeCause: changeCause ?? null,
    images,
    pods: pods?.[name] ?? null,
    good: good ?? null,
  }));
}

/** One entry for each DaemonSet: with all that is known, or where that is too much, with what is needed to go on. */
function resultsOf(results: Result[]): string {
  const { text, whole } = list(results.map(entryOf));
  return whole ? text : list(results.map(briefEntryOf)).text;
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

function entryOf(result: Result): object {
  const { message, target, counts, renewed, toReplace, causes = [], rollback, notes } = result;
  return {
    ...briefEntryOf(result),
    message: oneLine(message),
    changeCause: target?.changeCause ?? null,
    images: target?.images ?? [],
    desired: counts?.desired ?? null,
    updated: counts?.updated ?? null,
    available: counts?.available ?? null,
    renewed: renewed ?? null,
    toReplace: toReplace ?? [],
    causes: causes.map(causeOf),
    rollback: rollback ?? null,
    notes,
  };
}

/** Nodes that are named for a cause; how many there are is told anyway. */
const MOST_NODES = 100;

function causeOf({ cause, stuck, nodes, example }: CauseGroup): object {
  const { reason, message, container, init, image, exitCode, restarts } = example.trouble;
  return {
    cause,
    stuck,
    count: nodes.length,
    nodes: nodes.slice(0, MOST_NODES).map(({ node }) => node),
    pod: example.pod,
    reason,
    message: oneLine(message),
    container: container ?? null,
    initContainer: init ?? false,
    image: image ?? null,
    exitCode: exitCode ?? null,
    restarts: restarts ?? null,
  };
}
