import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type RateLimit, RateLimiter } from "./rate_limiter.ts";
import { biteOf } from "./within_limits.ts";

const MB = 1_000_000;

beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => vi.useRealTimers());

/**
 * What connections have got that share one part of a limit, and read as fast as it lets them. What they read
 * before the limit is asked for the first time does not count.
 */
function greedy(limit: RateLimit, connections: number): { bytes: number } {
  const chunk = biteOf([limit]);
  const got = { bytes: 0 };
  const connection = async () => {
    for (;;) {
      await limit.pass(chunk);
      got.bytes += chunk;
    }
  };
  for (let each = 0; each < connections; each++) void connection();
  return got;
}

/** Lets so many seconds pass; returns how often the process was woken in each. */
async function pass(seconds: number, everyMs?: () => void): Promise<number> {
  const timers = vi.spyOn(globalThis, "setTimeout");
  for (let ms = 0; ms < seconds * 1000; ms++) {
    everyMs?.();
    await vi.advanceTimersByTimeAsync(1);
  }
  // The last one is still to come.
  const woken = Math.max(0, timers.mock.calls.length - 1) / seconds;
  timers.mockRestore();
  return woken;
}

describe("RateLimiter", () => {
  it.each([1, 10, 50, 200].flatMap((rate) => [1, 6, 24].map((connections) => [rate, connections])))(
    "holds %d MB/s over 10 s with %d connections, by a hundred wakes a second",
    async (rate, connections) => {
      const limiter = new RateLimiter(rate! * MB);
      const got = greedy(limiter, connections!);
      const woken = await pass(10);
      expect(got.bytes / 10 / (rate! * MB)).toBeGreaterThan(0.95);
      expect(got.bytes / 10 / (rate! * MB)).toBeLessThan(1.05);
      expect(woken).toBeLessThanOrEqual(100);
    },
  );

  it.each([2, 20, 200])(
    "at %d MB/s it gives tasks the same, whatever connections they have",
    async (rate) => {
      const limiter = new RateLimiter(rate * MB);
      const tasks = [1, 4, 24].map((connections) => greedy(limiter.share(), connections));
      await pass(10);
      for (const { bytes } of tasks) {
        const part = bytes / 10 / ((rate * MB) / tasks.length);
        expect(part).toBeGreaterThan(0.95);
        expect(part).toBeLessThan(1.05);
      }
    },
  );

  it("leaves what a slow task does not want to the others", async () => {
    const limiter = new RateLimiter(20 * MB);
    const [slow, fast] = [limiter.share(), limiter.share()];
    const got = greedy(fast, 4);
    let trickle = 0;
    await pass(10, () => {
      trickle += 2000;
      void slow.pass(2000);
    });
    expect(trickle / 10).toBe(2 * MB);
    expect(got.bytes / 10 / (18 * MB)).toBeGreaterThan(0.95);
    expect(got.bytes / 10 / (18 * MB)).toBeLessThan(1.05);
  });

  it("lets all go that wait when the limit is lifted", async () => {
    const limiter = new RateLimiter(1000);
    void limiter.pass(100_000);
    let gone = 0;
    for (let each = 0; each < 3; each++) void limiter.pass(100_000)!.then(() => (gone += 1));
    await pass(1);
    expect(gone).toBe(0);
    limiter.setRate(0);
    await pass(0.001);
    expect(gone).toBe(3);
    expect(limiter.pass(1e12)).toBeUndefined();
  });
});
