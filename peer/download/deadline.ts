/** The longest that a timer takes, milliseconds; more would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Aborts its signal when its time is up, unless it is moved, held up or cleared before, and when the outer one
 * is aborted.
 */
export class Deadline {
  readonly #abort = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #onOuter = () => this.#abort.abort(this.#outer!.reason);
  #atMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** How many hold it up, and the milliseconds that it has from then on. */
  #holds = 0;
  #leftMs = 0;
  #passed = false;
  #cleared = false;
  readonly #moreMs: () => number;

  /**
   * @param ms from now on; infinite: until {@link set} says another time
   * @param moreMs asked when its time is up: how many milliseconds more it has
   */
  constructor(ms: number, outer?: AbortSignal, moreMs: () => number = () => 0) {
    this.#moreMs = moreMs;
    this.#atMs = performance.now() + ms;
    this.#start();
    this.#outer = outer;
    if (outer?.aborted) this.#onOuter();
    else outer?.addEventListener("abort", this.#onOuter);
  }

  /** Whether it is over. */
  get passed(): boolean {
    return this.#passed;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Moves its end to `ms` from now. */
  set(ms: number): void {
    this.#atMs = performance.now() + ms;
    this.#start();
  }

  /** Stands still until the promise is kept. */
  hold(until: Promise<unknown>): void {
    if (this.#holds === 0) this.#leftMs = this.#atMs - performance.now();
    this.#holds += 1;
    clearTimeout(this.#timer);
    void until.then(() => {
      this.#holds -= 1;
      if (this.#holds === 0 && !this.#cleared) this.set(this.#leftMs);
    });
  }

  clear(): void {
    this.#cleared = true;
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onOuter);
  }

  #start(): void {
    clearTimeout(this.#timer);
    const leftMs = this.#atMs - performance.now();
    if (leftMs === Number.POSITIVE_INFINITY) return;
    if (leftMs > MAX_TIMER_MS) this.#timer = setTimeout(() => this.#start(), MAX_TIMER_MS);
    // On a busy machine it may be over already; Deno and newer Nodes warn of negative times.
    else this.#timer = setTimeout(() => this.#end(), Math.max(0, leftMs));
  }

  #end(): void {
    const moreMs = this.#moreMs();
    if (moreMs > 0) {
      this.set(moreMs);
      return;
    }
    this.#passed = true;
    this.#abort.abort();
  }
}
