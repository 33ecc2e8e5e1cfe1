import type { BlockRun } from "../../protocol/swarm/blocks.ts";

/** Where blocks are fetched from: the source, the supernode's own copy, or a v1 client that has them. */
export type BlockOrigin = { kind: "source" } | { kind: "seed" } | { kind: "peer"; cid: string };

/** Consecutive blocks that are to be fetched from the same place. */
export interface OpenRun extends BlockRun {
  origin: BlockOrigin;
}

/** Blocks that came back, or can now be had; without an origin, where all others come from. */
interface Returned extends BlockRun {
  peer?: BlockOrigin & { kind: "peer" };
  /** Until then others are given out first, ms. */
  lastUntilMs?: number;
}

/**
 * The blocks of one file that nobody fetches or has fetched, in the order in which they are given out:
 * what came back first, then the rest in the order of the file, as far as it is there to be had; or from
 * a place further on, where somebody waits for what lies there.
 *
 * Some are set aside, because a v1 client has or fetches them: they are given out when it is known
 * where they can be had.
 */
export class OpenBlocks {
  readonly #blocks: number;
  /** The first block never given out, set aside or passed. */
  #frontier = 0;
  readonly #returned: Returned[] = [];
  /** Set aside now. */
  readonly #aside = new Set<number>();
  /** After that: ever given out or set aside, or here before. These are not come by in the order of the file. */
  readonly #passed = new Set<number>();
  #origin: BlockOrigin = { kind: "source" };
  #ready: number;
  #waits = false;

  constructor(blocks: number) {
    this.#blocks = blocks;
    this.#ready = blocks;
  }

  /** Where all blocks come from of which nothing else is known. */
  get origin(): BlockOrigin {
    return this.#origin;
  }

  /** Blocks never given out, nor set aside. */
  get untouched(): number {
    return this.#blocks - this.#frontier - this.#passed.size;
  }

  /** Blocks that nobody fetches or has fetched, wherever they can be had. */
  get count(): number {
    const returned = this.#returned.reduce((sum, { count }) => sum + count, 0);
    return this.untouched + this.#aside.size + returned;
  }

  /** Whether there are any that can be had now. */
  get any(): boolean {
    return this.#next() !== undefined || this.#returned.some((run) => this.#reach(run) > 0);
  }

  /** Whether they come from a copy that waits for the nodes to take what it has. */
  get isHeldBack(): boolean {
    return this.#waits && this.#ready < this.#blocks;
  }

  /** Whether there are any that can be had later. */
  get comesMore(): boolean {
    if (this.#aside.size > 0) return true;
    if (this.#frontier < this.#blocks && this.#ready < this.#blocks) return true;
    return this.#returned.some((run) => this.#reach(run) < run.count);
  }

  /**
   * Blocks come from the source, or from the supernode's own copy as far as it has come.
   *
   * @param ready how many blocks can be had there, from the first on
   * @param waits whether more come there only when these have been fetched
   */
  supply(kind: "source" | "seed", ready: number, waits = false): void {
    this.#waits = waits;
    if (this.#origin.kind !== kind) this.#origin = { kind };
    this.#ready = ready;
  }

  /**
   * Takes the next run out.
   *
   * @param size blocks at most; what comes from a v1 client is given out as it was put in
   * @param refused places that the taker does not fetch from
   */
  take(size: number, refused: ReadonlySet<string>, nowMs: number): OpenRun | undefined {
    return (
      this.#takeReturned(size, refused, nowMs) ??
      this.takeFrom(this.#frontier, size, refused) ??
      this.#takeReturned(size, refused, Number.POSITIVE_INFINITY)
    );
  }

  /** @param dueMs those that others go before until later are left */
  #takeReturned(size: number, refused: ReadonlySet<string>, dueMs: number): OpenRun | undefined {
    const refuses = refused.has(this.#origin.kind);
    for (const [index, back] of this.#returned.entries()) {
      if ((refuses && !back.peer) || (back.lastUntilMs ?? 0) > dueMs) continue;
      const reach = this.#reach(back);
      if (reach <= 0) continue;
      const count = back.peer ? back.count : Math.min(size, reach);
      const run = { first: back.first, count, origin: back.peer ?? this.#origin };
      back.first += count;
      back.count -= count;
      if (back.count === 0) this.#returned.splice(index, 1);
      return run;
    }
    return undefined;
  }

  /**
   * Takes out the next run from a certain block on, of those that were never given out.
   *
   * @param refused see {@link take}
   */
  takeFrom(block: number, size: number, refused: ReadonlySet<string>): OpenRun | undefined {
    const first = refused.has(this.#origin.kind) ? undefined : this.#next(block);
    if (first === undefined) return undefined;
    let end = first + 1;
    const limit = Math.min(first + size, this.#blocks, this.#ready);
    while (end < limit && !this.#passed.has(end)) end += 1;
    this.#pass(first, end);
    return { first, count: end - first, origin: this.#origin };
  }

  /** Whether {@link takeFrom} would give out blocks from there on that are not the next in the order of the file. */
  isAhead(block: number): boolean {
    return block > this.#frontier && this.#next(block) !== undefined;
  }

  /** Whether a block was never given out, set aside or passed. */
  isNew(block: number): boolean {
    return block >= this.#frontier && !this.#passed.has(block);
  }

  /**
   * Takes a certain run out, where nobody has been given any of it.
   *
   * @param isHere whether somebody has a block already
   * @returns whether it could be
   */
  takeOut({ first, count }: BlockRun, isHere: (block: number) => boolean): boolean {
    const end = first + count;
    if (end > this.#blocks) return false;
    for (let block = first; block < end; block++) {
      if (!this.isNew(block) && !isHere(block) && !this.#isBack(block)) return false;
    }
    for (const back of this.#returned.splice(0)) {
      if (back.peer) this.#returned.push(back);
      else this.#returned.push(...without(back, first, end).map((run) => ({ ...back, ...run })));
    }
    this.#pass(first, end);
    return true;
  }

  /**
   * A run that was given out is open again.
   *
   * @param lastUntilMs until then others are given out first: whoever had it may come back to it
   */
  back({ first, count }: BlockRun, origin: BlockOrigin = this.#origin, lastUntilMs = 0): void {
    if (count <= 0) return;
    const run = { first, count, lastUntilMs };
    this.#returned.push(origin.kind === "peer" ? { ...run, peer: origin } : run);
  }

  /**
   * Sets blocks aside, those that have been given out before only where `again` says so.
   *
   * @returns whether any of them is set aside now
   */
  setAside({ first, count }: BlockRun, again = false): boolean {
    const end = Math.min(first + count, this.#blocks);
    let any = false;
    for (let block = first; block < end; block++) {
      if (again || this.isNew(block)) this.#aside.add(block);
      any ||= this.#aside.has(block);
    }
    this.#pass(first, end);
    return any;
  }

  /** A block is here already: it is not given out unless it comes back, or comes back once more. */
  pass(block: number): void {
    this.takeOut({ first: block, count: 1 }, () => true);
  }

  /**
   * Blocks that were set aside are open again.
   *
   * @param cid the v1 client to fetch them from; without one they come from where all others do
   */
  put({ first, count }: BlockRun, cid?: string): void {
    const origin: BlockOrigin = cid === undefined ? this.#origin : { kind: "peer", cid };
    let from = first;
    for (let block = first; block <= first + count; block++) {
      if (block < first + count && this.#aside.delete(block)) continue;
      this.back({ first: from, count: block - from }, origin);
      from = block + 1;
    }
  }

  /** Whether a block came back, and has not been given out again. */
  #isBack(block: number): boolean {
    return this.#returned.some(
      ({ first, count, peer }) => !peer && first <= block && block < first + count,
    );
  }

  /** How many blocks of a run that came back can be had now. */
  #reach(run: Returned): number {
    return run.peer ? run.count : Math.min(run.count, this.#ready - run.first);
  }

  /** The next block in the order of the file, from a certain one on, that can be had now. */
  #next(from = this.#frontier): number | undefined {
    let next = Math.max(from, this.#frontier);
    while (this.#passed.has(next)) next += 1;
    return next < Math.min(this.#blocks, this.#ready) ? next : undefined;
  }

  /** The blocks from `first` up to but not including `end` are not come by any more. */
  #pass(first: number, end: number): void {
    for (let block = Math.max(first, this.#frontier); block < end; block++) this.#passed.add(block);
    while (this.#passed.delete(this.#frontier)) this.#frontier += 1;
  }
}

/** What is left of a run without the blocks from `first` up to but not including `end`. */
function without(run: BlockRun, first: number, end: number): BlockRun[] {
  const runEnd = run.first + run.count;
  const before = { first: run.first, count: Math.min(runEnd, first) - run.first };
  const from = Math.max(run.first, end);
  return [before, { first: from, count: runEnd - from }].filter(({ count }) => count > 0);
}
