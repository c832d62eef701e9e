/** How far the clocks of the API servers of one cluster may differ. */
const BETWEEN_SERVERS_MS = 2_000;

/** The clock of the API server, from the header `Date` of its answers, which is cut to whole seconds. */
export class ServerClock {
  /** Limits of the difference between the server's clock and ours. */
  #least = Number.NEGATIVE_INFINITY;
  #most = Number.POSITIVE_INFINITY;
  #contradicts = false;

  /** Adds an answer, which the server made between two times on our clock. */
  note(date: string | undefined, sent: number, received: number): void {
    const time = Date.parse(date ?? '');
    if (!Number.isFinite(time)) return;
    const least = Math.max(this.#least, time - received);
    const most = Math.min(this.#most, time + 1_000 - sent);
    // Several servers may answer: the first one counts. A clock that jumps is of no use.
    if (least > most) this.#contradicts ||= least - most > BETWEEN_SERVERS_MS;
    else [this.#least, this.#most] = [least, most];
  }

  /** The server's time at a time on our clock, at least: up to a second less than it is. Undefined if it is unknown. */
  at(ours: number): number | undefined {
    return this.#contradicts || !Number.isFinite(this.#least) ? undefined : ours + this.#least;
  }
}
