import { LEAST_BLOCK_BYTES, MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { BufferPool } from "../../runtime/buffer_pool.ts";

/** Bytes at most that lie idle in buffers of one size. */
const MOST_IDLE_BYTES = 32 * 1024 * 1024;

/** What blocks are received into and sent from, of any size that a block may have: see {@link BufferPool}. */
class BlockBuffers {
  /** The smallest first. */
  readonly #pools: BufferPool[] = [];

  constructor() {
    for (let bytes = LEAST_BLOCK_BYTES; bytes <= MOST_BLOCK_BYTES; bytes *= 2)
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
    // What is larger than any block no pool keeps, the last one neither.
    return this.#pools.find((pool) => bytes <= pool.bytes) ?? this.#pools.at(-1)!;
  }
}

export const blockBuffers = new BlockBuffers();
