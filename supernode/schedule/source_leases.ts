import type { BlockRun } from "../../protocol/swarm/blocks.ts";

/** The right of one node to fetch a run of blocks from the source. */
export interface Lease<Holder> extends BlockRun {
  readonly id: number;
  readonly holder: Holder;
  first: number;
  count: number;
  /** Blocks of it that are fetched, from the first one on. */
  done: number;
  /** When it was granted, or its last block came, whichever is later, ms. */
  progressMs: number;
}

/** How many connections to one registry are in use, over all tasks. */
export interface SourceBudget {
  readonly most: number;
  used: number;
}

export interface LeaseLimits {
  /** Nodes that fetch from the source at once, per task. */
  runners: number;
  /** Leases a node holds at once: one it works on, and the next. */
  perRunner: number;
  /** Blocks of a first lease. */
  firstBlocks: number;
  /** Blocks of a lease at most. */
  mostBlocks: number;
}

export const DEFAULT_LEASE_LIMITS: LeaseLimits = {
  runners: 24,
  perRunner: 2,
  firstBlocks: 8,
  mostBlocks: 16,
};
/** Connections to one registry, over all tasks. */
export const DEFAULT_REGISTRY_CONNECTIONS = 48;

/** A lease is made to last so long, by its holder's rate, ms. */
const LEASE_MS = 500;
/** A holder that brings no block for so long is slow, ms, unless all are. */
const SLOW_MS = 1700;
/** How many times as long as is usual a block may take. */
const SLOW_FACTOR = 4;
/** A runner without a lease makes room for another after this, ms. */
const IDLE_MS = 100;
/** How many blocks' times count for what is usual. */
const RECENT = 31;

/**
 * Who fetches which blocks of one task from the source: each block one node, so that the source sends
 * each byte once. Blocks are leased in the order of the file, to a bounded number of runners, each of
 * which gets its next lease before it has done the last one. What a dead, failing or slow holder has
 * not fetched goes to another.
 *
 * Costs: memory a number a block, time a step a block; nothing grows with the number of nodes.
 */
export class SourceLeases<Holder> {
  readonly #blocks: number;
  readonly #limits: LeaseLimits;
  readonly #budget: SourceBudget;
  readonly #runners = new Map<Holder, Runner<Holder>>();
  /** The first block never leased. */
  #frontier = 0;
  /** Runs that were leased and came back. */
  readonly #returned: BlockRun[] = [];
  readonly #fetchers: (Holder | undefined)[] = [];
  readonly #fetchedMs: Float64Array;
  readonly #blockMs: number[] = [];
  #lastId = 0;

  constructor(blocks: number, limits: LeaseLimits, budget: SourceBudget) {
    this.#blocks = blocks;
    this.#limits = limits;
    this.#budget = budget;
    this.#fetchedMs = new Float64Array(blocks).fill(Number.POSITIVE_INFINITY);
  }

  /** Whether there are blocks that nobody fetches or has fetched. */
  get hasWork(): boolean {
    return this.#frontier < this.#blocks || this.#returned.length > 0;
  }

  /** Nodes that hold a lease. */
  get runners(): number {
    return this.#runners.size;
  }

  isRunner(holder: Holder): boolean {
    return this.#runners.has(holder);
  }

  /** What a node holds leases on, the one it works on first. */
  of(holder: Holder): readonly Lease<Holder>[] {
    return this.#runners.get(holder)?.leases ?? [];
  }

  /** Who fetched a block from the source, and since when others can have it from there, ms. */
  fetched(block: number): { by: Holder; sinceMs: number } | undefined {
    const by = this.#fetchers[block];
    return by === undefined ? undefined : { by, sinceMs: this.#fetchedMs[block]! };
  }

  /** Grants a node a lease if it may have one more and there is something to fetch. */
  grant(holder: Holder, nowMs: number): Lease<Holder> | undefined {
    if (!this.hasWork) return undefined;
    let runner = this.#runners.get(holder);
    if (runner) {
      if (runner.leases.length >= this.#limits.perRunner || this.#isSlow(runner)) return undefined;
    } else {
      if (this.#runners.size >= this.#limits.runners || this.#budget.used >= this.#budget.most)
        return undefined;
      this.#budget.used += 1;
      this.#runners.set(holder, (runner = { leases: [], blockMs: 0, idleSinceMs: nowMs }));
    }
    const run = this.#take(this.#sizeFor(runner));
    const lease: Lease<Holder> = { ...run, id: ++this.#lastId, holder, done: 0, progressMs: nowMs };
    runner.leases.push(lease);
    return lease;
  }

  /**
   * A holder says how many blocks of a lease it has fetched in all; the lease ends with the last one.
   *
   * @returns `false` where it no longer holds this lease
   */
  progress(holder: Holder, id: number, done: number, nowMs: number): boolean {
    const runner = this.#runners.get(holder);
    const lease = runner?.leases.find((one) => one.id === id);
    if (!runner || !lease) return false;
    const upTo = Math.min(done, lease.count);
    const fresh = upTo - lease.done;
    if (fresh > 0) {
      for (let block = lease.first + lease.done; block < lease.first + upTo; block++) {
        this.#fetchers[block] = holder;
        this.#fetchedMs[block] = nowMs;
      }
      this.#observe(runner, (nowMs - lease.progressMs) / fresh);
      lease.done = upTo;
      lease.progressMs = nowMs;
    }
    if (lease.done === lease.count) {
      runner.leases.splice(runner.leases.indexOf(lease), 1);
      // The next one begins only now.
      for (const next of runner.leases) next.progressMs = nowMs;
      runner.idleSinceMs = nowMs;
    }
    return true;
  }

  /** A node fetches from the source no more: what it has not done goes to others. */
  release(holder: Holder): void {
    const runner = this.#runners.get(holder);
    if (!runner) return;
    for (const lease of runner.leases) this.#giveBack(lease);
    this.#retire(holder);
  }

  /**
   * Takes back the leases of those who are dead or much slower than the others. To be called a few
   * times a second, after all reports that have come in have been told: a report that waits unread
   * would pass for silence.
   *
   * @param isDead whether nothing is heard of a holder
   */
  expire(nowMs: number, isDead: (holder: Holder) => boolean): void {
    const slowMs = Math.max(SLOW_MS, SLOW_FACTOR * this.#usualBlockMs());
    for (const [holder, { leases, idleSinceMs }] of this.#runners) {
      const first = leases[0];
      if (!first) {
        if (nowMs - idleSinceMs > IDLE_MS) this.#retire(holder);
      } else if (isDead(holder) || nowMs - first.progressMs > slowMs) {
        this.release(holder);
      }
    }
  }

  /** A block was fetched, and is lost again: it must be leased anew. */
  again(block: number): void {
    if (this.#fetchers[block] === undefined) return;
    this.#fetchers[block] = undefined;
    this.#fetchedMs[block] = Number.POSITIVE_INFINITY;
    this.#returned.push({ first: block, count: 1 });
  }

  #retire(holder: Holder): void {
    this.#runners.delete(holder);
    this.#budget.used -= 1;
  }

  #giveBack(lease: Lease<Holder>): void {
    const count = lease.count - lease.done;
    if (count > 0) this.#returned.push({ first: lease.first + lease.done, count });
    lease.count = lease.done;
  }

  #take(size: number): BlockRun {
    const back = this.#returned[0];
    if (back) {
      const run = { first: back.first, count: Math.min(size, back.count) };
      back.first += run.count;
      back.count -= run.count;
      if (back.count === 0) this.#returned.shift();
      return run;
    }
    const run = { first: this.#frontier, count: Math.min(size, this.#blocks - this.#frontier) };
    this.#frontier += run.count;
    return run;
  }

  /** Towards the end leases get shorter, so that no one is left with a long one. */
  #sizeFor(runner: Runner<Holder>): number {
    const { firstBlocks, mostBlocks, runners } = this.#limits;
    const byRate =
      runner.blockMs > 0
        ? Math.min(mostBlocks, Math.floor(LEASE_MS / runner.blockMs))
        : firstBlocks;
    const share = Math.ceil((this.#blocks - this.#frontier) / (2 * runners));
    return Math.max(1, Math.min(byRate, share));
  }

  #observe(runner: Runner<Holder>, blockMs: number): void {
    runner.blockMs = runner.blockMs > 0 ? (runner.blockMs + blockMs) / 2 : blockMs;
    this.#blockMs.push(blockMs);
    if (this.#blockMs.length > RECENT) this.#blockMs.shift();
  }

  #usualBlockMs(): number {
    const sorted = this.#blockMs.toSorted((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? 0;
  }

  #isSlow(runner: Runner<Holder>): boolean {
    return runner.blockMs > SLOW_FACTOR * this.#usualBlockMs();
  }
}

interface Runner<Holder> {
  /** In the order in which it works on them. */
  readonly leases: Lease<Holder>[];
  idleSinceMs: number;
  /** Milliseconds a block has taken it; 0 while unknown. */
  blockMs: number;
}
