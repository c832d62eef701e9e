import { isFailure } from '../cluster/cluster.ts';
import { type CauseGroup, type Evidence, mostSignificantFirst } from '../daemonset/cause-groups.ts';
import { reportable } from '../daemonset/container-output.ts';
import { type PodEvent, seeEvents, withEvents } from '../daemonset/pod-events.ts';
import { isCrash } from '../daemonset/pod-failure.ts';
import type { SeenPod } from '../daemonset/seen-pod.ts';
import type { Context } from './context.ts';
import type { OptionalReads } from './optional-reads.ts';

/** Causes whose events and logs are read. */
const MOST_EXAMPLES = 3;
/** Events of an example that are shown: the newest. */
const MOST_EVENTS = 10;
/** What a kubelet answers instead of the log of a container that it has removed, with status 200 (kubelet: kuberuntime_container.go). */
const LOG_IS_LOST = /^unable to retrieve container logs for /;

export interface EvidenceOptions {
  context: Context;
  namespace: string;
  reads: OptionalReads;
  /** The last known state of a pod. */
  podNamed: (name: string) => SeenPod | undefined;
  logLines: number;
  signal: AbortSignal;
}

/** The groups; the first few of them with the events and the log of their example. */
export async function withEvidence(groups: CauseGroup[], options: EvidenceOptions): Promise<CauseGroup[]> {
  const read = async (group: CauseGroup, index: number): Promise<CauseGroup> =>
    index < MOST_EXAMPLES && group.example.pod !== '' ? { ...group, ...(await readAbout(group, options)) } : group;
  return mostSignificantFirst(await Promise.all(groups.map(read))).map((group) => reportable(group, options.logLines > 0));
}

async function readAbout({ example }: CauseGroup, options: EvidenceOptions): Promise<Partial<CauseGroup>> {
  const [events, log] = await Promise.all([eventsOf(example.pod, options), logOf(example, options)]);
  const pod = options.podNamed(example.pod);
  // Only the events show that a probe failed, and why.
  const failure = (pod && withEvents({ ...pod, failure: example.failure }, events, pod.seen).failure) || example.failure;
  const warnings = events.filter(({ warning }) => warning).slice(-MOST_EVENTS);
  const evidence: Evidence = { events: warnings.map(({ reason, message }) => `${reason}: ${message}`), ...log };
  return { evidence, cause: failure.cause, example: { ...example, failure } };
}

async function eventsOf(pod: string, { context, namespace, reads, signal }: EvidenceOptions): Promise<PodEvent[]> {
  if (reads.isDenied('events')) return [];
  try {
    return seeEvents(await context.cluster.listEvents(namespace, { 'involvedObject.name': pod }, signal));
  } catch (error) {
    reads.failed('events', error);
    return [];
  }
}

/**
 * The log of the run of a container that shows its problem. The kubelet keeps the log of one run besides the present one: while a container
 * has ended, that is the run that ended, and what came before is lost, for which it answers 200 with an error text.
 */
async function logOf(
  { pod, failure }: CauseGroup['example'],
  { context, namespace, reads, logLines: lines, signal }: EvidenceOptions,
): Promise<Pick<Evidence, 'log' | 'run'>> {
  const { container, restarts = 0, cause, runsSince } = failure;
  const ran = restarts > 0 || cause === 'not-ready' || cause === 'starting' || isCrash(failure);
  const isRunning = runsSince !== undefined || !isCrash(failure);
  const present = { previous: false, run: isRunning ? 'present' : 'ended' } as const;
  const previous = { previous: true, run: 'previous' } as const;
  const none = { log: undefined, run: present.run };
  if (lines === 0 || container === undefined || !ran || reads.isDenied('logs')) return none;
  const choices = runsSince !== undefined ? [previous, present] : [present, previous];
  for (const choice of restarts > 0 ? choices : [present]) {
    try {
      const options = { previous: choice.previous, lines };
      const text = await context.cluster.containerLog({ namespace, name: pod }, container, options, signal);
      if (LOG_IS_LOST.test(text)) continue;
      return { log: text.split('\n').filter((line, index, all) => line !== '' || index < all.length - 1), run: choice.run };
    } catch (error) {
      reads.failed('logs', error);
      if (isFailure(error, 'forbidden')) return none;
    }
  }
  return none;
}
