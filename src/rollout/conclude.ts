import type { Note } from '../daemonset/notes.ts';
import type { Reason } from '../daemonset/outcome.ts';
import { templateWriter } from '../daemonset/owners.ts';
import { type Conclusion, refuse, type Version } from '../daemonset/result.ts';
import { FIELD_MANAGER } from '../daemonset/types.ts';
import type { Waited } from './wait.ts';

/** The conclusion of a wait; undefined if every node runs the version: what that means depends on what was written. */
export function conclusionOf(waited: Waited, version: Version): Conclusion | undefined {
  const { kind, wrong: misreported } = waited;
  switch (kind) {
    case 'complete':
      return undefined;
    case 'on-delete':
    case 'not-waited':
      return { outcome: 'pending', reason: kind, facts: { kind: 'unfinished-rollout', end: kind, version } };
    case 'superseded': {
      const writer = templateWriter(waited.daemonSet, FIELD_MANAGER);
      const facts = { kind: 'unfinished-rollout', end: kind, version, ...(writer !== undefined && { writer }) } as const;
      return { outcome: 'superseded', reason: 'template-changed', facts };
    }
    case 'deleted':
    case 'recreated':
      return { outcome: 'deleted', reason: kind, facts: { kind: 'unfinished-rollout', end: kind, version } };
    case 'failed':
    case 'stalled': {
      const facts = { kind: 'unfinished-rollout', end: kind, version, ...(misreported && { misreported }) } as const;
      return { outcome: kind, reason: reasonOf(waited), facts };
    }
    case 'timeout': {
      const facts = { kind: 'unfinished-rollout', end: kind, version, ...(misreported && { misreported }) } as const;
      return { outcome: 'timed-out', reason: 'timeout', facts };
    }
    case 'cancelled':
      return { outcome: 'cancelled', reason: 'cancelled', facts: { kind: 'unfinished-rollout', end: kind, version } };
  }
}

/** The most significant cause. */
function reasonOf({ causes: [first], wrong }: Waited): Reason {
  if (wrong) return 'not-replaced';
  return first?.cause ?? 'no-progress';
}

/** What was tolerated; undefined if every node runs the version. */
export function toleratedNote({ kind, causes }: Waited): Note | undefined {
  return kind === 'complete' && causes.length > 0 ? { kind: 'tolerated', causes } : undefined;
}

/** The controller has not observed the latest change in time. */
export function notObserved(): Conclusion {
  return refuse('not-observed', { kind: 'not-observed' });
}

/** The person at the terminal did not confirm the write. */
export const DECLINED: Conclusion = { outcome: 'cancelled', reason: 'cancelled', facts: { kind: 'declined' } };
