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

  describe("ends p2p", () => {
    /** Looks ten times a second. */
    const listen = (stall: Stall, fromMs: number, untilMs: number, isAlone = false) => {
      for (let nowMs = fromMs + 100; nowMs <= untilMs; nowMs += 100) stall.look(nowMs, isAlone);
      return stall;
    };

    it.each([
      ["after 15 s", 15_000, false, false, "no block for 15000 ms"],
      [
        "after 5 s without a supernode",
        5000,
        true,
        false,
        "no supernode, and no block for 5000 ms",
      ],
      ["after 3 s where nobody else has the file", 3000, false, true, "there is no neighbour"],
    ])("%s, and not before", (_when, limitMs, isAlone, isForsaken, why) => {
      const stall = listen(new Stall(0), 0, limitMs, isAlone);
      expect(stall.whyGiveUp(isForsaken)).toBeUndefined();
      listen(stall, limitMs, limitMs + 100, isAlone);
      expect(stall.whyGiveUp(isForsaken)).toContain(why);
    });

    it("counts from when the supernode was missed, not from the last block", () => {
      const stall = listen(new Stall(0), 0, 4000);
      listen(stall, 4000, 9000, true);
      expect(stall.whyGiveUp(false)).toBeUndefined();
      listen(stall, 9000, 9100, true);
      expect(stall.whyGiveUp(false)).toContain("no supernode");
    });

    it("begins anew when a supernode is heard, or something comes", () => {
      const stall = listen(new Stall(0), 0, 5000, true);
      listen(stall, 5000, 5100);
      listen(stall, 5100, 10_000, true);
      expect(stall.whyGiveUp(false)).toBeUndefined();
      stall.end();
      listen(stall, 10_000, 15_000, true);
      expect(stall.whyGiveUp(false)).toBeUndefined();
    });
  });
});
