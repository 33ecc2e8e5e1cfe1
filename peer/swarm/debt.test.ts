import { describe, expect, it } from "vitest";
import { Debt } from "./debt.ts";

const BUSY_MS = 20;

/** A neighbour that was asked at once, and says how busy it is at these times. */
function asked(spokeMs: readonly number[], word = { queueMs: 0, blockMs: BUSY_MS }): Debt {
  const debt = new Debt();
  debt.asked(0);
  for (const nowMs of spokeMs) debt.spoke(word, nowMs);
  return debt;
}

describe("a neighbour that was asked for blocks", () => {
  it("is overdue when it has said for 400 ms that it has time, and sent nothing", () => {
    expect(asked([200]).isOverdue).toBe(false);
    expect(asked([200, 400]).isOverdue).toBe(true);
  });

  it("is so though a few bytes come now and then", () => {
    const debt = asked([200]);
    debt.came(1, 300);
    debt.spoke({ queueMs: 0, blockMs: BUSY_MS }, 400);
    expect(debt.isOverdue).toBe(true);
  });

  it("is not when a packet comes in that time, however slow its line is", () => {
    const debt = new Debt();
    debt.asked(0);
    for (let nowMs = 100; nowMs < 10_000; nowMs += 100) {
      debt.spoke({ queueMs: 0, blockMs: BUSY_MS }, nowMs);
      if (nowMs % 300 === 0) debt.came(1448, nowMs);
      expect(debt.isOverdue).toBe(false);
    }
  });

  it("is not while it says nothing, nor when it has just gone on after that", () => {
    const debt = asked([100]);
    expect(debt.isOverdue).toBe(false);
    debt.spoke({ queueMs: 0, blockMs: BUSY_MS }, 1500);
    expect(debt.isOverdue).toBe(false);
  });

  it.each([
    ["says that its line takes a second for a block", { queueMs: 0, blockMs: 1000 }, 3000],
    ["says that others wait there", { queueMs: 200, blockMs: 100 }, 900],
    ["does not know how fast it is", { queueMs: 0, blockMs: 0 }, 900],
  ])("has longer where it %s", (_what, word, longerMs) => {
    const times = Array.from({ length: longerMs / 100 }, (_, index) => (index + 1) * 100);
    expect(asked(times.slice(0, -1), word).isOverdue).toBe(false);
    expect(asked(times, word).isOverdue).toBe(true);
  });

  it("is in doubt until something comes, also when what it was asked for came from others", () => {
    const debt = asked([200, 400]);
    expect(debt.doubt()).toBe(true);
    expect(debt.doubt()).toBe(false);
    debt.over();
    debt.asked(500);
    expect(debt.isOverdue).toBe(false);
    expect(debt.isDoubted).toBe(true);
    debt.came(64 * 1024, 600);
    expect(debt.isDoubted).toBe(false);
  });

  it("owes nothing before it is asked, or when it has answered", () => {
    const debt = asked([200]);
    debt.over();
    for (const nowMs of [400, 600, 800]) debt.spoke({ queueMs: 0, blockMs: BUSY_MS }, nowMs);
    debt.asked(900);
    expect(debt.isOverdue).toBe(false);
    expect(debt.isAsked).toBe(true);
  });
});
