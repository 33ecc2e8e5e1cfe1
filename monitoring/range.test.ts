import { expect, it } from "vitest";
import { parseRange } from "./range.ts";

it.each([
  ["10", [0, 5, 10], [-1, 10.5]],
  ["10:", [10, 1e9], [9.9, -1]],
  ["~:10", [-1e9, 10], [10.1]],
  [":10", [0, 10], [-1, 11]],
  ["10:20", [10, 15.5, 20], [9, 21]],
  ["@10:20", [9, 21], [10, 15, 20]],
  ["@5", [-1, 6], [0, 5]],
  ["-5:-1.5", [-5, -1.5], [-6, 0]],
])("%s", (text, quiet, loud) => {
  const { alerts } = parseRange(text);
  expect(quiet.filter(alerts)).toEqual([]);
  expect(loud.filter(alerts)).toEqual(loud);
});

it.each(["", ":", "@", "@:", "ten", "1:2:3", "1e3", "5%", "~", "1,2"])("refuses %j", (text) => {
  expect(() => parseRange(text)).toThrow("is no range: expected such as 10");
});

it("refuses an end before the start", () => {
  expect(() => parseRange("20:10")).toThrow("20 is more than 10");
});
