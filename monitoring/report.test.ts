import { expect, it } from "vitest";
import { parseRange } from "./range.ts";
import { type Figure, judge, report } from "./report.ts";

const time = (value: number): Figure => ({
  label: "time",
  value,
  unit: "s",
  warning: parseRange("1"),
  critical: parseRange("5"),
});

it("prints text and figures", () => {
  const figures: Figure[] = [time(0.25), { label: "it's = this", value: -2, unit: "c" }];
  const { state, line } = report("X", [judge(time(0.25), (value) => `${value} s`)], figures);
  expect(state).toBe("OK");
  expect(line).toBe("X OK - 0.25 s | time=0.25s;1;5;0 'it''s = this'=-2c;;;");
});

it.each([
  [0.5, "OK", "0.5 s"],
  [2, "WARNING", "2 s (1)"],
  [6, "CRITICAL", "6 s (5)"],
])("judges %d", (value, state, text) => {
  expect(judge(time(value), (seconds) => `${seconds} s`)).toEqual({ state, text });
});

it("puts the worst first: critical, warning, unknown, ok", () => {
  const findings = (["OK", "UNKNOWN", "WARNING", "CRITICAL"] as const).map((state) => ({
    state,
    text: state.toLowerCase(),
  }));
  expect(report("X", findings).line).toBe("X CRITICAL - critical, warning, unknown, ok");
  expect(report("X", findings.slice(0, 2)).state).toBe("UNKNOWN");
});

it("keeps the text on one line and before the bar, and leaves out what is no number", () => {
  const figures: Figure[] = [{ label: "a", value: Number.NaN, unit: "" }];
  expect(report("X", [{ state: "OK", text: "a\n| b" }], figures).line).toBe("X OK - a / b");
});
