/** Milliseconds between two looks at how much has come. */
export const LOOK_MS = 500;
/** Looks in a row over which it is counted: a pull must not wait long for one who sends next to nothing. */
const LOOKS = 3;
/**
 * The part of the lowest rate below which an answer is a trickle. By v1's lowest rate that is less in all the looks
 * than the least that an honest line brings at once, one packet: a line that loses most of them is not taken for one.
 */
const PART = 1 / 128;

/**
 * Whether an answer goes on, but at a pace at which it is of no use. Nothing at all is no trickle: who is busy may
 * well be silent for a moment, and how long is another limit's affair. Pure.
 */
export class Trickle {
  readonly #leastBytes: number;
  /** What had come at the last looks, bytes. */
  readonly #seen: number[] = [0];

  /** @param lowestRate bytes a second that should come at least in the mean */
  constructor(lowestRate: number) {
    this.#leastBytes = (LOOKS * LOOK_MS * lowestRate * PART) / 1000;
  }

  /**
   * To be called every {@link LOOK_MS} from the request on.
   *
   * @param received bytes that have come in all
   * @returns whether of late something came, and next to nothing
   */
  isOne(received: number): boolean {
    this.#seen.push(received);
    if (this.#seen.length <= LOOKS) return false;
    const bytes = received - this.#seen.shift()!;
    return bytes > 0 && bytes < this.#leastBytes;
  }
}
