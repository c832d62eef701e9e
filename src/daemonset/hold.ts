import * as v from 'valibot';
import { parseText } from './json.ts';
import type { Run } from './rollback-record.ts';
import type { ObjectMeta } from './types.ts';

/**
 * The annotation that holds a DaemonSet at what a rollback restored. Its presence counts, whatever its value, because policy/hold.yaml denies changes on
 * its mere presence. It is read from the DaemonSet only: the controller copies annotations into new ControllerRevisions.
 */
export const HOLD = 'rollback-daemonset/hold';

/** Who holds a DaemonSet, since when and why. Everything is undefined if another tool or a person wrote the annotation. */
export interface Hold {
  /** The address of the run. */
  run?: string;
  /** RFC 3339. */
  time?: string;
  reason?: string;
}

/** Whether the API server denies changes of the template while a DaemonSet is held. `advisory`: only this action heeds the hold. */
export type Enforcement = 'enforced' | 'advisory' | 'unknown';

/** A hold that was seen. */
export interface SeenHold extends Hold {
  enforcement: Enforcement;
}

/** The longest reason that is kept, in UTF-16 code units. */
const LONGEST_REASON = 500;
/** A longer value is not one of ours. JSON can make six characters of one. */
const LONGEST_VALUE = 8 * LONGEST_REASON;
/** policy/hold.yaml finds such an address, too. */
const ADDRESS = /^https?:\/\/[!#-~]{1,300}$/;

/** The value of the annotation. It differs with each write: another run has another address, and the same run another time. */
export function holdValue({ run, time }: { run: Run | undefined; time: Date }, reason: string | undefined): string {
  const hold: Hold = {
    ...(run && ADDRESS.test(run.url) && { run: run.url }),
    time: time.toISOString(),
    ...(reason !== undefined && { reason: reason.slice(0, LONGEST_REASON).toWellFormed() }),
  };
  return JSON.stringify(hold);
}

/** The hold of a DaemonSet. Any other text in the annotation is a hold by someone unknown. */
export function readHold({ annotations = {} }: Pick<ObjectMeta, 'annotations'>): Hold | undefined {
  const text = annotations[HOLD];
  if (text === undefined) return undefined;
  const { success, output } = v.safeParse(VALUE, text.length > LONGEST_VALUE ? undefined : parseText(text));
  return success ? output : {};
}

const VALUE: v.GenericSchema<unknown, Hold> = v.object({
  run: v.exactOptional(v.pipe(v.string(), v.regex(ADDRESS))),
  time: v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT[\d:.]{1,20}Z$/)),
  reason: v.exactOptional(v.pipe(v.string(), v.maxLength(LONGEST_REASON))),
});

/** Whether a message of the API server is the denial by a policy that enforces the hold. Other policies can deny the same request. */
export function isDenialOfHold(message: string): boolean {
  return /ValidatingAdmissionPolicy '.*' denied request: /.test(message) && message.includes(HOLD);
}
