import { describe, expect, it } from "vitest";
import { seededRandom } from "../../bench/sim/random.ts";
import fc from "../../tests/support/fast_check.ts";
import {
  DEFAULT_NEIGHBOUR_LIMITS,
  isNear,
  Neighbourhood,
  placeOf,
  type Resident,
  subnetOf,
} from "./neighbours.ts";

interface Node extends Resident<Node> {
  readonly number: number;
}

function node(number: number, zone = "", subnet = "10.0.0"): Node {
  return { number, zone, place: placeOf(zone, subnet), neighbours: new Set() };
}

/** A neighbourhood to which nodes have come one after the other. */
function neighbourhoodOf(nodes: readonly Node[], seed = 1): Neighbourhood<Node> {
  const neighbourhood = new Neighbourhood<Node>(DEFAULT_NEIGHBOUR_LIMITS, seededRandom(seed));
  for (const newcomer of nodes) {
    neighbourhood.welcome(newcomer);
    neighbourhood.add(newcomer);
  }
  return neighbourhood;
}

/** How many nodes can be reached from the first, and in how many steps at most. */
function reach(nodes: readonly Node[]): { count: number; steps: number } {
  const seen = new Set([nodes[0]!]);
  let edge = [nodes[0]!];
  let steps = -1;
  while (edge.length > 0) {
    steps += 1;
    const next: Node[] = [];
    for (const one of edge) {
      for (const other of one.neighbours) {
        if (!seen.has(other)) next.push(other);
        seen.add(other);
      }
    }
    edge = next;
  }
  return { count: seen.size, steps };
}

const many = (count: number, of: (number: number) => Node) =>
  Array.from({ length: count }, (_, number) => of(number));

describe("a neighbourhood", () => {
  it.each([2, 10, 1000, 5000])("of %d nodes is one, and a few steps wide", (count) => {
    const nodes = many(count, (number) => node(number));
    neighbourhoodOf(nodes);
    const { count: reached, steps } = reach(nodes);
    expect(reached).toBe(count);
    expect(steps).toBeLessThanOrEqual(6);
    for (const { neighbours } of nodes) {
      expect(neighbours.size).toBeLessThanOrEqual(DEFAULT_NEIGHBOUR_LIMITS.most);
      expect(neighbours.size).toBeGreaterThanOrEqual(
        Math.min(count - 1, DEFAULT_NEIGHBOUR_LIMITS.atJoin - 1),
      );
    }
  });

  it("prefers the same subnet, and has long links", () => {
    const nodes = many(1000, (number) => node(number, "", `10.0.${number % 25}`));
    neighbourhoodOf(nodes);
    let near = 0;
    let all = 0;
    for (const one of nodes) {
      for (const other of one.neighbours) {
        all += 1;
        if (isNear(one, other)) near += 1;
      }
      expect([...one.neighbours].some((other) => !isNear(one, other))).toBe(true);
    }
    expect(near / all).toBeGreaterThan(0.5);
    expect(near / all).toBeLessThan(0.8);
    expect(reach(nodes).count).toBe(1000);
  });

  it("joins two zones by a few bridges only, none of which has a node in common", () => {
    const nodes = many(1000, (number) => node(number, number % 2 === 0 ? "a" : "b"));
    neighbourhoodOf(nodes);
    const bridges = nodes.flatMap((one) =>
      [...one.neighbours].filter((other) => other.zone !== one.zone).map(() => one),
    );
    expect(bridges).toHaveLength(2 * DEFAULT_NEIGHBOUR_LIMITS.bridges);
    expect(new Set(bridges).size).toBe(bridges.length);
    expect(reach(nodes).count).toBe(1000);
  });

  it("makes new bridges when the nodes of the old ones are gone", () => {
    const nodes = many(200, (number) => node(number, number % 2 === 0 ? "a" : "b"));
    const neighbourhood = neighbourhoodOf(nodes);
    const isBridge = (one: Node) => [...one.neighbours].some((other) => other.zone !== one.zone);
    const left = nodes.filter((one) => !isBridge(one));
    for (const one of nodes.filter(isBridge)) neighbourhood.remove(one);
    const newcomer = node(200, "a");
    expect(neighbourhood.welcome(newcomer).some(({ zone }) => zone === "b")).toBe(true);
    expect(reach([newcomer, ...left]).count).toBe(left.length + 1);
  });

  it("gives more to one who has lost its neighbours", () => {
    const nodes = many(100, (number) => node(number));
    const neighbourhood = neighbourhoodOf(nodes);
    const lonely = nodes[50]!;
    for (const other of [...lonely.neighbours]) neighbourhood.unlink(lonely, other);
    const given = neighbourhood.replenish(lonely);
    expect(given.length).toBeGreaterThan(DEFAULT_NEIGHBOUR_LIMITS.enough / 2);
    expect(new Set(given)).toEqual(lonely.neighbours);
  });

  it("keeps its books in order whatever comes and goes", () => {
    const step = fc.tuple(fc.constantFrom("come", "go", "part", "ask"), fc.nat(19));
    const zones = ["", "a", "b", "c"];
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(), (steps, seed) => {
        const neighbourhood = new Neighbourhood<Node>(
          { ...DEFAULT_NEIGHBOUR_LIMITS, atJoin: 3, enough: 4, most: 5 },
          seededRandom(seed),
        );
        const here = new Map<number, Node>();
        for (const [what, number] of steps) {
          const known = here.get(number);
          if (what === "come" && !known) {
            const newcomer = node(number, zones[number % 4], `10.0.${number % 3}`);
            neighbourhood.welcome(newcomer);
            neighbourhood.add(newcomer);
            here.set(number, newcomer);
          } else if (what === "go" && known) {
            neighbourhood.remove(known);
            here.delete(number);
            expect(known.neighbours.size).toBe(0);
          } else if (what === "part" && known) {
            for (const other of [...known.neighbours]) neighbourhood.unlink(known, other);
          } else if (what === "ask" && known) neighbourhood.replenish(known);
        }
        expect(neighbourhood.size).toBe(here.size);
        const bridges = new Map<string, number>();
        for (const one of here.values()) {
          expect(one.neighbours.size).toBeLessThanOrEqual(5);
          for (const other of one.neighbours) {
            expect(here.get(other.number)).toBe(other);
            expect(other.neighbours.has(one)).toBe(true);
            expect(other).not.toBe(one);
            if (one.zone && other.zone && one.zone < other.zone) {
              const line = `${one.zone} ${other.zone}`;
              bridges.set(line, (bridges.get(line) ?? 0) + 1);
            }
          }
        }
        for (const count of bridges.values()) expect(count).toBeLessThanOrEqual(3);
      }),
    );
  });
});

it("tells the subnet of an address", () => {
  expect(subnetOf("10.64.3.7")).toBe("10.64.3");
});
