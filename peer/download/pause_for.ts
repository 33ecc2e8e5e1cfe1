import type { RateLimiter } from "../../runtime/rate_limiter.ts";

/** A pause shorter than this is saved up for the next one: a timer costs more than it, ms. */
const LEAST_PAUSE_MS = 10;
/** Bytes to read at once: what takes a limit about this long, ms, but neither fewer nor more than these. */
const BITE_MS = 10;
const BITE_BYTES = { least: 64 * 1024, most: 256 * 1024 };

/** Counts bytes against all limits, and says for how many milliseconds to read nothing more. */
export function pauseFor(bytes: number, limiters: readonly RateLimiter[] = []): number {
  let waitMs = 0;
  for (const limiter of limiters) waitMs = Math.max(waitMs, limiter.take(bytes));
  return waitMs < LEAST_PAUSE_MS ? 0 : waitMs;
}

/**
 * How many bytes to read at once under these limits. Who reads more at a time than others under the same limit gets
 * more of it: those who fetch from the source must not fall behind those who ask their neighbours.
 */
export function biteOf(limiters: readonly RateLimiter[] = []): number {
  let bytes = BITE_BYTES.most;
  for (const { rate } of limiters) if (rate > 0) bytes = Math.min(bytes, (rate * BITE_MS) / 1000);
  return Math.max(BITE_BYTES.least, Math.floor(bytes));
}
