/** One of those who share: what it has waiting, and how much it has had. */
export interface Share<Item> {
  /** What it has had, on the queue's own count: where its next item begins. */
  tag: number;
  readonly waiting: { bytes: number; item: Item }[];
}

/**
 * Items of several shares, in an order that gives each share as many bytes as the others, however many items
 * each has waiting (start-time fair queueing). One that wants less than its part leaves the rest to the others.
 *
 * @example
 * ```ts
 * const queue = new FairQueue<string>();
 * const [a, b] = [queue.share(), queue.share()];
 * queue.add(a, 10, "a1");
 * queue.add(a, 10, "a2");
 * queue.add(b, 10, "b1");
 * queue.next(); // a1, then b1, then a2
 * ```
 */
export class FairQueue<Item> {
  /** Those with something waiting. */
  readonly #shares = new Set<Share<Item>>();
  /** Where the item that was handed out last began. */
  #reached = 0;

  /** One more to share. Nothing is kept of those that have nothing waiting. */
  share(): Share<Item> {
    return { tag: this.#reached, waiting: [] };
  }

  get empty(): boolean {
    return this.#shares.size === 0;
  }

  /**
   * Lets an item of so many bytes wait for its turn.
   *
   * @param memory bytes by which a share that had nothing waiting may have fallen behind the others, and gets
   *   before them
   */
  add(share: Share<Item>, bytes: number, item: Item, memory = 0): void {
    if (share.waiting.length === 0) this.#catchUp(share, memory);
    share.waiting.push({ bytes, item });
    this.#shares.add(share);
  }

  /**
   * Whether a share has had less than all others that wait, so that an item of its own would come first. Then
   * it counts as handed out.
   */
  pass(share: Share<Item>, bytes: number, memory = 0): boolean {
    if (share.waiting.length > 0) return false;
    this.#catchUp(share, memory);
    for (const other of this.#shares) if (other.tag < share.tag) return false;
    this.#reached = Math.max(this.#reached, share.tag);
    share.tag += bytes;
    return true;
  }

  /** The item whose turn it is. */
  next(): Item | undefined {
    let first: Share<Item> | undefined;
    for (const share of this.#shares) if (!first || share.tag < first.tag) first = share;
    const entry = first?.waiting.shift();
    if (!first || !entry) return undefined;
    this.#reached = Math.max(this.#reached, first.tag);
    first.tag += entry.bytes;
    if (first.waiting.length === 0) this.#shares.delete(first);
    return entry.item;
  }

  #catchUp(share: Share<Item>, memory: number): void {
    share.tag = Math.max(share.tag, this.#reached - memory);
  }
}
