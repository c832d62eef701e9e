import { setTimeout as sleep } from 'node:timers/promises';
import { Fleet } from '../__tests__/helpers/fleet.ts';
import type { ManifestOptions } from '../__tests__/helpers/manifest.ts';
import { type Answer, answersSince } from '../testbed/audit-log.ts';
import type { Testbed } from '../testbed/testbed.ts';

/** A fleet whose pods are all replaced at the same time. A rollout may be large, and has half an hour. */
export function createFleet(testbed: Testbed, namespace: string, defaults: ManifestOptions = {}): Promise<Fleet> {
  return Fleet.create({ testbed, namespace, defaults: { maxUnavailable: '100%', ...defaults }, rolloutTimeout: '30m' });
}

/** Removes the good mark from all versions. */
export async function unmark(fleet: Fleet): Promise<void> {
  await fleet.kubectl(['annotate', 'controllerrevisions', '--all', 'rollback-daemonset/good-']);
}

/** When a DaemonSet of the fleet was written since `mark`, except its status. In milliseconds since the epoch. */
export function writesSince({ testbed, namespace }: Fleet, mark: number): number[] {
  const isWrite = ({ verb, objectRef, requestURI, responseStatus }: Answer): boolean =>
    ['create', 'update', 'patch'].includes(verb) &&
    objectRef?.resource === 'daemonsets' &&
    objectRef.namespace === namespace &&
    objectRef.subresource === undefined &&
    !requestURI.includes('dryRun=All') &&
    (responseStatus?.code ?? 0) < 300;
  return answersSince(testbed, mark)
    .filter(isWrite)
    .map(({ stageTimestamp }) => Date.parse(stageTimestamp));
}

/** The requests of a program since `mark`, in all namespaces. Waits until there are no new ones. */
export async function requestsSince(testbed: Testbed, mark: number, program: 'rollback-daemonset' | 'kubectl'): Promise<Answer[]> {
  const ofProgram = (): Answer[] => answersSince(testbed, mark).filter(({ userAgent }) => userAgent?.startsWith(program));
  for (let before = -1, now = ofProgram(); ; now = ofProgram()) {
    if (now.length === before) return now;
    before = now.length;
    // The log is a moment late.
    await sleep(300);
  }
}
