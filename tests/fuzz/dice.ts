import { seededRandom } from "../../bench/sim/random.ts";

/** What chance decides, the same for the same seed. */
export class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** A whole number from 0 to `below` - 1. */
  int(below: number): number {
    return Math.floor(this.#random() * below);
  }

  /** `true` in so many of 1 cases. */
  chance(share: number): boolean {
    return this.#random() < share;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.int(choices.length)]!;
  }

  /** One of the values of a record. */
  oneOf<T>(choices: Readonly<Record<string, T>>): T {
    return this.pick(Object.values(choices));
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at++) bytes[at] = this.int(256);
    return bytes;
  }

  hex(length: number): string {
    let text = "";
    while (text.length < length) text += this.int(2 ** 32).toString(16);
    return text.slice(0, length);
  }
}
