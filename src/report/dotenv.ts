import { outputsOf } from './outputs.ts';
import type { Report } from './report.ts';

/** The outputs that are scalars, without the change-cause, which is free text. */
const SCALARS = [
  'outcome',
  'reason',
  'changed',
  'old-revision',
  'target-revision',
  'new-revision',
  'controller-revision',
  'images',
  'desired',
  'updated',
  'available',
  'duration-seconds',
] as const;

/** Not those of the inputs, so that a loaded file never sets an input. */
const PREFIX = 'ROLLBACK_';

/**
 * Values that mean themselves in a shell, in Docker's `--env-file` and in GitLab, which keeps quotes. No `~`, which a shell expands after `=`
 * and `:`. GitLab limits the whole file to 5 KB, and fails a job whose file is larger (GitLab: artifacts:reports:dotenv).
 */
const SAFE = /^[A-Za-z0-9_./:@,+=-]{0,4000}$/;

/** The variables of `--env-file`, one line each: `ROLLBACK_OUTCOME=rolled-back`. A value that is not safe to load is left empty. */
export function dotenvOf(report: Report, exitStatus: number): string {
  const outputs: Record<string, string> = { ...outputsOf(report), 'exit-status': String(exitStatus) };
  const lines = [...SCALARS, 'exit-status'].map((name) => {
    const value = outputs[name] ?? '';
    return `${PREFIX}${name.toUpperCase().replaceAll('-', '_')}=${SAFE.test(value) ? value : ''}`;
  });
  return `${lines.join('\n')}\n`;
}
