/** Milliseconds between two looks after which this process was too busy to have heard everybody. */
const DEAF_MS = 300;
/** So much of the time between two looks counts as listening, ms: in the rest others could not be heard. */
const MOST_LISTENED_MS = 200;

/**
 * For how long a download has come no further. Where this process was too busy to listen the silence is its own. Pure.
 */
export class Stall {
  #lookedMs: number;
  #stalledMs = 0;

  constructor(nowMs: number) {
    this.#lookedMs = nowMs;
  }

  /** How long this process has listened since it last came further, ms. */
  get ms(): number {
    return this.#stalledMs;
  }

  /** The download has come further. */
  end(): void {
    this.#stalledMs = 0;
  }

  /**
   * To be called some ten times a second.
   *
   * @returns whether this process could hear everybody since the last time
   */
  look(nowMs: number): boolean {
    const passedMs = nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    this.#stalledMs += Math.min(passedMs, MOST_LISTENED_MS);
    return passedMs <= DEAF_MS;
  }
}
