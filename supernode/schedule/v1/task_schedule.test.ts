import { describe, expect, it } from "vitest";
import fc from "../../../tests/support/fast_check.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { type PullDecision, TaskSchedule } from "./task_schedule.ts";

const sourceTask = (pieces: number, limits = {}) =>
  new TaskSchedule("source", pieces, { ...DEFAULT_LIMITS, ...limits }, () => 0.5);

function localTask(pieces: number, limits = {}) {
  const task = new TaskSchedule("supernode", pieces, { ...DEFAULT_LIMITS, ...limits }, () => 0.5);
  task.seedStarted();
  for (let piece = 0; piece < pieces; piece++) task.seedPieceReady(piece);
  task.seedComplete(pieces);
  return task;
}

/** `"0:source 1:a"`, or the kind of an answer without pieces. */
function spell(decision: PullDecision): string {
  if (decision.kind !== "pieces") return decision.kind;
  return decision.pieces
    .map(({ piece, server }) => `${piece}:${server.kind === "peer" ? server.cid : server.kind}`)
    .sort()
    .join(" ");
}

describe("a pull in CDN pattern local", () => {
  it("waits until the seed has a piece", () => {
    const task = new TaskSchedule("supernode", undefined, DEFAULT_LIMITS, () => 0.5);
    task.join("a", true, 0);
    task.seedStarted();
    expect(spell(task.pull("a", 0))).toBe("wait");
    task.seedPieceReady(0);
    expect(spell(task.pull("a", 1))).toBe("0:seed");
    expect(task.succeeded("a", 0, true, 2)).toBe(true);
    expect(spell(task.pull("a", 2)), "the length is not known yet").toBe("wait");
    task.seedComplete(1);
    expect(spell(task.pull("a", 3))).toBe("finished");
  });

  it("is told of a failed seed, and goes on when it starts anew", () => {
    const task = new TaskSchedule("supernode", 1, DEFAULT_LIMITS, () => 0.5);
    task.join("a", true, 0);
    task.seedStarted();
    task.seedFailed();
    expect(task.pull("a", 0)).toEqual({ kind: "error", reason: "seed failed" });
    task.seedStarted();
    task.seedPieceReady(0);
    expect(spell(task.pull("a", 0))).toBe("0:seed");
  });

  it("gives a client no more than peerDownLimit at once, nearest to what it runs", () => {
    const task = localTask(10, { peerDownLimit: 3 });
    task.join("a", true, 0);
    expect(spell(task.pull("a", 0))).toBe("0:seed 1:seed 2:seed");
    expect(spell(task.pull("a", 0))).toBe("wait");
    task.succeeded("a", 1, true, 1);
    expect(spell(task.pull("a", 1))).toBe("3:seed");
  });

  it("lets the seed serve peerDownLimit at once", () => {
    const task = localTask(10);
    for (const cid of ["a", "b"]) task.join(cid, true, 0);
    task.pull("a", 0);
    expect(spell(task.pull("b", 0))).toBe("wait");
    task.succeeded("a", 0, false, 1);
    expect(spell(task.pull("b", 1)), "the one slot that a gave back").toBe("0:seed");
    expect(spell(task.pull("a", 1))).toBe("wait");
  });

  it("prefers a peer to the seed, the least loaded one", () => {
    const task = localTask(2);
    for (const cid of ["a", "b", "c", "d"]) task.join(cid, true, 0);
    for (const cid of ["a", "b"]) {
      task.succeeded(cid, 0, true, 0);
      task.succeeded(cid, 1, true, 0);
    }
    const first = task.pull("c", 0);
    const second = task.pull("d", 0);
    expect(`${spell(first)} ${spell(second)}`).not.toContain("seed");
    for (const decision of [first, second]) {
      // Two pieces, two peers: one each.
      expect(spell(decision)).toMatch(/0:([ab]) 1:(?!\1)[ab]/);
    }
  });

  it("sends to a piece with fewer holders first", () => {
    const task = localTask(3, { peerDownLimit: 1 });
    for (const cid of ["a", "b"]) task.join(cid, true, 0);
    task.succeeded("a", 0, true, 0);
    task.succeeded("a", 1, true, 0);
    expect(spell(task.pull("b", 0))).toBe("2:seed");
  });

  it("uses a peer's slots no more than peerUpLimit, and gets them back", () => {
    const task = sourceTask(1, { peerUpLimit: 1 });
    for (const cid of ["a", "b", "c"]) task.join(cid, true, 0);
    task.succeeded("a", 0, true, 0);
    expect(spell(task.pull("b", 0))).toBe("0:a");
    expect(spell(task.pull("c", 0)), "cheaper to wait than to ask the source").toBe("wait");
    task.leave("b");
    expect(spell(task.pull("c", 1))).toBe("0:a");
  });
});

describe("failures", () => {
  it("keep a client off the server that failed it, and eliminate a server in the end", () => {
    const task = localTask(1, { eliminationLimit: 2 });
    for (const cid of ["a", "b", "c", "d"]) task.join(cid, true, 0);
    task.succeeded("a", 0, true, 0);
    expect(spell(task.pull("b", 0))).toBe("0:a");
    task.failed("b", 0, "a", 1);
    expect(spell(task.pull("b", 1))).toBe("0:seed");
    expect(spell(task.pull("c", 1))).toBe("0:a");
    task.failed("c", 0, "a", 2);
    expect(spell(task.pull("d", 2)), "failed two clients").toBe("0:seed");
  });

  it("said twice count once, and not against another server", () => {
    const task = sourceTask(1, { failureCountLimit: 1 });
    for (const cid of ["a", "b", "c"]) task.join(cid, true, 0);
    for (const cid of ["a", "b"]) task.succeeded(cid, 0, true, 0);
    const first = spell(task.pull("c", 0)).slice(2);
    for (let again = 0; again < 9; again++) task.failed("c", 0, first, again);
    expect(spell(task.pull("c", 9))).toBe(first === "a" ? "0:b" : "0:a");
    task.failed("c", 0, first, 10);
    expect(spell(task.pull("c", 10)), "still at it").toBe("wait");
  });

  it("send a client that fails too often to the supernode only", () => {
    const task = localTask(1, { failureCountLimit: 1 });
    for (const cid of ["a", "b", "x", "y"]) task.join(cid, true, 0);
    for (const cid of ["a", "x", "y"]) task.succeeded(cid, 0, true, 0);
    for (let failure = 0; failure < 2; failure++) {
      const decision = task.pull("b", failure);
      expect(spell(decision)).toMatch(/^0:[axy]$/);
      task.failed("b", 0, "", failure);
    }
    expect(spell(task.pull("b", 9))).toBe("0:seed");
  });

  it("of the source itself end p2p for that client", () => {
    const task = sourceTask(1, { failureCountLimit: 2 });
    task.join("a", true, 0);
    for (let failure = 0; failure < 3; failure++) {
      expect(spell(task.pull("a", failure))).toBe("0:source");
      task.failed("a", 0, "", failure);
    }
    expect(task.pull("a", 9)).toEqual({ kind: "error", reason: "source fails this client" });
  });

  it("of a piece, reported apart, take that piece from its holder", () => {
    const task = localTask(1);
    for (const cid of ["a", "b"]) task.join(cid, true, 0);
    task.succeeded("a", 0, true, 0);
    task.pieceLost("a", 0);
    expect(spell(task.pull("b", 0))).toBe("0:seed");
  });
});

describe("who serves", () => {
  it.each([
    ["registered as serving nobody", (task: TaskSchedule) => task.join("a", false, 0)],
    [
      "reported down",
      (task: TaskSchedule) => {
        task.join("a", true, 0);
        task.succeeded("a", 0, true, 0);
        task.down("a");
      },
    ],
  ])("not one who %s", (_, arrive) => {
    const task = localTask(1);
    arrive(task);
    task.succeeded("a", 0, true, 0);
    task.join("b", true, 0);
    expect(spell(task.pull("b", 0))).toBe("0:seed");
  });

  it("not one who has the piece in memory only", () => {
    const task = localTask(2);
    for (const cid of ["a", "b"]) task.join(cid, true, 0);
    task.succeeded("a", 0, false, 0);
    expect(spell(task.pull("b", 0))).toBe("0:seed 1:seed");
    expect(task.succeeded("a", 0, true, 1), "no news").toBe(false);
    task.join("c", true, 1);
    expect(spell(task.pull("c", 1))).toContain("0:a");
  });
});

describe("a pull in CDN pattern source", () => {
  it("finishes when the client has all pieces", () => {
    const task = sourceTask(2);
    task.join("a", true, 0);
    expect(spell(task.pull("a", 0))).toBe("0:source 1:source");
    task.succeeded("a", 0, true, 1);
    expect(spell(task.pull("a", 1))).toBe("wait");
    task.succeeded("a", 1, false, 1);
    expect(spell(task.pull("a", 1))).toBe("finished");
  });

  it("hands a piece to one client only", () => {
    const task = sourceTask(6);
    for (const cid of ["a", "b", "c"]) task.join(cid, true, 0);
    expect(spell(task.pull("a", 0))).toBe("0:source 1:source 2:source 3:source");
    expect(spell(task.pull("b", 0))).toBe("4:source 5:source");
    expect(spell(task.pull("c", 0))).toBe("wait");
    task.succeeded("a", 0, false, 1);
    expect(spell(task.pull("c", 1)), "arrived, not yet to be had").toBe("wait");
    task.succeeded("a", 0, true, 2);
    expect(spell(task.pull("c", 2))).toBe("0:a");
  });

  it("sends others to one who has had a piece for 3 s, though it does not say that it is on disk", () => {
    const task = sourceTask(1);
    for (const cid of ["a", "b"]) task.join(cid, true, 0);
    expect(spell(task.pull("a", 0))).toBe("0:source");
    task.succeeded("a", 0, false, 1);
    expect(spell(task.pull("b", 3000))).toBe("wait");
    // It would be the source's again by now, had it not arrived.
    expect(spell(task.pull("b", 3001))).toBe("wait");
    expect(spell(task.pull("b", 3002))).toBe("0:a");
  });

  it("fetches no more than sourceFetchLimit at once", () => {
    const task = sourceTask(100, { sourceFetchLimit: 5 });
    for (const cid of ["a", "b", "c"]) task.join(cid, true, 0);
    task.pull("a", 0);
    expect(spell(task.pull("b", 0))).toMatch(/^\d+:source$/);
    expect(spell(task.pull("c", 0))).toBe("wait");
  });

  it("keeps half of a client's slots for what peers have", () => {
    const task = sourceTask(20);
    for (const cid of ["a", "b"]) task.join(cid, true, 0);
    for (let piece = 0; piece < 4; piece++) task.succeeded("a", piece, true, 0);
    expect(spell(task.pull("b", 0)).match(/source/g)).toHaveLength(2);
    expect(task.busy).toBe(true);
  });

  it("goes to the source for what only a client that cannot serve has", () => {
    const task = sourceTask(1);
    task.join("a", false, 0);
    task.pull("a", 0);
    task.succeeded("a", 0, true, 1);
    task.join("b", true, 1);
    expect(spell(task.pull("b", 1))).toBe("0:source");
  });

  it("passes on the lease of a client that failed, went, or stopped serving", () => {
    for (const end of ["failed", "leave", "down", "join"] as const) {
      const task = sourceTask(1);
      for (const cid of ["a", "b"]) task.join(cid, true, 0);
      task.pull("a", 0);
      expect(spell(task.pull("b", 0))).toBe("wait");
      if (end === "failed") task.failed("a", 0, "", 1);
      else if (end === "join") task.join("a", true, 1);
      else task[end]("a");
      expect(spell(task.pull("b", 1)), end).toBe("0:source");
    }
  });

  it("takes over the lease of a silent client after 10 s at first, then by what was measured", () => {
    const task = sourceTask(3, { peerDownLimit: 1 });
    for (const cid of ["a", "b", "dead"]) task.join(cid, true, 0);
    expect(spell(task.pull("dead", 0))).toBe("0:source");
    expect(spell(task.pull("a", 0))).toBe("1:source");
    expect(spell(task.pull("b", 0))).toBe("2:source");
    task.succeeded("b", 2, true, 500);
    task.succeeded("a", 1, true, 500);
    expect(spell(task.pull("b", 500))).toBe("1:a");
    task.succeeded("b", 1, true, 500);
    // Slowest 500 ms, four times that is below the floor of 3 s.
    expect(spell(task.pull("b", 2999))).toBe("wait");
    expect(spell(task.pull("b", 3000))).toBe("0:source");

    const unmeasured = sourceTask(1);
    for (const cid of ["a", "dead"]) unmeasured.join(cid, true, 0);
    unmeasured.pull("dead", 0);
    expect(spell(unmeasured.pull("a", 9999))).toBe("wait");
    expect(spell(unmeasured.pull("a", 10_000))).toBe("0:source");
  });

  it("believes longer in a client that still asks", () => {
    const task = sourceTask(1);
    for (const cid of ["a", "slow"]) task.join(cid, true, 0);
    task.pull("slow", 0);
    for (let now = 0; now < 30_000; now += 1000) {
      task.pull("slow", now);
      expect(spell(task.pull("a", now))).toBe("wait");
    }
    task.pull("slow", 30_000);
    expect(spell(task.pull("a", 30_000))).toBe("0:source");
  });

  it("takes back the slots that dead clients hold at a server", () => {
    const task = sourceTask(1, { peerUpLimit: 1 });
    for (const cid of ["a", "b", "dead"]) task.join(cid, true, 0);
    task.succeeded("a", 0, true, 0);
    expect(spell(task.pull("dead", 0))).toBe("0:a");
    expect(spell(task.pull("b", 9000))).toBe("wait");
    expect(spell(task.pull("b", 10_000))).toBe("0:a");
  });

  it("never gives a client what it is fetching, until the answer must have got lost", () => {
    const task = sourceTask(1);
    task.join("a", true, 0);
    task.pull("a", 0);
    expect(spell(task.pull("a", 59_000))).toBe("wait");
    expect(spell(task.pull("a", 60_000))).toBe("0:source");
  });

  it("waits for a seed in the making rather than fetch twice", () => {
    const task = sourceTask(2);
    task.seedStarted();
    task.join("a", true, 0);
    expect(spell(task.pull("a", 0))).toBe("wait");
    task.seedPieceReady(1);
    expect(spell(task.pull("a", 0))).toBe("1:seed");
    task.seedFailed();
    expect(spell(task.pull("a", 0))).toBe("0:source");
  });

  it("asks a client that registers again for each piece anew, and lets it go on serving", () => {
    const task = sourceTask(1);
    for (const cid of ["a", "b"]) task.join(cid, true, 0);
    task.succeeded("a", 0, true, 0);
    task.join("a", true, 1);
    expect(spell(task.pull("b", 1))).toBe("0:a");
    expect(spell(task.pull("a", 1))).toBe("0:source");
    task.succeeded("a", 0, true, 1);
    expect(spell(task.pull("a", 1))).toBe("finished");
  });

  it("knows no client that did not register", () => {
    expect(sourceTask(1).pull("a", 0)).toEqual({ kind: "error", reason: "unknown client" });
    expect(sourceTask(1).succeeded("a", 0, true, 0)).toBe(false);
  });
});

describe("any interleaving", () => {
  interface Running {
    piece: number;
    server: string;
  }

  /**
   * Plays clients that pull, fetch and report in the order `choices` says, some pieces failing.
   * Returns how often each piece was fetched from the source.
   */
  function play(
    pattern: "source" | "supernode",
    pieces: number,
    clients: number,
    choices: () => number,
    failing: (piece: number, cid: string) => boolean,
    servingShare = 1,
  ): number[] {
    const task = new TaskSchedule(pattern, pieces, DEFAULT_LIMITS, choices);
    const fromSource = new Array<number>(pieces).fill(0);
    const serving = new Set<string>();
    const running = new Map<string, Running[]>();
    const onDisk = new Map<string, Set<number>>();
    const todo = new Set<string>();
    let seeded = 0;
    let now = 0;
    if (pattern === "supernode") task.seedStarted();
    for (let index = 0; index < clients; index++) {
      const cid = `c${index}`;
      const serves = choices() < servingShare;
      if (serves) serving.add(cid);
      task.join(cid, serves, now);
      running.set(cid, []);
      onDisk.set(cid, new Set());
      todo.add(cid);
    }
    const failed = new Set<string>();
    let steps = 0;
    while (todo.size > 0) {
      if (++steps > pieces * clients * 200) throw new Error("no end in sight");
      now += 1;
      if (pattern === "supernode" && seeded < pieces && choices() < 0.3) {
        task.seedPieceReady(seeded++);
        if (seeded === pieces) task.seedComplete(pieces);
      }
      const cids = [...todo];
      const cid = cids[Math.floor(choices() * cids.length)]!;
      const mine = running.get(cid)!;
      if (mine.length > 0 && choices() < 0.6) {
        const [piece] = mine.splice(Math.floor(choices() * mine.length), 1);
        const key = `${cid} ${piece!.piece}`;
        if (!failed.has(key) && failing(piece!.piece, cid)) {
          failed.add(key);
          task.failed(cid, piece!.piece, piece!.server, now);
          continue;
        }
        task.succeeded(cid, piece!.piece, false, now);
        task.succeeded(cid, piece!.piece, true, now);
        onDisk.get(cid)!.add(piece!.piece);
        continue;
      }
      const decision = task.pull(cid, now);
      if (decision.kind === "error") throw new Error(decision.reason);
      if (decision.kind === "finished") {
        expect(onDisk.get(cid)!.size).toBe(pieces);
        todo.delete(cid);
        continue;
      }
      for (const { piece, server } of decision.kind === "pieces" ? decision.pieces : []) {
        expect(mine.some((other) => other.piece === piece)).toBe(false);
        expect(onDisk.get(cid)!.has(piece)).toBe(false);
        if (server.kind === "peer") {
          expect(server.cid).not.toBe(cid);
          expect(serving.has(server.cid)).toBe(true);
          expect(onDisk.get(server.cid)!.has(piece)).toBe(true);
        }
        if (server.kind === "source") fromSource[piece]! += 1;
        if (server.kind === "seed") expect(piece).toBeLessThan(seeded);
        mine.push({ piece, server: server.kind === "peer" ? server.cid : "" });
      }
      expect(mine.length).toBeLessThanOrEqual(DEFAULT_LIMITS.peerDownLimit);
      const servedBy = new Map<string, number>();
      for (const { server } of [...running.values()].flat())
        if (server) servedBy.set(server, (servedBy.get(server) ?? 0) + 1);
      expect(Math.max(0, ...servedBy.values())).toBeLessThanOrEqual(DEFAULT_LIMITS.peerUpLimit);
    }
    expect(task.busy).toBe(false);
    return fromSource;
  }

  const randomOf = (seed: number) => {
    let state = seed >>> 0;
    return () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
  };

  it("ends with every client finished, each piece fetched from the source exactly once", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer(),
        (pieces, clients, seed) => {
          const fetched = play("source", pieces, clients, randomOf(seed), () => false);
          expect(fetched).toEqual(new Array(pieces).fill(1));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("ends with every client finished when some pieces fail and some clients cannot serve", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("source" as const, "supernode" as const),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer(),
        (pattern, pieces, clients, seed) => {
          const random = randomOf(seed);
          // At most every tenth piece of a client, so that none reaches the limit of the source.
          play(pattern, pieces, clients, random, (piece) => piece % 10 === 3, 0.7);
        },
      ),
      { numRuns: 60 },
    );
  });
});
