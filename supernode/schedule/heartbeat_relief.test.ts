import { describe, expect, it } from "vitest";
import { HeartbeatRelief } from "./heartbeat_relief.ts";

describe("the relief of a busy supernode", () => {
  it("settles where reports take the part of a core that they may, and no longer swings", () => {
    const relief = new HeartbeatRelief();
    // 10,000 members, 2 s apart as a rule, 0.2 ms each: they hear of a change when they report next.
    const factors: number[] = [];
    for (let second = 0; second < 60; second++) {
      const heard = factors.at(-4) ?? 1;
      const reports = 5000 / heard;
      relief.measured(Math.min(1, reports * 0.0002), reports);
      factors.push(relief.factor);
    }
    for (const factor of factors.slice(30)) expect(factor).toBeCloseTo(1 / 0.6, 1);
    expect(Math.max(...factors)).toBeLessThan(2.5);
  });

  it("is bounded, and ends with the burden", () => {
    const relief = new HeartbeatRelief();
    for (let second = 0; second < 60; second++) relief.measured(1, 5000);
    expect(relief.factor).toBe(4);
    for (let second = 0; second < 10; second++) relief.measured(0.1, 800);
    expect(relief.factor).toBeLessThan(1.2);
    for (let second = 0; second < 10; second++) relief.measured(0, 800);
    expect(relief.factor).toBe(1);
  });

  it("is none where it is not the reports that keep the supernode busy", () => {
    const relief = new HeartbeatRelief();
    for (let second = 0; second < 60; second++) relief.measured(1, 100);
    expect(relief.factor).toBe(1);
    for (let second = 0; second < 60; second++) relief.measured(1, 5000);
    for (let second = 0; second < 10; second++) relief.measured(1, 100);
    expect(relief.factor).toBe(1);
  });
});
