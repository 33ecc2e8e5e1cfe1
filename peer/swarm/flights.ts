import { MOST_IN_FLIGHT } from "./transfer_window.ts";

const NOBODY = -1;

/** The blocks that are on their way to a node, numbered from 0 up without gaps, in no order. */
export class Flights {
  /** How many there are. */
  count = 0;
  /** How many of them were asked of slow neighbours. */
  slow = 0;
  readonly block = new Int32Array(MOST_IN_FLIGHT);
  /** Whom each was asked of first. */
  readonly first = new Int16Array(MOST_IN_FLIGHT);
  /** Whom it was asked of, too; -1: nobody. */
  readonly second = new Int16Array(MOST_IN_FLIGHT);
  readonly askedMs = new Float64Array(MOST_IN_FLIGHT);
  /** How long it was expected to take, ms. */
  readonly expectedMs = new Float64Array(MOST_IN_FLIGHT);
  /** What of that neither the queue nor the block explains, ms. */
  readonly extraMs = new Float64Array(MOST_IN_FLIGHT);
  readonly #slow = new Uint8Array(MOST_IN_FLIGHT);
  readonly #flightOf: Int16Array;

  /** @param blocks blocks of the file */
  constructor(blocks: number) {
    this.#flightOf = new Int16Array(blocks).fill(NOBODY);
  }

  /** The flight of a block; -1 where it is not on its way. */
  of(block: number): number {
    return this.#flightOf[block]!;
  }

  /** A block is on its way. */
  begin(
    block: number,
    slot: number,
    nowMs: number,
    expectedMs: number,
    extraMs: number,
    slow: boolean,
  ): void {
    const flight = this.count++;
    this.#flightOf[block] = flight;
    this.block[flight] = block;
    this.first[flight] = slot;
    this.second[flight] = NOBODY;
    this.askedMs[flight] = nowMs;
    this.expectedMs[flight] = expectedMs;
    this.extraMs[flight] = extraMs;
    this.#slow[flight] = slow ? 1 : 0;
    if (slow) this.slow += 1;
  }

  /** A block is on its way no more; the last flight takes its number. */
  end(flight: number): void {
    this.slow -= this.#slow[flight]!;
    this.#flightOf[this.block[flight]!] = NOBODY;
    const last = --this.count;
    if (last === flight) return;
    this.block[flight] = this.block[last]!;
    this.first[flight] = this.first[last]!;
    this.second[flight] = this.second[last]!;
    this.askedMs[flight] = this.askedMs[last]!;
    this.expectedMs[flight] = this.expectedMs[last]!;
    this.extraMs[flight] = this.extraMs[last]!;
    this.#slow[flight] = this.#slow[last]!;
    this.#flightOf[this.block[flight]!] = flight;
  }
}
