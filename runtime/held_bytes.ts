import type { EventEmitter } from "node:events";

/**
 * Counts what answers hold in memory for clients that may take it slowly, or never: so much may be read at once for
 * their sake, and beyond that a little at a time.
 */
export class HeldBytes {
  readonly #most: number;
  #bytes = 0;

  /** @param most bytes held at once */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Takes room for bytes, until an answer has ended.
   *
   * @param outgoing the answer on its connection
   * @returns whether there was some
   */
  take(bytes: number, outgoing: EventEmitter | undefined): boolean {
    if (this.#bytes + bytes > this.#most) return false;
    if (!outgoing) return true;
    this.#bytes += bytes;
    outgoing.once("close", () => {
      this.#bytes -= bytes;
    });
    return true;
  }
}
