/**
 * Which requests a node's uplink serves before others that came earlier: those that bring a block to
 * where nobody has it yet, since all others there wait for it.
 *
 * That is the first copy of a block (a node that fetched it from the source, or from afar, may be slow,
 * and its neighbours all ask for the same block), and any copy into another zone (few links lead
 * there, {@link ../../supernode/schedule/neighbours.ts}). Pure.
 */
export class UploadOrder {
  readonly #promised: Uint8Array;

  /** @param blocks blocks of the file */
  constructor(blocks: number) {
    this.#promised = new Uint8Array(blocks);
  }

  /**
   * Takes note of a request.
   *
   * @param otherZone whether it comes from another zone, by name
   * @returns whether it goes before the others
   */
  isUrgent(block: number, otherZone: boolean): boolean {
    const first = this.#promised[block] === 0;
    this.#promised[block] = 1;
    return first || otherZone;
  }
}
