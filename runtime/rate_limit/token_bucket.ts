/** How much may be saved up, ms of the rate: what timers that fire late must not lose. */
const BURST_MS = 100;

/**
 * What has been used of a rate, without a clock of its own. It may be overdrawn, by whatever was taken last:
 * then nothing more should be taken until it is paid for.
 *
 * @example
 * ```ts
 * const bucket = new TokenBucket(1_000_000, nowMs);
 * bucket.take(64_000, nowMs);
 * bucket.owedMs(nowMs); // how long to wait before more is taken
 * ```
 */
export class TokenBucket {
  #rate: number;
  readonly #burstMs: number;
  #tokens: number;
  #atMs: number;

  /**
   * @param rate bytes a second; 0 or less: no limit
   * @param burstMs how many milliseconds' worth may be saved up
   */
  constructor(rate: number, nowMs: number, burstMs = BURST_MS) {
    this.#rate = rate;
    this.#burstMs = burstMs;
    this.#tokens = (rate * burstMs) / 1000;
    this.#atMs = nowMs;
  }

  get rate(): number {
    return this.#rate;
  }

  setRate(rate: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#rate = rate;
  }

  take(bytes: number, nowMs: number): void {
    if (this.#rate <= 0) return;
    this.#refill(nowMs);
    this.#tokens -= bytes;
  }

  /** Milliseconds until what was taken is paid for; 0: more may be taken now. */
  owedMs(nowMs: number): number {
    if (this.#rate <= 0) return 0;
    this.#refill(nowMs);
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#rate) * 1000;
  }

  #refill(nowMs: number): void {
    const earned = ((nowMs - this.#atMs) / 1000) * this.#rate;
    this.#tokens = Math.min(this.#tokens + earned, (this.#rate * this.#burstMs) / 1000);
    this.#atMs = nowMs;
  }
}
