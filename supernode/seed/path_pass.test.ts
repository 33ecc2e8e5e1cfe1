import { beforeEach, expect, it } from "vitest";
import { PASS_MS } from "../../protocol/path_pass.ts";
import { PathPass } from "./path_pass.ts";

let nowMs: number;
let passes: PathPass;
beforeEach(() => {
  nowMs = 5 * PASS_MS;
  passes = new PathPass(() => nowMs);
});

it("takes the pass it gave, for the task it gave it for", () => {
  const pass = passes.issue("a");
  expect(passes.accepts("a", pass)).toBe(true);
  expect(passes.accepts("b", pass)).toBe(false);
});

it("gives passes of 192 bits that another supernode does not know", () => {
  const pass = passes.issue("a");
  expect(pass).toMatch(/^[\w-]{32}$/);
  expect(new PathPass(() => nowMs).issue("a")).not.toBe(pass);
});

it.each(["", "x", "A".repeat(32), "A".repeat(31), "A".repeat(33), "!".repeat(32)])(
  "refuses %j",
  (pass) => {
    expect(passes.accepts("a", pass)).toBe(false);
  },
);

it("lets passes expire", () => {
  nowMs += PASS_MS - 1;
  const pass = passes.issue("a");
  nowMs += PASS_MS;
  expect(passes.accepts("a", pass)).toBe(true);
  nowMs += 1;
  expect(passes.accepts("a", pass)).toBe(false);
});
