import { isFailure } from '../cluster/cluster.ts';
import type { PodCounts } from '../daemonset/outcome.ts';
import { podCounts } from '../daemonset/pods.ts';
import { type History, historyOf } from '../daemonset/revision.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import type { World } from './world.ts';

/** The history of a settled DaemonSet. Where it is not needed and may not be read, it is undefined, and that is said. */
export async function readHistory(
  { cluster, log, signal }: World,
  daemonSet: DaemonSet,
  { needed }: { needed: boolean },
): Promise<History | undefined> {
  try {
    return historyOf(daemonSet, await cluster.listControllerRevisions(daemonSet, signal));
  } catch (error) {
    if (needed || !isFailure(error, 'forbidden')) throw error;
    log.warning(`Which revision this is cannot be told. ${error.message}`);
    return undefined;
  }
}

/** How many pods run each revision, or undefined where pods may not be looked at, which is said. */
export async function readPodCounts(
  { cluster, log, signal }: World,
  daemonSet: DaemonSet,
  { revisions }: History,
): Promise<PodCounts | undefined> {
  try {
    return podCounts(daemonSet, await cluster.listPods(daemonSet, signal), revisions);
  } catch (error) {
    if (!isFailure(error, 'forbidden')) throw error;
    log.warning(`How many pods run each revision cannot be told. ${error.message}`);
    return undefined;
  }
}
