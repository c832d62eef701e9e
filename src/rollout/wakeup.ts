import type { Clock } from './world.ts';

/** Wakes the wait up when there is news. */
export class Bell {
  #rung = false;
  #wake: () => void = () => {};

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  /** Waits until there is news, or was since the last time; at most so many milliseconds. @throws the signal's reason. */
  async wait(milliseconds: number, clock: Clock, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const woken = new AbortController();
    // With a reason, because the default one has a stack trace, which takes time.
    this.#wake = () => woken.abort('rung');
    if (!this.#rung) {
      await clock.sleep(Math.max(0, milliseconds), AbortSignal.any([signal, woken.signal])).catch(() => {});
      signal.throwIfAborted();
    }
    this.#rung = false;
    this.#wake = () => {};
  }
}
