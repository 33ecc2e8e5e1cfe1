/** Bodies that are read at once, beyond which each has one part in memory: 50 layers at once hold 100 MB less. */
const FEW = 16;

/** The bodies that a node reads at once: where these are many, each has less of the node's memory. */
export class BodyCount {
  #bodies = 0;

  /** Another body is read. */
  enter(): void {
    this.#bodies += 1;
  }

  /** One that entered is read no longer. */
  leave(): void {
    this.#bodies -= 1;
  }

  get isMany(): boolean {
    return this.#bodies > FEW;
  }
}
