import { describe, expect, it } from "vitest";
import { parseContentRange, parseRangeHeader } from "./http_range.ts";

const part = (start: number, end: number, open = false) => ({ kind: "part", start, end, open });
const whole = { kind: "whole" };
const unsatisfiable = { kind: "unsatisfiable" };

describe("parseRangeHeader", () => {
  it.each([
    [null, 100, whole],
    ["bytes=0-9", 100, part(0, 9)],
    ["bytes=0-", 100, part(0, 99, true)],
    ["bytes=-5", 100, part(95, 99)],
    ["bytes=-500", 100, part(0, 99)],
    ["bytes=90-500", 100, part(90, 99)],
    ["bytes=100-", 100, unsatisfiable],
    ["bytes=-0", 100, unsatisfiable],
    ["bytes=0-", 0, unsatisfiable],
    ["bytes=9-5", 100, whole],
    ["bytes=0-1,5-6", 100, whole],
    ["items=0-9", 100, whole],
    ["bytes=-", 100, whole],
  ])("%j of %d bytes", (header, length, expected) => {
    expect(parseRangeHeader(header, length)).toEqual(expected);
  });
});

describe("parseContentRange", () => {
  it.each([
    ["bytes 0-9/100", { start: 0, end: 9, total: 100 }],
    ["bytes 0-9/*", { start: 0, end: 9, total: -1 }],
    ["bytes */100", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%j", (header, expected) => {
    expect(parseContentRange(header)).toEqual(expected);
  });
});
