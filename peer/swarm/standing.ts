/** Blocks of a stranger that may be on their way or lie here unproven, together: more than that can never be bad. */
const STRANGERS_BLOCKS = 5;
/** Wrong blocks, ever, after which a neighbour is a liar: a line may flip a bit once. */
const LIARS_BLOCKS = 3;
/** Answers that were not whole after which a neighbour is of no use, unless more blocks of it were right. */
const USELESS_ANSWERS = 3;

/**
 * How another node has kept its word, over all the times that it was a neighbour. Nobody sends more bad blocks
 * than it has sent right ones, and five: what is on its way, waits to be proven, came wrong or not whole counts
 * against what may still be asked for. Pure.
 */
export class Standing {
  /** Blocks that were right by their seals, and that were wrong. */
  right = 0;
  wrong = 0;
  /** Answers that began, and did not bring the block whole in time. */
  broken = 0;
  /** Blocks that came from others while it was at them and nothing of it had been right. */
  outrun = 0;
  /** Blocks that nobody can prove, and that were taken for right in the end, since nothing spoke against it. */
  believed = 0;
  /** Blocks that wait here to be proven. */
  waiting = 0;
  /** Blocks that were given up, since nobody could prove them. */
  unsettled = 0;

  /** How many requests may be at it now. */
  get credit(): number {
    const { right, believed, wrong, broken, outrun, waiting, unsettled } = this;
    return STRANGERS_BLOCKS + right + believed - wrong - broken - outrun - waiting - unsettled;
  }

  get isLiar(): boolean {
    return this.wrong >= LIARS_BLOCKS;
  }

  /** Whether nothing that it has brought was right. */
  get isStranger(): boolean {
    return this.right + this.believed === 0;
  }

  /** Whether nothing is to be asked of it any more, as far as can be seen. */
  get isUseless(): boolean {
    if (this.isLiar || (this.broken >= USELESS_ANSWERS && this.broken > this.right)) return true;
    return this.credit <= 0 && this.waiting === 0;
  }

  /** A block that waited is as it should be, by its seal or because nobody can say otherwise. */
  settle(isProven: boolean): void {
    this.waiting -= 1;
    if (isProven) this.right += 1;
    else this.believed += 1;
  }

  /** A block that waited is wrong. */
  disprove(): void {
    this.waiting -= 1;
    this.wrong += 1;
  }

  /** A block that waited is given up. */
  giveUp(): void {
    this.waiting -= 1;
    this.unsettled += 1;
  }

  /** What a block that was given up was is known now. */
  settleLate(isRight: boolean): void {
    this.unsettled -= 1;
    if (isRight) this.right += 1;
    else this.wrong += 1;
  }
}
