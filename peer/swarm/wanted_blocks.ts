import { lowestBit } from "../../protocol/swarm/bitmap.ts";

/**
 * What a download lacks: each block is held, on its way, or open, which means that somebody is still to be asked for
 * it. Words of 32 blocks, as in `Bitmap.words`.
 */
export class WantedBlocks {
  /** Blocks of the file. */
  readonly size: number;
  /** Words of 32 blocks that they take. */
  readonly words: number;
  readonly #held: Uint32Array;
  #missing: number;
  readonly #open: Uint32Array;
  #openCount: number;
  /** No word before this one has an open block. */
  #firstWord = 0;

  constructor(size: number) {
    this.size = size;
    this.words = (size + 31) >>> 5;
    this.#held = new Uint32Array(this.words);
    this.#missing = size;
    this.#open = new Uint32Array(this.words).fill(0xffffffff);
    if (size % 32 !== 0) this.#open[this.words - 1] = 2 ** (size % 32) - 1;
    this.#openCount = size;
  }

  /** Blocks not held. */
  get missing(): number {
    return this.#missing;
  }

  /** Blocks that are neither held nor on their way. */
  get openCount(): number {
    return this.#openCount;
  }

  /** The first word with an open block; the number of words where there is none. */
  get firstWord(): number {
    while (this.#firstWord < this.words && this.#open[this.#firstWord] === 0) this.#firstWord += 1;
    return this.#firstWord;
  }

  holds(block: number): boolean {
    return ((this.#held[block >>> 5]! >>> (block & 31)) & 1) === 1;
  }

  isOpen(block: number): boolean {
    return ((this.#open[block >>> 5]! >>> (block & 31)) & 1) === 1;
  }

  /** The open ones of 32 blocks. */
  openWord(index: number): number {
    return this.#open[index]!;
  }

  /** A block is here. */
  hold(block: number): void {
    if (this.holds(block)) return;
    this.close(block);
    this.#held[block >>> 5]! |= 1 << (block & 31);
    this.#missing -= 1;
  }

  /** A block is here no more; not yet open. */
  lose(block: number): void {
    if (!this.holds(block)) return;
    this.#held[block >>> 5]! &= ~(1 << (block & 31));
    this.#missing += 1;
  }

  /** A block is on its way. */
  close(block: number): void {
    if (!this.isOpen(block)) return;
    this.#open[block >>> 5]! &= ~(1 << (block & 31));
    this.#openCount -= 1;
  }

  /**
   * A block does not come.
   *
   * @returns whether it is open now, and was not
   */
  reopen(block: number): boolean {
    if (this.isOpen(block) || this.holds(block)) return false;
    this.#open[block >>> 5]! |= 1 << (block & 31);
    this.#openCount += 1;
    this.#firstWord = Math.min(this.#firstWord, block >>> 5);
    return true;
  }

  /** The first open blocks that `fits` says yes to, `most` at most. */
  firstOpen(most: number, fits: (block: number) => boolean): number[] {
    const found: number[] = [];
    for (let index = this.firstWord; index < this.words; index++) {
      let word = this.#open[index]!;
      while (word !== 0) {
        const block = index * 32 + lowestBit(word);
        word &= word - 1;
        if (!fits(block)) continue;
        found.push(block);
        if (found.length === most) return found;
      }
    }
    return found;
  }
}
