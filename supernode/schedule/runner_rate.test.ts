import { describe, expect, it } from "vitest";
import { RunnerRate, usualRate } from "./runner_rate.ts";

const BLOCK_BYTES = 1 << 20;

/** One that has fetched a block every so many ms for a second. */
function running(everyMs: number): RunnerRate {
  const rate = new RunnerRate(BLOCK_BYTES, 0);
  for (let nowMs = everyMs; nowMs <= 1000; nowMs += everyMs) {
    rate.block(nowMs);
    rate.reported(0, nowMs);
    rate.measure(nowMs);
  }
  return rate;
}

describe("a runner's rate", () => {
  it("counts whole blocks and the part of the next one, over a tenth of a second at least", () => {
    const rate = new RunnerRate(BLOCK_BYTES, 0);
    rate.block(50);
    rate.reported(BLOCK_BYTES / 2, 50);
    expect(rate.measure(50)).toBeUndefined();
    expect(rate.measure(100)).toBe((1.5 * BLOCK_BYTES) / 100);
  });

  it("is slow below a quarter of what is usual, once it is settled", () => {
    const rates = [running(100), running(100), running(500)];
    const usual = usualRate(rates);
    expect(usual).toBe(BLOCK_BYTES / 100);
    expect(rates.map((rate) => rate.isSlow(usual))).toEqual([false, false, true]);
    expect(rates[2]!.isSlow(usual, 300)).toBe(false);
    expect(new RunnerRate(BLOCK_BYTES, 0).isSlow(usual)).toBe(false);
  });

  it("is moving while it tells of more bytes, of whichever of its leases, and brings a block in time", () => {
    const rate = new RunnerRate(BLOCK_BYTES, 0);
    for (let nowMs = 0; nowMs <= 100_000; nowMs += 2000) {
      rate.reported(nowMs * 5, nowMs);
      // Of the lease that it does not work on.
      rate.reported(0, nowMs);
    }
    expect(rate.isMoving(109_000)).toBe(true);
    rate.reported(100_000 * 5, 109_000);
    expect(rate.isMoving(111_000)).toBe(false);
    rate.reported(110_000 * 5, 119_000);
    expect(rate.isMoving(119_500)).toBe(true);
    expect(rate.isMoving(121_000)).toBe(false);
  });

  it("is first with a block of which less is left than it is slower than the others", () => {
    const slow = running(400);
    const usual = BLOCK_BYTES / 100;
    slow.reported(BLOCK_BYTES * 0.7, 1000);
    expect(slow.isFirstWithBlock(usual)).toBe(false);
    slow.reported(BLOCK_BYTES * 0.9, 1000);
    expect(slow.isFirstWithBlock(usual)).toBe(true);
  });

  it("begins when it is first heard, where nothing has come by then", () => {
    const rate = new RunnerRate(BLOCK_BYTES, 0);
    const report = (nowMs: number) => {
      rate.reported(0, nowMs);
      rate.measure(nowMs);
      return rate.isSlow(BLOCK_BYTES / 100);
    };
    expect([1500, 2000, 2200].map(report)).toEqual([false, false, false]);
    expect(rate.lastBlockMs).toBe(1500);
    expect(report(2400)).toBe(true);
  });
});
