import { describe, expect, it } from "vitest";
import { Stall } from "./stall.ts";

describe("a stall", () => {
  it("lasts as long as was listened, and ends when something comes", () => {
    const stall = new Stall(0);
    expect(stall.look(100, false)).toBe(true);
    expect(stall.look(250, false)).toBe(true);
    expect(stall.ms).toBe(250);
    stall.end();
    stall.look(350, false);
    expect(stall.ms).toBe(100);
  });

  it("does not count the time in which this process was busy with something else", () => {
    const stall = new Stall(0);
    expect(stall.look(5000, false)).toBe(false);
    expect(stall.ms).toBe(200);
  });

  it("is one alone only from when no supernode is heard any more", () => {
    const stall = new Stall(0);
    stall.look(200, false);
    stall.look(300, true);
    stall.look(400, true);
    expect([stall.ms, stall.aloneMs]).toEqual([400, 200]);
    stall.look(500, false);
    expect([stall.ms, stall.aloneMs]).toEqual([500, 0]);
    stall.look(600, true);
    stall.end();
    expect([stall.ms, stall.aloneMs]).toEqual([0, 0]);
  });
});
