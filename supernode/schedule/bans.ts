/** Wrong blocks after which a node is believed when it accuses another. */
const CONVINCING = 3;
/** So many nodes must accuse one, or all of its neighbours where it has fewer. */
const ACCUSERS = 2;

/**
 * Who hands out wrong blocks, or none, and is used no more. One node's word is not enough, or a single liar could
 * drive out everybody else. Nodes are named by where they are, not by the ids that they choose. Pure.
 */
export class Bans {
  readonly #convincing: number;
  /** How many wrong blocks of a node another has named. */
  readonly #charges = new Map<string, Map<string, number>>();
  readonly #banned = new Set<string>();

  /** @param convincing times after which a node is believed when it accuses another */
  constructor(convincing = CONVINCING) {
    this.#convincing = convincing;
  }

  has(node: string): boolean {
    return this.#banned.has(node);
  }

  /**
   * A node says that another has not kept its word.
   *
   * @param neighbours how many neighbours that other has
   * @returns whether that is so by all that is known
   */
  accuse(node: string, by: string, neighbours: number): boolean {
    if (this.#banned.has(by) || this.#banned.has(node)) return false;
    let charges = this.#charges.get(node);
    if (!charges) this.#charges.set(node, (charges = new Map()));
    charges.set(by, (charges.get(by) ?? 0) + 1);
    let accusers = 0;
    for (const count of charges.values()) if (count >= this.#convincing) accusers += 1;
    return accusers > 0 && accusers >= Math.min(ACCUSERS, Math.max(1, neighbours));
  }

  add(node: string): void {
    this.#banned.add(node);
    this.#charges.delete(node);
  }
}
