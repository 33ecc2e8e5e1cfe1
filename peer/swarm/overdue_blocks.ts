import type { Flights } from "./flights.ts";
import type { NeighbourTable } from "./neighbour_table.ts";
import { fasterHolder } from "./shortest_queue.ts";

/** A block that takes so many times as long as was expected, and as is usual, is overdue. */
const OVERDUE_FACTOR = 3;
/** … but not before this, ms. */
const OVERDUE_LEAST_MS = 200;
/** A block that has to wait for so long is asked for elsewhere too, ms. */
const LONG_WAIT_MS = 400;
/** A second request must promise the block in this part of the time that the first still needs. */
const GAIN = 0.5;
/** How much of a new measurement goes into what is usual. */
const SMOOTHING = 1 / 16;

const NOBODY = -1;

/**
 * Which blocks that are on their way to ask of somebody else, too: a hedged request, and at the end what BitTorrent
 * calls the endgame.
 */
export class OverdueBlocks {
  readonly #flights: Flights;
  readonly #neighbours: NeighbourTable;
  /** How long requests have taken of late, ms. */
  #usualMs = 0;

  constructor(flights: Flights, neighbours: NeighbourTable) {
    this.#flights = flights;
    this.#neighbours = neighbours;
  }

  /** A request has taken so long, ms. */
  took(ms: number): void {
    this.#usualMs += (ms - this.#usualMs) * (this.#usualMs === 0 ? 1 : SMOOTHING);
  }

  /**
   * Finds a block that would come sooner from somebody else, and notes in its flight whom to ask second.
   *
   * @param anyBlock not only what is overdue or waits in a long queue
   * @returns its flight; -1 where there is none
   */
  hedge(anyBlock: boolean, nowMs: number): number {
    const flights = this.#flights;
    for (let flight = 0; flight < flights.count; flight++) {
      if (flights.second[flight] !== NOBODY) continue;
      const leftMs = this.#leftMs(flight, nowMs);
      if (leftMs < LONG_WAIT_MS && !anyBlock) continue;
      const block = flights.block[flight]!;
      const second = fasterHolder(this.#neighbours, block, flights.first[flight]!, leftMs * GAIN);
      if (second === NOBODY) continue;
      flights.second[flight] = second;
      return flight;
    }
    return NOBODY;
  }

  /** How long a block still needs by the first request, ms; `Infinity` where it is overdue. */
  #leftMs(flight: number, nowMs: number): number {
    const elapsedMs = nowMs - this.#flights.askedMs[flight]!;
    const expectedMs = this.#flights.expectedMs[flight]!;
    const patienceMs = OVERDUE_FACTOR * Math.max(expectedMs, this.#usualMs);
    if (elapsedMs > Math.max(OVERDUE_LEAST_MS, patienceMs)) return Number.POSITIVE_INFINITY;
    const blockMs = this.#neighbours.blockMs(this.#flights.first[flight]!);
    return Math.max(expectedMs - elapsedMs, blockMs);
  }
}
