/** How far the supernode's own copy of a task is: the seed that v1's clients begin with. */
export class SeedProgress {
  readonly #has = new Set<number>();
  #end = 0;
  #state: "absent" | "fetching" | "complete" | "failed" = "absent";

  /** One more than the highest piece it has had. */
  get end(): number {
    return this.#end;
  }

  get isFetching(): boolean {
    return this.#state === "fetching";
  }

  get isComplete(): boolean {
    return this.#state === "complete";
  }

  get hasFailed(): boolean {
    return this.#state === "failed";
  }

  /** Whether a piece can be had from it. */
  has(piece: number): boolean {
    return this.#has.has(piece);
  }

  /** It is being fetched, or looked through on disk. */
  started(): void {
    this.#state = "fetching";
    this.#has.clear();
  }

  pieceReady(piece: number): void {
    this.#has.add(piece);
    this.#end = Math.max(this.#end, piece + 1);
  }

  completed(): void {
    this.#state = "complete";
  }

  /** It cannot be had, or is there no more. */
  failed(): void {
    this.#state = "failed";
    this.#has.clear();
  }
}
