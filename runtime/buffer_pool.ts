import { freeMemorySoon } from "./free_memory.ts";

/** Milliseconds after the last use in which a pool keeps what nobody uses. */
const IDLE_MS = 5000;

/**
 * Buffers of one size that are used again. A large buffer costs more than its bytes: its memory is fresh
 * pages, and V8 counts it towards the next collection of the whole heap. With a new one a block, every
 * 20 MB that a node passed on cost such a collection, a third of its processor time.
 *
 * A buffer is its taker's until given back, and nobody's afterwards. One that is never given back is
 * collected as any other. When none has been given back for some seconds, those that nobody uses are let go.
 */
export class BufferPool {
  /** Of a buffer. */
  readonly bytes: number;
  readonly #most: number;
  readonly #free: ArrayBuffer[] = [];
  readonly #taken = new WeakSet<ArrayBufferLike>();
  #idle: NodeJS.Timeout | undefined;

  /**
   * @param bytes of a buffer
   * @param most buffers kept that nobody uses
   */
  constructor(bytes: number, most: number) {
    this.bytes = bytes;
    this.#most = most;
  }

  /** A buffer of `bytes` with anything in it; a new one where that is another size than this pool's. */
  take(bytes: number): Buffer<ArrayBuffer> {
    // The last block of a file is shorter, and small ones are cheap anyway.
    if (bytes > this.bytes || bytes < this.bytes / 2) return Buffer.allocUnsafe(bytes);
    const memory = this.#free.pop() ?? new ArrayBuffer(this.bytes);
    this.#taken.add(memory);
    return Buffer.from(memory, 0, bytes);
  }

  /** The taker is done with a buffer; one that is not of this pool, or was given before, is let go. */
  give(buffer: Uint8Array): void {
    if (!this.#taken.delete(buffer.buffer) || this.#free.length >= this.#most) return;
    this.#free.push(buffer.buffer as ArrayBuffer);
    if (this.#idle) this.#idle.refresh();
    else this.#idle = setTimeout(() => this.#letGo(), IDLE_MS).unref();
  }

  #letGo(): void {
    this.#idle = undefined;
    this.#free.length = 0;
    freeMemorySoon();
  }
}
