import { expect, it } from "vitest";
import { parseSamples, parseSelector, sumOf } from "./metric_samples.ts";

const samples = parseSamples(
  [
    "# HELP bytes_total Bytes.",
    "# TYPE bytes_total counter",
    'bytes_total{origin="peer"} 5e3',
    'bytes_total{origin="cache",zone="a \\"b\\", c\\\\d"} 12',
    "bytes_total_created 1",
    "age_seconds 1.5 1700000000000",
    "top +Inf",
    "",
  ].join("\n"),
);
const sum = (selector: string) => sumOf(samples, parseSelector(selector));

it("adds up what a selector picks", () => {
  expect(sum("bytes_total")).toBe(5012);
  expect(sum('bytes_total{origin="peer"}')).toBe(5000);
  expect(sum('bytes_total{zone="a \\"b\\", c\\\\d", origin="cache"}')).toBe(12);
  expect(sum("age_seconds")).toBe(1.5);
  expect(sum("top")).toBe(Infinity);
});

it("tells nothing from 0", () => {
  expect(sum("bytes")).toBeUndefined();
  expect(sum('bytes_total{origin="nowhere"}')).toBeUndefined();
});

it.each(["", "a b", "a{b}", "a{b=c}", 'a{b="c"', "5a"])("refuses %j as a selector", (text) => {
  expect(() => parseSelector(text)).toThrow("is no metric");
});
