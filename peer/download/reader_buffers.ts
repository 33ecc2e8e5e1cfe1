import { BufferPool } from "../../runtime/buffer_pool.ts";
import { blockBuffers } from "../store/block_buffers.ts";

/** Bytes that a reader is handed at a time. */
const LARGE_BYTES = 1024 * 1024;
/** … where there are many of them. */
const SMALL_BYTES = 128 * 1024;
/**
 * Readers up to which each is handed large chunks, and has one ready: it holds three, one that waits, one that is
 * written, and that in its encrypted form.
 */
const FEW_READERS = 32;

/** What the chunks of a node's readers lie in; of the small ones at most 32 MiB lie idle: a fresh one costs more than what it carries. */
export class ReaderBuffers {
  readonly #small = new BufferPool(SMALL_BYTES, 256);
  #readers = 0;

  /** Another reader; the answer, called once, says that it is done. */
  enter(): () => void {
    this.#readers += 1;
    return () => {
      this.#readers -= 1;
    };
  }

  /** Chunks that a reader should have ready before it asks. */
  get ahead(): number {
    return this.#readers > FEW_READERS ? 0 : 1;
  }

  /** A buffer for a reader's next chunk, of `most` bytes or fewer: memory must not grow with the readers. */
  take(most: number): Buffer<ArrayBuffer> {
    if (this.#readers > FEW_READERS) return this.#small.take(Math.min(SMALL_BYTES, most));
    return blockBuffers.take(Math.min(LARGE_BYTES, most));
  }

  /** The reader is done with a chunk. */
  give(chunk: Uint8Array): void {
    this.#small.give(chunk);
    blockBuffers.give(chunk);
  }
}
