/** Never give up on a transfer sooner than this, ms. */
const SHORTEST_MS = 3000;
/** Never wait longer than this without a sign of progress, ms. */
const LONGEST_MS = 30_000;
/** How long to wait before anything has been measured, ms. */
const UNMEASURED_MS = 10_000;
/** A transfer may take so many times what the slowest recent one took. */
const FACTOR = 4;
/** How many transfers count as recent. */
const RECENT = 16;

/** How long to believe in a transfer that is not heard of, learnt from those that ended well. */
export class Patience {
  readonly #recent: number[] = [];

  /** Notes that a transfer took `ms` milliseconds. */
  observe(ms: number): void {
    this.#recent.push(ms);
    if (this.#recent.length > RECENT) this.#recent.shift();
  }

  /**
   * Milliseconds without progress after which a transfer counts as lost.
   *
   * @param heardOf whether the client that fetches still talks to us: on a slow day the first
   *   pieces may take long, and one who asks for more is not dead
   */
  limitMs(heardOf: boolean): number {
    if (this.#recent.length === 0) return heardOf ? LONGEST_MS : UNMEASURED_MS;
    return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, FACTOR * Math.max(...this.#recent)));
  }
}
