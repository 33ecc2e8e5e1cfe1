import { setTimeout as sleep } from "node:timers/promises";

/**
 * A token bucket without a clock of its own: it answers how long to wait.
 *
 * The bucket may be overdrawn, so that a request larger than it is served after a proportionate wait.
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
  constructor(rate: number, nowMs: number, burstMs = 100) {
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

  /** Takes `bytes` and says how many milliseconds the caller must wait before it uses them. */
  take(bytes: number, nowMs: number): number {
    if (this.#rate <= 0) return 0;
    this.#refill(nowMs);
    this.#tokens -= bytes;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#rate) * 1000;
  }

  #refill(nowMs: number): void {
    const earned = ((nowMs - this.#atMs) / 1000) * this.#rate;
    this.#tokens = Math.min(this.#tokens + earned, (this.#rate * this.#burstMs) / 1000);
    this.#atMs = nowMs;
  }
}

/** A {@link TokenBucket} on the real clock. */
export class RateLimiter {
  readonly #bucket: TokenBucket;

  /** @param rate bytes a second; 0 or less: no limit */
  constructor(rate: number) {
    this.#bucket = new TokenBucket(rate, performance.now());
  }

  get rate(): number {
    return this.#bucket.rate;
  }

  setRate(rate: number): void {
    this.#bucket.setRate(rate, performance.now());
  }

  /** Takes `bytes` that have arrived, and says how many milliseconds to pause after them. */
  take(bytes: number): number {
    return this.#bucket.take(bytes, performance.now());
  }

  /** Resolves when `bytes` may pass. */
  async acquire(bytes: number, signal?: AbortSignal): Promise<void> {
    const waitMs = this.take(bytes);
    // Timers are no finer than this; the debt stays in the bucket, so the rate holds all the same.
    if (waitMs >= 10) await sleep(waitMs, undefined, signal ? { signal } : undefined);
  }
}
