import { type Bitmap, lowestBit } from "../../protocol/swarm/bitmap.ts";
import type { Load } from "../../protocol/swarm/have_stream.ts";
import { Flights } from "./flights.ts";
import { LongestPause } from "./longest_pause.ts";
import { NeighbourTable, Use } from "./neighbour_table.ts";
import { TransferWindow } from "./transfer_window.ts";

export interface ChooseOptions {
  /** Blocks of the file. */
  blocks: number;
  /** Neighbours at most. */
  slots: number;
  /** Uniform in [0, 1). */
  random: () => number;
}

/** Blocks looked at to find a rare one. */
const SAMPLE = 48;
/** Requests at a neighbour whose speed is not known yet. */
const PROBE = 1;
/** Requests at one neighbour, where its queue is short, however many others there are. */
const LEAST_EACH = 2;
/** Together the neighbours may be asked for so many times the window. */
const ALL_TOGETHER = 1.5;
/**
 * A neighbour at which a block takes longer is slow, ms: it is asked only for what nobody else has, one
 * block at a time.
 */
const LONGEST_QUEUE_MS = 150;
/** … unless this many of its blocks take longer. */
const LONGEST_QUEUE_BLOCKS = 3;
/** The part of the window that may be at slow neighbours. */
const SLOW_PART = 0.25;
/** A block that takes so many times as long as was expected, and as is usual, is overdue. */
const OVERDUE_FACTOR = 3;
/** … but not before this, ms. */
const OVERDUE_LEAST_MS = 200;
/** A block that has to wait for so long is asked for elsewhere too, ms. */
const LONG_WAIT_MS = 400;
/** A second request must promise the block in this part of the time that the first still needs. */
const GAIN = 0.5;
/** One in another zone must be so many times faster to be preferred. */
const FAR_FACTOR = 1.5;
/** How much of a new measurement goes into what is usual. */
const SMOOTHING = 1 / 16;

const NOBODY = -1;

/**
 * Which block a node asks of which neighbour next. It knows only what its neighbours have told it.
 *
 * The neighbour is chosen first: the one at which a request would wait the least. That keeps all
 * uplinks of a swarm busy. Then the block: of those that it has and we lack, one that few of our
 * neighbours have, looked for from a random place on. What only a slow neighbour has is asked for
 * early, since at the end all would wait for it. A block that is overdue, and at the end any that is
 * on its way, is asked for a second time where that promises to be faster.
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
  readonly #blocks: number;
  readonly #words: number;
  readonly #random: () => number;
  readonly #neighbours: NeighbourTable;
  readonly #flights: Flights;
  readonly #held: Uint32Array;
  #missing: number;
  /** Blocks that are neither held nor on their way. */
  readonly #open: Uint32Array;
  #openCount: number;
  /** How long requests have taken of late, ms. */
  #usualMs = 0;

  constructor({ blocks, slots, random }: ChooseOptions) {
    this.#blocks = blocks;
    this.#random = random;
    this.#words = (blocks + 31) >>> 5;
    this.#neighbours = new NeighbourTable(blocks, slots);
    this.#flights = new Flights(blocks);
    this.#held = new Uint32Array(this.#words);
    this.#missing = blocks;
    this.#open = new Uint32Array(this.#words).fill(0xffffffff);
    if (blocks % 32 !== 0) this.#open[this.#words - 1] = 2 ** (blocks % 32) - 1;
    this.#openCount = blocks;
  }

  /** Blocks not held. */
  get missing(): number {
    return this.#missing;
  }

  /** Blocks on their way from neighbours. */
  get inFlight(): number {
    return this.#flights.count;
  }

  /** Whether one more block may be asked for, where a neighbour has one. */
  get hasRoom(): boolean {
    return this.#openCount > 0 && this.#flights.count < this.window.size;
  }

  /** Whether all that is missing is on its way. */
  get atTheEnd(): boolean {
    return this.#openCount === 0;
  }

  holds(block: number): boolean {
    return ((this.#held[block >>> 5]! >>> (block & 31)) & 1) === 1;
  }

  /** A block is held without having been asked for: it was here before, or came from the source. */
  hold(block: number): void {
    if (this.holds(block)) return;
    const flight = this.#flights.of(block);
    if (flight !== NOBODY) this.#land(flight);
    this.#close(block);
    this.#held[block >>> 5]! |= 1 << (block & 31);
    this.#missing -= 1;
  }

  /** A block that was held has turned out wrong: it is missing again. */
  lose(block: number): void {
    if (!this.holds(block)) return;
    this.#held[block >>> 5]! &= ~(1 << (block & 31));
    this.#missing += 1;
    this.#reopen(block);
  }

  /** A block is fetched from the source: no neighbour is to be asked for it. */
  reserve(block: number): void {
    this.#close(block);
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

  /** A neighbour says that it has a block now. */
  neighbourHas(slot: number, block: number): void {
    if (!this.#neighbours.gets(slot, block)) return;
    if (this.#neighbours.use(slot) !== Use.some && this.#isOpen(block))
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
    const neighbours = this.#neighbours;
    for (let slot = 0; slot < neighbours.slots; slot++) {
      if (neighbours.isUsed(slot) && nowMs - neighbours.heardMs(slot) > forMs) return slot;
    }
    return NOBODY;
  }

  /** See {@link LongestPause}, over all neighbours. */
  longestPauseMs(nowMs: number): number {
    return this.#pauses.ms(nowMs);
  }

  /** How many neighbours have not been heard of for so long. */
  silentCount(forMs: number, nowMs: number): number {
    const neighbours = this.#neighbours;
    let count = 0;
    for (let slot = 0; slot < neighbours.slots; slot++) {
      if (neighbours.isUsed(slot) && nowMs - neighbours.heardMs(slot) > forMs) count += 1;
    }
    return count;
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
      const block = this.#rareBlock(slot, SAMPLE);
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
    const flights = this.#flights;
    const { atTheEnd } = this;
    for (let flight = 0; flight < flights.count; flight++) {
      if (flights.second[flight] !== NOBODY) continue;
      const first = flights.first[flight]!;
      const elapsedMs = nowMs - flights.askedMs[flight]!;
      const expectedMs = flights.expectedMs[flight]!;
      const patienceMs = OVERDUE_FACTOR * Math.max(expectedMs, this.#usualMs);
      const leftMs =
        elapsedMs > Math.max(OVERDUE_LEAST_MS, patienceMs)
          ? Number.POSITIVE_INFINITY
          : Math.max(expectedMs - elapsedMs, this.#neighbours.blockMs(first));
      if (leftMs < LONG_WAIT_MS && !atTheEnd) continue;
      const block = flights.block[flight]!;
      const second = this.#fasterHolder(block, first, leftMs * GAIN);
      if (second === NOBODY) continue;
      flights.second[flight] = second;
      this.#neighbours.asked(second);
      this.slot = second;
      this.block = block;
      return true;
    }
    return false;
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
      this.#usualMs += (tookMs - this.#usualMs) * (this.#usualMs === 0 ? 1 : SMOOTHING);
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

  /** The first blocks that are missing, not on their way, and held by no neighbour. */
  starved(most: number): number[] {
    const starved: number[] = [];
    for (let index = 0; index < this.#words; index++) {
      let word = this.#open[index]!;
      while (word !== 0) {
        const block = index * 32 + lowestBit(word);
        word &= word - 1;
        if (this.#neighbours.holders(block) !== 0) continue;
        starved.push(block);
        if (starved.length === most) return starved;
      }
    }
    return starved;
  }

  #ask(slot: number, block: number, nowMs: number, slow: boolean): true {
    const neighbours = this.#neighbours;
    this.#close(block);
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
      if (neighbours.outstanding(slot) !== 0) continue;
      if (neighbours.expectedMs(slot) < LONGEST_QUEUE_MS) continue;
      const block = this.#rareBlock(slot, this.#blocks);
      if (block !== NOBODY && neighbours.holders(block) === 1)
        return this.#ask(slot, block, nowMs, true);
      neighbours.setUse(slot, block === NOBODY ? Use.none : Use.shared);
    }
    return false;
  }

  #shortestQueue(): number {
    const neighbours = this.#neighbours;
    const { slots } = neighbours;
    let useful = 0;
    for (let slot = 0; slot < slots; slot++) {
      if (neighbours.isUsed(slot) && neighbours.use(slot) !== Use.none) useful += 1;
    }
    if (useful === 0) return NOBODY;
    const each = Math.max(LEAST_EACH, Math.ceil((ALL_TOGETHER * this.window.size) / useful));
    let best = NOBODY;
    let bestMs = Number.POSITIVE_INFINITY;
    let slot = Math.floor(this.#random() * slots);
    for (let count = slots; count > 0; count--) {
      slot = slot + 1 === slots ? 0 : slot + 1;
      if (!neighbours.isUsed(slot) || neighbours.use(slot) === Use.none) continue;
      const outstanding = neighbours.outstanding(slot);
      const blockMs = neighbours.blockMs(slot);
      if (outstanding >= (blockMs === 0 ? PROBE : each)) continue;
      const queueMs = neighbours.queueMs(slot);
      const tooLong = queueMs > LONGEST_QUEUE_MS && queueMs > LONGEST_QUEUE_BLOCKS * blockMs;
      // With nothing in flight the longest queue is better than none: nothing else would move us on.
      if (tooLong && this.#flights.count > 0) continue;
      if (neighbours.extraMs(slot) > LONGEST_QUEUE_MS && outstanding >= LEAST_EACH) continue;
      const scoreMs = this.#scoreMs(slot);
      if (scoreMs < bestMs) {
        bestMs = scoreMs;
        best = slot;
      }
    }
    return best;
  }

  #scoreMs(slot: number): number {
    return this.#neighbours.expectedMs(slot) * (this.#neighbours.isNear(slot) ? 1 : FAR_FACTOR);
  }

  /** Of some open blocks that a neighbour has, the one that fewest others have. */
  #rareBlock(slot: number, sample: number): number {
    const neighbours = this.#neighbours;
    const words = this.#words;
    const start = Math.floor(this.#random() * this.#blocks);
    let index = start >>> 5;
    // The first word's bits below the start come last.
    let mask = (0xffffffff << (start & 31)) >>> 0;
    let best = NOBODY;
    let fewest = 256;
    let seen = 0;
    for (let count = words; count >= 0; count--) {
      let word = this.#open[index]! & neighbours.word(slot, index) & mask;
      while (word !== 0) {
        const block = index * 32 + lowestBit(word);
        word &= word - 1;
        const having = neighbours.holders(block);
        if (having < fewest) {
          fewest = having;
          best = block;
        }
        seen += 1;
      }
      if (seen >= sample || fewest === 1) break;
      index = index + 1 === words ? 0 : index + 1;
      mask = count === 1 ? ~((0xffffffff << (start & 31)) >>> 0) : 0xffffffff;
    }
    return best;
  }

  #fasterHolder(block: number, than: number, withinMs: number): number {
    const neighbours = this.#neighbours;
    let best = NOBODY;
    let bestMs = withinMs;
    for (let slot = 0; slot < neighbours.slots; slot++) {
      if (slot === than || !neighbours.has(slot, block)) continue;
      if (neighbours.blockMs(slot) === 0 && neighbours.outstanding(slot) >= PROBE) continue;
      const scoreMs = this.#scoreMs(slot);
      if (scoreMs < bestMs) {
        bestMs = scoreMs;
        best = slot;
      }
    }
    return best;
  }

  /** A block is on its way no more: neither of those asked owes it any longer. */
  #land(flight: number): void {
    this.#neighbours.answered(this.#flights.first[flight]!);
    this.#neighbours.answered(this.#flights.second[flight]!);
    this.#flights.end(flight);
  }

  #isOpen(block: number): boolean {
    return ((this.#open[block >>> 5]! >>> (block & 31)) & 1) === 1;
  }

  #close(block: number): void {
    if (!this.#isOpen(block)) return;
    this.#open[block >>> 5]! &= ~(1 << (block & 31));
    this.#openCount -= 1;
  }

  #reopen(block: number): void {
    if (this.#isOpen(block) || this.holds(block)) return;
    this.#open[block >>> 5]! |= 1 << (block & 31);
    this.#openCount += 1;
    for (let slot = 0; slot < this.#neighbours.slots; slot++) {
      if (this.#neighbours.has(slot, block)) this.#neighbours.setUse(slot, Use.some);
    }
  }
}
