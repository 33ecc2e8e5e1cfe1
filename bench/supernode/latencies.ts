/** How long requests of one kind took. */
export interface LatencySummary {
  count: number;
  /** ms. */
  p50: number;
  p99: number;
  most: number;
  /** From the first request to the last answer, s. */
  seconds: number;
}

/** Gathers how long requests of one kind take. */
export class Latencies {
  readonly #ms: number[] = [];
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = 0;

  /** Runs a request and notes how long it took; one that fails is not noted. */
  async measure<Result>(request: () => Promise<Result>): Promise<Result> {
    const beganMs = performance.now();
    const result = await request();
    const endedMs = performance.now();
    this.add(beganMs, endedMs);
    return result;
  }

  add(beganMs: number, endedMs: number): void {
    this.#ms.push(endedMs - beganMs);
    this.#firstMs = Math.min(this.#firstMs, beganMs);
    this.#lastMs = Math.max(this.#lastMs, endedMs);
  }

  summary(): LatencySummary {
    const sorted = Float64Array.from(this.#ms).sort();
    const at = (part: number) =>
      sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
    return {
      count: sorted.length,
      p50: at(0.5),
      p99: at(0.99),
      most: at(1),
      seconds: sorted.length === 0 ? 0 : (this.#lastMs - this.#firstMs) / 1000,
    };
  }
}
