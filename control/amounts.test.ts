import { expect, it } from "vitest";
import { showBytes, showShare, showTime } from "./amounts.ts";

it("bytes", () => {
  expect([-1, 0, 999, 1000, 4_200_000, 99_950, 999_999, 212e6, 3e15].map(showBytes)).toEqual([
    ...["?", "0 B", "999 B", "1.0 kB", "4.2 MB", "100 kB", "1.0 MB", "212 MB", "3000 TB"],
  ]);
});

it("time, in its two largest units", () => {
  const s = 1000;
  const seconds = [0, 3, 60, 65, 3600, 7500, 86_400, 277_000];
  expect(seconds.map((value) => showTime(value * s))).toEqual([
    ...["0 s", "3 s", "1 min", "1 min", "1 h", "2 h 5 min", "1 d", "3 d 4 h"],
  ]);
});

it("shares: never all before it is all", () => {
  expect([0, 0.001, 0.5, 0.999, 1].map(showShare)).toEqual(["0 %", "1 %", "50 %", "99 %", "100 %"]);
});
