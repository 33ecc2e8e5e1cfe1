import { describe, expect, it } from "vitest";
import { HeldDigests } from "./held_digests.ts";

const BLOCKS = Array.from({ length: 10 }, (_, block) => block);
const nobody = () => false;
const first = () => 0;

/** Nodes that are asked for all of ten blocks at 0 ms. */
function asked(...nodes: string[]): HeldDigests {
  const held = new HeldDigests();
  for (const node of nodes) held.ask(node, BLOCKS, nobody, 1000, 0);
  return held;
}

/** A node tells of all blocks; somebody waits for one of them. */
function tellAll(held: HeldDigests, by: string, digest = (block: number) => `right ${block}`) {
  held.want(0);
  return BLOCKS.flatMap((block) => held.tell(block, digest(block), by).believed);
}

describe("blocks that were held before the swarm began", () => {
  it("are asked of two nodes each, in runs, and no more at once than fit", () => {
    const held = new HeldDigests();
    const ask = (node: string, most = 1000) =>
      held.ask(node, [0, 1, 2, 5, 6, 9], (block) => block === 6, most, 0);
    expect(ask("a", 4)).toEqual([
      { first: 0, count: 3 },
      { first: 5, count: 1 },
    ]);
    expect(ask("a")).toEqual([{ first: 9, count: 1 }]);
    expect(ask("a")).toEqual([]);
    expect(ask("b")).toHaveLength(3);
    expect(ask("c")).toEqual([]);
  });

  it("are known by what two nodes say, without the source", () => {
    const held = asked("a", "b");
    expect(tellAll(held, "a")).toEqual([]);
    // While the other may tell.
    expect(held.sampleFor("c", 100, first)).toBeUndefined();
    const believed = tellAll(held, "b");
    expect(new Set(believed.map(({ block }) => block))).toEqual(new Set(BLOCKS));
    expect(new Set(believed.map(({ by }) => by))).toEqual(new Set(["a", "b"]));
    expect(held.sampleFor("c", 10_000, first)).toBeUndefined();
    expect(held.isOpen).toBe(false);
  });

  it("are known by one node's word after one of them was fetched by another, and is the same", () => {
    const held = asked("a");
    tellAll(held, "a");
    expect(held.sampleFor("a", 100, first)).toBeUndefined();
    const block = held.sampleFor("b", 100, () => 0.35)!;
    expect(block).toBe(3);
    expect(held.sampleFor("c", 200, first)).toBeUndefined();
    const { believed, refuted } = held.fetched(block, "right 3", "b");
    expect(refuted).toEqual([]);
    expect(new Set(believed.map((one) => one.block))).toEqual(new Set(BLOCKS));
  });

  it("are those of a liar where that one is another", () => {
    const held = asked("liar");
    tellAll(held, "liar", (block) => `wrong ${block}`);
    const block = held.sampleFor("b", 100, first)!;
    const { believed, refuted } = held.fetched(block, `right ${block}`, "b");
    expect(refuted).toEqual(["liar"]);
    expect(believed).toEqual([{ block, digest: `wrong ${block}`, by: "liar" }]);
    expect(held.isPending(5)).toBe(false);
    expect(held.tell(5, "wrong 5", "liar").believed).toEqual([]);
    expect(held.ask("liar", BLOCKS, nobody, 1000, 200)).toEqual([]);
  });

  it("that two quarrel about are those which are fetched", () => {
    const held = asked("a", "liar");
    tellAll(held, "a");
    held.tell(7, "wrong 7", "liar");
    expect(held.sampleFor("c", 10_000, first)).toBe(7);
    const { believed, refuted } = held.fetched(7, "right 7", "c");
    expect(refuted).toEqual(["liar"]);
    expect(believed.filter(({ by }) => by === "a")).toHaveLength(11);
  });

  it("of one who tells nothing are nobody's after a while", () => {
    const held = asked("mute");
    expect(held.overdue(2000).refuted).toEqual([]);
    expect(held.overdue(3500).refuted).toEqual(["mute"]);
    expect(held.isPending(0)).toBe(false);
  });

  it("count as told where nobody can fetch one", () => {
    const held = asked("a");
    tellAll(held, "a");
    for (const nowMs of [0, 6000, 12_000]) expect(held.sampleFor("b", nowMs, first)).toBeDefined();
    expect(held.sampleFor("b", 18_000, first)).toBeUndefined();
    expect(held.overdue(16_000).believed).toEqual([]);
    expect(held.overdue(18_000).believed).toHaveLength(BLOCKS.length);
  });

  it("cost the source nothing while nobody waits for their seals", () => {
    const held = asked("a", "b");
    for (const block of [0, 1, 2, 3, 4]) held.tell(block, `right ${block}`, "a");
    expect(held.sampleFor("c", 10_000, first)).toBeUndefined();
    expect(held.isOpen).toBe(false);
    held.want(5);
    expect(held.sampleFor("c", 10_000, first)).toBeUndefined();
    held.want(1);
    expect(held.isOpen).toBe(true);
    expect(held.sampleFor("c", 10_000, first)).toBe(0);
    held.fetched(0, "right 0", "c");
    held.refute("b");
    for (const block of BLOCKS.slice(5)) held.tell(block, `right ${block}`, "a");
    expect(held.isOpen).toBe(false);
  });
});
