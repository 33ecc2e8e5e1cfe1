import { describe, expect, it } from "vitest";
import { seededRandom } from "../../bench/sim/random.ts";
import type { MemberReport } from "./member.ts";
import { SourceBudget } from "./source_budget.ts";
import { SwarmTask } from "./swarm_task.ts";

const BLOCKS = 100;

function swarm(blocks = BLOCKS): SwarmTask {
  const budget = new SourceBudget();
  return new SwarmTask({ blocks, blockBytes: 1 << 20, budget, random: seededRandom(1) });
}

function join(task: SwarmTask, id: string, nowMs: number, held = 0) {
  return task.join({ id, zone: "", subnet: "10.0.0", serves: true, held }, nowMs);
}

const NOTHING: MemberReport = { held: 0, leases: [], wantsLeases: 0, starved: [], dropped: [] };

/** Members, and one of them has fetched the first blocks; the others report as they should. */
function withFetcher(others: readonly string[]) {
  const task = swarm();
  const [lease] = join(task, "fetcher", 0).leases;
  for (const other of others) join(task, other, 0);
  const done = [{ id: lease!.id, done: lease!.count, failed: false }];
  task.report("fetcher", { ...NOTHING, held: 8, leases: done }, 100);
  return task;
}

describe("a swarm's task", () => {
  it("gives newcomers neighbours and, while there is some, work at the source", () => {
    const task = swarm();
    expect(join(task, "a", 0)).toMatchObject({
      neighbours: [],
      leases: [{ first: 0 }, { first: 3 }],
    });
    const b = join(task, "b", 0);
    expect(b.neighbours).toEqual([{ id: "a", near: true }]);
    expect(b.leases.length).toBeGreaterThan(0);
    expect(task.size).toBe(2);
  });

  it("gives a newcomer who reads from the middle work there, and later what its readers wait for", () => {
    const task = swarm();
    join(task, "other", 0);
    const me = { id: "a", zone: "", subnet: "10.0.0", serves: true, held: 0, awaited: [60] };
    const { leases } = task.join(me, 0);
    expect(leases).toMatchObject([{ first: 60 }, { first: 60 + leases[0]!.count }]);
    const awaits = (block: number) => task.report("a", { ...NOTHING, awaited: [block] }, 100)!;
    // It works on two, and wants no more: but for what a reader waits for.
    expect(awaits(60).leases.length).toBe(2);
    expect(awaits(90).leases.map(({ first }) => first)).toEqual([60, 90, leases[1]!.first]);
    task.leave("a");
    const late = task.report("other", { ...NOTHING, wantsLeases: 1 }, 200)!;
    // Nobody waits for it any more; what was taken back is first.
    expect(late.leases.map(({ first }) => first)).not.toContain(92);
  });

  it("gives no work to one who has everything", () => {
    expect(join(swarm(), "a", 0, BLOCKS).leases).toEqual([]);
  });

  it("has nothing fetched again of what those bring who come back after a restart", () => {
    const task = swarm(6);
    const { leases } = task.join(
      { id: "a", zone: "", subnet: "10.0.0", serves: true, held: 3, holds: [0, 1, 4] },
      0,
    );
    const blocks = leases.flatMap(({ first, count }) =>
      Array.from({ length: count }, (_, index) => first + index),
    );
    expect(blocks).not.toContain(0);
    expect(blocks).not.toContain(1);
    expect(blocks).not.toContain(4);
    expect(blocks.length).toBeGreaterThan(0);
  });

  it("lets those who have lost their supernode go on, and leases nothing before they are together", () => {
    const task = swarm(20);
    const back = (id: string, holds: number[], fetching: { first: number; count: number }[]) =>
      task
        .join({ id, zone: "", subnet: "", serves: true, held: holds.length, holds, fetching }, 0)
        .leases.map(({ first, count }) => ({ first, count }));
    const run = { first: 4, count: 4 };
    expect(back("a", [0, 1, 4], [run])).toEqual([run]);
    // What another fetches, or has, is not its own.
    expect(back("b", [2, 3], [{ first: 6, count: 4 }])).toEqual([]);
    // It has the first of them by now.
    expect(back("c", [8], [{ first: 8, count: 2 }])).toEqual([{ first: 8, count: 2 }]);
    expect(join(task, "new", 0).leases).toEqual([]);
    const later = task.report("new", { ...NOTHING, wantsLeases: 2 }, 2000)!;
    const leased = later.leases.flatMap(({ first, count }) =>
      Array.from({ length: count }, (_, index) => first + index),
    );
    expect(leased.length).toBeGreaterThan(0);
    expect(Math.min(...leased)).toBe(10);
  });

  it("has one go on with its leases that registers again", () => {
    const task = swarm(20);
    const runs = () => join(task, "a", 0).leases.map(({ first, count }) => ({ first, count }));
    const fetching = runs();
    expect(fetching.length).toBeGreaterThan(0);
    const node = { id: "a", zone: "", subnet: "", serves: true, held: 0, fetching };
    const again = task.join(node, 5000).leases.map(({ first, count }) => ({ first, count }));
    expect(again).toEqual(fetching);
  });

  it("wants to hear often of those who fetch, and seldom of those who are done", () => {
    const task = swarm();
    expect(join(task, "runner", 0).heartbeatMs).toBe(500);
    expect(join(task, "done", 0, BLOCKS).heartbeatMs).toBeGreaterThan(3000);
    const usual = task.report("runner", { ...NOTHING, leases: [] }, 100)!;
    expect(usual.heartbeatMs).toBe(500);
  });

  it("wants to hear less often of each where there are many", () => {
    const task = swarm(1);
    const interval = () => {
      const { size } = task;
      const sum = Array.from({ length: 50 }, (_, index) => join(task, `n${size + index}`, 0));
      return sum.reduce((total, { heartbeatMs }) => total + heartbeatMs, 0) / 50;
    };
    join(task, "runner", 0);
    expect(interval()).toBeLessThan(1200);
    for (let index = 0; index < 12_000; index++) join(task, `more${index}`, 0);
    expect(interval()).toBeGreaterThan(2000);
  });

  it("does not know one who has left, and sends nobody to it", () => {
    const task = swarm();
    join(task, "a", 0);
    task.leave("a");
    expect(task.report("a", NOTHING, 10)).toBeUndefined();
    expect(join(task, "b", 20).neighbours).toEqual([]);
  });

  it("gives the leases of a silent runner to another within two seconds", () => {
    const task = swarm(1000);
    const dead = join(task, "dead", 0).leases;
    for (let nowMs = 250; nowMs <= 2000; nowMs += 250) task.expire(nowMs);
    const taken = join(task, "alive", 2000).leases;
    const blocks = (leases: typeof taken) => leases.map(({ first, count }) => ({ first, count }));
    expect(blocks(taken)).toEqual(blocks(dead));
  });

  it("knows runners yet who were out of breath for longer than their leases last", () => {
    const task = swarm();
    for (const id of ["a", "b", "c"]) join(task, id, 0);
    for (let nowMs = 250; nowMs <= 3000; nowMs += 250) task.expire(nowMs);
    expect(task.runners).toBe(0);
    for (const id of ["a", "b", "c"]) {
      expect(task.report(id, { ...NOTHING, wantsLeases: 1 }, 3000)?.leases).toHaveLength(1);
    }
    for (let nowMs = 3250; nowMs <= 20_000; nowMs += 250) task.expire(nowMs);
    expect(task.size).toBe(0);
  });

  it("does not take its own deafness for their silence", () => {
    const task = swarm();
    const held = join(task, "a", 0).leases;
    task.expire(4000, 3000);
    const report = { ...NOTHING, leases: held.map(({ id }) => ({ id, done: 1, failed: false })) };
    expect(task.report("a", report, 4001)!.leases.map(({ id }) => id)).toEqual(
      held.map(({ id }) => id),
    );
  });

  it("takes back all of a runner whose source fails it, and gives it no more at once", () => {
    const task = swarm();
    const [first] = join(task, "a", 0).leases;
    const report = {
      ...NOTHING,
      leases: [{ id: first!.id, done: 1, failed: true }],
      wantsLeases: 2,
    };
    expect(task.report("a", report, 100)!.leases).toEqual([]);
    expect(join(task, "b", 200).leases.map((lease) => lease.first)).toContain(first!.first + 1);
  });

  it("leads one who lacks blocks to the node that fetched them, once they should have spread", () => {
    const others = Array.from({ length: 60 }, (_, index) => `other${index}`);
    const task = withFetcher(others);
    const led = (id: string, nowMs: number) =>
      task
        .report(id, { ...NOTHING, starved: [0] }, nowMs)!
        .neighbours.some((neighbour) => neighbour.id === "fetcher");
    // So that nobody lacks neighbours.
    for (const id of others) task.report(id, NOTHING, 200);
    expect(others.filter((id) => led(id, 900))).toEqual([]);
    const ledLater = others.filter((id) => led(id, 1200));
    expect(ledLater.length).toBeGreaterThan(5);
    // Those who had it as a neighbour all along, and those for whom it had no room.
    expect(ledLater.length).toBeLessThan(others.length);
  });

  it("keeps one who reports in time, whatever its neighbours say, and gives up one who does not", () => {
    const task = swarm();
    const names = ["busy", "a", "b", "c"];
    for (const id of names) join(task, id, 0, BLOCKS - 1);
    for (const id of ["a", "b"]) task.report(id, { ...NOTHING, dropped: ["busy"] }, 400);
    task.expire(450);
    expect(task.report("busy", NOTHING, 500)).toBeDefined();
    for (const id of ["a", "b", "c"]) task.report(id, { ...NOTHING, dropped: ["busy"] }, 1000);
    task.expire(1200);
    expect(task.has("busy")).toBe(true);
    for (const id of ["a", "b", "c"]) task.report(id, NOTHING, 1800);
    task.expire(2500);
    expect(names.filter((id) => task.has(id))).toEqual(["a", "b", "c"]);
  });

  it("has a block fetched again that lies with one whom nobody reaches", () => {
    const task = withFetcher(["a", "b"]);
    const granted: number[] = [];
    for (let nowMs = 1200; nowMs < 6000; nowMs += 250) {
      task.report("fetcher", NOTHING, nowMs);
      const report = { ...NOTHING, starved: [0], dropped: ["fetcher"], wantsLeases: 2 };
      for (const id of ["a", "b"]) {
        const { leases } = task.report(id, report, nowMs)!;
        if (leases.some(({ first }) => first === 0)) granted.push(nowMs);
        const done = leases.map((lease) => ({ id: lease.id, done: lease.count, failed: false }));
        task.report(id, { ...NOTHING, leases: done, dropped: ["fetcher"] }, nowMs + 10);
      }
      if (granted.length > 0) break;
    }
    expect(granted).toHaveLength(1);
    expect(granted[0]).toBeLessThan(4000);
  });

  it("has a block fetched again when its only holder is gone and nobody turns up with it", () => {
    const task = withFetcher(["a", "b"]);
    task.leave("fetcher");
    const granted: number[] = [];
    let holder = "";
    for (let nowMs = 1200; nowMs < 4000; nowMs += 500) {
      for (const id of ["a", "b"]) {
        const starved = holder === id ? [] : [0];
        const { leases } = task.report(id, { ...NOTHING, starved, wantsLeases: 2 }, nowMs)!;
        if (leases.some(({ first }) => first === 0)) {
          granted.push(nowMs);
          holder = id;
        }
        const done = leases.map((lease) => ({ id: lease.id, done: lease.count, failed: false }));
        task.report(id, { ...NOTHING, leases: done }, nowMs + 10);
      }
    }
    expect(granted).toHaveLength(1);
    expect(granted[0]).toBeGreaterThan(2000);
  });

  it("leases nothing anew that somebody was seen to fetch, since it is late", () => {
    const task = withFetcher(["a"]);
    const before = task.work.openBlocks;
    task.report("a", { ...NOTHING, owed: [0, 1] }, 500);
    expect(task.work.openBlocks).toBe(before);
  });

  describe("with one that says it holds all, and brings nothing", () => {
    function withHolder(...others: string[]) {
      const task = swarm(6);
      const holds = [0, 1, 2, 3, 4, 5];
      task.join({ id: "holder", zone: "", subnet: "10.0.0", serves: true, held: 6, holds }, 0);
      for (const id of others) expect(join(task, id, 0).leases).toEqual([]);
      const leased = (id: string, nowMs: number, slow: readonly string[] = []) =>
        task
          .report(id, { ...NOTHING, wantsLeases: 2, slow, dropped: slow }, nowMs)!
          .leases.reduce((sum, { count }) => sum + count, 0);
      return { task, leased };
    }

    it("leases its blocks, each once, when two say so", () => {
      const { task, leased } = withHolder("a", "b", "c");
      expect(leased("a", 100, ["holder"])).toBe(0);
      expect(task.report("a", { ...NOTHING, wantsLeases: 2 }, 150)!.heartbeatMs).toBeLessThan(200);
      expect(leased("a", 200, ["holder"])).toBe(0);
      const blocks = [leased("b", 300, ["holder"]), leased("a", 310), leased("c", 320)];
      expect(blocks.reduce((sum, count) => sum + count)).toBe(6);
      expect(leased("c", 400, ["holder"])).toBe(blocks[2]);
      expect(task.integrity.isBanned("holder")).toBe(false);
    });

    it("leases what they are kept waiting for, and goes on to believe it", () => {
      const { task, leased } = withHolder("a", "b");
      const owed = (id: string, blocks: readonly number[], nowMs: number) => {
        const { leases } = task.report(id, { ...NOTHING, wantsLeases: 2, owed: blocks }, nowMs)!;
        return leases.map(({ first }) => first);
      };
      expect(owed("a", [2, 3, 4], 100)).toEqual([2, 3]);
      expect(owed("b", [2, 3, 4], 110)).toEqual([4]);
      // Soon again: there may be more.
      expect(task.report("b", { ...NOTHING, wantsLeases: 1 }, 150)!.heartbeatMs).toBe(500);
      expect(join(task, "c", 200).leases).toEqual([]);
      expect(leased("c", 300)).toBe(0);
      expect(task.report("c", { ...NOTHING, wantsLeases: 2 }, 310)!.heartbeatMs).toBeLessThan(200);
    });

    it("takes the word of one where that is the only other", () => {
      const { leased } = withHolder("a");
      expect(leased("a", 100, ["holder"])).toBeGreaterThan(0);
    });

    it("believes it no more when it comes again", () => {
      const { task, leased } = withHolder("a");
      leased("a", 100, ["holder"]);
      const holds = [0, 1, 2, 3, 4, 5];
      task.join({ id: "holder", zone: "", subnet: "10.0.0", serves: true, held: 6, holds }, 200);
      task.leave("a");
      expect(join(task, "b", 300).leases.length).toBeGreaterThan(0);
    });
  });
});
