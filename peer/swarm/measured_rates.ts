/** Bytes a second that a download takes in and hands on, from one report to the next. Pure. */
export class MeasuredRates {
  #gained = 0;
  /** Bytes that others had got of the file at the last report. */
  #served = 0;
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  gained(bytes: number): void {
    this.#gained += bytes;
  }

  /**
   * The rates since it was last asked.
   *
   * @param served bytes that others have got of the file, ever
   */
  take(served: number, nowMs: number): { downRate: number; upRate: number } {
    const seconds = Math.max(0.001, (nowMs - this.#sinceMs) / 1000);
    const rates = {
      downRate: Math.round(this.#gained / seconds),
      upRate: Math.round((served - this.#served) / seconds),
    };
    this.#gained = 0;
    this.#served = served;
    this.#sinceMs = nowMs;
    return rates;
  }
}
