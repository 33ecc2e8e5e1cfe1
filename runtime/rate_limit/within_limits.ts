import type { RateLimit } from "./rate_limiter.ts";

/** Bytes to move at once: what takes a limit about this long, ms, but neither fewer nor more than these. */
const BITE_MS = 10;
const BITE_BYTES = { least: 64 * 1024, most: 256 * 1024 };

/**
 * Counts bytes against all limits.
 *
 * @returns resolves when all of them let one go on; `undefined`: at once
 */
export function withinLimits(
  bytes: number,
  limits: readonly RateLimit[] = [],
): Promise<unknown> | undefined {
  let waiting: Promise<unknown> | undefined;
  for (const limit of limits) {
    const wait = limit.pass(bytes);
    waiting = waiting && wait ? Promise.all([waiting, wait]) : (wait ?? waiting);
  }
  return waiting;
}

/** How many bytes to move at once under these limits: so much is moved before they are asked. */
export function biteOf(limits: readonly RateLimit[] = []): number {
  let bytes = BITE_BYTES.most;
  for (const { rate } of limits) if (rate > 0) bytes = Math.min(bytes, (rate * BITE_MS) / 1000);
  return Math.max(BITE_BYTES.least, Math.floor(bytes));
}
