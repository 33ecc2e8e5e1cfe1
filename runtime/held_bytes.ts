import type { EventEmitter } from "node:events";

/** Bytes to be read at once where there is no room for more: the answer comes slower, and holds little. */
export const CROWDED_BYTES = 64 * 1024;

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

  /**
   * How many bytes to read at once for an answer, with room taken for so many until it has ended.
   *
   * @param bytes as many as is best
   * @param outgoing the answer on its connection
   */
  chunk(bytes: number, outgoing: EventEmitter | undefined): number {
    return this.take(bytes, outgoing) ? bytes : CROWDED_BYTES;
  }
}
