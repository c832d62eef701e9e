import type { Clock } from './context.ts';

/** Wakes a waiting loop when there is news. */
export class Wakeup {
  #hasNews = false;
  #wake: () => void = () => {};

  news(): void {
    this.#hasNews = true;
    this.#wake();
  }

  /** Waits until there is news, or was since the last time; at most for `ms`. @throws the signal's reason. */
  async wait(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const woken = new AbortController();
    // With a reason, because the default one has a stack trace, which takes time.
    this.#wake = () => woken.abort('news');
    if (!this.#hasNews) {
      await clock.sleep(Math.max(0, ms), AbortSignal.any([signal, woken.signal])).catch(() => {});
      signal.throwIfAborted();
    }
    this.#hasNews = false;
    this.#wake = () => {};
  }
}
