import type { Result } from '../daemonset/outcome.ts';
import type { Report } from './report.ts';
import { oneLine } from './text.ts';

/** Bytes of an output; the outputs of a job together may have 1 MiB. */
const LARGEST = 512 * 1024;

/** The outputs of the step, as in action.yml. What is not known is the empty string. */
export function outputsOf({ result, duration }: Report): Record<string, string> {
  const { outcome, reason, changed, old, target, newRevision, controllerRevision, counts } = result;
  const number = (value: number | undefined): string => (value === undefined ? '' : String(value));
  return {
    outcome,
    reason,
    changed: String(changed),
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
    history: result.outcome === 'listed' ? historyOf(result) : '',
    results: JSON.stringify([entryOf(result)]),
  };
}

/** The newest revisions as a JSON list, as many as fit. */
function historyOf({ history, daemonSet }: Result): string {
  const entries: string[] = [];
  let size = 2;
  for (const { number, name, created, changeCause, images } of history?.before ?? []) {
    const entry = JSON.stringify({
      revision: number,
      name,
      controller: `DaemonSet/${daemonSet.name}`,
      current: name === history?.currentBefore,
      created: created ?? null,
      changeCause: changeCause ?? null,
      images,
    });
    size += Buffer.byteLength(entry) + 1;
    if (size > LARGEST) break;
    entries.push(entry);
  }
  return `[${entries.join(',')}]`;
}

/** One DaemonSet in the output `results`. */
function entryOf({
  daemonSet,
  outcome,
  reason,
  message,
  changed,
  old,
  target,
  newRevision,
  controllerRevision,
  counts,
  notes,
}: Result): object {
  return {
    namespace: daemonSet.namespace,
    name: daemonSet.name,
    outcome,
    reason,
    message: oneLine(message),
    changed,
    oldRevision: old?.number ?? null,
    targetRevision: target?.number ?? null,
    newRevision: newRevision ?? null,
    controllerRevision: controllerRevision ?? null,
    changeCause: target?.changeCause ?? null,
    images: target?.images ?? [],
    desired: counts?.desired ?? null,
    updated: counts?.updated ?? null,
    available: counts?.available ?? null,
    notes,
  };
}
