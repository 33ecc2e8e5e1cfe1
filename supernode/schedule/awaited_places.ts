import type { OpenBlocks } from "./open_blocks.ts";

/** What the readers of a node wait for, and which of it is next. */
interface Waiting {
  blocks: readonly number[];
  turn: number;
}

/**
 * Where in a file readers wait for what would come late in the order of the file: who reads from the middle by a Range
 * request, as lazy snapshotters do, is not to wait for all that lies before. A node is given what its own readers wait
 * for, in turn; every other lease of the others goes to such a place, and the rest goes on in the file's order, so that
 * whatever is asked for, readers that began at the beginning have their share of what the source gives. Pure.
 *
 * Costs: memory a number a place, and nothing for those who wait where the file is being fetched anyway.
 */
export class AwaitedPlaces<Holder> {
  readonly #open: Pick<OpenBlocks, "isAhead" | "isNew">;
  /** Those who wait for blocks that are ahead; who has waited longest for his turn first. */
  readonly #waiting = new Map<Holder, Waiting>();
  #wasInOrder = true;

  constructor(open: Pick<OpenBlocks, "isAhead" | "isNew">) {
    this.#open = open;
  }

  /** What all readers of a node wait for now. */
  said(holder: Holder, blocks: readonly number[]): void {
    const known = this.#waiting.get(holder);
    if (!blocks.some((block) => this.#open.isAhead(block))) this.#waiting.delete(holder);
    else if (known) known.blocks = blocks;
    else this.#waiting.set(holder, { blocks, turn: 0 });
  }

  /** A block that a reader of a node waits for, which would come late, and nobody is to fetch. */
  urgent(holder: Holder): number | undefined {
    return this.#waiting
      .get(holder)
      ?.blocks.find((block) => this.#open.isAhead(block) && this.#open.isNew(block));
  }

  /**
   * From where on a node's next lease is to be.
   *
   * @returns `undefined`: in the order of the file
   */
  next(holder: Holder): number | undefined {
    const own = this.#waiting.get(holder);
    if (own) return this.#takeOf(own, false);
    this.#wasInOrder = !this.#wasInOrder;
    return this.#wasInOrder ? undefined : this.#takeOfAnybody();
  }

  #takeOfAnybody(): number | undefined {
    for (const [holder, waiting] of this.#waiting) {
      this.#waiting.delete(holder);
      const block = this.#takeOf(waiting, true);
      if (block === undefined) continue;
      this.#waiting.set(holder, waiting);
      return block;
    }
    return undefined;
  }

  /** What comes next of what the readers of a node wait for, where that is ahead. */
  #takeOf(waiting: Waiting, skips: boolean): number | undefined {
    const { blocks } = waiting;
    for (let left = skips ? blocks.length : 1; left > 0; left--) {
      const block = blocks[waiting.turn++ % blocks.length]!;
      if (this.#open.isAhead(block)) return block;
    }
    return undefined;
  }
}
