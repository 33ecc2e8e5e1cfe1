import { expect, test } from "vitest";
import { describeSchedule, FAULT_KINDS, NODES, scheduleOf } from "./schedule.ts";

const many = Array.from({ length: 300 }, (_, index) => scheduleOf(index + 1));

test("the same seed gives the same schedule, another seed another", () => {
  expect(scheduleOf(7)).toEqual(scheduleOf(7));
  expect(scheduleOf(8)).not.toEqual({ ...scheduleOf(7), seed: 8 });
});

test("every node pulls, and something goes wrong while it does", () => {
  for (const { pulls, faults } of many) {
    expect(new Set(pulls.map(({ node }) => node)).size).toBe(NODES);
    expect(faults.length).toBeGreaterThan(0);
    for (const { atMs, forMs } of faults) {
      expect(atMs).toBeLessThanOrEqual(2500);
      expect(forMs).toBeGreaterThan(0);
    }
  }
});

test("few seeds see every kind of fault, and every kind of part", () => {
  const seen = many.slice(0, 25).flatMap(({ faults }) => faults);
  expect(new Set(seen.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
  expect(new Set(seen.map(({ part }) => part)).size).toBe(NODES + 2);
});

test("in about half of the seeds somebody reads parts of layers", () => {
  const reading = many.filter(({ parts }) => parts.length > 0);
  expect(reading.length / many.length).toBeGreaterThan(0.4);
  expect(reading.length / many.length).toBeLessThan(0.6);
  for (const { at, bytes } of reading.flatMap(({ parts }) => parts)) {
    expect(at >= 0 && at < 1).toBe(true);
    expect(bytes).toBeGreaterThan(0);
  }
});

test("a part is hit only by what can happen to it, and by one thing at a time", () => {
  for (const { faults, cdnPattern } of many) {
    for (const { kind, part } of faults) {
      if (part === "registry")
        expect(["kill", "freeze", "black hole", "lossy link", "in trouble"]).toContain(kind);
      if (kind === "in trouble") expect(part).toBe("registry");
      if (kind === "twin") expect(part).toMatch(/^node/);
      if (kind === "full disk" && part === "supernode") expect(cdnPattern).toBe("local");
    }
    for (const [index, fault] of faults.entries()) {
      const next = faults.slice(index + 1).find(({ part }) => part === fault.part);
      if (next) expect(next.atMs).toBeGreaterThanOrEqual(fault.atMs + fault.forMs);
    }
  }
});

test("a schedule reads in the order of time", () => {
  const times = [...describeSchedule(scheduleOf(3)).matchAll(/^ +(\d+) ms/gm)].map((found) =>
    Number(found[1]),
  );
  expect(times.length).toBeGreaterThan(NODES);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});
