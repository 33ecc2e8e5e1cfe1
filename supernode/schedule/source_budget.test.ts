import { expect, test } from "vitest";
import { MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { SourceBudget } from "./source_budget.ts";

/** A budget with so many connections in use, each of which has told so often how fast it is. */
function measured(connections: number, blockMs: number, times: number): SourceBudget {
  const budget = new SourceBudget();
  for (let count = 0; count < connections; count++) budget.take();
  for (let count = 0; count < times; count++) budget.measured(MOST_BLOCK_BYTES / blockMs);
  return budget;
}

test("on a slow link there are as few connections as bring a block each in reasonable time", () => {
  const { wanted } = measured(32, 2000, 30);
  expect(wanted).toBeGreaterThanOrEqual(5);
  expect(wanted).toBeLessThan(8);
});

test("on a fast link there soon are as many as may be", () => {
  expect(measured(24, 10, 1).wanted).toBe(48);
});

test("their number falls step by step: one slow node says little of the link", () => {
  expect(measured(32, 5000, 1).wanted).toBeGreaterThan(20);
});

test("a task that has none may have one even where there are too many", () => {
  const budget = measured(20, 5000, 30);
  expect(budget.hasRoom(false)).toBe(false);
  expect(budget.hasRoom(true)).toBe(true);
  for (let count = budget.used; count < 48; count++) budget.take();
  expect(budget.hasRoom(true)).toBe(false);
});
