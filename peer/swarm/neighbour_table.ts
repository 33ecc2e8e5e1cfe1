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

/** Where the numbers of a slot stand: together, since a message changes them all. */
const TIME = { queue: 0, block: 1, extra: 2, heard: 3 } as const;
const COUNT = { place: 0, use: 1, sinceLoad: 2, outstanding: 3 } as const;
const WIDTH = 4;
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
  readonly #times: Float64Array;
  readonly #counts: Uint16Array;

  constructor(blocks: number, slots: number) {
    this.slots = slots;
    this.#words = (blocks + 31) >>> 5;
    this.#theirs = new Uint32Array(this.#words * slots);
    this.#holders = new Uint8Array(blocks);
    this.#times = new Float64Array(WIDTH * slots);
    this.#counts = new Uint16Array(WIDTH * slots);
  }

  /** A new neighbour's slot; -1 where there is no room. */
  add(near: boolean, nowMs: number): number {
    for (let slot = 0; slot < this.slots; slot++) {
      if (this.isUsed(slot)) continue;
      this.#counts.fill(0, slot * WIDTH, (slot + 1) * WIDTH);
      this.#counts[slot * WIDTH + COUNT.place] = near ? PLACE.near : PLACE.far;
      this.#counts[slot * WIDTH + COUNT.use] = Use.none;
      this.#times.fill(0, slot * WIDTH, (slot + 1) * WIDTH);
      this.#times[slot * WIDTH + TIME.heard] = nowMs;
      return slot;
    }
    return NOBODY;
  }

  /** A slot is free again, and what its neighbour has is forgotten. */
  remove(slot: number): void {
    this.#counts[slot * WIDTH + COUNT.place] = PLACE.free;
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
    return this.#counts[slot * WIDTH + COUNT.place] !== PLACE.free;
  }

  isNear(slot: number): boolean {
    return this.#counts[slot * WIDTH + COUNT.place] === PLACE.near;
  }

  use(slot: number): number {
    return this.#counts[slot * WIDTH + COUNT.use]!;
  }

  setUse(slot: number, use: Use): void {
    this.#counts[slot * WIDTH + COUNT.use] = use;
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

  /** How many neighbours have a block. */
  holders(block: number): number {
    return this.#holders[block]!;
  }

  /** A neighbour says how busy it is. */
  hears(slot: number, load: Load, nowMs: number): void {
    const times = slot * WIDTH;
    this.#times[times + TIME.queue] = load.queueMs;
    this.#times[times + TIME.block] = load.blockMs;
    this.#times[times + TIME.extra]! *= FORGETTING;
    this.#times[times + TIME.heard] = nowMs;
    this.#counts[times + COUNT.sinceLoad] = 0;
  }

  heardMs(slot: number): number {
    return this.#times[slot * WIDTH + TIME.heard]!;
  }

  /** How long a neighbour's uplink takes for a block, ms; 0 while unknown. */
  blockMs(slot: number): number {
    return this.#times[slot * WIDTH + TIME.block]!;
  }

  /** What a new request would wait for in a neighbour's queue, ms. */
  queueMs(slot: number): number {
    const sinceLoad = this.#counts[slot * WIDTH + COUNT.sinceLoad]!;
    return this.#times[slot * WIDTH + TIME.queue]! + sinceLoad * this.blockMs(slot);
  }

  /** How much longer than its queue explains a neighbour's answers take, ms. */
  extraMs(slot: number): number {
    return this.#times[slot * WIDTH + TIME.extra]!;
  }

  /** When a block would be here that is asked for now, in ms from now. */
  expectedMs(slot: number): number {
    return this.queueMs(slot) + this.extraMs(slot) + this.blockMs(slot);
  }

  /** An answer has taken so much longer than the queue explained, ms. */
  measured(slot: number, extraMs: number): void {
    const place = slot * WIDTH + TIME.extra;
    this.#times[place]! += (Math.max(0, extraMs) - this.#times[place]!) * SMOOTHING;
  }

  /** Requests at a neighbour that are not answered yet. */
  outstanding(slot: number): number {
    return this.#counts[slot * WIDTH + COUNT.outstanding]!;
  }

  asked(slot: number): void {
    this.#counts[slot * WIDTH + COUNT.sinceLoad]! += 1;
    this.#counts[slot * WIDTH + COUNT.outstanding]! += 1;
  }

  answered(slot: number): void {
    const place = slot * WIDTH + COUNT.outstanding;
    if (slot !== NOBODY && this.#counts[place]! > 0) this.#counts[place]! -= 1;
  }
}
