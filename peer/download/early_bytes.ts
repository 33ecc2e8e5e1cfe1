/** Bytes of a block that readers can have early: with hundreds of them memory must not grow by a block each. */
const MOST_BYTES = 128 * 1024;

interface Early {
  /** Our own copy of what has come: the buffer that it came in is used again. */
  bytes: Buffer | undefined;
  filled: number;
  /** Whether the block, now that it is whole, begins so; absent while it is not. */
  isRight: boolean | undefined;
}

const nothing = (): Early => ({ bytes: undefined, filled: 0, isRight: undefined });

/**
 * What the source has sent so far of the blocks that readers begin with: a client's first byte need not wait until its
 * whole block has come and is on disk. From the source itself only, as a client without us would have it; what readers
 * may have been given so is compared with the block once that is whole.
 */
export class EarlyBytes {
  readonly #blocks = new Map<number, Early>();

  /** A reader begins with a block that is not here yet. */
  want(block: number): void {
    if (!this.#blocks.has(block)) this.#blocks.set(block, nothing());
  }

  /**
   * More of a block has come.
   *
   * @param content all that has come of it, from its first byte on; read during the call only
   * @returns whether readers can have more than before
   */
  offer(block: number, content: Uint8Array): boolean {
    const early = this.#blocks.get(block);
    // Where its source broke off, another begins anew.
    const end = Math.min(content.byteLength, MOST_BYTES);
    if (!early || early.isRight !== undefined || end <= early.filled) return false;
    early.bytes ??= Buffer.allocUnsafe(MOST_BYTES);
    early.bytes.set(content.subarray(early.filled, end), early.filled);
    early.filled = end;
    return true;
  }

  /** How many bytes of a block readers can have, from its first one on. */
  filled(block: number): number {
    return this.#blocks.get(block)?.filled ?? 0;
  }

  /** Gives bytes of a block to a reader, no more than are {@link EarlyBytes.filled}. */
  readInto(target: Uint8Array, block: number, offset: number): void {
    const { bytes } = this.#blocks.get(block)!;
    target.set(bytes!.subarray(offset, offset + target.byteLength));
  }

  /**
   * A block is whole, from wherever, though it may still turn out wrong: no more is taken of it, for nothing would
   * compare that. Nor for who begins to read it only then.
   */
  compare(block: number, content: Uint8Array): void {
    const early = this.#blocks.get(block) ?? nothing();
    this.#blocks.set(block, early);
    const { bytes, filled } = early;
    early.isRight = !bytes || bytes.subarray(0, filled).equals(content.subarray(0, filled));
  }

  /**
   * A block is right, and read from its file from now on.
   *
   * @returns whether it begins with what readers may have been given
   */
  settle(block: number): boolean {
    const early = this.#blocks.get(block);
    if (!early) return true;
    this.#blocks.delete(block);
    return early.isRight ?? true;
  }
}
