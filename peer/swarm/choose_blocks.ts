import type { Bitmap } from "../../protocol/swarm/bitmap.ts";
import type { Load } from "../../protocol/swarm/have_stream.ts";
import { Flights } from "./flights.ts";
import { LongestPause } from "./longest_pause.ts";
import { NeighbourTable, Use } from "./neighbour_table.ts";
import { OverdueBlocks } from "./overdue_blocks.ts";
import { rareBlock } from "./rare_block.ts";
import { LONGEST_QUEUE_MS, shortestQueue } from "./shortest_queue.ts";
import { TransferWindow } from "./transfer_window.ts";
import { WantedBlocks } from "./wanted_blocks.ts";

export interface ChooseOptions {
  /** Blocks of the file. */
  blocks: number;
  /** Neighbours at most. */
  slots: number;
  /** Uniform in [0, 1). */
  random: () => number;
  /** A block that a reader waits for; -1, or absent: they wait for the first. */
  awaited?: () => number;
}

/** Blocks that a rare one is chosen from. */
const SAMPLE = 48;
/** The part of the requests that are for the very next block that a reader waits for, however many have it. */
const NEXT_PART = 0.25;
/** The part of the window that may be at slow neighbours. */
const SLOW_PART = 0.25;
const NOBODY = -1;

/**
 * Which block a node asks of which neighbour next. It knows only what its neighbours have told it.
 *
 * The neighbour is chosen first: the one at which a request would wait the least. That keeps all
 * uplinks of a swarm busy. Then the block: of the next that it has and we lack, one that few of our
 * neighbours have, and at times the very next that a reader waits for. For a client reads the file
 * while it comes: it is not to wait in silence until nearly all is there, nor to have all its own work
 * left to do then. What only a slow neighbour has is asked for early, since at the end all would wait
 * for it. A block that is overdue, and at the end any that is on its way, is asked for a second time
 * where that promises to be faster.
 *
 * Called several hundred times a second, it allocates nothing on the way. Pure.
 */
export class BlockChooser {
  /** Whom {@link BlockChooser.next} or {@link BlockChooser.again} has chosen. */
  slot = NOBODY;
  /** What {@link BlockChooser.next} or {@link BlockChooser.again} has chosen. */
  block = NOBODY;

  readonly window = new TransferWindow();
  readonly #pauses = new LongestPause();
  readonly #random: () => number;
  readonly #awaited: () => number;
  readonly #neighbours: NeighbourTable;
  readonly #flights: Flights;
  readonly #wanted: WantedBlocks;
  readonly #overdue: OverdueBlocks;

  constructor({ blocks, slots, random, awaited = () => NOBODY }: ChooseOptions) {
    this.#random = random;
    this.#awaited = awaited;
    this.#neighbours = new NeighbourTable(blocks, slots);
    this.#flights = new Flights(blocks);
    this.#wanted = new WantedBlocks(blocks);
    this.#overdue = new OverdueBlocks(this.#flights, this.#neighbours);
  }

  /** Blocks not held. */
  get missing(): number {
    return this.#wanted.missing;
  }

  /** Blocks on their way from neighbours. */
  get inFlight(): number {
    return this.#flights.count;
  }

  /** Whether one more block may be asked for, where a neighbour has one. */
  get hasRoom(): boolean {
    return this.#wanted.openCount > 0 && this.#flights.count < this.window.size;
  }

  /** Whether all that is missing is on its way. */
  get atTheEnd(): boolean {
    return this.#wanted.openCount === 0;
  }

  holds(block: number): boolean {
    return this.#wanted.holds(block);
  }

  /** A block is held without having been asked for: it was here before, or came from the source. */
  hold(block: number): void {
    if (this.holds(block)) return;
    const flight = this.#flights.of(block);
    if (flight !== NOBODY) this.#land(flight);
    this.#wanted.hold(block);
  }

  /** A block that was held has turned out wrong: it is missing again. */
  lose(block: number): void {
    if (!this.holds(block)) return;
    this.#wanted.lose(block);
    this.#reopen(block);
  }

  /** A block is fetched from the source: no neighbour is to be asked for it. */
  reserve(block: number): void {
    this.#wanted.close(block);
  }

  /** A reserved block does not come after all. */
  unreserve(block: number): void {
    if (this.#flights.of(block) === NOBODY) this.#reopen(block);
  }

  /**
   * A new neighbour, of which nothing is known.
   *
   * @param near whether it is in the same zone
   * @returns its slot; -1 where there is no room for one more
   */
  addNeighbour(near: boolean, nowMs: number): number {
    return this.#neighbours.add(near, nowMs);
  }

  /** A neighbour is gone: what it was asked for can be asked of others. */
  removeNeighbour(slot: number): void {
    if (!this.#neighbours.isUsed(slot)) return;
    for (let flight = this.#flights.count - 1; flight >= 0; flight--) {
      this.failed(slot, this.#flights.block[flight]!);
    }
    this.#neighbours.remove(slot);
  }

  /** So many requests may be at a neighbour, at most; as long as nothing is said any number. */
  setCredit(slot: number, credit: number): void {
    this.#neighbours.setCredit(slot, credit);
  }

  /** A neighbour says that it has a block now. */
  neighbourHas(slot: number, block: number): void {
    if (!this.#neighbours.gets(slot, block)) return;
    if (this.#neighbours.use(slot) !== Use.some && this.#wanted.isOpen(block))
      this.#neighbours.setUse(slot, Use.some);
  }

  /** A neighbour does not have a block, whatever it said. */
  neighbourLacks(slot: number, block: number): void {
    this.#neighbours.loses(slot, block);
  }

  /** A neighbour says what it has. */
  neighbourHolds(slot: number, blocks: Bitmap): void {
    for (const block of blocks) this.neighbourHas(slot, block);
  }

  /** A neighbour says how busy it is; also the sign that it is alive. */
  neighbourLoad(slot: number, load: Load, nowMs: number): void {
    if (this.#neighbours.isUsed(slot))
      this.#pauses.note(nowMs - this.#neighbours.heardMs(slot), nowMs);
    this.#neighbours.hears(slot, load, nowMs);
  }

  /** A neighbour that has not been heard of for so long; -1 where there is none. */
  silent(forMs: number, nowMs: number): number {
    return this.#neighbours.silent(forMs, nowMs);
  }

  /** See {@link LongestPause}, over all neighbours. */
  longestPauseMs(nowMs: number): number {
    return this.#pauses.ms(nowMs);
  }

  /** How many neighbours have not been heard of for so long. */
  silentCount(forMs: number, nowMs: number): number {
    return this.#neighbours.silentCount(forMs, nowMs);
  }

  /**
   * Chooses the next block and whom to ask for it, and counts it as asked for.
   *
   * @returns whether there is one; then it is in {@link slot} and {@link block}
   */
  next(nowMs: number): boolean {
    if (!this.hasRoom) return false;
    if (this.#askSlowOne(nowMs)) return true;
    for (;;) {
      const slot = this.#shortestQueue();
      if (slot === NOBODY) return false;
      const block = this.#rareBlock(slot, false);
      if (block !== NOBODY) return this.#ask(slot, block, nowMs, false);
      this.#neighbours.setUse(slot, Use.none);
    }
  }

  /**
   * Chooses a block that is on its way, but would come faster from somebody else, and counts it as
   * asked for there too: one that is overdue, that waits in a long queue, or at the end any. To be
   * called some times a second, and often at the end.
   *
   * @returns whether there is one; then it is in {@link slot} and {@link block}
   */
  again(nowMs: number): boolean {
    const flight = this.#overdue.hedge(this.atTheEnd, nowMs);
    if (flight === NOBODY) return false;
    this.slot = this.#flights.second[flight]!;
    this.block = this.#flights.block[flight]!;
    this.#neighbours.asked(this.slot);
    return true;
  }

  /**
   * A block that a neighbour was asked for has come.
   *
   * @param slot -1 where that neighbour has been removed since
   * @returns whom it was asked of, too, and need not send it any more; -1 where nobody
   */
  arrived(slot: number, block: number, nowMs: number): number {
    const flights = this.#flights;
    const flight = flights.of(block);
    if (flight === NOBODY) {
      this.hold(block);
      return NOBODY;
    }
    const first = flights.first[flight]!;
    if (slot === first) {
      const tookMs = nowMs - flights.askedMs[flight]!;
      const expectedMs = flights.expectedMs[flight]!;
      // A neighbour whose speed was not known yet has not promised anything.
      if (expectedMs > 0)
        this.#neighbours.measured(slot, tookMs - expectedMs + flights.extraMs[flight]!);
      this.#overdue.took(tookMs);
      this.window.arrived(tookMs, nowMs);
    }
    const other = slot === first ? flights.second[flight]! : first;
    this.hold(block);
    return other;
  }

  /** A request came to nothing. */
  failed(slot: number, block: number): void {
    const flights = this.#flights;
    const flight = flights.of(block);
    if (flight === NOBODY) return;
    const second = flights.second[flight]!;
    if (flights.first[flight] === slot) {
      if (second === NOBODY) {
        this.#land(flight);
        this.#reopen(block);
        return;
      }
      flights.first[flight] = second;
    } else if (second !== slot) {
      return;
    }
    flights.second[flight] = NOBODY;
    this.#neighbours.answered(slot);
  }

  /** Whether a block is missing, not on its way, and held by no neighbour. */
  isStarved(block: number): boolean {
    return this.#wanted.isOpen(block) && this.#neighbours.holders(block) === 0;
  }

  /** The first blocks that are missing, not on their way, and held by no neighbour. */
  starved(most: number): number[] {
    return this.#wanted.firstOpen(most, (block) => this.#neighbours.holders(block) === 0);
  }

  /** The first blocks that are missing, not fetched from the source, and held by nobody but some of `slots`. */
  heldOnlyBy(slots: ReadonlySet<number>, most: number): number[] {
    const found: number[] = [];
    for (let block = 0; block < this.#wanted.size && found.length < most; block++) {
      if (this.holds(block)) continue;
      if (!this.#wanted.isOpen(block) && this.#flights.of(block) === NOBODY) continue;
      let holders = 0;
      for (const slot of slots) if (this.#neighbours.has(slot, block)) holders += 1;
      if (holders > 0 && holders === this.#neighbours.holders(block)) found.push(block);
    }
    return found;
  }

  #ask(slot: number, block: number, nowMs: number, slow: boolean): true {
    const neighbours = this.#neighbours;
    this.#wanted.close(block);
    const expectedMs = neighbours.expectedMs(slot);
    this.#flights.begin(block, slot, nowMs, expectedMs, neighbours.extraMs(slot), slow);
    neighbours.asked(slot);
    this.slot = slot;
    this.block = block;
    return true;
  }

  /** Asks a neighbour that is slow for what it alone has. */
  #askSlowOne(nowMs: number): boolean {
    const neighbours = this.#neighbours;
    if (this.#flights.slow >= Math.ceil(this.window.size * SLOW_PART)) return false;
    for (let slot = 0; slot < neighbours.slots; slot++) {
      if (neighbours.use(slot) !== Use.some || !neighbours.isUsed(slot)) continue;
      if (neighbours.outstanding(slot) !== 0 || !neighbours.mayBeAsked(slot)) continue;
      if (neighbours.expectedMs(slot) < LONGEST_QUEUE_MS) continue;
      const block = this.#rareBlock(slot, true);
      if (block !== NOBODY && neighbours.holders(block) === 1)
        return this.#ask(slot, block, nowMs, true);
      neighbours.setUse(slot, block === NOBODY ? Use.none : Use.shared);
    }
    return false;
  }

  #shortestQueue(): number {
    const idle = this.#flights.count === 0;
    return shortestQueue(this.#neighbours, this.window.size, idle, this.#random);
  }

  /** @param isAll whether to look at all that the neighbour has, not only at the next */
  #rareBlock(slot: number, isAll: boolean): number {
    const isNext = this.#random() < NEXT_PART;
    if (isNext && !isAll) {
      const awaited = this.#awaited();
      const block = awaited > 0 ? this.#look(slot, awaited, 1, 1) : NOBODY;
      if (block !== NOBODY) return block;
    }
    const enough = isNext ? 1 : SAMPLE;
    return this.#look(slot, 0, isAll ? this.#wanted.size : enough, enough);
  }

  #look(slot: number, from: number, sample: number, enough: number): number {
    return rareBlock(this.#wanted, this.#neighbours, slot, from, sample, enough, this.#random);
  }

  /** A block is on its way no more: neither of those asked owes it any longer. */
  #land(flight: number): void {
    this.#neighbours.answered(this.#flights.first[flight]!);
    this.#neighbours.answered(this.#flights.second[flight]!);
    this.#flights.end(flight);
  }

  #reopen(block: number): void {
    if (!this.#wanted.reopen(block)) return;
    for (let slot = 0; slot < this.#neighbours.slots; slot++) {
      if (this.#neighbours.has(slot, block)) this.#neighbours.setUse(slot, Use.some);
    }
  }
}
