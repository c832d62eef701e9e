import type { DaemonSet } from '../daemonset/types.ts';
import type { Context } from './context.ts';

/** Collects the states of a DaemonSet during a wait. */
export class DaemonSetWatcher {
  readonly #context: Context;
  readonly #onNews: () => void;
  readonly #stopping = new AbortController();
  #watching: Promise<void> | undefined;
  latest: DaemonSet;
  isDeleted = false;
  /** What ended the watch. */
  failure: { error: unknown } | undefined;

  constructor(context: Context, from: DaemonSet, onNews: () => void) {
    this.#context = context;
    this.latest = from;
    this.#onNews = onNews;
  }

  /** Starts to watch, unless that was done. */
  start(): void {
    this.#watching ??= this.#follow();
  }

  async #follow(): Promise<void> {
    const signal = AbortSignal.any([this.#context.signal, this.#stopping.signal]);
    try {
      for await (const event of this.#context.cluster.watchDaemonSet(this.latest, signal)) {
        if (event.kind === 'deleted') this.isDeleted = true;
        else this.latest = event.daemonSet;
        this.#onNews();
      }
    } catch (error) {
      this.failure = { error };
      this.#onNews();
    }
  }

  /** Ends the watch and its connection. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }
}
