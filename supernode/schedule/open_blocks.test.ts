import { describe, expect, it } from "vitest";
import { OpenBlocks } from "./open_blocks.ts";

const NOTHING = new Set<string>();
const source = { kind: "source" };
const seed = { kind: "seed" };

function takeAll(open: OpenBlocks, size = 4) {
  const taken: [number, number, string][] = [];
  for (let run = open.take(size, NOTHING, 0); run; run = open.take(size, NOTHING, 0)) {
    const { origin } = run;
    taken.push([run.first, run.count, origin.kind === "peer" ? origin.cid : origin.kind]);
  }
  return taken;
}

describe("open blocks", () => {
  it("are given out once, in the order of the file, what came back first", () => {
    const open = new OpenBlocks(10);
    expect(open.take(4, NOTHING, 0)).toEqual({ first: 0, count: 4, origin: source });
    open.back({ first: 1, count: 2 });
    expect(takeAll(open)).toEqual([
      [1, 2, "source"],
      [4, 4, "source"],
      [8, 2, "source"],
    ]);
    expect([open.any, open.comesMore]).toEqual([false, false]);
  });

  it("are counted, wherever they can be had", () => {
    const open = new OpenBlocks(10);
    open.take(4, NOTHING, 0);
    expect(open.count).toBe(6);
    open.back({ first: 1, count: 2 });
    open.pass(9);
    open.setAside({ first: 5, count: 2 });
    open.supply("seed", 0);
    expect(open.count).toBe(7);
    open.put({ first: 5, count: 2 }, "v1");
    open.supply("seed", 10);
    expect(open.count).toBe(7);
    takeAll(open);
    expect(open.count).toBe(0);
  });

  it("are given out as far as the supernode's copy has come", () => {
    const open = new OpenBlocks(10);
    open.supply("seed", 0);
    expect([open.take(4, NOTHING, 0), open.any, open.comesMore]).toEqual([undefined, false, true]);
    open.supply("seed", 6);
    expect(takeAll(open)).toEqual([
      [0, 4, "seed"],
      [4, 2, "seed"],
    ]);
    open.supply("seed", 10);
    expect(takeAll(open)).toEqual([[6, 4, "seed"]]);
    expect(open.comesMore).toBe(false);
  });

  it("that came back wait for a copy that begins anew, and come from the source where it fails", () => {
    const open = new OpenBlocks(10);
    open.supply("seed", 10);
    open.take(4, NOTHING, 0);
    open.back({ first: 0, count: 4 }, { kind: "seed" });
    open.supply("seed", 2);
    expect(open.take(4, NOTHING, 0)).toEqual({ first: 0, count: 2, origin: seed });
    expect([open.any, open.comesMore]).toEqual([false, true]);
    open.supply("source", 10);
    expect(takeAll(open)[0]).toEqual([2, 2, "source"]);
  });

  it("are kept from one who cannot fetch from there", () => {
    const open = new OpenBlocks(10);
    open.supply("seed", 10);
    expect(open.take(4, new Set(["seed"]), 0)).toBeUndefined();
    expect(open.take(4, new Set(["source"]), 0)).toMatchObject({ first: 0 });
  });

  it("are given out from a place further on, and then not again", () => {
    const open = new OpenBlocks(16);
    open.take(2, NOTHING, 0);
    expect([1, 2, 3, 15, 16].map((block) => open.isAhead(block))).toEqual([
      false,
      false,
      true,
      true,
      false,
    ]);
    expect(open.takeFrom(12, 3, NOTHING)).toEqual({ first: 12, count: 3, origin: source });
    expect(open.takeFrom(13, 4, NOTHING)).toMatchObject({ first: 15, count: 1 });
    expect([open.isAhead(13), open.takeFrom(13, 4, NOTHING)]).toEqual([false, undefined]);
    expect(open.takeFrom(10, 9, new Set(["source"]))).toBeUndefined();
    expect([open.untouched, open.count]).toEqual([10, 10]);
    expect(open.takeFrom(10, 9, NOTHING)).toMatchObject({ first: 10, count: 2 });
    expect(takeAll(open)).toEqual([
      [2, 4, "source"],
      [6, 4, "source"],
    ]);
    expect([open.untouched, open.any]).toEqual([0, false]);
  });

  it("of a copy that has not come so far are not ahead", () => {
    const open = new OpenBlocks(16);
    open.supply("seed", 8);
    expect([open.isAhead(7), open.isAhead(8)]).toEqual([true, false]);
    expect(open.takeFrom(6, 4, NOTHING)).toEqual({ first: 6, count: 2, origin: seed });
  });

  it("are set aside until it is known where they are to be had", () => {
    const open = new OpenBlocks(16);
    open.take(2, NOTHING, 0);
    expect(open.setAside({ first: 0, count: 4 })).toBe(true);
    expect(open.setAside({ first: 8, count: 4 })).toBe(true);
    expect(open.setAside({ first: 0, count: 2 })).toBe(false);
    expect(takeAll(open)).toEqual([
      [4, 4, "source"],
      [12, 4, "source"],
    ]);
    expect([open.any, open.comesMore]).toEqual([false, true]);
    open.put({ first: 0, count: 4 }, "v1");
    open.put({ first: 8, count: 4 });
    expect(takeAll(open)).toEqual([
      [2, 2, "v1"],
      [8, 4, "source"],
    ]);
    open.put({ first: 8, count: 4 });
    expect([open.any, open.comesMore]).toEqual([false, false]);
  });

  it("come as a whole from a v1 client, and may be set aside again", () => {
    const open = new OpenBlocks(16);
    open.setAside({ first: 4, count: 8 });
    open.put({ first: 4, count: 8 }, "v1");
    const run = open.take(2, NOTHING, 0)!;
    expect(run).toEqual({ first: 4, count: 8, origin: { kind: "peer", cid: "v1" } });
    open.setAside({ first: 6, count: 6 }, true);
    open.put({ first: 6, count: 6 });
    expect(takeAll(open, 8).slice(0, 1)).toEqual([[6, 6, "source"]]);
  });

  it("are taken out for one who comes back to them, also of what came back, where nobody else has them", () => {
    const open = new OpenBlocks(16);
    const here = new Set([5]);
    const takeOut = (first: number, count: number) =>
      open.takeOut({ first, count }, (block) => here.has(block));
    open.take(8, NOTHING, 0);
    open.back({ first: 2, count: 6 });
    expect(takeOut(1, 2)).toBe(false);
    expect(takeOut(3, 3)).toBe(true);
    expect(takeOut(3, 1)).toBe(false);
    // Some that came back, and some that were never given out.
    expect(takeOut(7, 2)).toBe(true);
    expect(takeOut(14, 4)).toBe(false);
    expect(takeAll(open)).toEqual([
      [2, 1, "source"],
      [6, 1, "source"],
      [9, 4, "source"],
      [13, 3, "source"],
    ]);
  });
});
