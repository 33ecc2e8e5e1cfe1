import { expect, it } from "vitest";
import { AwaitedBlocks, NONE_AWAITED } from "./awaited_blocks.ts";

it("names what a reader who is about to come will begin with, until he is here", () => {
  const awaited = new AwaitedBlocks();
  awaited.expect(9);
  expect([awaited.choose(0), awaited.blocks]).toEqual([9, [9]]);
  const reader = awaited.enter();
  expect(awaited.blocks).toEqual([]);
  reader.block = 4;
  awaited.enter().block = 4;
  awaited.enter().block = 2;
  expect(awaited.blocks).toEqual([4, 2]);
});

it("names any of those that readers wait for, and none of who reads or has left", () => {
  const awaited = new AwaitedBlocks();
  expect(awaited.choose(0.5)).toBe(NONE_AWAITED);
  const [first, , last] = [awaited.enter(), awaited.enter(), awaited.enter()];
  expect(awaited.choose(0.5)).toBe(NONE_AWAITED);
  first.block = 0;
  last.block = 7;
  expect([0, 0.4, 0.5, 0.99].map((random) => awaited.choose(random))).toEqual([0, 0, 7, 7]);
  awaited.leave(last);
  expect(awaited.choose(0.99)).toBe(0);
  first.block = NONE_AWAITED;
  expect(awaited.choose(0)).toBe(NONE_AWAITED);
});
