/**
 * The last resort of a step: whatever the work is waiting for, the step reports and ends. The work itself ends at its deadline and when
 * the job is cancelled; this is for the case that it does not.
 */

/** How long after its deadline, and after a cancellation, the work may still take to end by itself. */
export const AFTER_DEADLINE_MS = 5_000;
export const AFTER_CANCEL = 3_000;

/** Why the work was given up. */
export type Stuck =
  /** It did not end after its deadline, or after the cancellation. */
  | { kind: 'stuck'; by: 'timeout' | 'cancelled' }
  /** It waits for something that can no longer happen: nothing is left that could end it. */
  | { kind: 'stuck'; by: 'idle' }
  /** An exception outside of the work's own promises. */
  | { kind: 'stuck'; by: 'exception'; error: unknown };

/** The part of the process that a last resort listens to. */
export interface ProcessEvents {
  on(event: string, listener: (...parameters: unknown[]) => void): unknown;
}

export class LastResort {
  readonly #stuck = Promise.withResolvers<Stuck>();
  #afterCancel: NodeJS.Timeout | undefined;
  #afterDeadline: NodeJS.Timeout | undefined;

  /** @param cancel aborted if the job is cancelled. */
  constructor(cancel: AbortSignal, events: ProcessEvents) {
    const { resolve } = this.#stuck;
    events.on('beforeExit', () => resolve({ kind: 'stuck', by: 'idle' }));
    // They stay for as long as the process: an exception after the report must not replace it by a stack trace.
    for (const event of ['uncaughtException', 'unhandledRejection'])
      events.on(event, (error) => resolve({ kind: 'stuck', by: 'exception', error }));
    const onCancel = (): void => {
      this.#afterCancel = setTimeout(() => resolve({ kind: 'stuck', by: 'cancelled' }), AFTER_CANCEL);
    };
    if (cancel.aborted) onCancel();
    else cancel.addEventListener('abort', onCancel, { once: true });
  }

  /** Sets the deadline of the work, from now. A later one replaces it. */
  deadlineIn(ms: number): void {
    clearTimeout(this.#afterDeadline);
    const onDeadline = (): void => this.#stuck.resolve({ kind: 'stuck', by: 'timeout' });
    this.#afterDeadline = setTimeout(onDeadline, ms + AFTER_DEADLINE_MS).unref();
  }

  /** The result of the work, or why it was given up. */
  async settled<T>(work: Promise<T>): Promise<T | Stuck> {
    try {
      return await Promise.race([work, this.#stuck.promise]);
    } finally {
      clearTimeout(this.#afterCancel);
      clearTimeout(this.#afterDeadline);
    }
  }
}

export function isStuck(value: unknown): value is Stuck {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'stuck';
}
