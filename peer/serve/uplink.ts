import type { Load } from "../../protocol/swarm/have_stream.ts";

/** How much of a new measurement goes into the mean. */
const SMOOTHING = 0.25;
/** A busy stretch shorter than this tells little about the rate, ms. */
const LEAST_BUSY_MS = 20;

/**
 * What a request to this node would have to wait for: how many bytes are on their way to others, and
 * how fast they go. Neighbours are told of it, so that they ask where the queue is short.
 */
export class Uplink {
  readonly #now: () => number;
  #queued = 0;
  /** Bytes a millisecond; 0 while unknown. */
  #rate = 0;
  #busySinceMs = 0;
  #sentWhileBusy = 0;

  /** @param now ms, of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * An answer of so many bytes begins.
   *
   * @returns to be called when it has ended, well or not
   */
  begin(bytes: number): () => void {
    if (this.#queued === 0) {
      this.#busySinceMs = this.#now();
      this.#sentWhileBusy = 0;
    }
    this.#queued += bytes;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#queued -= bytes;
      this.#sentWhileBusy += bytes;
      this.#measure();
    };
  }

  /** @param blockBytes bytes of a block of the file that is spoken of */
  load(blockBytes: number): Load {
    if (this.#rate === 0) return { queueMs: 0, blockMs: 0 };
    return { queueMs: this.#queued / this.#rate, blockMs: blockBytes / this.#rate };
  }

  #measure(): void {
    const nowMs = this.#now();
    const busyMs = nowMs - this.#busySinceMs;
    if (busyMs < LEAST_BUSY_MS) return;
    const rate = this.#sentWhileBusy / busyMs;
    this.#rate = this.#rate === 0 ? rate : this.#rate + (rate - this.#rate) * SMOOTHING;
    this.#busySinceMs = nowMs;
    this.#sentWhileBusy = 0;
  }
}
