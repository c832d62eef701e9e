import { isFailure } from '../cluster/cluster.ts';
import { hasSamePlacement, lostNodes } from '../daemonset/placement.ts';
import { type History, isSameVersion, type Revision } from '../daemonset/revision.ts';
import { standingRecord } from '../daemonset/rollback-record.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import type { Context } from './context.ts';

/** What the placement of a deployed version no longer matches. */
export interface LostNodes {
  /** The version before, which matched them. */
  before: Revision;
  /** Their names. Undefined if this account is not allowed to list nodes. */
  nodes: string[] | undefined;
}

/**
 * The nodes that the version before matched and the deployed one does not. Nodes are read only if the two are placed by other rules.
 * Undefined if nothing was lost, or if the deployed version is one that a rollback restored.
 */
export async function findLostNodes(
  { cluster, log, signal }: Context,
  daemonSet: DaemonSet,
  history: History,
): Promise<LostNodes | undefined> {
  const { revisions, current } = history;
  if (!current || standingRecord(daemonSet, history)) return undefined;
  const before = revisions.find((revision) => revision.number < current.number && !isSameVersion(revision, current));
  if (!before || hasSamePlacement(before.template, current.template)) return undefined;
  try {
    const nodes = lostNodes(await cluster.listNodes(signal), before.template, current.template);
    return nodes.length > 0 ? { before, nodes } : undefined;
  } catch (error) {
    if (!isFailure(error, 'forbidden')) throw error;
    log.warning(`Could not check whether this version matches the same nodes as revision ${before.number}. ${error.message}`);
    return { before, nodes: undefined };
  }
}
