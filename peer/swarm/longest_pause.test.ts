import { expect, test } from "vitest";
import { LongestPause } from "./longest_pause.ts";

test("the longest pause of late counts, whatever came after it", () => {
  const pauses = new LongestPause();
  expect(pauses.ms(0)).toBe(0);
  pauses.note(1200, 100);
  pauses.note(300, 200);
  expect(pauses.ms(200)).toBe(1200);
});

test("a pause is forgotten after a while, not at once", () => {
  const pauses = new LongestPause();
  pauses.note(1200, 4000);
  expect(pauses.ms(8900)).toBe(1200);
  pauses.note(50, 9000);
  expect(pauses.ms(9500)).toBe(1200);
  expect(pauses.ms(14_000)).toBe(50);
  expect(pauses.ms(30_000)).toBe(0);
});
