import type { Clock } from './world.ts';

/** Rings when something was heard. */
export class Bell {
  #rung = false;
  #wake: () => void = () => {};

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  /** Until it rings, or has rung since the last time; at most so many milliseconds. @throws the signal's reason. */
  async wait(milliseconds: number, clock: Clock, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const woken = new AbortController();
    // With a reason of its own, as one that is made for it has a stack, which takes time.
    this.#wake = () => woken.abort('rung');
    if (!this.#rung) {
      await clock.sleep(Math.max(0, milliseconds), AbortSignal.any([signal, woken.signal])).catch(() => {});
      signal.throwIfAborted();
    }
    this.#rung = false;
    this.#wake = () => {};
  }
}
