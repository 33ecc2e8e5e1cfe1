import { MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";

/** Connections to one registry at most, over all tasks. */
export const DEFAULT_REGISTRY_CONNECTIONS = 48;
/** … while nothing is known of how fast they are. */
const FIRST_CONNECTIONS = 32;
/** … however slow they are. */
const LEAST_CONNECTIONS = 6;
/** A block of a large file should come over a connection in so long, ms. */
const BLOCK_MS = 350;
/** A measurement may make them so many times as many as are in use. */
const GROWTH = 2;
/** How much of a new measurement goes into their number where that is to fall. */
const SMOOTHING = 0.25;

/**
 * How many connections the tasks of one registry have to it, together.
 *
 * More of them than its link needs do not bring the file any sooner, but each block later: what comes over
 * forty connections at once is nobody's to hand on for forty times as long. So there are few at first,
 * and as many as bring a block each in {@link BLOCK_MS} once that is measured. Pure.
 */
export class SourceBudget {
  readonly #most: number;
  #used = 0;
  #wanted: number;

  /** @param most connections, however fast they are */
  constructor(most = DEFAULT_REGISTRY_CONNECTIONS) {
    this.#most = most;
    this.#wanted = Math.min(most, FIRST_CONNECTIONS);
  }

  /** Connections in use. */
  get used(): number {
    return this.#used;
  }

  /** Connections that there should be. */
  get wanted(): number {
    return Math.round(this.#wanted);
  }

  /** Whether there may be one more, for a task that has none already or for one that has some. */
  hasRoom(isFirst: boolean): boolean {
    return this.#used < (isFirst ? this.#most : this.wanted);
  }

  take(): void {
    this.#used += 1;
  }

  give(): void {
    this.#used -= 1;
  }

  /** So fast is one of the connections in use, bytes a ms. */
  measured(rate: number): void {
    const fitting = (this.#used * rate * BLOCK_MS) / MOST_BLOCK_BYTES;
    const least = Math.min(this.#most, LEAST_CONNECTIONS);
    const most = Math.min(this.#most, Math.max(least, GROWTH * this.#used));
    const bounded = Math.min(most, Math.max(least, fitting));
    // On a fast link more of them are wanted soon: what one has fetched must spread before it may go.
    this.#wanted += (bounded - this.#wanted) * (bounded > this.#wanted ? 1 : SMOOTHING);
  }
}
