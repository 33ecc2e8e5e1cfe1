/** A connection that brings blocks from the registry. */
interface Connection {
  /** Bytes of the block that are still to come. */
  left: number;
  /** Bytes a ms its receiver can take. */
  readonly most: number;
  rate: number;
}

/**
 * The registry's line. Its connections share it fairly: each gets the same part, unless its receiver
 * cannot take that much; then the others get what is left.
 */
export class RegistryLink {
  readonly #capacity: number;
  readonly #connections = new Map<number, Connection>();
  #lastMs = 0;

  /** @param capacity bytes a ms */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** A receiver begins to fetch a block, at a rate of at most `most` bytes a ms. */
  begin(receiver: number, bytes: number, most: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#connections.set(receiver, { left: bytes, most, rate: 0 });
    this.#share();
  }

  /** A receiver's connection is cut. */
  cut(receiver: number, nowMs: number): void {
    if (!this.#connections.has(receiver)) return;
    this.#advance(nowMs);
    this.#connections.delete(receiver);
    this.#share();
  }

  has(receiver: number): boolean {
    return this.#connections.has(receiver);
  }

  /** Bytes of a receiver's block that are still to come. */
  left(receiver: number, nowMs: number): number {
    this.#advance(nowMs);
    return this.#connections.get(receiver)?.left ?? 0;
  }

  /** When the next block is through, and whose; `undefined` where nothing is fetched. */
  next(): { receiver: number; timeMs: number } | undefined {
    let next: { receiver: number; timeMs: number } | undefined;
    for (const [receiver, { left, rate }] of this.#connections) {
      const timeMs = this.#lastMs + left / rate;
      if (!next || timeMs < next.timeMs) next = { receiver, timeMs };
    }
    return next;
  }

  #advance(nowMs: number): void {
    const passedMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    for (const connection of this.#connections.values()) {
      connection.left = Math.max(0, connection.left - connection.rate * passedMs);
    }
  }

  #share(): void {
    const byNeed = [...this.#connections.values()].sort((a, b) => a.most - b.most);
    let capacity = this.#capacity;
    byNeed.forEach((connection, index) => {
      connection.rate = Math.min(connection.most, capacity / (byNeed.length - index));
      capacity -= connection.rate;
    });
  }
}
