import { expect, test } from "vitest";
import { RateLimiter } from "./rate_limiter.ts";
import { biteOf } from "./within_limits.ts";

test.each([
  ["no limit", [], 256 * 1024],
  ["limits that are none", [0, -1], 256 * 1024],
  ["a wide one", [1_000_000_000], 256 * 1024],
  ["what the narrowest lets through in 10 ms", [0, 20_000_000, 10_000_000], 100_000],
  ["a narrow one", [1000], 64 * 1024],
])("how much is moved at once: %s", (_name, rates, bytes) => {
  expect(biteOf(rates.map((rate) => new RateLimiter(rate)))).toBe(bytes);
});
