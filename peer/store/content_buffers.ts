import { MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { BufferPool } from "../../runtime/buffer_pool.ts";
import { blockBuffers } from "./block_buffers.ts";

/** Buffers of each size that are kept though nobody uses them. */
const MOST_IDLE = 4;

/**
 * What a block, or a piece as v1 has it (4 to 15 MiB, one size a task), is received into: see {@link BufferPool}.
 * A new buffer for each piece of a file of 1 GiB cost dfget a fifth of its processor time.
 */
class ContentBuffers {
  /** By their size, a whole number of blocks. */
  readonly #pools = new Map<number, BufferPool>();

  /** A buffer of `bytes` with anything in it. */
  take(bytes: number): Buffer<ArrayBuffer> {
    if (bytes <= MOST_BLOCK_BYTES) return blockBuffers.take(bytes);
    const size = Math.ceil(bytes / MOST_BLOCK_BYTES) * MOST_BLOCK_BYTES;
    const pool = this.#pools.get(size) ?? new BufferPool(size, MOST_IDLE);
    this.#pools.set(size, pool);
    return pool.take(bytes);
  }

  /** The taker is done with a buffer, or with a view of one. */
  give(content: Uint8Array): void {
    const size = content.buffer.byteLength;
    if (size <= MOST_BLOCK_BYTES) blockBuffers.give(content);
    else this.#pools.get(size)?.give(content);
  }
}

export const contentBuffers = new ContentBuffers();
