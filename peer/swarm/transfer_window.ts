/** Requests in flight while nothing is known of the rate, and at least. */
const LEAST = 8;
/** Requests in flight at most: what a block each from all neighbours and some more would be. */
export const MOST_IN_FLIGHT = 96;
/**
 * How long a request may wait in others' queues, ms. The uplinks of a swarm are kept busy by the
 * requests that wait there: with a tenth of a second of them hardly any ever runs dry, and nobody has
 * to wait long for a block that only one neighbour has.
 */
const QUEUE_MS = 100;
/** The rate is measured over so many ms each time. */
const SPAN_MS = 250;
/** How many spans the best rate is taken from. */
const SPANS = 8;

/**
 * How many block requests a node should have in flight: its rate times the time a request takes on
 * the way and may wait in queues (the bandwidth-delay product, others' queues included). The rate is
 * the best of the last two seconds, so that a moment's lack of blocks does not close the window.
 */
export class TransferWindow {
  #size = LEAST;
  #shortestMs = Number.POSITIVE_INFINITY;
  #spanStartMs = Number.NEGATIVE_INFINITY;
  #spanBlocks = 0;
  readonly #rates = new Float64Array(SPANS);
  #span = 0;

  /** Requests that may be in flight. */
  get size(): number {
    return this.#size;
  }

  /**
   * A block has come.
   *
   * @param responseMs since it was requested
   */
  arrived(responseMs: number, nowMs: number): void {
    if (responseMs < this.#shortestMs) this.#shortestMs = responseMs;
    this.#spanBlocks += 1;
    const spanMs = nowMs - this.#spanStartMs;
    if (spanMs < SPAN_MS) return;
    if (Number.isFinite(spanMs)) {
      this.#rates[this.#span] = this.#spanBlocks / spanMs;
      this.#span = (this.#span + 1) % SPANS;
      let best = 0;
      for (const rate of this.#rates) if (rate > best) best = rate;
      const size = Math.ceil(best * (this.#shortestMs + QUEUE_MS));
      this.#size = Math.min(MOST_IN_FLIGHT, Math.max(LEAST, size));
    }
    this.#spanStartMs = nowMs;
    this.#spanBlocks = 0;
  }
}
