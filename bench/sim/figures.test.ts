import { expect, it } from "vitest";
import { figuresOf, type Outcomes, ratio, worst } from "./figures.ts";
import { type Outcome, percentile } from "./outcome.ts";

const GOOD: Outcome = {
  healthyMs: [8000, 8100, 8200],
  halfMs: [4000, 4100, 4200],
  silentMs: [500, 600, 700],
  incomplete: 0,
  egress: 1,
  cross: 2,
  waste: 0,
  supernode: { requests: { register: 3, heartbeat: 9 }, perSecond: 1, peakPerSecond: 3, busy: 0.1 },
  lastMs: 8200,
  events: 1000,
};

it("finds the figure that is nearest to its limit", () => {
  const outcomes: Outcomes = { large: { ...GOOD, supernode: { ...GOOD.supernode, busy: 0.77 } } };
  const figure = worst(figuresOf(outcomes))!;
  expect(figure).toMatchObject({ run: "large", what: "supernode's core busy" });
  expect(ratio(figure)).toBeCloseTo(1.1);
});

it("allows more egress where nodes come one after the other", () => {
  const late = { ...GOOD, egress: 1.04 };
  const bad = figuresOf({ rolling: late, kraken: late }).filter((figure) => ratio(figure) > 1);
  expect(bad.map(({ run, what }) => [run, what])).toEqual([["kraken", "egress / image"]]);
});

it("measures the troubled against the untroubled", () => {
  const slow = { ...GOOD, healthyMs: GOOD.healthyMs.map((ms) => ms * 1.31) };
  const figures = figuresOf({ grow1000: GOOD, trouble: slow });
  expect(figures.filter((figure) => ratio(figure) > 1).map(({ what }) => what)).toEqual([
    "p99 of the healthy",
  ]);
});

it("takes a node that is left without for failure", () => {
  expect(ratio(worst(figuresOf({ spread: { ...GOOD, incomplete: 1 } }))!)).toBe(Infinity);
});

it("takes percentiles by the nearest rank", () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0.5, 0.99, 0.999, 1].map((part) => percentile(values, part))).toEqual([50, 99, 100, 100]);
});
