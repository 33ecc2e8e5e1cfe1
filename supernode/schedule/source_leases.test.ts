import { describe, expect, it } from "vitest";
import fc from "../../tests/support/fast_check.ts";
import { SourceBudget } from "./source_budget.ts";
import { DEFAULT_LEASE_LIMITS, type Lease, SourceLeases } from "./source_leases.ts";

const BLOCK_BYTES = 1 << 20;
const nobodyDead = () => false;

function leases(blocks: number, runners = 4, connections = 48) {
  const budget = new SourceBudget(connections);
  const limits = { ...DEFAULT_LEASE_LIMITS, runners };
  return {
    budget,
    leases: new SourceLeases<string>({ blocks, blockBytes: BLOCK_BYTES }, limits, budget),
  };
}

function blocksOf({ first, count }: Lease<string>): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

describe("source leases", () => {
  it("count what somebody has of the first blocks, whatever comes and goes", () => {
    const { leases: source } = leases(12);
    const has = (block: number) => Number(source.fetched.of(block) !== undefined);
    const step = fc.tuple(fc.nat(11), fc.boolean(), fc.nat(12));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        for (const [block, held, below] of steps) {
          if (held) source.hold(block, "a", 0);
          else source.again(block);
          const all = Array.from({ length: below }, (_, at) => has(at));
          expect(source.fetched.below(below)).toBe(all.reduce((sum, one) => sum + one, 0));
        }
      }),
    );
  });

  it("go in the order of the file, to a bounded number of runners, two each", () => {
    const { leases: source, budget } = leases(1000, 2);
    const granted = ["a", "a", "a", "b", "c"].map((holder) => source.grant(holder, 0));
    expect(granted.map((lease) => lease && [lease.holder, lease.first, lease.count])).toEqual([
      ["a", 0, 8],
      ["a", 8, 8],
      undefined,
      ["b", 16, 8],
      undefined,
    ]);
    expect(budget.used).toBe(2);
  });

  it("go where a reader waits: the node's own at once, before what it has not begun", () => {
    const { leases: source } = leases(1000, 2);
    source.grant("a", 0);
    source.grant("a", 0);
    expect(source.grant("a", 0)).toBeUndefined();
    source.awaited.said("a", [900]);
    expect(source.grant("a", 0)).toMatchObject({ first: 900, count: 8 });
    expect(source.of("a").map(({ first }) => first)).toEqual([0, 900, 8]);
    // The block is on its way now, and its reader no reason for yet another one.
    expect(source.grant("a", 0)).toBeUndefined();
    const [lease] = source.of("a");
    source.progress("a", lease!.id, 8, 100);
    source.progress("a", source.of("a")[0]!.id, 8, 200);
    expect(source.grant("a", 200)).toMatchObject({ first: 908 });
  });

  it("of others go there in turn with the order of the file", () => {
    const { leases: source } = leases(1000, 4);
    source.grant("a", 0);
    source.awaited.said("x", [900]);
    const granted = ["b", "b", "c", "c"].map((holder) => source.grant(holder, 0)!.first);
    expect(granted).toEqual([8, 900, 16, 908]);
  });

  it("are gone on with by one who was silent, as far as nobody else has got them", () => {
    const { leases: source, budget } = leases(16, 2);
    const granted = [source.grant("a", 0)!, source.grant("a", 0)!].map(({ id, first, count }) => {
      return { id, first, count };
    });
    const [one, other] = granted;
    source.progress("a", one!.id, 1, 100);
    source.expire(2000, () => true);
    expect([source.of("a"), budget.used]).toEqual([[], 0]);
    source.resume("b", one!.id, 1, 2100);
    expect(source.of("b")).toEqual([]);
    source.resume("a", one!.id, 1, 2100);
    expect(source.of("a")).toMatchObject([{ ...one, done: 1 }]);
    expect(source.progress("a", one!.id, one!.count, 2200)).toBe(true);
    while (source.grant("b", 4000));
    expect(source.of("b").flatMap(blocksOf)).toContain(other!.first);
    source.resume("a", other!.id, 0, 4100);
    expect(source.of("a")).toEqual([]);
  });

  it("count what one who was silent has fetched meanwhile, also where another has been sent for some of it", () => {
    const { leases: source } = leases(8, 4);
    const { id, count } = source.grant("a", 0)!;
    expect(count).toBe(1);
    source.progress("a", id, 1, 100);
    const { id: long } = source.grant("a", 150)!;
    expect(source.of("a").map(blocksOf)).toEqual([[1, 2, 3, 4]]);
    source.expire(2000, () => true);
    // Nobody else has come, and then one that takes the rest of the file and the first of these.
    for (const block of [5, 6, 7]) source.hold(block, "c", 2000);
    expect(source.grant("b", 2100)).toMatchObject({ first: 1, count: 1 });
    source.resume("a", long, 3, 2200);
    expect(source.progress("a", long, 3, 2200)).toBe(true);
    expect(source.of("a")).toMatchObject([{ id: long, first: 1, count: 4, done: 3 }]);
    expect(source.grant("b", 2300)).toBeUndefined();
    expect([2, 3].map((block) => source.fetched.of(block)?.by)).toEqual(["a", "a"]);
    source.progress("a", long, 4, 2400);
    expect(source.hasWork).toBe(false);
  });

  it("of one who was silent go to others after all the rest, for a moment", () => {
    const { leases: source } = leases(1000);
    expect(blocksOf(source.grant("a", 0)!)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    source.expire(2000, (holder) => holder === "a");
    expect(source.grant("b", 2100)!.first).toBe(8);
    expect(source.grant("c", 2249)!.first).toBeGreaterThan(8);
    expect(source.grant("d", 2250)!.first).toBe(0);
  });

  it("are not given out again of what a newcomer holds", () => {
    const { leases: source } = leases(16, 2);
    const { first, count } = source.grant("a", 0)!;
    source.release("a");
    for (let block = first; block < first + count; block++) source.hold(block, "a again", 100);
    expect(source.grant("b", 100)!.first).toBe(first + count);
  });

  it("pass over what somebody has already, until that is lost again", () => {
    const { leases: source } = leases(12, 1);
    for (const block of [0, 1, 4, 11]) source.hold(block, "old", 50);
    expect(source.fetched.of(4)).toEqual({ by: "old", sinceMs: 50 });
    const granted = [source.grant("a", 60)!, source.grant("a", 60)!];
    expect(granted.flatMap(blocksOf)).toEqual([2, 3, 5, 6, 7]);
    // Who fetched it in an earlier life says no more what it hashes to.
    expect([1, 2, 10].map((block) => source.fetched.wasHeldBefore(block))).toEqual([
      true,
      false,
      false,
    ]);
    source.again(4);
    source.again(11);
    for (const lease of granted) source.progress("a", lease.id, lease.count, 70);
    const left: number[] = [];
    for (let lease = source.grant("a", 80); lease; lease = source.grant("a", 80)) {
      left.push(...blocksOf(lease));
      source.progress("a", lease.id, lease.count, 80);
    }
    expect(left.sort((a, b) => a - b)).toEqual([4, 8, 9, 10, 11]);
    expect(source.hasWork).toBe(false);
  });

  it("are short where a copy waits for them, until it is there", () => {
    const { leases: source } = leases(1000, 2);
    source.open.supply("seed", 8, true);
    const counts = ["a", "a", "b"].map((holder) => source.grant(holder, 0)!.count);
    expect(counts).toEqual([2, 2, 2]);
    source.open.supply("seed", 1000, true);
    expect(source.grant("b", 0)!.count).toBe(8);
  });

  it("share one registry's connections between tasks", () => {
    const budget = new SourceBudget(1);
    const [one, other] = [1, 2].map(
      () =>
        new SourceLeases<string>(
          { blocks: 100, blockBytes: BLOCK_BYTES },
          DEFAULT_LEASE_LIMITS,
          budget,
        ),
    );
    expect(one!.grant("a", 0)).toBeDefined();
    expect(other!.grant("b", 0)).toBeUndefined();
    one!.release("a");
    expect(other!.grant("b", 0)).toBeDefined();
  });

  it("get longer for the fast, and shorter towards the end", () => {
    const { leases: source } = leases(200, 4);
    const [first] = ["a", "b", "c", "d"].map((holder) => source.grant(holder, 0)!);
    source.progress("a", first!.id, 8, 100);
    expect(source.grant("a", 100)!.count).toBe(DEFAULT_LEASE_LIMITS.mostBytes / BLOCK_BYTES);
    for (let frontier = 48; frontier < 200; ) {
      const lease = source.grant("a", 200)!;
      expect(lease.first).toBe(frontier);
      expect(lease.count).toBeLessThanOrEqual(Math.ceil((200 - frontier) / 8));
      frontier += lease.count;
      source.progress("a", lease.id, lease.count, 200);
    }
    expect(source.hasWork).toBe(false);
  });

  it("are as short for one alone as for many at first, and longer when nobody else has come", () => {
    const { leases: source } = leases(20, 24);
    const counts: number[] = [];
    for (let lease = source.grant("a", 0); lease; lease = source.grant("a", 50)) {
      counts.push(lease.count);
      source.progress("a", lease.id, lease.count, 50);
    }
    expect(counts).toEqual([1, 8, 6, 3, 1, 1]);
  });

  it("last four times as long where nobody else is at the source", () => {
    const countsOf = (...holders: string[]) => {
      const { leases: source } = leases(1000);
      const first = holders.map((holder) => source.grant(holder, 0)!);
      // Two blocks a second.
      for (const { holder, id } of first) source.progress(holder, id, 1, 500);
      return holders.map((holder) => source.grant(holder, 500)!.count);
    };
    expect(countsOf("a")).toEqual([4]);
    expect(countsOf("a", "b")).toEqual([1, 1]);
  });

  it("give what a dead holder has not done to another, and only that", () => {
    const { leases: source } = leases(1000);
    const lease = source.grant("a", 0)!;
    source.grant("a", 0);
    source.progress("a", lease.id, 3, 500);
    source.expire(1000, (holder) => holder === "a");
    expect(source.of("a")).toEqual([]);
    const next = [source.grant("b", 2500)!, source.grant("b", 2500)!];
    expect(next.map(blocksOf)).toEqual([
      [3, 4, 5, 6, 7],
      [8, 9, 10, 11, 12, 13, 14, 15],
    ]);
    expect(source.progress("a", lease.id, 4, 1100)).toBe(false);
  });

  it("leave a holder that is much slower than the others the block that it is at, and then none", () => {
    const { leases: source } = leases(1000);
    const slow = source.grant("slow", 0)!;
    source.grant("slow", 0);
    for (const fast of ["a", "b", "c"]) source.grant(fast, 0);
    for (let nowMs = 500; nowMs <= 1000; nowMs += 500) {
      source.progress("slow", slow.id, 0, nowMs, nowMs * 100);
      for (const fast of ["a", "b", "c"]) {
        const lease = source.of(fast)[0]!;
        source.progress(fast, lease.id, lease.done + 4, nowMs);
      }
    }
    source.expire(1000, nobodyDead);
    expect(source.of("slow").map(blocksOf)).toEqual([[slow.first]]);
    expect(source.grant("slow", 1000)).toBeUndefined();
    source.expire(3000, nobodyDead);
    expect(source.of("slow")).toEqual([]);
  });

  it("leave it the first of its next lease, too, where it is at the last block of the one before", () => {
    const { leases: source } = leases(1000);
    const [one, two] = [source.grant("slow", 0)!, source.grant("slow", 0)!];
    source.progress("slow", one.id, one.count - 1, 10_000);
    const fast = source.grant("fast", 9500)!;
    source.progress("fast", fast.id, 4, 10_000);
    source.expire(10_000, nobodyDead);
    expect(source.of("slow").map(blocksOf)).toEqual([blocksOf(one), [two.first]]);
    expect(source.open.take(1, new Set(), 0)).toMatchObject({ first: two.first + 1 });
  });

  it("leave a holder all of its own for longer where all are late", () => {
    const { leases: source } = leases(1000);
    const [slow, fast] = [source.grant("slow", 0)!, source.grant("fast", 0)!];
    for (const nowMs of [100, 1000]) source.progress("slow", slow.id, 0, nowMs);
    source.progress("fast", fast.id, 4, 1000);
    source.expire(1000, nobodyDead, 500);
    expect(source.of("slow")).toMatchObject([{ count: 8 }]);
    source.expire(1000, nobodyDead);
    expect(source.of("slow")).toMatchObject([{ count: 1 }]);
  });

  it("leave all theirs where the source itself is slow", () => {
    const { leases: source } = leases(1000);
    const held = ["a", "b", "c"].map((holder) => source.grant(holder, 0)!);
    for (let nowMs = 500; nowMs <= 60_000; nowMs += 500) {
      for (const { holder, id } of held) {
        const bytes = nowMs * 100;
        const done = Math.floor(bytes / BLOCK_BYTES);
        source.progress(holder, id, done, nowMs, bytes - done * BLOCK_BYTES);
      }
      source.expire(nowMs, nobodyDead);
    }
    for (const { holder, count } of held) {
      expect(source.of(holder)[0]).toMatchObject({ count, done: 5 });
    }
  });

  it("say who fetched a block, until it must be fetched again", () => {
    const { leases: source } = leases(100);
    const lease = source.grant("a", 0)!;
    source.progress("a", lease.id, 1, 700);
    expect(source.fetched.of(0)).toEqual({ by: "a", sinceMs: 700 });
    expect(source.fetched.of(1)).toBeUndefined();
    source.again(0);
    source.again(0);
    expect(source.fetched.of(0)).toBeUndefined();
    expect(blocksOf(source.grant("b", 800)!)).toEqual([0]);
    source.release("a");
    expect(source.grant("b", 800)!.first).toBe(1);
  });

  it("end with every block fetched once, whoever dies, fails or dawdles", () => {
    const step = fc.tuple(
      fc.constantFrom("grant", "progress", "die", "expire", "await"),
      fc.nat(7),
      fc.nat(20),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(step), (blocks, steps) => {
        const { leases: source, budget } = leases(blocks, 5, 4);
        const fetched = new Map<number, number>();
        let nowMs = 0;
        const work = (holder: string, more: number) => {
          const lease = source.of(holder)[0];
          if (!lease) return;
          const done = Math.min(lease.count, lease.done + more);
          for (let block = lease.first + lease.done; block < lease.first + done; block++)
            fetched.set(block, (fetched.get(block) ?? 0) + 1);
          source.progress(holder, lease.id, done, nowMs);
        };
        for (const [what, who, number] of steps) {
          nowMs += number * 20;
          if (what === "grant") source.grant(`${who}`, nowMs);
          else if (what === "progress") work(`${who}`, number);
          else if (what === "await") source.awaited.said(`${who}`, [number * 9, number]);
          else if (what === "die") source.release(`${who}`);
          else source.expire(nowMs, (holder) => holder === `${who}`);
          expect(source.runners).toBeLessThanOrEqual(4);
          expect(budget.used).toBe(source.runners);
        }
        for (let who = 0; who < 8; who++) source.release(`${who}`);
        expect(source.open.count + fetched.size).toBe(blocks);
        while (source.grant("last", nowMs)) work("last", 1000);
        expect(source.hasWork).toBe(false);
        expect([...fetched.values()].every((times) => times === 1)).toBe(true);
        expect(fetched.size).toBe(blocks);
      }),
    );
  });
});
