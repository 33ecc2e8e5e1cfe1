import { describe, expect, it } from "vitest";
import { AwaitedPlaces } from "./awaited_places.ts";
import { OpenBlocks } from "./open_blocks.ts";

const NOTHING = new Set<string>();

/** A file of which the first ten blocks of a hundred have been given out. */
function places() {
  const open = new OpenBlocks(100);
  open.take(10, NOTHING, 0);
  return { open, awaited: new AwaitedPlaces<string>(open) };
}

const times = (count: number, next: () => number | undefined) =>
  Array.from({ length: count }, () => next());

describe("awaited places", () => {
  it("are none where readers wait for what is being fetched, or comes next", () => {
    const { awaited } = places();
    awaited.said("a", [0, 9, 10]);
    expect(awaited.urgent("a")).toBeUndefined();
    expect(times(4, () => awaited.next("a"))).toEqual(times(4, () => undefined));
  });

  it("are a node's own, all its readers' in turn", () => {
    const { awaited } = places();
    awaited.said("a", [50, 3, 80]);
    const turns = times(3, () => awaited.next("a"));
    // Saying it again changes nobody's turn.
    awaited.said("a", [50, 3, 80]);
    expect([...turns, awaited.next("a")]).toEqual([50, undefined, 80, 50]);
  });

  it("have every other lease of those who wait for nothing, in turn", () => {
    const { awaited } = places();
    awaited.said("a", [50, 60]);
    awaited.said("b", [80]);
    expect(times(8, () => awaited.next("c"))).toEqual([
      50,
      undefined,
      80,
      undefined,
      60,
      undefined,
      80,
      undefined,
    ]);
  });

  it("are urgent as long as nobody is to fetch the very block", () => {
    const { open, awaited } = places();
    awaited.said("a", [3, 50]);
    expect([awaited.urgent("a"), awaited.urgent("b")]).toEqual([50, undefined]);
    open.takeFrom(50, 4, NOTHING);
    expect(awaited.urgent("a")).toBeUndefined();
    // What comes after it is still to be had for whoever reads there.
    expect(times(2, () => awaited.next("a"))).toEqual([undefined, 50]);
  });

  it("are forgotten with who has waited, and where all behind them is given out", () => {
    const { open, awaited } = places();
    awaited.said("a", [50]);
    awaited.said("b", [90]);
    awaited.said("a", []);
    expect(times(2, () => awaited.next("c"))).toEqual([90, undefined]);
    open.takeFrom(90, 10, NOTHING);
    expect(times(2, () => awaited.next("c"))).toEqual([undefined, undefined]);
    expect(awaited.next("b")).toBeUndefined();
  });
});
