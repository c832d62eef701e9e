import { isFailure } from '../cluster/cluster.ts';
import type { Context } from './context.ts';

/** What helps to explain a rollout. */
export type Source = 'pods' | 'nodes' | 'events' | 'logs';

const CONSEQUENCES: Readonly<Record<Source, string>> = {
  pods: 'Could not determine which pods are blocking the rollout, nor whether they crash.',
  nodes: 'Could not determine whether a node itself is at fault.',
  events: 'Could not determine in full why pods do not start.',
  logs: 'Could not read the log of the container.',
};

/** How long a read in the background may take. */
const LIMIT_MS = 5_000;

/** Reads that a rollout can do without. What this account is not allowed to read is a warning, once, and is not tried again. */
export class OptionalReads {
  readonly #context: Context;
  readonly #onRead: () => void;
  readonly #stopping = new AbortController();
  readonly #denied = new Set<Source>();
  readonly #reading = new Set<Source>();
  /** When something was last read, or could not be. */
  readonly #readAt = new Map<Source, number>();

  /** @param onRead called when a read in the background has ended. */
  constructor(context: Context, onRead: () => void) {
    this.#context = context;
    this.#onRead = onRead;
  }

  /** Aborted if the wait has ended. */
  get signal(): AbortSignal {
    return AbortSignal.any([this.#context.signal, this.#stopping.signal]);
  }

  stop(): void {
    this.#stopping.abort();
  }

  isDenied(source: Source): boolean {
    return this.#denied.has(source);
  }

  /** When something was last read: infinite if that is not allowed. */
  readAt(source: Source): number {
    return this.#denied.has(source) ? Number.POSITIVE_INFINITY : (this.#readAt.get(source) ?? Number.NEGATIVE_INFINITY);
  }

  /** Reads something in the background, unless that is being done. It takes at most 5 s. */
  start(source: Source, read: (signal: AbortSignal) => Promise<void>): void {
    if (this.#denied.has(source) || this.#reading.has(source)) return;
    this.#reading.add(source);
    void read(AbortSignal.any([this.signal, AbortSignal.timeout(LIMIT_MS)]))
      .catch((error: unknown) => this.failed(source, error))
      .finally(() => {
        this.#reading.delete(source);
        this.#readAt.set(source, this.#context.clock.now());
        this.#onRead();
      });
  }

  /** A read failed. If it is not allowed, that is a warning. Another failure is a detail for the debug log; an aborted read is neither. */
  failed(source: Source, error: unknown): void {
    const { clock, log } = this.#context;
    this.#readAt.set(source, clock.now());
    if (isFailure(error, 'forbidden')) {
      this.#denied.add(source);
      log.warning(`${CONSEQUENCES[source]} ${error.message}`);
    } else if (!this.signal.aborted) log.debug(`${CONSEQUENCES[source]} ${(error as Error).message}`);
  }
}
