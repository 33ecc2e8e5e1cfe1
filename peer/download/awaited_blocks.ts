/** Nothing is waited for. */
export const NONE_AWAITED = -1;

/** A reader's place among those who wait. */
export interface Waiting {
  /** The block that it can read next, but which is not here; {@link NONE_AWAITED} while it has something to read. */
  block: number;
}

/**
 * Which blocks of a file readers wait for while it comes. Whoever begins in the middle, by a Range request, is not to wait
 * for all that lies before.
 */
export class AwaitedBlocks {
  /** Told of each block, but the first, with which a reader would begin that is not here. */
  onBegin: (block: number) => void = () => {};
  readonly #readers = new Set<Waiting>();
  #expected: Waiting | undefined;

  /** A reader is about to come, and will begin with a block: until the first one is here this is waited for. */
  expect(block: number): void {
    this.#expected = this.enter();
    this.#expected.block = block;
  }

  /** One more reader. */
  enter(): Waiting {
    if (this.#expected) this.leave(this.#expected);
    this.#expected = undefined;
    const reader = { block: NONE_AWAITED };
    this.#readers.add(reader);
    return reader;
  }

  leave(reader: Waiting): void {
    this.#readers.delete(reader);
  }

  /** What readers wait for, each block once. */
  get blocks(): number[] {
    const blocks = new Set([...this.#readers].map(({ block }) => block));
    blocks.delete(NONE_AWAITED);
    return [...blocks];
  }

  /**
   * What one of those who wait is waiting for.
   *
   * @param random uniform in [0, 1): which of them
   * @returns {@link NONE_AWAITED} where nobody waits
   */
  choose(random: number): number {
    let waiting = 0;
    for (const { block } of this.#readers) if (block !== NONE_AWAITED) waiting += 1;
    let place = Math.floor(random * waiting);
    for (const { block } of this.#readers) {
      if (block === NONE_AWAITED) continue;
      if (place === 0) return block;
      place -= 1;
    }
    return NONE_AWAITED;
  }
}
