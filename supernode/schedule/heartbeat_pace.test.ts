import { describe, expect, it } from "vitest";
import { heartbeatPace, type Occasion } from "./heartbeat_pace.ts";

const USUAL: Occasion = {
  members: 10,
  isRunner: false,
  isDone: false,
  waits: false,
  isHeldBack: false,
  relief: 1,
  random: () => 0.5,
};
const pace = (occasion: Partial<Occasion>) => heartbeatPace({ ...USUAL, ...occasion });

describe("the pace of heartbeats", () => {
  it("is quick for those who fetch, usual for the others, and slow for those who are done", () => {
    expect(pace({ isRunner: true })).toBe(500);
    expect(pace({})).toBe(1000);
    expect(pace({ isDone: true })).toBe(3000);
  });

  it("is quicker for those who wait, where these are few", () => {
    expect(pace({ waits: true })).toBe(200);
    expect(pace({ waits: true, members: 40 })).toBe(800);
    expect(pace({ waits: true, members: 100 })).toBe(1000);
    expect(pace({ isRunner: true, isHeldBack: true, members: 3 })).toBe(100);
  });

  it("slows down with many members, up to a bound, and differs among those who came together", () => {
    expect(pace({ members: 10_000 })).toBe(2000);
    expect(pace({ members: 100_000 })).toBe(3000);
    expect(pace({ random: () => 0 })).toBe(800);
  });

  it("slows down for a busy supernode, but not for those who fetch or wait", () => {
    expect(pace({ members: 10_000, relief: 1.5 })).toBe(3000);
    expect(pace({ members: 15_000, relief: 4 })).toBe(8000);
    expect(pace({ isDone: true, relief: 4 })).toBe(8000);
    expect(pace({ isRunner: true, relief: 4 })).toBe(500);
    expect(pace({ waits: true, relief: 4 })).toBe(200);
  });
});
