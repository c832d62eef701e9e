/** The time that a rollout announces: it is not a lack of progress. */
import { delayMs, failsAfterMs } from './stability.ts';
import { containersOf } from './template.ts';
import type { DaemonSet, PodTemplate } from './types.ts';

/** What announces time. */
interface Announcing {
  daemonSet: DaemonSet;
  template: PodTemplate;
  /** How long the old pod may take to terminate. */
  graceMs: number;
}

/** The time without progress that is normal for one pod: the old one terminates, the new one starts and has been ready for long enough. */
export function announcedMs({ daemonSet, template, graceMs }: Announcing): number {
  return graceMs + startMs(template) + (daemonSet.spec.minReadySeconds ?? 0) * 1_000;
}

/** How long a pod may take to start, by its startup probes and the delay of its readiness probes. */
export function startMs({ spec }: PodTemplate): number {
  const containers = [...containersOf(spec), ...containersOf(spec, 'initContainers')].map(({ raw }) => raw);
  const longest = (times: number[]): number => Math.max(0, ...times);
  return (
    longest(containers.map(({ startupProbe }) => failsAfterMs(startupProbe))) +
    longest(containers.map(({ readinessProbe }) => delayMs(readinessProbe)))
  );
}
