/** Milliseconds between two looks after which this process was too busy to have heard everybody. */
const DEAF_MS = 300;
/** So much of the time between two looks counts as listening, ms: in the rest others could not be heard. */
const MOST_LISTENED_MS = 200;
/** Milliseconds of listening without a block after which p2p is given up. */
const STALL_MS = 15_000;
/** … while no supernode is heard: one that is started again is back sooner, and knows then who holds what. */
const STALL_ALONE_MS = 5000;
/** … where the source gives this node nothing, and no other has the file: the supernode would have named it by now. */
const STALL_FORSAKEN_MS = 3000;

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

  /**
   * Why p2p is to be given up by now, or `undefined` where one may still wait.
   *
   * @param isForsaken whether the source gives this node nothing, and there is no neighbour that could
   */
  whyGiveUp(isForsaken: boolean): string | undefined {
    // How long nothing came before the supernode was missed says nothing about how soon there is another.
    if (this.#aloneMs > STALL_ALONE_MS)
      return `no supernode, and no block for ${STALL_ALONE_MS} ms`;
    if (this.#stalledMs > STALL_MS) return `no block for ${STALL_MS} ms`;
    if (isForsaken && this.#stalledMs > STALL_FORSAKEN_MS)
      return "the source gives this node no blocks of it, and there is no neighbour";
    return undefined;
  }
}
