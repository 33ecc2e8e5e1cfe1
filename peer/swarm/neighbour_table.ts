import { lowestBit } from "../../protocol/swarm/bitmap.ts";
import type { Load } from "../../protocol/swarm/have_stream.ts";

/** What is known of the blocks that a neighbour has. */
export const Use = {
  /** Some may be open. */
  some: 0,
  /** Some may be open, but others have them too. */
  shared: 1,
  /** None is open. */
  none: 2,
} as const;
export type Use = (typeof Use)[keyof typeof Use];

const NOBODY = -1;
/** What is left of the extra time measured at a neighbour, each time it is heard. */
const FORGETTING = 0.98;
/** How much of a new measurement goes into a mean. */
const SMOOTHING = 0.25;

/**
 * Where the numbers of a slot stand: in one array, a slot a cache line. A node hears from its neighbours
 * several hundred times a second, and a simulated swarm millions of times.
 */
const AT = {
  queueMs: 0,
  blockMs: 1,
  extraMs: 2,
  heardMs: 3,
  place: 4,
  use: 5,
  sinceLoad: 6,
  outstanding: 7,
} as const;
const WIDTH = 8;
/** Whether a slot is used, and how far away its neighbour is. */
const PLACE = { free: 0, near: 1, far: 2 } as const;

/** What the neighbours of a node have told it, and how they have kept their word, by slot. */
export class NeighbourTable {
  /** Neighbours at most. */
  readonly slots: number;
  readonly #words: number;
  /** What each has, one after the other. */
  readonly #theirs: Uint32Array;
  /** How many have each block. */
  readonly #holders: Uint8Array;
  /** See {@link AT}. */
  readonly #numbers: Float64Array;
  /** How many requests may be at each. */
  readonly #credits: Float64Array;

  constructor(blocks: number, slots: number) {
    this.slots = slots;
    this.#words = (blocks + 31) >>> 5;
    this.#theirs = new Uint32Array(this.#words * slots);
    this.#holders = new Uint8Array(blocks);
    this.#numbers = new Float64Array(WIDTH * slots);
    this.#credits = new Float64Array(slots);
  }

  /** A new neighbour's slot; -1 where there is no room. */
  add(near: boolean, nowMs: number): number {
    for (let slot = 0; slot < this.slots; slot++) {
      if (this.isUsed(slot)) continue;
      this.#numbers.fill(0, slot * WIDTH, (slot + 1) * WIDTH);
      this.#numbers[slot * WIDTH + AT.place] = near ? PLACE.near : PLACE.far;
      this.#numbers[slot * WIDTH + AT.use] = Use.none;
      this.#numbers[slot * WIDTH + AT.heardMs] = nowMs;
      this.#credits[slot] = Number.POSITIVE_INFINITY;
      return slot;
    }
    return NOBODY;
  }

  /** A slot is free again, and what its neighbour has is forgotten. */
  remove(slot: number): void {
    this.#numbers[slot * WIDTH + AT.place] = PLACE.free;
    // What only two had, one has alone now.
    for (let other = 0; other < this.slots; other++) {
      if (this.use(other) === Use.shared) this.setUse(other, Use.some);
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

  isUsed(slot: number): boolean {
    return this.#numbers[slot * WIDTH + AT.place] !== PLACE.free;
  }

  isNear(slot: number): boolean {
    return this.#numbers[slot * WIDTH + AT.place] === PLACE.near;
  }

  use(slot: number): number {
    return this.#numbers[slot * WIDTH + AT.use]!;
  }

  setUse(slot: number, use: Use): void {
    this.#numbers[slot * WIDTH + AT.use] = use;
  }

  /** Whether a neighbour has a block. */
  has(slot: number, block: number): boolean {
    return ((this.#theirs[slot * this.#words + (block >>> 5)]! >>> (block & 31)) & 1) === 1;
  }

  /** 32 blocks at once, as in `Bitmap.words`. */
  word(slot: number, index: number): number {
    return this.#theirs[slot * this.#words + index]!;
  }

  /** A neighbour has got a block; `false` where that is known. */
  gets(slot: number, block: number): boolean {
    const place = slot * this.#words + (block >>> 5);
    const bit = 1 << (block & 31);
    if ((this.#theirs[place]! & bit) !== 0 || !this.isUsed(slot)) return false;
    this.#theirs[place]! |= bit;
    this.#holders[block]! += 1;
    return true;
  }

  /** A neighbour does not have a block after all. */
  loses(slot: number, block: number): void {
    if (!this.has(slot, block)) return;
    this.#theirs[slot * this.#words + (block >>> 5)]! &= ~(1 << (block & 31));
    this.#holders[block]! -= 1;
  }

  /** How many neighbours have a block. */
  holders(block: number): number {
    return this.#holders[block]!;
  }

  /** A neighbour says how busy it is. */
  hears(slot: number, load: Load, nowMs: number): void {
    const from = slot * WIDTH;
    this.#numbers[from + AT.queueMs] = load.queueMs;
    this.#numbers[from + AT.blockMs] = load.blockMs;
    this.#numbers[from + AT.extraMs]! *= FORGETTING;
    this.#numbers[from + AT.heardMs] = nowMs;
    this.#numbers[from + AT.sinceLoad] = 0;
  }

  heardMs(slot: number): number {
    return this.#numbers[slot * WIDTH + AT.heardMs]!;
  }

  /** One that has not been heard of for so long; -1 where there is none. */
  silent(forMs: number, nowMs: number): number {
    for (let slot = 0; slot < this.slots; slot++)
      if (this.#isSilent(slot, forMs, nowMs)) return slot;
    return NOBODY;
  }

  /** How many have not been heard of for so long. */
  silentCount(forMs: number, nowMs: number): number {
    let count = 0;
    for (let slot = 0; slot < this.slots; slot++)
      if (this.#isSilent(slot, forMs, nowMs)) count += 1;
    return count;
  }

  /** How long a neighbour's uplink takes for a block, ms; 0 while unknown. */
  blockMs(slot: number): number {
    return this.#numbers[slot * WIDTH + AT.blockMs]!;
  }

  /** What a new request would wait for in a neighbour's queue, ms. */
  queueMs(slot: number): number {
    const sinceLoad = this.#numbers[slot * WIDTH + AT.sinceLoad]!;
    return this.#numbers[slot * WIDTH + AT.queueMs]! + sinceLoad * this.blockMs(slot);
  }

  /** How much longer than its queue explains a neighbour's answers take, ms. */
  extraMs(slot: number): number {
    return this.#numbers[slot * WIDTH + AT.extraMs]!;
  }

  /** When a block would be here that is asked for now, in ms from now. */
  expectedMs(slot: number): number {
    return this.queueMs(slot) + this.extraMs(slot) + this.blockMs(slot);
  }

  /** An answer has taken so much longer than the queue explained, ms. */
  measured(slot: number, extraMs: number): void {
    const place = slot * WIDTH + AT.extraMs;
    this.#numbers[place]! += (Math.max(0, extraMs) - this.#numbers[place]!) * SMOOTHING;
  }

  /** Requests at a neighbour that are not answered yet. */
  outstanding(slot: number): number {
    return this.#numbers[slot * WIDTH + AT.outstanding]!;
  }

  /** How many requests may be at a neighbour, by what it has sent so far; at first any number. */
  setCredit(slot: number, credit: number): void {
    this.#credits[slot] = credit;
  }

  /** Whether a neighbour's credit allows one more request. */
  mayBeAsked(slot: number): boolean {
    return this.outstanding(slot) < this.#credits[slot]!;
  }

  asked(slot: number): void {
    this.#numbers[slot * WIDTH + AT.sinceLoad]! += 1;
    this.#numbers[slot * WIDTH + AT.outstanding]! += 1;
  }

  answered(slot: number): void {
    const place = slot * WIDTH + AT.outstanding;
    if (slot !== NOBODY && this.#numbers[place]! > 0) this.#numbers[place]! -= 1;
  }

  #isSilent(slot: number, forMs: number, nowMs: number): boolean {
    return this.isUsed(slot) && nowMs - this.heardMs(slot) > forMs;
  }
}
