import type { RateLimiter } from "../../runtime/rate_limiter.ts";

/** A pause shorter than this is saved up for the next one: a timer costs more than it, ms. */
const LEAST_PAUSE_MS = 10;

/** Counts bytes against all limits, and says for how many milliseconds to read nothing more. */
export function pauseFor(bytes: number, limiters: readonly RateLimiter[] = []): number {
  let waitMs = 0;
  for (const limiter of limiters) waitMs = Math.max(waitMs, limiter.take(bytes));
  return waitMs < LEAST_PAUSE_MS ? 0 : waitMs;
}
