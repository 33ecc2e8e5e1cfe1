import { describe, expect, it } from "vitest";
import { BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { RunnerRate, usualRate } from "./runner_rate.ts";

/** One that has fetched a block every so many ms for a second. */
function running(everyMs: number): RunnerRate {
  const rate = new RunnerRate(0);
  for (let nowMs = everyMs; nowMs <= 1000; nowMs += everyMs) {
    rate.block(nowMs);
    rate.reported(0, nowMs);
    rate.measure(nowMs);
  }
  return rate;
}

describe("a runner's rate", () => {
  it("counts whole blocks and the part of the next one, over a tenth of a second at least", () => {
    const rate = new RunnerRate(0);
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
    expect(new RunnerRate(0).isSlow(usual)).toBe(false);
  });

  it("begins when it is first heard, where nothing has come by then", () => {
    const rate = new RunnerRate(0);
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
