import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Deadline } from "./deadline.ts";
import { atLowestRate, longestMs, TooSlowError } from "./lowest_rate.ts";

describe("how long a file may take", () => {
  it.each([
    ["as v1 counts", 64 * 1024 * 100, 64 * 1024, 0, 110_000],
    ["a limit of our own far above", 64 * 1024 * 100, 64 * 1024, 1024 ** 2, 110_000],
    ["a limit of our own below", 64 * 1024 * 100, 64 * 1024, 32 * 1024, 410_000],
    ["nothing to bring", 0, 64 * 1024, 0, 10_000],
  ])("%s", (_, length, rate, ownLimit, expected) => {
    expect(longestMs(length, rate, ownLimit)).toBe(expected);
  });
});

describe("a way at the lowest rate", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Never done by itself. */
  const until = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error("ended")));
    });
  const outer = new AbortController();
  const rates = { lowestRate: 1000, ownLimit: () => 0 };

  it("ends when the file should be here", async () => {
    const going = atLowestRate(rates, outer.signal, (signal, onLength) => {
      onLength(5000);
      return until(signal);
    });
    const failed = expect(going).rejects.toThrow(TooSlowError);
    await vi.advanceTimersByTimeAsync(14_900);
    const early = await Promise.race([going.catch(() => "over"), sleep(0, "on its way")]);
    expect(early).toBe("on its way");
    await vi.advanceTimersByTimeAsync(200);
    await failed;
  });

  it("has any time while nobody knows the length", async () => {
    let ended = false;
    const going = atLowestRate(rates, outer.signal, async (signal, onLength) => {
      signal.addEventListener("abort", () => {
        ended = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 3_600_000));
      expect(ended).toBe(false);
      onLength(1);
      return until(signal);
    });
    const failed = expect(going).rejects.toThrow("1 bytes were not here after 3600 s");
    await vi.advanceTimersByTimeAsync(3_600_100);
    await failed;
  });

  it("has longer while a limit of our own is low", async () => {
    let ownLimit = 100;
    const going = atLowestRate(
      { ...rates, ownLimit: () => ownLimit },
      outer.signal,
      (signal, onLength) => {
        onLength(5000);
        return until(signal);
      },
    );
    const failed = expect(going).rejects.toThrow("after 110 s");
    await vi.advanceTimersByTimeAsync(100_000);
    ownLimit = 100;
    await vi.advanceTimersByTimeAsync(10_100);
    await failed;
  });

  it("says nothing of the rate where somebody else ended it", async () => {
    const abort = new AbortController();
    const going = atLowestRate(rates, abort.signal, (signal, onLength) => {
      onLength(5000);
      return until(signal);
    });
    abort.abort();
    await expect(going).rejects.toThrow("ended");
  });
});

it("a deadline further off than a timer reaches does not pass at once", async () => {
  const deadline = new Deadline(2 ** 40);
  await sleep(20);
  expect(deadline.passed).toBe(false);
  deadline.clear();
});
