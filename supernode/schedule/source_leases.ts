import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import { AwaitedPlaces } from "./awaited_places.ts";
import { FetchedBlocks } from "./fetched_blocks.ts";
import { type BlockOrigin, OpenBlocks, type OpenRun } from "./open_blocks.ts";
import { RunnerRate, usualRate } from "./runner_rate.ts";
import type { SourceBudget } from "./source_budget.ts";

/** The right of one node to fetch a run of blocks from the source, or from where else it is to be had. */
export interface Lease<Holder> extends BlockRun {
  readonly id: number;
  readonly holder: Holder;
  readonly origin: BlockOrigin;
  first: number;
  count: number;
  /** Blocks of it that are fetched, from the first one on. */
  done: number;
}

/** A file, as it is handed out. */
export interface FileInBlocks {
  blocks: number;
  /** File bytes of each but the last. */
  blockBytes: number;
}

export interface LeaseLimits {
  /** Nodes that fetch from the source at once, per task. */
  runners: number;
  /** Leases a node holds at once: one it works on, and the next. */
  perRunner: number;
  /** Bytes of a first lease. */
  firstBytes: number;
  /** Bytes of a lease at most. */
  mostBytes: number;
  /** … from a copy that waits for them: several nodes are to share the little that it has, and to say so soon. */
  heldBackBytes: number;
}

const MIB = 1 << 20;
export const DEFAULT_LEASE_LIMITS: LeaseLimits = {
  runners: 24,
  perRunner: 2,
  firstBytes: 8 * MIB,
  mostBytes: 16 * MIB,
  heldBackBytes: 2 * MIB,
};

/** A lease is made to last so long, by its holder's rate, ms. */
const LEASE_MS = 500;
/**
 * … where nobody else is at the source. A registry reads ahead for each request (distribution's: 4 MiB), so that short
 * ones cost it several times what they bring.
 */
const LONE_LEASE_MS = 2000;
/** A slow runner may finish the block that it is at, if it brings one within this time, ms … */
const LAST_BLOCK_MS = 1800;
/** … or within so many times what the others take, where the source is slow for everybody: then rates are uneven. */
const LAST_BLOCK_TIMES = 2;
/**
 * What was taken back from one who was silent is given out after all other blocks for so long, ms: it may only have been
 * out of breath, and have fetched it meanwhile. Not longer: within two seconds it is to be somebody else's.
 */
const COMES_BACK_MS = 250;
/** Leases that are remembered when they were taken back. */
const MOST_TAKEN_BACK = 64;
/** So many times as many leases as usual a node may bring with it: some it has done already. */
const ADOPTED = 2;
const NONE: ReadonlySet<string> = new Set();
/** A runner without a lease makes room for another after this, ms. */
const IDLE_MS = 100;

/**
 * Who fetches which blocks of one task from the source: each block one node, so that the source sends
 * each byte once. Blocks are leased in the order of the file, or from where readers wait, to a bounded
 * number of runners, each of which gets its next lease before it has done the last one. What a dead,
 * failing or slow holder has not fetched goes to another.
 *
 * Costs: memory a number a block, time a step a block; nothing grows with the number of nodes.
 */
export class SourceLeases<Holder> {
  /** Those that nobody fetches or has fetched. */
  readonly open: OpenBlocks;
  /** Where readers wait for what would come late in the order of the file. */
  readonly awaited: AwaitedPlaces<Holder>;
  readonly #limits: LeaseLimits;
  /** File bytes of a block. */
  readonly #blockBytes: number;
  readonly #budget: SourceBudget;
  readonly #runners = new Map<Holder, Runner<Holder>>();
  readonly #fetched: FetchedBlocks<Holder>;
  /** Leases taken back of late from those who were silent, as they were. */
  readonly #takenBack: Lease<Holder>[] = [];
  #lastId = 0;

  constructor({ blocks, blockBytes }: FileInBlocks, limits: LeaseLimits, budget: SourceBudget) {
    this.#blockBytes = blockBytes;
    this.open = new OpenBlocks(blocks);
    this.awaited = new AwaitedPlaces(this.open);
    this.#limits = limits;
    this.#budget = budget;
    this.#fetched = new FetchedBlocks(blocks);
  }

  /** Whether there are blocks to be had that nobody fetches or has fetched. */
  get hasWork(): boolean {
    return this.open.any;
  }

  /** Nodes that hold a lease. */
  get runners(): number {
    return this.#runners.size;
  }

  /** Leases held. */
  get held(): number {
    let held = 0;
    for (const { leases } of this.#runners.values()) held += leases.length;
    return held;
  }

  /** Whether anybody is fetching, and gets something. */
  isMoving(nowMs: number): boolean {
    return [...this.#runners.values()].some(
      ({ leases, rate }) => leases.length > 0 && rate.isMoving(nowMs),
    );
  }

  isRunner(holder: Holder): boolean {
    return this.#runners.has(holder);
  }

  /** What a node holds leases on, the one it works on first. */
  of(holder: Holder): readonly Lease<Holder>[] {
    return this.#runners.get(holder)?.leases ?? [];
  }

  /** Which blocks are fetched, or were held before. */
  get fetched(): Pick<FetchedBlocks<Holder>, "of" | "below" | "wasHeldBefore"> {
    return this.#fetched;
  }

  /** A node has a block already: as if it had fetched it now. */
  hold(block: number, holder: Holder, nowMs: number): void {
    this.#fetched.held(block, holder, nowMs);
    this.open.pass(block);
  }

  /**
   * Grants a node a lease if it may have one more and there is something to fetch. One whose own reader waits for
   * blocks further on may have them above its number, and before what it has not begun.
   *
   * @param refused places (`BlockOrigin`'s kinds) that the node cannot fetch from
   */
  grant(
    holder: Holder,
    nowMs: number,
    refused: ReadonlySet<string> = NONE,
  ): Lease<Holder> | undefined {
    if (!this.hasWork) return undefined;
    const { perRunner } = this.#limits;
    const runner = this.#runners.get(holder);
    const urgent = this.awaited.urgent(holder);
    if (runner) {
      if (runner.leases.length >= perRunner + (urgent === undefined ? 0 : 1)) return undefined;
      if (runner.rate.isSlow(this.#usualRate())) return undefined;
      // Too many at the source: whoever is done first makes room.
      if (this.#budget.used > this.#budget.wanted && this.#runners.size > 1) return undefined;
    } else {
      const isFirst = this.#runners.size === 0;
      if (this.#runners.size >= this.#limits.runners || !this.#budget.hasRoom(isFirst))
        return undefined;
    }
    const size = this.#sizeFor(runner);
    const place = urgent ?? this.awaited.next(holder);
    const there = place === undefined ? undefined : this.open.takeFrom(place, size, refused);
    const run = there ?? this.open.take(size, refused, nowMs);
    if (!run) return undefined;
    const lease = this.#give(holder, run, nowMs);
    const { leases } = this.#runners.get(holder)!;
    if (leases.length > perRunner) leases.splice(1, 0, leases.pop()!);
    return lease;
  }

  /**
   * Grants a node again what it is fetching from the source by another supernode's leases, or has fetched, of which
   * it is to tell what it hashes to.
   */
  adopt(holder: Holder, run: BlockRun, nowMs: number): void {
    const { perRunner, mostBytes } = this.#limits;
    const isLong = run.count * this.#blockBytes > mostBytes;
    if (this.of(holder).length >= ADOPTED * perRunner || isLong) return;
    if (!this.open.takeOut(run, (block) => this.#fetched.has(block))) return;
    this.#give(holder, { ...run, origin: { kind: "source" } }, nowMs);
  }

  /**
   * A node speaks of a lease that was taken back from it while it was silent: it goes on with what nobody else has got
   * of it. All nodes of a busy host are silent together, and what they have, or have half, is not to be fetched anew.
   *
   * @param done blocks of it that it has fetched in all: to be told by {@link progress} after this
   */
  resume(holder: Holder, id: number, done: number, nowMs: number): void {
    const index = this.#takenBack.findIndex((lease) => lease.id === id && lease.holder === holder);
    const [lease] = index < 0 ? [] : this.#takenBack.splice(index, 1);
    if (!lease) return;
    const { first, count } = lease;
    const isOver = done >= count;
    if (!isOver && this.of(holder).length >= this.#limits.perRunner) return;
    const isFetched = (block: number) => this.#fetched.has(block);
    const takesOut = (block: number) => this.open.takeOut({ first: block, count: 1 }, isFetched);
    let end = first + lease.done;
    // What it has is there, also where another has been sent for it.
    for (; end < first + Math.min(done, count); end++) takesOut(end);
    while (end < first + count && takesOut(end)) end += 1;
    if (end > first + lease.done)
      this.#give(holder, { ...lease, count: end - first }, nowMs, lease);
  }

  /**
   * Grants a node a lease of one block that has been fetched before, since there is doubt about it.
   *
   * @param choose the block; asked only where the node may have one more lease
   */
  grantAgain(
    holder: Holder,
    nowMs: number,
    choose: () => number | undefined,
  ): Lease<Holder> | undefined {
    const runner = this.#runners.get(holder);
    const hasRoom = runner
      ? runner.leases.length < this.#limits.perRunner
      : this.#budget.hasRoom(this.#runners.size === 0);
    const block = hasRoom ? choose() : undefined;
    if (block === undefined) return undefined;
    return this.#give(holder, { first: block, count: 1, origin: this.open.origin }, nowMs);
  }

  /**
   * A holder says how many blocks of a lease it has fetched in all; the lease ends with the last one.
   *
   * @param partBytes how much it has of the next block
   * @returns `false` where it no longer holds this lease
   */
  progress(holder: Holder, id: number, done: number, nowMs: number, partBytes = 0): boolean {
    const runner = this.#runners.get(holder);
    const lease = runner?.leases.find((one) => one.id === id);
    if (!runner || !lease) return false;
    const upTo = Math.min(done, lease.count);
    for (; lease.done < upTo; lease.done++) {
      this.#fetched.fetched(lease.first + lease.done, holder, nowMs);
      runner.rate.block(nowMs);
    }
    runner.rate.reported(lease.done < lease.count ? partBytes : 0, nowMs);
    // A v1 client's uplink says nothing about this node.
    if (lease.origin.kind === "peer") runner.rate.skip(nowMs);
    else {
      const rate = runner.rate.measure(nowMs);
      if (rate !== undefined) this.#budget.measured(rate);
    }
    if (lease.done === lease.count) {
      runner.leases.splice(runner.leases.indexOf(lease), 1);
      runner.idleSinceMs = nowMs;
    }
    return true;
  }

  /** A v1 client does not give what a lease sent a node there for: nobody fetches it for the present. */
  setAside(holder: Holder, id: number, nowMs: number): void {
    const runner = this.#runners.get(holder);
    const lease = runner?.leases.find((one) => one.id === id);
    if (!runner || !lease) return;
    const { first, done, count } = lease;
    this.open.setAside({ first: first + done, count: count - done }, true);
    lease.count = done;
    this.progress(holder, id, done, nowMs);
  }

  /**
   * A node fetches from the source no more: what it has not done goes to others.
   *
   * @param lastUntilMs see {@link OpenBlocks.back}
   */
  release(holder: Holder, lastUntilMs?: number): void {
    const runner = this.#runners.get(holder);
    if (!runner) return;
    for (const lease of runner.leases) this.#giveBack(lease, lastUntilMs);
    this.#retire(holder);
  }

  /**
   * Takes back the leases of those who are dead or much slower than the others. To be called a few
   * times a second, after all reports that have come in have been told: a report that waits unread
   * would pass for silence.
   *
   * @param isDead whether nothing is heard of a holder
   * @param slackMs how much longer than usual to be patient with the slow, ms
   */
  expire(nowMs: number, isDead: (holder: Holder) => boolean, slackMs = 0): void {
    const usual = this.#usualRate();
    for (const [holder, runner] of this.#runners) {
      if (runner.leases.length === 0) {
        if (nowMs - runner.idleSinceMs > IDLE_MS) this.#retire(holder);
      } else if (isDead(holder)) {
        for (const lease of runner.leases)
          if (lease.origin.kind !== "peer") this.#takenBack.push({ ...lease });
        this.#takenBack.splice(0, this.#takenBack.length - MOST_TAKEN_BACK);
        this.release(holder, nowMs + COMES_BACK_MS);
      } else if (runner.rate.isSlow(usual, slackMs)) {
        this.#shorten(runner);
        const sinceMs = nowMs - runner.rate.lastBlockMs;
        const patienceMs = Math.max(LAST_BLOCK_MS, (LAST_BLOCK_TIMES * this.#blockBytes) / usual);
        const isLate = sinceMs > patienceMs + slackMs;
        if (isLate && !runner.rate.isFirstWithBlock(usual)) this.release(holder);
      }
    }
  }

  /** A block was fetched, and is lost again: it must be leased anew. */
  again(block: number): void {
    if (!this.#fetched.has(block)) return;
    this.#fetched.lost(block);
    this.open.back({ first: block, count: 1 });
  }

  #give(
    holder: Holder,
    run: OpenRun,
    nowMs: number,
    { id, done } = { id: ++this.#lastId, done: 0 },
  ): Lease<Holder> {
    let runner = this.#runners.get(holder);
    if (!runner) {
      this.#budget.take();
      runner = { leases: [], idleSinceMs: nowMs, rate: new RunnerRate(this.#blockBytes, nowMs) };
      this.#runners.set(holder, runner);
    }
    const lease: Lease<Holder> = { ...run, id, holder, done };
    // While it had none it had nothing to be fast with.
    if (runner.leases.length === 0) runner.rate.skip(nowMs);
    runner.leases.push(lease);
    return lease;
  }

  #retire(holder: Holder): void {
    this.#runners.delete(holder);
    this.#budget.give();
  }

  #giveBack(lease: Lease<Holder>, lastUntilMs?: number): void {
    const { first, done, count, origin } = lease;
    this.open.back({ first: first + done, count: count - done }, origin, lastUntilMs);
    lease.count = done;
  }

  /**
   * Leaves a holder no more than the block that it is at. Where that is the last one of its lease it has asked for
   * the next one's first block, too: the source has sent it by the time that it is taken back.
   */
  #shorten(runner: Runner<Holder>): void {
    const [first, second, ...others] = runner.leases;
    const isShort = this.#cut(first!);
    if (second && isShort) this.#cut(second);
    else if (second) others.unshift(second);
    for (const lease of others) this.#giveBack(lease);
    runner.leases.length -= others.length;
  }

  /** Leaves a lease the block that is being fetched; whether it was the last one anyway. */
  #cut(lease: Lease<Holder>): boolean {
    const rest = lease.count - lease.done - 1;
    if (rest <= 0) return true;
    this.open.back({ first: lease.first + lease.done + 1, count: rest }, lease.origin);
    lease.count -= rest;
    return false;
  }

  /** Towards the end leases get shorter, so that no one is left with a long one. */
  #sizeFor(runner: Runner<Holder> | undefined): number {
    const { firstBytes, runners, heldBackBytes } = this.#limits;
    const mostBytes = this.open.isHeldBack ? heldBackBytes : this.#limits.mostBytes;
    const rate = runner?.rate.value;
    const leaseMs = this.#runners.size > 1 ? LEASE_MS : LONE_LEASE_MS;
    const bytes = Math.min(mostBytes, rate === undefined ? firstBytes : leaseMs * rate);
    const byRate = Math.floor(bytes / this.#blockBytes);
    // When a node begins, as many others as may are likely to begin at the same time. Later we know: one
    // who is alone needs no one to be left anything, and each lease costs a request and a heartbeat.
    const among = runner && runner.rate.blocks > 0 ? this.#runners.size : runners;
    const share = Math.ceil(this.open.untouched / (2 * among));
    return Math.max(1, Math.min(byRate, share));
  }

  #usualRate(): number {
    return usualRate([...this.#runners.values()].map(({ rate }) => rate));
  }
}

interface Runner<Holder> {
  /** In the order in which it works on them. */
  readonly leases: Lease<Holder>[];
  idleSinceMs: number;
  readonly rate: RunnerRate;
}
