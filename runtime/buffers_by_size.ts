import { BufferPool } from "./buffer_pool.ts";

/** Bytes at most that lie idle in buffers of one size. */
const MOST_IDLE_BYTES = 32 * 1024 * 1024;

/** Buffers of several sizes, each twice the one before, that are used again: see {@link BufferPool}. */
export class BuffersBySize {
  /** The smallest first. */
  readonly #pools: BufferPool[] = [];

  /**
   * @param least bytes of the smallest
   * @param most bytes of the largest: the smallest, doubled some times
   */
  constructor(least: number, most: number) {
    for (let bytes = least; bytes <= most; bytes *= 2)
      this.#pools.push(new BufferPool(bytes, MOST_IDLE_BYTES / bytes));
  }

  /** A buffer of `bytes` with anything in it. */
  take(bytes: number): Buffer<ArrayBuffer> {
    return this.#poolFor(bytes).take(bytes);
  }

  /** The taker is done with a buffer, or with a view of one. */
  give(buffer: Uint8Array): void {
    this.#poolFor(buffer.buffer.byteLength).give(buffer);
  }

  #poolFor(bytes: number): BufferPool {
    // What is larger than the largest no pool keeps, the last one neither.
    return this.#pools.find((pool) => bytes <= pool.bytes) ?? this.#pools.at(-1)!;
  }
}
