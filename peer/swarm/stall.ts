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
  #aloneMs = 0;

  constructor(nowMs: number) {
    this.#lookedMs = nowMs;
  }

  /** How long this process has listened since it last came further, ms. */
  get ms(): number {
    return this.#stalledMs;
  }

  /** … how long of that since it has last heard a supernode, ms. */
  get aloneMs(): number {
    return this.#aloneMs;
  }

  /** The download has come further. */
  end(): void {
    this.#stalledMs = 0;
    this.#aloneMs = 0;
  }

  /**
   * To be called some ten times a second.
   *
   * @param isAlone whether no supernode is heard
   * @returns whether this process could hear everybody since the last time
   */
  look(nowMs: number, isAlone: boolean): boolean {
    const passedMs = nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    const listenedMs = Math.min(passedMs, MOST_LISTENED_MS);
    this.#stalledMs += listenedMs;
    this.#aloneMs = isAlone ? this.#aloneMs + listenedMs : 0;
    return passedMs <= DEAF_MS;
  }
}
