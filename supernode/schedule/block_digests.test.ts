import { describe, expect, it } from "vitest";
import { Bans } from "./bans.ts";
import { BlockDigests, digestRuns } from "./block_digests.ts";

const NONE = { news: false, liars: [] };
const NEWS = { news: true, liars: [] };

describe("what a block hashes to", () => {
  it("is what its first fetcher says, once", () => {
    const digests = new BlockDigests(10);
    expect(digests.of(3)).toBeUndefined();
    expect(digests.report(3, "right", "a", 0)).toEqual(NEWS);
    expect(digests.report(3, "right", "a", 1)).toEqual(NONE);
    expect(digests.report(3, "right", "b", 2)).toEqual(NONE);
    // Neither can take it back.
    expect(digests.report(3, "wrong", "a", 3)).toEqual(NONE);
    expect(digests.of(3)).toBe("right");
    expect(digests.contestedFor("c", 10)).toBeUndefined();
  });

  it.each([
    ["the first", ["wrong", "right", "right"], "a", 1],
    ["the second", ["right", "wrong", "right"], "b", 0],
  ])("is settled by a third where two disagree; %s was the liar", (_who, said, liar, version) => {
    const digests = new BlockDigests(10);
    digests.report(3, said[0]!, "a", 0);
    expect(digests.report(3, said[1]!, "b", 0)).toEqual(NONE);
    // Those who disagree are asked only when nobody else is there, and have voted already then.
    expect(digests.contestedFor("a", 2000)).toBeUndefined();
    expect(digests.contestedFor("c", 0)).toBe(3);
    // One at a time.
    expect(digests.contestedFor("d", 0)).toBeUndefined();
    expect(digests.report(3, said[2]!, "c", 10)).toEqual({ news: version > 0, liars: [liar] });
    expect(digests.of(3)).toBe("right");
    expect(digests.version(3)).toBe(version);
    expect(digests.contestedFor("d", 20_000)).toBeUndefined();
  });

  it("is asked of another where one does not answer", () => {
    const digests = new BlockDigests(10);
    digests.report(3, "one", "a", 0);
    digests.report(3, "two", "b", 0);
    expect(digests.contestedFor("c", 0)).toBe(3);
    expect(digests.contestedFor("d", 6000)).toBe(3);
  });

  it("is doubted where the block comes wrong from its very fetcher, or from two", () => {
    const digests = new BlockDigests(10);
    for (const block of [1, 2]) digests.report(block, "said", "fetcher", 0);
    digests.complain(1, "x", "finder", 0);
    expect(digests.contestedFor("other", 0)).toBeUndefined();
    digests.complain(1, "y", "finder", 0);
    expect(digests.contestedFor("other", 0)).toBe(1);
    digests.complain(2, "fetcher", "finder", 0);
    expect(digests.contestedFor("other", 0)).toBe(2);
    // It agrees, so nothing changes, and nobody can raise the matter again.
    expect(digests.report(2, "said", "other", 10)).toEqual(NONE);
    digests.complain(2, "fetcher", "finder", 20);
    expect(digests.contestedFor("third", 10_000)).toBe(1);
    expect(digests.contestedFor("fourth", 10_000)).toBeUndefined();
  });

  it("falls to who found the conflict when nobody else is there", () => {
    const digests = new BlockDigests(10);
    digests.report(1, "said", "fetcher", 0);
    digests.complain(1, "fetcher", "finder", 0);
    expect(digests.contestedFor("finder", 900)).toBeUndefined();
    expect(digests.contestedFor("finder", 1100)).toBe(1);
  });

  it("is not decided by one node against another", () => {
    const digests = new BlockDigests(10);
    digests.report(1, "right", "fetcher", 0);
    digests.complain(1, "fetcher", "liar", 0);
    expect(digests.contestedFor("accomplice", 0)).toBe(1);
    expect(digests.report(1, "wrong", "accomplice", 1)).toEqual(NONE);
    expect(digests.of(1)).toBe("right");
    expect(digests.contestedFor("honest", 2)).toBe(1);
    expect(digests.report(1, "right", "honest", 3)).toEqual({ news: false, liars: ["accomplice"] });
  });

  it("is nobody's word any more where a source gives something else each time", () => {
    const digests = new BlockDigests(10);
    for (const by of ["a", "b", "c", "d"]) digests.report(1, by, by, 0);
    expect(digests.of(1)).toBeUndefined();
    expect(digests.contestedFor("e", 10_000)).toBeUndefined();
  });

  it("that only a known liar has told is anybody else's to correct", () => {
    const digests = new BlockDigests(10);
    digests.report(1, "wrong", "liar", 0);
    digests.discredit("liar");
    expect(digests.of(1)).toBe("wrong");
    expect(digests.report(1, "right", "a", 1)).toEqual(NEWS);
    expect(digests.of(1)).toBe("right");
    expect(digests.version(1)).toBe(1);
  });

  it("cannot be doubted without end", () => {
    const digests = new BlockDigests(1000, { least: 3, part: 0 });
    for (let block = 0; block < 1000; block++) {
      digests.report(block, "said", "fetcher", 0);
      digests.complain(block, "fetcher", "liar", 0);
    }
    const asked = Array.from({ length: 50 }, (_, index) => digests.contestedFor(`n${index}`, 0));
    expect(asked.filter((block) => block !== undefined)).toEqual([0, 1, 2]);
    expect(digests.fetches).toBe(3);
  });

  it("is told in runs of blocks that follow each other", () => {
    const digests = new BlockDigests(10);
    for (const block of [5, 1, 2, 3]) digests.report(block, `d${block}`, "a", 0);
    digests.discredit("a");
    digests.report(3, "new", "b", 0);
    expect(digestRuns([5, 3, 2, 1], digests)).toEqual([
      { first: 1, version: 0, digests: ["d1", "d2"] },
      { first: 3, version: 1, digests: ["new"] },
      { first: 5, version: 0, digests: ["d5"] },
    ]);
  });
});

describe("bans", () => {
  const accuse = (bans: Bans, by: string, times: number, neighbours = 5) =>
    Array.from({ length: times }, () => bans.accuse("x", by, neighbours)).at(-1);

  it("take two accusers, each with three wrong blocks", () => {
    const bans = new Bans();
    expect(accuse(bans, "a", 10)).toBe(false);
    expect(accuse(bans, "b", 2)).toBe(false);
    expect(accuse(bans, "b", 1)).toBe(true);
  });

  it("take one where there is no other neighbour", () => {
    expect(accuse(new Bans(), "a", 3, 1)).toBe(true);
  });

  it("do not come from those who are banned themselves", () => {
    const bans = new Bans();
    bans.add("a");
    expect(bans.has("a")).toBe(true);
    expect(accuse(bans, "a", 10, 1)).toBe(false);
  });
});
