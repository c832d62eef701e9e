/** The second half of a guard: restores what it recorded, after its job or its command has failed. */
import type { Recall } from './ci/guard-state.ts';
import { type GuardRequest, ofRecord, restoreRecorded } from './commands/guard.ts';
import { NOT_DEPLOYED, type Recorded } from './daemonset/guard.ts';
import type { Conclusion, RecordProblem, Result } from './daemonset/result.ts';
import { formatDuration } from './duration.ts';
import type { Request } from './inputs/parse.ts';
import type { Context } from './rollout/context.ts';
import { failureOf } from './rollout/failure.ts';
import { clusterOf, connected, nothingYet, type Step } from './run.ts';

/** The timeout in a cancelled job: the runner leaves all its last steps five minutes together. */
const LIMIT_AFTER_CANCEL_MS = 240_000;

/** Restores what was recorded, if this job changed it. */
export async function restore(request: Request & GuardRequest, recalled: Recall, step: Step): Promise<Result[]> {
  if (recalled.kind === 'lost') return [lost(recalled.why)];
  const { records } = recalled;
  if (request.deployed === false) return records.map((recorded) => ({ ...nothingYet(), ...ofRecord(recorded), ...NOT_DEPLOYED }));
  const cancelled = request.jobStatus === 'cancelled';
  if (cancelled && !request.onCancel) return records.map(leftAfterCancel);
  const named = { kind: 'named', daemonSets: records.map(({ daemonSet }) => daemonSet) } as const;
  const timeoutMs = cancelled ? Math.min(request.timeoutMs, LIMIT_AFTER_CANCEL_MS) : request.timeoutMs;
  const what = cancelled ? `was cancelled, which leaves at most ${formatDuration(timeoutMs)}` : 'failed';
  const why = `the job ${what}: restore what was recorded, if this job changed it`;
  // Another step can have selected another context since.
  const contextName = request.context ?? recalled.in.context;
  try {
    const restoreAll = async (context: Context): Promise<Result[]> => {
      const now = clusterOf(step);
      return now.server === recalled.in.server && now.context === recalled.in.context
        ? restoreRecorded(request, records, context)
        : records.map((recorded) => ({ ...lost('other-cluster'), ...ofRecord(recorded) }));
    };
    // The guard reached this API server before the deploy.
    return await connected({ ...request, context: contextName, daemonSets: named, timeoutMs }, why, step, restoreAll, true);
  } catch (error) {
    return records.map((recorded) => ({ ...nothingYet(), ...ofRecord(recorded), ...failureOf(error, false) }));
  }
}

/** The result if there is no record. */
export function lost(why: RecordProblem): Result {
  const conclusion: Conclusion = { outcome: 'refused', reason: 'record-lost', facts: { kind: 'record-lost', why } };
  return { ...nothingYet(), ...conclusion };
}

function leftAfterCancel(recorded: Recorded): Result {
  return { ...nothingYet(), ...ofRecord(recorded), outcome: 'cancelled', reason: 'cancelled', facts: { kind: 'left-after-cancel' } };
}
