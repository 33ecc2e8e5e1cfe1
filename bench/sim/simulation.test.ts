import { describe, expect, it } from "vitest";
import { percentile } from "./outcome.ts";
import type { Setup } from "./setup.ts";
import { Simulation } from "./simulation.ts";

const MB = 1e6;
const SMALL: Setup = {
  seed: 1,
  nodes: 50,
  layers: [60 * MB, 40 * MB],
  link: 125 * MB,
  registryLink: 1250 * MB,
  racks: 2,
  service: { register: 0.3, heartbeat: 0.1 },
};
/** Seconds that a node's line needs. */
const AT_LINE_RATE = 0.8;

function simulate(more: Partial<Setup> = {}) {
  return new Simulation({ ...SMALL, ...more }).run(60_000);
}

describe("a simulated swarm", () => {
  it("comes out the same for the same seed, and not for another", () => {
    expect(simulate()).toEqual(simulate());
    expect(simulate({ seed: 2 }).healthyMs).not.toEqual(simulate().healthyMs);
  });

  it("brings everything to every node about as fast as its line, with one copy from the registry", () => {
    const { healthyMs, incomplete, egress, waste } = simulate();
    expect(healthyMs).toHaveLength(50);
    expect(incomplete).toBe(0);
    expect(egress).toBe(1);
    expect(waste).toBeLessThan(0.05);
    expect(healthyMs[0]! / 1000).toBeGreaterThan(AT_LINE_RATE);
    expect(percentile(healthyMs, 1) / 1000).toBeLessThan(2 * AT_LINE_RATE);
  });

  it("has half of a file for a client, in order, long before all is there, and never leaves it long without", () => {
    const { halfMs, silentMs, lastMs } = simulate({
      layers: [800 * MB],
      arrival: { spreadMs: 10_000 },
    });
    expect(halfMs).toHaveLength(50);
    const wholeMs = 800 / 0.125;
    expect(percentile(halfMs, 0.5)).toBeLessThan(0.8 * wholeMs);
    expect(percentile(silentMs, 0.9)).toBeLessThan(0.25 * wholeMs);
    expect(lastMs).toBeLessThan(10_000 + 2 * wholeMs);
  });

  it("goes on where nodes die and others are slow", () => {
    const outcome = simulate({
      nodes: 100,
      stragglers: { part: 0.05, speed: 1 / 20 },
      deaths: { part: 0.2, fromMs: 200, toMs: 800 },
    });
    expect(outcome.healthyMs.length).toBeGreaterThan(50);
    expect(outcome.healthyMs.length).toBeLessThan(90);
    expect(outcome.incomplete).toBe(0);
    expect(outcome.egress).toBeLessThanOrEqual(1.05);
  });

  it("sends few copies over a thin line", () => {
    const { incomplete, cross } = simulate({ zones: true, thinLine: 125 * MB });
    expect(incomplete).toBe(0);
    expect(cross).toBeGreaterThan(0.5);
    expect(cross).toBeLessThanOrEqual(3);
  });

  it.each<[string, Setup["arrival"]]>([
    ["one by one", { spreadMs: 5000 }],
    ["in waves", { waves: 5 }],
  ])("serves those who come %s from those who came before", (_how, arrival) => {
    const { incomplete, egress } = simulate({ arrival });
    expect(incomplete).toBe(0);
    expect(egress).toBe(1);
  });

  it("asks no more of the supernode for a longer file, but a little for what is leased", () => {
    const requests = (bytes: number) => {
      const { supernode, lastMs } = simulate({ layers: [bytes], racks: 1 });
      const { register, heartbeat } = supernode.requests;
      return { register, reports: heartbeat / (lastMs / 1000) };
    };
    const short = requests(200 * MB);
    const long = requests(800 * MB);
    expect(long.register).toBe(50);
    expect(long.reports).toBeLessThan(2 * short.reports);
  });

  it("takes as long as its supernode needs to let all in", () => {
    const { healthyMs, supernode } = simulate({ service: { register: 20, heartbeat: 0.1 } });
    expect(percentile(healthyMs, 1)).toBeGreaterThan(100 * 20);
    expect(supernode.busy).toBeGreaterThan(0.5);
  });
});
