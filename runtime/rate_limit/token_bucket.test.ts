import { describe, expect, it } from "vitest";
import { TokenBucket } from "./token_bucket.ts";

describe("TokenBucket", () => {
  it("holds its rate over any pattern of takes", () => {
    let now = 0;
    const bucket = new TokenBucket(1_000_000, now);
    let taken = 0;
    for (let step = 0; taken < 10_000_000; step++) {
      const bytes = [64_000, 1, 4_000_000][step % 3]!;
      taken += bytes;
      bucket.take(bytes, now);
      now += bucket.owedMs(now);
    }
    // What was saved up at the start (100 ms' worth) is all that may be gained.
    expect(taken / (now / 1000)).toBeLessThan(1_020_000);
    expect(taken / (now / 1000)).toBeGreaterThan(980_000);
  });

  it("saves up no more than its burst", () => {
    const bucket = new TokenBucket(1000, 0, 100);
    bucket.take(100, 60_000);
    expect(bucket.owedMs(60_000)).toBe(0);
    bucket.take(100, 60_000);
    expect(bucket.owedMs(60_000)).toBe(100);
  });

  it("lets everything pass without a rate", () => {
    const bucket = new TokenBucket(0, 0);
    bucket.take(1e12, 0);
    expect(bucket.owedMs(0)).toBe(0);
  });

  it("takes on a new rate for what comes after", () => {
    const bucket = new TokenBucket(1000, 0, 0);
    bucket.take(1000, 0);
    expect(bucket.owedMs(0)).toBe(1000);
    bucket.setRate(2000, 1000);
    bucket.take(1000, 1000);
    expect(bucket.owedMs(1000)).toBe(500);
  });
});
