/** Lets a number of jobs run at once; the others wait their turn. */
export class Turnstile {
  #capacity: number;
  /** Negative while more are inside than the capacity allows: it shrank, or somebody had waited for too long. */
  #free: number;
  readonly #longestWaitMs: number;
  readonly #waiting: (() => void)[] = [];

  /** @param longestWaitMs milliseconds after which one that waits goes in all the same. Default: it waits on */
  constructor(capacity: number, longestWaitMs = Number.POSITIVE_INFINITY) {
    this.#capacity = capacity;
    this.#free = capacity;
    this.#longestWaitMs = longestWaitMs;
  }

  /** How many run, and how many wait. */
  get load(): { running: number; waiting: number } {
    return { running: this.#capacity - this.#free, waiting: this.#waiting.length };
  }

  /** Lets another number run at once; those who run already go on. */
  setCapacity(capacity: number): void {
    this.#free += capacity - this.#capacity;
    this.#capacity = capacity;
    for (let turns = this.#free; turns > 0; turns--) this.#waiting.shift()?.();
  }

  /**
   * Runs `work` when it is its turn.
   *
   * @throws the signal's reason when it aborts before that
   */
  async pass<Result>(
    signal: AbortSignal | undefined,
    work: () => Promise<Result>,
  ): Promise<Result> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#free += 1;
      if (this.#free > 0) this.#waiting.shift()?.();
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    let waitsOn = true;
    while (this.#free <= 0 && waitsOn) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve) => {
        const go = () => {
          signal?.removeEventListener("abort", leave);
          clearTimeout(timer);
          resolve();
        };
        const leave = () => {
          this.#waiting.splice(this.#waiting.indexOf(go), 1);
          go();
        };
        const late = () => {
          waitsOn = false;
          leave();
        };
        const timer = Number.isFinite(this.#longestWaitMs)
          ? setTimeout(late, this.#longestWaitMs)
          : undefined;
        this.#waiting.push(go);
        signal?.addEventListener("abort", leave, { once: true });
      });
    }
    signal?.throwIfAborted();
    this.#free -= 1;
  }
}
