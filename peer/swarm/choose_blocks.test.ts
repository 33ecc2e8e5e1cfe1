import { describe, expect, it } from "vitest";
import { seededRandom } from "../../bench/sim/random.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import fc from "../../tests/support/fast_check.ts";
import { BlockChooser } from "./choose_blocks.ts";

const BLOCKS = 100;

function chooser(blocks = BLOCKS, slots = 8): BlockChooser {
  return new BlockChooser({ blocks, slots, random: seededRandom(1) });
}

/** A neighbour that has some blocks (all where nothing is said), and a load. */
function neighbour(
  of: BlockChooser,
  more: { has?: readonly number[]; queueMs?: number; blockMs?: number; near?: boolean } = {},
): number {
  const slot = of.addNeighbour(more.near ?? true, 0);
  const bitmap = new Bitmap(BLOCKS);
  for (let block = 0; block < BLOCKS; block++) {
    if (more.has?.includes(block) ?? true) bitmap.add(block);
  }
  of.neighbourHolds(slot, bitmap);
  of.neighbourLoad(slot, { queueMs: more.queueMs ?? 0, blockMs: more.blockMs ?? 10 }, 0);
  return slot;
}

/** All that is chosen until nothing is. */
function chooseAll(of: BlockChooser, nowMs = 0): { slot: number; block: number }[] {
  const chosen: { slot: number; block: number }[] = [];
  while (of.next(nowMs)) chosen.push({ slot: of.slot, block: of.block });
  return chosen;
}

describe("which neighbour", () => {
  it("is the one with the shortest queue, counting what has been asked of it since", () => {
    const one = chooser();
    const busy = neighbour(one, { queueMs: 25 });
    const idle = neighbour(one, { queueMs: 0 });
    const slots = chooseAll(one).map(({ slot }) => slot);
    expect(slots.slice(0, 3)).toEqual([idle, idle, idle]);
    expect(slots.slice(3)).toContain(busy);
  });

  it("is nearby where it takes about as long from afar", () => {
    const one = chooser();
    neighbour(one, { near: false, queueMs: 0 });
    const near = neighbour(one, { near: true, queueMs: 4 });
    expect(one.next(0)).toBe(true);
    expect(one.slot).toBe(near);
  });

  it("is asked for one block while its speed is not known", () => {
    const one = chooser();
    neighbour(one, { blockMs: 0 });
    expect(chooseAll(one)).toHaveLength(1);
  });

  it("is not one whose queue is long, while there is something on its way", () => {
    const one = chooser();
    const quick = neighbour(one);
    neighbour(one, { queueMs: 5000 });
    const slots = chooseAll(one).map(({ slot }) => slot);
    expect(slots).toEqual(Array(6).fill(quick));
  });

  it("is a slow one for what it alone has, a block at a time", () => {
    const one = chooser();
    const slow = neighbour(one, { has: [1, 2, 3, 70, 71], queueMs: 5000 });
    neighbour(one, { has: Array.from({ length: 60 }, (_, block) => block) });
    const ofSlow = chooseAll(one).filter(({ slot }) => slot === slow);
    expect(ofSlow).toHaveLength(1);
    expect([70, 71]).toContain(ofSlow[0]!.block);
  });

  it("is asked for no more than its credit allows, by whatever way", () => {
    const one = chooser();
    const [slot, other] = [neighbour(one), neighbour(one, { has: [1, 2], blockMs: 5000 })];
    one.setCredit(slot, 3);
    one.setCredit(other, 0);
    expect(chooseAll(one).map((chosen) => chosen.slot)).toEqual([slot, slot, slot]);
    expect(one.again(10_000)).toBe(false);
    one.setCredit(other, 1);
    one.setCredit(slot, 4);
    expect(
      chooseAll(one)
        .map((chosen) => chosen.slot)
        .sort(),
    ).toEqual([slot, other].sort());
  });

  it("is dropped when it is not heard of any more", () => {
    const one = chooser();
    const slot = neighbour(one);
    neighbour(one);
    one.neighbourLoad(1, { queueMs: 0, blockMs: 10 }, 1500);
    expect(one.silent(1200, 1100)).toBe(-1);
    expect(one.silent(1200, 1600)).toBe(slot);
  });
});

describe("which block", () => {
  it("is a rare one", () => {
    const one = chooser();
    const all = Array.from({ length: 40 }, (_, block) => block);
    for (let count = 0; count < 4; count++) neighbour(one, { has: all, queueMs: 100 });
    const holder = neighbour(one, { has: [...all, 50, 51] });
    expect(one.next(0) && one.next(0)).toBe(true);
    expect(one.slot).toBe(holder);
    expect(one.block).toBeGreaterThanOrEqual(50);
  });

  it.each([
    ["quick", 10],
    ["slow", 500],
  ])(
    "of a %s neighbour is one of the next, for a client that reads in order",
    (_speed, blockMs) => {
      const blocks = 2000;
      const one = chooser(blocks);
      const slot = one.addNeighbour(true, 0);
      for (let block = 0; block < blocks; block++) one.neighbourHas(slot, block);
      let inOrder = 0;
      let farthest = 0;
      for (let count = 1; count <= blocks; count++) {
        one.neighbourLoad(slot, { queueMs: 0, blockMs }, 0);
        expect(one.next(0)).toBe(true);
        one.arrived(slot, one.block, blockMs);
        while (one.holds(inOrder)) inOrder += 1;
        farthest = Math.max(farthest, count - inOrder);
      }
      expect(inOrder).toBe(blocks);
      expect(farthest).toBeLessThan(100);
    },
  );

  it("is at times one that a reader in the middle waits for, while there is one", () => {
    const one = new BlockChooser({
      ...{ blocks: BLOCKS, slots: 8, random: seededRandom(1) },
      awaited: () => 60,
    });
    const slot = neighbour(one, { blockMs: 1 });
    const order: number[] = [];
    while (one.missing > 0) {
      one.neighbourLoad(slot, { queueMs: 0, blockMs: 1 }, 0);
      expect(one.next(0)).toBe(true);
      order.push(one.block);
      one.arrived(slot, one.block, 1);
    }
    const asked = order.filter((block) => block >= 60);
    expect(asked.slice(0, 5)).toEqual([60, 61, 62, 63, 64]);
    expect(order.indexOf(64)).toBeLessThan(40);
  });

  it("differs between nodes that know the same", () => {
    const first = Array.from({ length: 20 }, (_, seed) => {
      const one = new BlockChooser({ blocks: BLOCKS, slots: 8, random: seededRandom(seed) });
      neighbour(one);
      one.next(0);
      return one.block;
    });
    expect(new Set(first).size).toBeGreaterThan(10);
  });

  it("is none that is held, on its way, or fetched from the source", () => {
    const one = chooser();
    one.hold(3);
    one.reserve(4);
    neighbour(one, { has: [3, 4, 5] });
    expect(chooseAll(one).map(({ block }) => block)).toEqual([5]);
    one.unreserve(4);
    expect(chooseAll(one).map(({ block }) => block)).toEqual([4]);
  });

  it("is one that fails, again, of somebody else too", () => {
    const one = chooser();
    const failing = neighbour(one, { has: [5] });
    const other = neighbour(one, { has: [5], queueMs: 100 });
    expect(chooseAll(one)).toEqual([{ slot: failing, block: 5 }]);
    one.removeNeighbour(failing);
    expect(chooseAll(one)).toEqual([{ slot: other, block: 5 }]);
    one.failed(other, 5);
    expect(chooseAll(one)).toEqual([{ slot: other, block: 5 }]);
  });

  it("can be had again of one that has it after all", () => {
    const one = chooser();
    const only = neighbour(one, { has: [5] });
    expect(chooseAll(one)).toEqual([{ slot: only, block: 5 }]);
    one.arrived(only, 5, 0);
    one.neighbourLacks(only, 5);
    one.lose(5);
    expect(chooseAll(one)).toEqual([]);
    expect(one.starved(9)).toContain(5);
    one.neighbourHas(only, 5);
    expect(chooseAll(one)).toEqual([{ slot: only, block: 5 }]);
  });

  it("is told as starved where no neighbour has it", () => {
    const one = chooser();
    neighbour(one, { has: [0, 2, 4] });
    one.hold(1);
    one.reserve(3);
    expect(one.starved(3)).toEqual([5, 6, 7]);
  });

  it("is told as held by certain neighbours alone, on its way from them or not", () => {
    const one = chooser();
    const silent = neighbour(one, { has: [0, 1, 2, 3, 4, 5] });
    one.setCredit(silent, 1);
    const [asked] = chooseAll(one);
    expect(asked).toMatchObject({ slot: silent });
    neighbour(one, { has: [2] });
    one.hold(1);
    one.reserve(3);
    const expected = [...new Set([0, 4, 5, asked!.block])].filter(
      (block) => block !== 1 && block !== 2,
    );
    expect(one.heldOnlyBy(new Set([silent]), 8)).toEqual(expected.toSorted());
    expect(one.heldOnlyBy(new Set([silent]), 1)).toEqual([0]);
    expect(one.heldOnlyBy(new Set(), 8)).toEqual([]);
  });
});

describe("asking again", () => {
  /** One block of those missing is on its way from a neighbour that promised it in 30 ms. */
  function waiting(open: boolean) {
    const one = chooser();
    for (let block = open ? 2 : 1; block < BLOCKS; block++) one.hold(block);
    const first = neighbour(one, { has: [0], queueMs: 20 });
    one.next(0);
    return { one, first };
  }

  it("is for what would come much faster from somebody else, at the end", () => {
    const { one, first } = waiting(false);
    neighbour(one, { has: [0], queueMs: 18 });
    expect(one.again(0)).toBe(false);
    const quick = neighbour(one, { has: [0], queueMs: 0, blockMs: 5 });
    expect(one.again(0)).toBe(true);
    expect([one.slot, one.block]).toEqual([quick, 0]);
    expect(one.again(0)).toBe(false);
    expect(one.arrived(quick, 0, 10)).toBe(first);
    expect(one.missing).toBe(0);
    expect(one.arrived(first, 0, 30)).toBe(-1);
    expect(one.missing).toBe(0);
  });

  it("is not for what comes in time, before the end", () => {
    const { one } = waiting(true);
    neighbour(one, { has: [0], queueMs: 0, blockMs: 5 });
    expect(one.again(10)).toBe(false);
    expect(one.again(250)).toBe(true);
  });

  it("leaves the second on its way when the first fails", () => {
    const { one, first } = waiting(false);
    const second = neighbour(one, { has: [0], blockMs: 5 });
    one.again(0);
    one.removeNeighbour(first);
    expect(one.inFlight).toBe(1);
    expect(one.arrived(second, 0, 20)).toBe(-1);
    expect(one.missing).toBe(0);
  });
});

describe("always", () => {
  const step = fc.tuple(
    fc.constantFrom("meet", "lose", "has", "load", "next", "again", "arrive", "fail", "source"),
    fc.nat(),
    fc.nat(),
  );

  it("asks for no block twice but by again(), of none who lacks it, and gets the whole file", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.array(step),
        fc.nat(),
        (blocks, steps, seed) => {
          const random = seededRandom(seed);
          const one = new BlockChooser({ blocks, slots: 4, random });
          const theirs = new Map<number, Set<number>>();
          const asked = new Map<number, Set<number>>();
          let nowMs = 0;
          const pick = <Item>(items: Iterable<Item>, by: number): Item | undefined => {
            const all = [...items];
            return all[by % Math.max(1, all.length)];
          };
          const note = (isSecond: boolean) => {
            const of = asked.get(one.block) ?? new Set();
            expect(of.size).toBe(isSecond ? 1 : 0);
            expect(of.has(one.slot)).toBe(false);
            expect(theirs.get(one.slot)!.has(one.block)).toBe(true);
            expect(one.holds(one.block)).toBe(false);
            asked.set(one.block, of.add(one.slot));
          };
          const forget = (slot: number, block: number) => {
            const of = asked.get(block)!;
            of.delete(slot);
            if (of.size === 0) asked.delete(block);
          };
          const take = (slot: number, block: number) => {
            const others = [...asked.get(block)!].filter((other) => other !== slot);
            expect(one.arrived(slot, block, nowMs)).toBe(others[0] ?? -1);
            asked.delete(block);
          };
          const flying = () =>
            [...asked].flatMap(([block, of]) => [...of].map((slot) => ({ slot, block })));
          for (const [what, a, b] of steps) {
            nowMs += a % 300;
            const slot = pick(theirs.keys(), a);
            if (what === "meet") {
              const fresh = one.addNeighbour(a % 2 === 0, nowMs);
              expect(fresh < 0).toBe(theirs.size === 4);
              if (fresh >= 0) theirs.set(fresh, new Set());
            } else if (what === "source") {
              if (!asked.has(b % blocks)) one.hold(b % blocks);
            } else if (what === "arrive" || what === "fail") {
              const flight = pick(flying(), b);
              if (!flight) continue;
              if (what === "arrive") take(flight.slot, flight.block);
              else {
                one.failed(flight.slot, flight.block);
                forget(flight.slot, flight.block);
              }
            } else if (slot === undefined) continue;
            else if (what === "lose") {
              one.removeNeighbour(slot);
              theirs.delete(slot);
              for (const flight of flying()) if (flight.slot === slot) forget(slot, flight.block);
            } else if (what === "has") {
              one.neighbourHas(slot, b % blocks);
              theirs.get(slot)!.add(b % blocks);
            } else if (what === "load")
              one.neighbourLoad(slot, { queueMs: b % 400, blockMs: b % 50 }, nowMs);
            else if (what === "next" && one.next(nowMs)) note(false);
            else if (what === "again" && one.again(nowMs)) note(true);
            expect(one.inFlight).toBe(asked.size);
          }
          for (const slot of theirs.keys()) one.removeNeighbour(slot);
          const seeder = one.addNeighbour(true, nowMs);
          for (let block = 0; block < blocks; block++) one.neighbourHas(seeder, block);
          one.neighbourLoad(seeder, { queueMs: 0, blockMs: 1 }, nowMs);
          while (one.missing > 0) {
            expect(one.next(nowMs)).toBe(true);
            one.arrived(one.slot, one.block, nowMs);
          }
        },
      ),
    );
  });
});
