import { type Bitmap, lowestBit } from "../../protocol/swarm/bitmap.ts";
import type { Load } from "../../protocol/swarm/have_stream.ts";
import { MOST_IN_FLIGHT, TransferWindow } from "./transfer_window.ts";

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
/**
 * A neighbour with a longer queue is asked only for what nobody else has, one block at a time, ms;
 * so is one behind a slow line.
 */
const LONGEST_QUEUE_MS = 150;
/** … unless this many of its blocks take longer. */
const LONGEST_QUEUE_BLOCKS = 3;
/** The part of the requests in flight that may be at such neighbours. */
const SLOW_PART = 0.25;
/** What is left of the extra time that was measured on a neighbour's line, each time it is heard. */
const FORGETTING = 0.98;
/** A block that takes so many times as long as was expected, and as is usual, is asked for elsewhere. */
const OVERDUE_FACTOR = 3;
/** … but not before this, ms. */
const OVERDUE_LEAST_MS = 200;
/** A block that has to wait for so long is asked for elsewhere too, ms. */
const LONG_WAIT_MS = 400;
/** A second request must promise the block in this part of the time that the first still needs. */
const GAIN = 0.5;
/** One in another zone must be so many times faster to be preferred. */
const FAR_FACTOR = 1.5;
/** How much of a new measurement goes into a mean. */
const SMOOTHING = 0.25;

const NOBODY = -1;

/** What is known of the blocks that a neighbour has. */
const Use = {
  /** Some may be open. */
  some: 0,
  /** Some may be open, but others have them too. */
  shared: 1,
  /** None is open. */
  none: 2,
} as const;

/**
 * Which block a node asks of which neighbour next. It knows only what its neighbours have told it.
 *
 * The neighbour is chosen first: the one at which a request would wait the least. That keeps all
 * uplinks of a swarm busy. Then the block: of those that it has and we lack, one that few of our
 * neighbours have, looked for from a random place on. A block that is overdue, and at the tail any
 * that is on its way, is asked for a second time where that promises to be faster.
 *
 * Called several hundred times a second, it allocates nothing on the way. Pure.
 */
export class BlockChooser {
  /** Whom {@link BlockChooser.next} or {@link BlockChooser.again} has chosen. */
  slot = NOBODY;
  /** What {@link BlockChooser.next} or {@link BlockChooser.again} has chosen. */
  block = NOBODY;

  readonly window = new TransferWindow();
  readonly #blocks: number;
  readonly #words: number;
  readonly #slots: number;
  readonly #random: () => number;

  readonly #held: Uint32Array;
  #missing: number;
  /** Blocks that are neither held nor on their way. */
  readonly #open: Uint32Array;
  #openCount: number;

  /** What each neighbour has, one after the other. */
  readonly #theirs: Uint32Array;
  /** How many neighbours have each block. */
  readonly #holders: Uint8Array;
  readonly #used: Uint8Array;
  readonly #near: Uint8Array;
  /** Whether a neighbour is known to have nothing that is open: see {@link Use}. */
  readonly #use: Uint8Array;
  readonly #queueMs: Float64Array;
  readonly #blockMs: Float64Array;
  /** How much longer than its queue explains a neighbour's answers take, ms. */
  readonly #extraMs: Float64Array;
  readonly #heardMs: Float64Array;
  /** Requests made since a neighbour's last word on its queue. */
  readonly #sinceLoad: Uint16Array;
  readonly #outstanding: Uint16Array;

  /** Where a block on its way stands in the arrays below. */
  readonly #flightOf: Int16Array;
  readonly #flightBlock = new Int32Array(MOST_IN_FLIGHT);
  readonly #flightSlot = new Int16Array(MOST_IN_FLIGHT);
  /** Whom it was asked of, too. */
  readonly #flightSecond = new Int16Array(MOST_IN_FLIGHT);
  /** Whether it was asked of a slow neighbour. */
  readonly #flightSlow = new Uint8Array(MOST_IN_FLIGHT);
  readonly #flightMs = new Float64Array(MOST_IN_FLIGHT);
  /** How long it was expected to take, and what of that was its neighbour's extra. */
  readonly #flightExpectedMs = new Float64Array(MOST_IN_FLIGHT);
  readonly #flightExtraMs = new Float64Array(MOST_IN_FLIGHT);
  #flights = 0;
  #slowFlights = 0;
  /** How long requests have taken of late, ms. */
  #usualMs = 0;

  constructor({ blocks, slots, random }: ChooseOptions) {
    this.#blocks = blocks;
    this.#slots = slots;
    this.#random = random;
    this.#words = (blocks + 31) >>> 5;
    this.#held = new Uint32Array(this.#words);
    this.#missing = blocks;
    this.#open = new Uint32Array(this.#words).fill(0xffffffff);
    if (blocks % 32 !== 0) this.#open[this.#words - 1] = 2 ** (blocks % 32) - 1;
    this.#openCount = blocks;
    this.#theirs = new Uint32Array(this.#words * slots);
    this.#holders = new Uint8Array(blocks);
    this.#used = new Uint8Array(slots);
    this.#near = new Uint8Array(slots);
    this.#use = new Uint8Array(slots);
    this.#queueMs = new Float64Array(slots);
    this.#blockMs = new Float64Array(slots);
    this.#extraMs = new Float64Array(slots);
    this.#heardMs = new Float64Array(slots);
    this.#sinceLoad = new Uint16Array(slots);
    this.#outstanding = new Uint16Array(slots);
    this.#flightOf = new Int16Array(blocks).fill(NOBODY);
  }

  /** Blocks not held. */
  get missing(): number {
    return this.#missing;
  }

  /** Blocks on their way from neighbours. */
  get inFlight(): number {
    return this.#flights;
  }

  /** Whether one more block may be asked for, where a neighbour has one. */
  get hasRoom(): boolean {
    return this.#openCount > 0 && this.#flights < this.window.size;
  }

  /** Whether all that is missing is on its way. */
  get atTheEnd(): boolean {
    return this.#openCount === 0;
  }

  holds(block: number): boolean {
    return bit(this.#held, 0, block);
  }

  /** A block is held without having been asked for: it was here before, or came from the source. */
  hold(block: number): void {
    if (this.holds(block)) return;
    const flight = this.#flightOf[block]!;
    if (flight !== NOBODY) this.#land(flight);
    this.#close(block);
    setBit(this.#held, 0, block);
    this.#missing -= 1;
  }

  /** A block is fetched from the source: no neighbour is to be asked for it. */
  reserve(block: number): void {
    this.#close(block);
  }

  /** A reserved block does not come after all. */
  unreserve(block: number): void {
    this.#reopen(block);
  }

  /**
   * A new neighbour, of which nothing is known.
   *
   * @param near whether it is in the same zone
   * @returns its slot; -1 where there is no room for one more
   */
  addNeighbour(near: boolean, nowMs: number): number {
    const slot = this.#used.indexOf(0);
    if (slot === NOBODY) return NOBODY;
    this.#used[slot] = 1;
    this.#near[slot] = near ? 1 : 0;
    this.#use[slot] = Use.none;
    this.#queueMs[slot] = 0;
    this.#blockMs[slot] = 0;
    this.#extraMs[slot] = 0;
    this.#heardMs[slot] = nowMs;
    this.#sinceLoad[slot] = 0;
    this.#outstanding[slot] = 0;
    return slot;
  }

  /** A neighbour is gone: what it was asked for can be asked of others. */
  removeNeighbour(slot: number): void {
    if (this.#used[slot] === 0) return;
    this.#used[slot] = 0;
    for (let flight = this.#flights - 1; flight >= 0; flight--) {
      if (this.#flightSlot[flight] === slot || this.#flightSecond[flight] === slot) {
        this.failed(slot, this.#flightBlock[flight]!);
      }
    }
    // What only two had is had by one alone now.
    for (let other = 0; other < this.#slots; other++) {
      if (this.#use[other] === Use.shared) this.#use[other] = Use.some;
    }
    const from = slot * this.#words;
    for (let index = 0; index < this.#words; index++) {
      let word = this.#theirs[from + index]!;
      while (word !== 0) {
        this.#holders[index * 32 + lowestBit(word)]! -= 1;
        word &= word - 1;
      }
      this.#theirs[from + index] = 0;
    }
  }

  /** A neighbour says that it has a block now. */
  neighbourHas(slot: number, block: number): void {
    if (this.#used[slot] === 0 || bit(this.#theirs, slot * this.#words, block)) return;
    setBit(this.#theirs, slot * this.#words, block);
    this.#holders[block]! += 1;
    if (bit(this.#open, 0, block)) this.#use[slot] = Use.some;
  }

  /** A neighbour says what it has. */
  neighbourHolds(slot: number, blocks: Bitmap): void {
    for (const block of blocks) this.neighbourHas(slot, block);
  }

  /** A neighbour says how busy it is; also the sign that it is alive. */
  neighbourLoad(slot: number, load: Load, nowMs: number): void {
    this.#queueMs[slot] = load.queueMs;
    this.#blockMs[slot] = load.blockMs;
    this.#extraMs[slot]! *= FORGETTING;
    this.#sinceLoad[slot] = 0;
    this.#heardMs[slot] = nowMs;
  }

  /** A neighbour that has not been heard of for so long; -1 where there is none. */
  silent(forMs: number, nowMs: number): number {
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#used[slot] === 1 && nowMs - this.#heardMs[slot]! > forMs) return slot;
    }
    return NOBODY;
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
      const slot = this.#shortestQueue(this.window.size);
      if (slot === NOBODY) return false;
      const block = this.#rareBlock(slot, SAMPLE);
      if (block !== NOBODY) return this.#send(slot, block, nowMs, 0);
      this.#use[slot] = Use.none;
    }
  }

  /**
   * Asks a neighbour that is slow for what it alone has: nobody else would, and at the end all would
   * have to wait for it.
   */
  #askSlowOne(nowMs: number): boolean {
    if (this.#slowFlights >= Math.ceil(this.window.size * SLOW_PART)) return false;
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#use[slot] !== Use.some || this.#used[slot] === 0) continue;
      if (this.#outstanding[slot] !== 0) continue;
      if (this.#waitMs(slot) + this.#blockMs[slot]! < LONGEST_QUEUE_MS) continue;
      const block = this.#rareBlock(slot, this.#blocks);
      if (block !== NOBODY && this.#holders[block] === 1) {
        this.#slowFlights += 1;
        return this.#send(slot, block, nowMs, 1);
      }
      this.#use[slot] = block === NOBODY ? Use.none : Use.shared;
    }
    return false;
  }

  #send(slot: number, block: number, nowMs: number, slow: 0 | 1): true {
    this.#close(block);
    const flight = this.#flights++;
    this.#flightOf[block] = flight;
    this.#flightBlock[flight] = block;
    this.#flightSlot[flight] = slot;
    this.#flightSecond[flight] = NOBODY;
    this.#flightSlow[flight] = slow;
    this.#flightMs[flight] = nowMs;
    this.#flightExpectedMs[flight] = this.#waitMs(slot) + this.#blockMs[slot]!;
    this.#flightExtraMs[flight] = this.#extraMs[slot]!;
    this.#ask(slot, block);
    return true;
  }

  /**
   * Chooses a block that is on its way, but would come faster from somebody else, and counts it as
   * asked for there too: one that is overdue, that waits in a long queue, or at the end any. To be
   * called some times a second, and often at the end.
   *
   * @returns whether there is one; then it is in {@link slot} and {@link block}
   */
  again(nowMs: number): boolean {
    const { atTheEnd } = this;
    for (let flight = 0; flight < this.#flights; flight++) {
      if (this.#flightSecond[flight] !== NOBODY) continue;
      const first = this.#flightSlot[flight]!;
      const elapsedMs = nowMs - this.#flightMs[flight]!;
      const expectedMs = this.#flightExpectedMs[flight]!;
      const isOverdue =
        elapsedMs >
        Math.max(OVERDUE_LEAST_MS, OVERDUE_FACTOR * Math.max(expectedMs, this.#usualMs));
      const leftMs = isOverdue
        ? Number.POSITIVE_INFINITY
        : Math.max(expectedMs - elapsedMs, this.#blockMs[first]!);
      if (leftMs < LONG_WAIT_MS && !atTheEnd) continue;
      const block = this.#flightBlock[flight]!;
      const second = this.#fasterHolder(block, first, leftMs * GAIN);
      if (second === NOBODY) continue;
      this.#flightSecond[flight] = second;
      this.#ask(second, block);
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
    const flight = this.#flightOf[block]!;
    if (flight === NOBODY) {
      this.hold(block);
      return NOBODY;
    }
    const first = this.#flightSlot[flight]!;
    if (slot === first) {
      const tookMs = nowMs - this.#flightMs[flight]!;
      const expectedMs = this.#flightExpectedMs[flight]!;
      // A neighbour whose speed was not known yet has not promised anything.
      if (expectedMs > 0) {
        const extraMs = Math.max(0, tookMs - expectedMs + this.#flightExtraMs[flight]!);
        this.#extraMs[slot]! += (extraMs - this.#extraMs[slot]!) * SMOOTHING;
      }
      this.#usualMs += (tookMs - this.#usualMs) * (this.#usualMs === 0 ? 1 : SMOOTHING / 4);
      this.window.arrived(tookMs, nowMs);
    }
    const other = slot === first ? this.#flightSecond[flight]! : first;
    this.hold(block);
    return other;
  }

  /** A request came to nothing. */
  failed(slot: number, block: number): void {
    const flight = this.#flightOf[block]!;
    if (flight === NOBODY) return;
    if (this.#flightSecond[flight] === slot) {
      this.#flightSecond[flight] = NOBODY;
      this.#answered(slot);
    } else if (this.#flightSlot[flight] === slot) {
      const second = this.#flightSecond[flight]!;
      if (second === NOBODY) {
        this.#land(flight);
        this.#reopen(block);
        return;
      }
      this.#flightSlot[flight] = second;
      this.#flightSecond[flight] = NOBODY;
      this.#answered(slot);
    }
  }

  /** The first blocks that are missing, not on their way, and held by no neighbour. */
  starved(most: number): number[] {
    const starved: number[] = [];
    for (let index = 0; index < this.#words; index++) {
      let word = this.#open[index]!;
      while (word !== 0) {
        const block = index * 32 + lowestBit(word);
        word &= word - 1;
        if (this.#holders[block] !== 0) continue;
        starved.push(block);
        if (starved.length === most) return starved;
      }
    }
    return starved;
  }

  #ask(slot: number, block: number): void {
    this.#sinceLoad[slot]! += 1;
    this.#outstanding[slot]! += 1;
    this.slot = slot;
    this.block = block;
  }

  #answered(slot: number): void {
    if (slot !== NOBODY && this.#outstanding[slot]! > 0) this.#outstanding[slot]! -= 1;
  }

  /** What a new request to a neighbour would wait for in its queue, ms. */
  #queuedMs(slot: number): number {
    return this.#queueMs[slot]! + this.#sinceLoad[slot]! * this.#blockMs[slot]!;
  }

  /** … and on the way there and back, which its queue does not explain, ms. */
  #waitMs(slot: number): number {
    return this.#queuedMs(slot) + this.#extraMs[slot]!;
  }

  #shortestQueue(windowSize: number): number {
    const slots = this.#slots;
    let useful = 0;
    for (let slot = 0; slot < slots; slot++) {
      if (this.#used[slot] === 1 && this.#use[slot] !== Use.none) useful += 1;
    }
    if (useful === 0) return NOBODY;
    const each = Math.max(LEAST_EACH, Math.ceil((1.5 * windowSize) / useful));
    let best = NOBODY;
    let bestMs = Number.POSITIVE_INFINITY;
    let slot = Math.floor(this.#random() * slots);
    for (let count = slots; count > 0; count--) {
      slot = slot + 1 === slots ? 0 : slot + 1;
      if (this.#used[slot] === 0 || this.#use[slot] === Use.none) continue;
      const blockMs = this.#blockMs[slot]!;
      const outstanding = this.#outstanding[slot]!;
      if (outstanding >= (blockMs === 0 ? PROBE : each)) continue;
      const queueMs = this.#queuedMs(slot);
      const tooLong = queueMs > LONGEST_QUEUE_MS && queueMs > LONGEST_QUEUE_BLOCKS * blockMs;
      // With nothing in flight the longest queue is better than none: nothing else would move us on.
      if (tooLong && this.#flights > 0) continue;
      const scoreMs =
        (queueMs + this.#extraMs[slot]! + blockMs) * (this.#near[slot] === 1 ? 1 : FAR_FACTOR);
      if (scoreMs < bestMs) {
        bestMs = scoreMs;
        best = slot;
      }
    }
    return best;
  }

  /** Of some open blocks that a neighbour has, the one that fewest others have. */
  #rareBlock(slot: number, sample: number): number {
    const words = this.#words;
    const open = this.#open;
    const theirs = this.#theirs;
    const holders = this.#holders;
    const from = slot * words;
    const start = Math.floor(this.#random() * this.#blocks);
    let index = start >>> 5;
    // The first word's bits below the start come last.
    let mask = (0xffffffff << (start & 31)) >>> 0;
    let best = NOBODY;
    let fewest = 256;
    let seen = 0;
    for (let count = words; count >= 0; count--) {
      let word = open[index]! & theirs[from + index]! & mask;
      while (word !== 0) {
        const block = index * 32 + lowestBit(word);
        word &= word - 1;
        const having = holders[block]!;
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
    let best = NOBODY;
    let bestMs = withinMs;
    for (let slot = 0; slot < this.#slots; slot++) {
      if (slot === than || this.#used[slot] === 0) continue;
      if (!bit(this.#theirs, slot * this.#words, block)) continue;
      const blockMs = this.#blockMs[slot]!;
      if (blockMs === 0 && this.#outstanding[slot]! >= PROBE) continue;
      const scoreMs = (this.#waitMs(slot) + blockMs) * (this.#near[slot] === 1 ? 1 : FAR_FACTOR);
      if (scoreMs < bestMs) {
        bestMs = scoreMs;
        best = slot;
      }
    }
    return best;
  }

  /** A block is on its way no more: neither of those asked owes it any longer. */
  #land(flight: number): void {
    this.#answered(this.#flightSlot[flight]!);
    this.#answered(this.#flightSecond[flight]!);
    this.#slowFlights -= this.#flightSlow[flight]!;
    const last = --this.#flights;
    this.#flightOf[this.#flightBlock[flight]!] = NOBODY;
    if (last === flight) return;
    this.#flightBlock[flight] = this.#flightBlock[last]!;
    this.#flightSlot[flight] = this.#flightSlot[last]!;
    this.#flightSecond[flight] = this.#flightSecond[last]!;
    this.#flightSlow[flight] = this.#flightSlow[last]!;
    this.#flightMs[flight] = this.#flightMs[last]!;
    this.#flightExpectedMs[flight] = this.#flightExpectedMs[last]!;
    this.#flightExtraMs[flight] = this.#flightExtraMs[last]!;
    this.#flightOf[this.#flightBlock[flight]!] = flight;
  }

  #close(block: number): void {
    if (!bit(this.#open, 0, block)) return;
    this.#open[block >>> 5]! &= ~(1 << (block & 31));
    this.#openCount -= 1;
  }

  #reopen(block: number): void {
    if (bit(this.#open, 0, block) || this.holds(block)) return;
    setBit(this.#open, 0, block);
    this.#openCount += 1;
    for (let slot = 0; slot < this.#slots; slot++) {
      if (bit(this.#theirs, slot * this.#words, block)) this.#use[slot] = Use.some;
    }
  }
}

function bit(words: Uint32Array, from: number, block: number): boolean {
  return ((words[from + (block >>> 5)]! >>> (block & 31)) & 1) === 1;
}

function setBit(words: Uint32Array, from: number, block: number): void {
  words[from + (block >>> 5)]! |= 1 << (block & 31);
}
