/** Who has brought each block of a file into a swarm, and when. Costs a number a block and a step a note. Pure. */
export class FetchedBlocks<Holder> {
  readonly #fetchers: (Holder | undefined)[] = [];
  readonly #fetchedMs: Float64Array;
  /** Blocks that nobody was seen to fetch: see {@link FetchedBlocks.held}. */
  readonly #heldBefore = new Set<number>();
  /** How many of the blocks before a certain one have a fetcher: kept, for it is asked at each heartbeat. */
  readonly #below = { block: 0, fetched: 0 };

  /** @param blocks blocks of the file */
  constructor(blocks: number) {
    this.#fetchedMs = new Float64Array(blocks).fill(Number.POSITIVE_INFINITY);
  }

  has(block: number): boolean {
    return this.#fetchers[block] !== undefined;
  }

  /** Who fetched a block from the source, and since when others can have it from there, ms. */
  of(block: number): { by: Holder; sinceMs: number } | undefined {
    const by = this.#fetchers[block];
    return by === undefined ? undefined : { by, sinceMs: this.#fetchedMs[block]! };
  }

  /** How many blocks before a certain one somebody has. */
  below(block: number): number {
    const below = this.#below;
    while (below.block < block) below.fetched += Number(this.has(below.block++));
    while (below.block > block) below.fetched -= Number(this.has(--below.block));
    return below.fetched;
  }

  /** Whether a node held a block before this swarm began, and nobody has fetched it since. */
  wasHeldBefore(block: number): boolean {
    return this.#heldBefore.has(block) && this.has(block);
  }

  /** A node has fetched a block. */
  fetched(block: number, by: Holder, nowMs: number): void {
    this.#note(block, by, nowMs);
    this.#heldBefore.delete(block);
  }

  /** A node has a block already: as if it had fetched it now. */
  held(block: number, by: Holder, nowMs: number): void {
    this.#note(block, by, nowMs);
    this.#heldBefore.add(block);
  }

  /** A block is lost again. */
  lost(block: number): void {
    this.#note(block, undefined, Number.POSITIVE_INFINITY);
  }

  #note(block: number, fetcher: Holder | undefined, fetchedMs: number): void {
    if (block < this.#below.block)
      this.#below.fetched += Number(fetcher !== undefined) - Number(this.has(block));
    this.#fetchers[block] = fetcher;
    this.#fetchedMs[block] = fetchedMs;
  }
}
