import { describe, expect, it } from "vitest";
import { closing, compare, median } from "./compare.ts";
import type { Bench } from "./measure.ts";

describe("median", () => {
  it.each([
    [[3], 3],
    [[5, 1, 3], 3],
    [[4, 1, 3, 100], 3.5],
  ])("of %j is %d", (values, expected) => expect(median(values)).toBe(expected));
});

describe("compare", () => {
  it("lets the sides begin in turn, and compares their medians", async () => {
    const order: string[] = [];
    const bench = {
      options: { runs: 3, runtime: "node" },
      signal: new AbortController().signal,
      say: () => {},
    } as unknown as Bench;
    const side = (name: string, values: number[]) => async (run: number) => {
      order.push(name);
      return { value: values[run]! };
    };
    const result = await compare(bench, {
      ours: side("ours", [1, 9, 2]),
      theirs: side("theirs", [4, 4, 0]),
      unit: "s",
    });
    expect(order).toEqual(["ours", "theirs", "theirs", "ours", "ours", "theirs"]);
    expect(closing("get", result, "s")).toBe("get ratio=0.50 (ours 2.000 s, theirs 4.000 s)");
  });
});
