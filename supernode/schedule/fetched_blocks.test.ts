import { expect, it } from "vitest";
import { FetchedBlocks } from "./fetched_blocks.ts";

it("knows who has brought which block, and how many there are before one", () => {
  const blocks = new FetchedBlocks<string>(10);
  blocks.fetched(0, "a", 5);
  blocks.held(4, "b", 6);
  expect(blocks.of(0)).toEqual({ by: "a", sinceMs: 5 });
  expect([blocks.wasHeldBefore(0), blocks.wasHeldBefore(4)]).toEqual([false, true]);
  expect(blocks.below(8)).toBe(2);
  blocks.fetched(2, "a", 7);
  blocks.lost(0);
  expect(blocks.below(8)).toBe(2);
  expect(blocks.below(3)).toBe(1);
  blocks.fetched(4, "a", 8);
  expect(blocks.wasHeldBefore(4)).toBe(false);
  expect([blocks.has(0), blocks.of(0)]).toEqual([false, undefined]);
});
