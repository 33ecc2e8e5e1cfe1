import { FairQueue, type Share } from "./fair_queue.ts";
import { TokenBucket } from "./token_bucket.ts";

/** All limiters wake at multiples of this, ms: together no more than a hundred times a second. */
const TICK_MS = 10;
/** By how much a share may have fallen behind the others and still get it back, ms of the rate. */
const MEMORY_MS = 50;
/** How far ahead of the rate one may go who has had less than the others, ms. */
const AHEAD_MS = 20;

/** What counts bytes, and says when more may come. */
export interface RateLimit {
  /** Bytes a second; 0 or less: no limit. */
  readonly rate: number;
  /**
   * Counts bytes that have arrived, or are about to go.
   *
   * @returns resolves when one may go on; `undefined`: at once
   */
  pass(bytes: number): Promise<void> | undefined;
}

/**
 * A limit on bytes a second, on the real clock. Those who have a {@link RateLimiter.share} of it each get the same,
 * however many connections they have, or what they want if that is less.
 *
 * @example
 * ```ts
 * const limiter = new RateLimiter(20_000_000);
 * const task = limiter.share();
 * await task.pass(chunk.byteLength);
 * ```
 */
export class RateLimiter implements RateLimit {
  readonly #bucket: TokenBucket;
  readonly #queue = new FairQueue<() => void>();
  readonly #alone: Share<() => void>;
  #timer: NodeJS.Timeout | undefined;

  /** @param rate bytes a second; 0 or less: no limit */
  constructor(rate: number) {
    this.#bucket = new TokenBucket(rate, performance.now());
    this.#alone = this.#queue.share();
  }

  get rate(): number {
    return this.#bucket.rate;
  }

  setRate(rate: number): void {
    this.#bucket.setRate(rate, performance.now());
    this.#serve();
  }

  /** One task's part in the limit. */
  share(): RateLimit {
    const limiter = this;
    const share = this.#queue.share();
    return {
      get rate() {
        return limiter.rate;
      },
      pass: (bytes) => limiter.#pass(share, bytes),
    };
  }

  pass(bytes: number): Promise<void> | undefined {
    return this.#pass(this.#alone, bytes);
  }

  #pass(share: Share<() => void>, bytes: number): Promise<void> | undefined {
    const { rate } = this.#bucket;
    if (rate <= 0) return undefined;
    const nowMs = performance.now();
    const memory = (rate * MEMORY_MS) / 1000;
    const owedMs = this.#bucket.owedMs(nowMs);
    const isTimely = this.#queue.empty ? owedMs === 0 : owedMs < AHEAD_MS;
    if (isTimely && this.#queue.pass(share, bytes, memory)) {
      this.#bucket.take(bytes, nowMs);
      return undefined;
    }
    return new Promise((resolve) => {
      const go = () => {
        this.#bucket.take(bytes, performance.now());
        resolve();
      };
      this.#queue.add(share, bytes, go, memory);
      this.#timer ??= this.#wake(owedMs, nowMs);
    });
  }

  #serve(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let owedMs = 0;
    let nowMs = performance.now();
    while (!this.#queue.empty) {
      nowMs = performance.now();
      owedMs = this.#bucket.owedMs(nowMs);
      if (owedMs > 0) break;
      this.#queue.next()?.();
    }
    if (!this.#queue.empty) this.#timer = this.#wake(owedMs, nowMs);
  }

  #wake(owedMs: number, nowMs: number): NodeJS.Timeout {
    const dueMs = Math.ceil((nowMs + Math.max(owedMs, 1)) / TICK_MS) * TICK_MS;
    return setTimeout(() => this.#serve(), Math.ceil(dueMs - nowMs));
  }
}
