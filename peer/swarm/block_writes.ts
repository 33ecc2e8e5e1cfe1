import { isWriteFailure } from "../../runtime/files.ts";
import { contentBuffers } from "../store/content_buffers.ts";

/** Puts blocks on the disk, each block one after the other: what came last comes down last. */
export class BlockWrites {
  readonly #onFull: (error: Error) => void;
  /** Blocks that are on their way to the disk. */
  readonly #writes = new Map<number, Promise<void>>();

  /** @param onFull told when the disk takes no more: no other node's bytes would find room here either */
  constructor(onFull: (error: Error) => void) {
    this.#onFull = onFull;
  }

  /**
   * Writes a block, and gives its content's buffer back.
   *
   * @param put begins to write; rejections are passed on
   */
  async write(block: number, content: Uint8Array, put: () => Promise<void>): Promise<void> {
    // What a neighbour has sent may be on its way to the disk, and must not come down last.
    const before = this.#writes.get(block);
    const writing = before ? before.catch(() => {}).then(put) : put();
    this.#writes.set(block, writing);
    try {
      await writing;
    } catch (error) {
      if (isWriteFailure(error)) this.#onFull(error as Error);
      throw error;
    } finally {
      contentBuffers.give(content);
      if (this.#writes.get(block) === writing) this.#writes.delete(block);
    }
  }
}
