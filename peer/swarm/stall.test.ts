import { describe, expect, it } from "vitest";
import { Stall } from "./stall.ts";

describe("a stall", () => {
  it("lasts as long as was listened, and ends when something comes", () => {
    const stall = new Stall(0);
    expect(stall.look(100)).toBe(true);
    expect(stall.look(250)).toBe(true);
    expect(stall.ms).toBe(250);
    stall.end();
    stall.look(350);
    expect(stall.ms).toBe(100);
  });

  it("does not count the time in which this process was busy with something else", () => {
    const stall = new Stall(0);
    expect(stall.look(5000)).toBe(false);
    expect(stall.ms).toBe(200);
  });
});
