import { beforeEach, describe, expect, it, vi } from "vitest";
import type * as z from "zod";
import { PASS_MS, PathKey } from "../../protocol/path_pass.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import { LEAST_BLOCK_BYTES as BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { type LeaseGrant, SWARM_VERSION, taskReportSchema } from "../../protocol/swarm/messages.ts";
import { DEFAULT_LIMITS } from "../schedule/v1/limits.ts";
import { TaskSchedule } from "../schedule/v1/task_schedule.ts";
import { PathPass } from "../seed/path_pass.ts";
import { ReadAhead, readAheadBytes } from "../seed/read_ahead.ts";
import { type Client, SourceAccess, type Task, taskPieceCount } from "../tasks/task.ts";
import { TaskStore } from "../tasks/task_store.ts";
import { toldPath } from "../tasks/told_path.ts";
import { SwarmDesk } from "./swarm_desk.ts";

const HEX = "e894435e800e122fdcc592abcf025f39ee968f4e809068b951bd4aaba5621f84";
const BLOCKS = 40;

let nowMs: number;
let store: TaskStore;
let schedules: Map<string, TaskSchedule>;
const passes = new PathPass(() => 0);
let desk: SwarmDesk;
let readAhead: ReadAhead;

beforeEach(() => {
  nowMs = 1_000_000;
  readAhead = new ReadAhead();
  store = new TaskStore(() => nowMs);
  schedules = new Map();
  desk = new SwarmDesk({
    store,
    schedules,
    steadyNow: () => nowMs,
    random: () => 0.5,
    passes,
    readAhead,
    advertiseIp: "10.0.0.200",
    downloadPort: () => 8001,
  });
  store.onRemoval({ clientRemoved: ({ taskId, cid }) => desk.leave(taskId, cid) });
});

function task(repository: string, change: Partial<Task> = {}): Task {
  const url = `https://registry.test/v2/${repository}/blobs/sha256:${HEX}`;
  const made: Task = {
    id: `task-${repository}`,
    rawUrl: url,
    taskUrl: url,
    isVouchedFor: true,
    isPublic: true,
    md5: "",
    identifier: "",
    cdnSource: "source",
    pieceSize: 4 * BLOCK_BYTES,
    access: new SourceAccess({}),
    length: BLOCKS * BLOCK_BYTES,
    validators: { etag: "", lastModified: "" },
    cdnStatus: "WAITING",
    pieceSums: [],
    realMd5: "",
    createdMs: nowMs,
    lastAccessMs: nowMs,
    ...change,
  };
  store.addTask(made);
  schedules.set(
    made.id,
    new TaskSchedule("source", taskPieceCount(made), DEFAULT_LIMITS, () => 0.5),
  );
  return made;
}

function client(of: Task, number: number, change: Partial<Client> = {}): Client {
  const made: Client = {
    cid: `10.0.0.${number}-1`,
    taskId: of.id,
    peerId: `peer-${number}`,
    ip: `10.0.0.${number}`,
    port: 15001,
    path: `/peer/file/f-${number}`,
    pattern: "p2p",
    callSystem: "",
    dfdaemon: true,
    superNodeIp: "",
    rawUrl: of.rawUrl,
    state: "WAITING",
    lastAccessMs: nowMs,
    ...change,
  };
  store.addClient(made);
  schedules.get(of.id)!.join(made.cid, true, nowMs);
  return made;
}

const JOIN = { version: SWARM_VERSION, zone: "", held: 0 };

function report(of: Client, change: Partial<z.input<typeof taskReportSchema>> = {}) {
  const tasks = [
    taskReportSchema.parse({ taskId: of.taskId, cid: of.cid, held: 0, neighbours: 0, ...change }),
  ];
  return desk.heartbeat({ version: SWARM_VERSION, tasks }).tasks[0]!;
}

describe("joining", () => {
  it("tells a member again by which paths its neighbours are found", () => {
    const pathKey = PathKey.told({ key: Buffer.alloc(32).toString("base64url"), ageMs: 0 }, nowMs);
    const file = task("a");
    const [one, other] = [client(file, 1), client(file, 2, { pathKey })];
    desk.join(other, file, JOIN);
    const [before] = desk.join(one, file, JOIN)!.neighbours;
    expect(before!.path).toBe(toldPath(other, nowMs));
    nowMs += PASS_MS;
    const { neighbours } = report(one, { renew: [other.cid, "somebody else"] })!;
    expect(neighbours).toEqual([{ ...before, path: toldPath(other, nowMs) }]);
    expect(neighbours[0]!.path).not.toBe(before!.path);
  });

  it("gives neighbours that can be reached, and the source's blocks to one node each", () => {
    const one = task("a");
    const first = desk.join(client(one, 1), one, JOIN)!;
    const second = desk.join(client(one, 2), one, JOIN)!;
    expect(first).toMatchObject({
      version: SWARM_VERSION,
      blockBytes: BLOCK_BYTES,
      neighbours: [],
    });
    expect(second.neighbours).toEqual([
      { id: "10.0.0.1-1", ip: "10.0.0.1", port: 15001, path: "/peer/file/f-1", near: true },
    ]);
    const blocks = [...first.leases, ...second.leases].flatMap(({ first: from, count }) =>
      Array.from({ length: count }, (_, index) => from + index),
    );
    expect(new Set(blocks).size).toBe(blocks.length);
    expect(blocks.length).toBeGreaterThan(0);
  });

  it("says that blocks come while whoever fetches them gets something, however little", () => {
    const one = task("a");
    const runner = client(one, 1);
    const waiting = client(one, 2);
    const { leases } = desk.join(runner, one, JOIN)!;
    desk.join(waiting, one, JOIN);
    const progress = (partBytes: number) => {
      const [{ id }] = leases as [LeaseGrant];
      report(runner, { leases: [{ id, done: 0, partBytes, failed: false, digests: [] }] });
      return report(waiting).coming;
    };
    expect(progress(100)).toBe(true);
    nowMs += 9000;
    expect(progress(200)).toBe(true);
    nowMs += 9000;
    expect(progress(200)).toBe(true);
    nowMs += 2000;
    expect(progress(200)).toBe(false);
  });

  it("brings together who asks for the same blob in another repository", () => {
    const [a, b] = [task("team-a/app"), task("team-b/app")];
    desk.join(client(a, 1), a, JOIN);
    expect(desk.join(client(b, 2), b, JOIN)!.neighbours).toHaveLength(1);
  });

  it.each([
    ["everybody may have it, a mirror's clients too", true, 1],
    ["not everybody may have it, no other registry's", false, 0],
  ])("brings together, where %s", (_who, isPublic, neighbours) => {
    const ours = task("app", { isPublic });
    const mirror = ours.taskUrl.replace("registry.test", "mirror.test");
    const theirs = task("mirrored", { rawUrl: mirror, taskUrl: mirror, isPublic });
    desk.join(client(ours, 1), ours, JOIN);
    expect(desk.join(client(theirs, 2), theirs, JOIN)!.neighbours).toHaveLength(neighbours);
  });

  it("keeps apart files that only look alike", () => {
    const whole = task("a");
    const other = task("b", { length: (BLOCKS - 1) * BLOCK_BYTES });
    desk.join(client(whole, 1), whole, JOIN);
    expect(desk.join(client(other, 2), other, JOIN)!.neighbours).toEqual([]);
  });

  it.each<[string, Partial<Task>, Partial<Client>, typeof JOIN | undefined]>([
    ["that does not ask for it", {}, {}, undefined],
    ["of another version", {}, {}, { ...JOIN, version: SWARM_VERSION - 1 }],
    ["that cannot serve", {}, { port: 0 }, JOIN],
    ["that takes from the supernode only", {}, { pattern: "cdn" }, JOIN],
    ["of a file of unknown length", { length: -1 }, {}, JOIN],
    ["of a part of a file", { access: new SourceAccess({ Range: "bytes=0-9" }) }, {}, JOIN],
  ])("leaves a client %s to v1's schedule", (_what, ofTask, ofClient, request) => {
    const one = task("a", ofTask);
    expect(desk.join(client(one, 1, ofClient), one, request)).toBeUndefined();
  });
});

describe("with v1 clients at the same task", () => {
  /** A v1 client that has piece 0, blocks 0 to 3, and is fetching piece 1, blocks 4 to 7. */
  function begun(tookMs = 0) {
    const one = task("a");
    const v1 = client(one, 9, { state: "RUNNING" });
    expect(desk.join(v1, one, undefined)).toBeUndefined();
    const schedule = schedules.get(one.id)!;
    const pulled = schedule.pull(v1.cid, nowMs);
    expect(pulled.kind === "pieces" && pulled.pieces.map(({ piece }) => piece)).toEqual([
      0, 1, 2, 3,
    ]);
    for (const piece of [2, 3]) schedule.failed(v1.cid, piece, "", nowMs);
    nowMs += tookMs;
    schedule.succeeded(v1.cid, 0, true, nowMs);
    const node = client(one, 1);
    const { leases } = desk.join(node, one, JOIN)!;
    return { one, v1, schedule, node, leases };
  }

  /** Does all leases until nothing is to be had any more; gives who was asked for which block. */
  function work(node: Client, leases: readonly LeaseGrant[], seen = new Map<number, string>()) {
    let left = leases;
    while (left.length > 0) {
      for (const { first, count, from } of left) {
        for (let block = first; block < first + count; block++) {
          const place = from?.path ?? "source";
          expect(seen.get(block) ?? place).toBe(place);
          seen.set(block, place);
        }
      }
      nowMs += 50;
      const done = left.map(({ id, count }) => ({ id, done: count, failed: false, digests: [] }));
      left = report(node, { leases: done, wantsLeases: 2 }).leases;
    }
    return seen;
  }

  it("joins a swarm that leaves to them what they have or fetch, and gets it from them", () => {
    const { v1, schedule, node, leases } = begun();
    const seen = work(node, leases);
    expect([...seen.keys()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: BLOCKS - 8 }, (_, block) => block + 8),
    );
    desk.expire();
    const { leases: fromV1 } = report(node, { wantsLeases: 2 });
    expect(fromV1).toEqual([
      {
        id: expect.any(Number),
        ...{ first: 0, count: 4 },
        from: { kind: "peer", ip: v1.ip, port: v1.port, path: v1.path },
      },
    ]);
    work(node, fromV1, seen);
    schedule.succeeded(v1.cid, 1, true, nowMs);
    desk.expire();
    work(node, report(node, { wantsLeases: 2 }).leases, seen);
    expect(seen.size).toBe(BLOCKS);
    expect([...seen.values()].filter((place) => place === v1.path)).toHaveLength(8);
  });

  it("waits for a v1 client that fetches a piece, but not for ever", () => {
    const { v1, schedule, node, leases } = begun(5000);
    const endsMs = nowMs + 8000;
    const seen = work(node, leases);
    while (nowMs + 1000 < endsMs) {
      desk.expire();
      work(node, report(node, { wantsLeases: 2 }).leases, seen);
      expect(seen.has(4)).toBe(false);
      expect(schedule.pull(v1.cid, nowMs)).toEqual({ kind: "wait" });
      nowMs += 500;
    }
    nowMs = endsMs;
    desk.expire();
    work(node, report(node, { wantsLeases: 2 }).leases, seen);
    expect(seen.get(4)).toBe("source");
  });

  it("asks the source for what a v1 client does not give, or does not fetch after all", () => {
    const { one, v1, node, leases } = begun();
    const seen = work(node, leases);
    desk.expire();
    const [lease] = report(node, { wantsLeases: 1 }).leases;
    expect(
      report(node, { leases: [{ id: lease!.id, done: 1, failed: true, digests: [] }] }).leases,
    ).toEqual([]);
    store.removeClient(one.id, v1.cid);
    schedules.get(one.id)!.leave(v1.cid);
    desk.expire();
    work(node, report(node, { wantsLeases: 2 }).leases, seen);
    expect([0, 1, 4].map((block) => seen.get(block))).toEqual([undefined, "source", "source"]);
  });

  it("sends them to a node for each piece as soon as it has that, not to the source", () => {
    const { v1, schedule, node } = begun();
    expect(schedule.pull(v1.cid, nowMs)).toEqual({ kind: "wait" });
    const pieces = new Bitmap(BLOCKS / 4);
    for (const piece of [3, 5]) pieces.add(piece);
    report(node, { held: 9, pieces: pieces.toBase64() });
    const pulled = schedule.pull(v1.cid, nowMs);
    expect(
      pulled.kind === "pieces" &&
        new Map(pulled.pieces.map(({ piece, server }) => [piece, server])),
    ).toEqual(new Map([3, 5].map((piece) => [piece, { kind: "peer", cid: node.cid }])));
  });

  it("sends them at once to a node that comes back with the whole file", () => {
    const one = task("a");
    const node = client(one, 1);
    desk.join(node, one, { ...JOIN, held: BLOCKS });
    const v1 = client(one, 9);
    const pulled = schedules.get(one.id)!.pull(v1.cid, nowMs);
    expect(pulled.kind === "pieces" && pulled.pieces[0]!.server).toEqual({
      kind: "peer",
      cid: node.cid,
    });
  });

  it("takes a bitmap that makes no sense for none", () => {
    const { v1, schedule, node } = begun();
    for (const pieces of ["", "?", "AAAAAAAA"])
      expect(report(node, { held: 9, pieces }).known).toBe(true);
    expect(schedule.pull(v1.cid, nowMs)).toEqual({ kind: "wait" });
  });
});

describe("around the supernode's copy", () => {
  const FRAMED = { cdnSource: "supernode", pieceSize: 4 * BLOCK_BYTES } as const;
  const seed = { kind: "seed", ip: "10.0.0.200", port: 8001 };
  const piecesOf = (count: number) => Array.from({ length: count }, () => "md5:1");
  const FAILED = [{ id: 1, done: 0, failed: true, digests: [] }];

  it("leases what the copy has, as it comes", () => {
    const one = task("a", FRAMED);
    const node = client(one, 1);
    const joined = desk.join(node, one, JOIN)!;
    expect(joined.leases).toEqual([]);
    expect(joined.heartbeatMs).toBeLessThan(500);
    expect(desk.wantsSeed(one)).toBe(true);
    one.cdnStatus = "RUNNING";
    one.pieceSums = piecesOf(1);
    const answer = report(node, { wantsLeases: 2 });
    expect(answer.coming).toBe(true);
    expect(answer.leases[0]).toMatchObject({ first: 0, from: { ...seed } });
    const done = answer.leases.map(({ id, count }) => ({
      id,
      done: count,
      failed: false,
      digests: [],
    }));
    // A framed piece of four blocks lacks five bytes of the fourth.
    const next = report(node, { leases: done, wantsLeases: 2 }).leases;
    expect(next.map(({ first, count }) => [first, count])).toEqual([[2, 1]]);
    one.cdnStatus = "SUCCESS";
    expect(report(client(one, 2)).known).toBe(false);
    const second = desk.join(client(one, 2), one, JOIN)!;
    expect(second.leases[0]).toMatchObject({ from: seed });
  });

  it("lets it come as much further as the members have got, and to its end when they are gone", async () => {
    const one = task("a", FRAMED);
    const paced = vi.spyOn(readAhead, "pace");
    const released = vi.spyOn(readAhead, "release");
    const expectHeld = (blocks: number) =>
      expect(paced).toHaveBeenLastCalledWith(
        one.id,
        expect.objectContaining({ heldBytes: blocks * BLOCK_BYTES, aheadBytes }),
      );
    const aheadBytes = readAheadBytes(one);
    const node = client(one, 1);
    desk.join(node, one, JOIN);
    expectHeld(0);
    one.cdnStatus = "RUNNING";
    one.pieceSums = piecesOf(2);
    const { leases } = report(node, { wantsLeases: 1 });
    expectHeld(0);
    const [lease] = leases;
    report(node, { leases: [{ id: lease!.id, done: 1, failed: false, digests: [] }] });
    expectHeld(1);
    const other = client(one, 2);
    desk.join(other, one, { ...JOIN, held: BLOCKS });
    store.removeClient(one.id, node.cid);
    report(other, { held: BLOCKS });
    expect(released).toHaveBeenCalledOnce();
    const again = client(one, 3);
    desk.join(again, one, JOIN);
    expectHeld(1);
    for (const { cid } of [other, again]) store.removeClient(one.id, cid);
    expect(released).toHaveBeenCalledTimes(2);
  });

  it("makes none for members that have lost another supernode, whoever has the task now", () => {
    const one = task("a", FRAMED);
    const joined = desk.join(client(one, 1), one, { ...JOIN, fetching: [{ first: 0, count: 2 }] })!;
    expect(desk.wantsSeed(one)).toBe(false);
    const [lease] = joined.leases;
    expect([lease?.first, lease?.count, lease?.from]).toEqual([0, 2, undefined]);
  });

  it("sends members for what is about to come, and says where else it is to be had", () => {
    const one = task("a", FRAMED);
    const nodes = Array.from({ length: 8 }, (_, index) => client(one, index + 1));
    for (const node of nodes) desk.join(node, one, JOIN);
    one.cdnStatus = "RUNNING";
    readAhead.copies.grown(one.id, BLOCK_BYTES + 1000);
    const leases = nodes.flatMap((node) => report(node, { wantsLeases: 2 }).leases);
    for (const { from } of leases) expect(from).toMatchObject({ ...seed, elseSource: true });
    // A block that is there, two that it may be ahead, and 2 MiB more.
    expect(Math.max(...leases.map(({ first, count }) => first + count))).toBe(11);
    readAhead.copies.ended(one.id);
  });

  it("names it as the node sees the supernode", () => {
    const one = task("a", { cdnStatus: "SUCCESS" });
    const joined = desk.join(client(one, 1, { superNodeIp: "10.9.9.9" }), one, JOIN)!;
    expect(joined.leases[0]!.from).toEqual({
      ...seed,
      ip: "10.9.9.9",
      elseSource: true,
      path: `/download/tas/${one.id}/${passes.issue(one.id)}`,
    });
  });

  it("makes one copy for all the repositories of a blob", () => {
    const [a, b] = [task("team-a/app", FRAMED), task("team-b/app", FRAMED)];
    desk.join(client(a, 1), a, JOIN);
    desk.join(client(b, 2), b, JOIN);
    expect([desk.wantsSeed(a), desk.wantsSeed(b)]).toEqual([true, false]);
  });

  it.each<[string, (one: Task, node: Client) => void]>([
    ["cannot be made", (one) => void (one.cdnStatus = "SOURCE_ERROR")],
    ["is forgotten", (one) => void store.removeTask(one.id)],
    ["cannot be reached by any member", (_one, node) => void report(node, { leases: FAILED })],
  ])("goes to the source for good where the copy %s", (_what, fails) => {
    const [one, other] = [task("team-a/app", FRAMED), task("team-b/app", FRAMED)];
    one.cdnStatus = "RUNNING";
    one.pieceSums = piecesOf(5);
    const node = client(one, 1);
    desk.join(node, one, JOIN);
    const second = client(other, 2);
    desk.join(second, other, JOIN);
    fails(one, node);
    if (_what.startsWith("cannot be reached")) {
      const mine = report(second, { wantsLeases: 1 }).leases[0]!;
      report(second, { leases: [{ ...FAILED[0]!, id: mine.id }] });
    }
    const answer = report(second, { wantsLeases: 2 });
    expect(answer.known).toBe(true);
    expect(answer.leases.some(({ from }) => from === undefined)).toBe(true);
    one.cdnStatus = "RUNNING";
    expect(desk.wantsSeed(one)).toBe(false);
  });

  it("takes v1 clients at the same task for no reason to change its ways", () => {
    const one = task("a", FRAMED);
    desk.join(client(one, 9, { state: "RUNNING" }), one, undefined);
    expect(desk.join(client(one, 1), one, JOIN)).toBeDefined();
  });
});

describe("a node of ours that falls silent", () => {
  it("does not pass for a v1 client", () => {
    const one = task("a");
    const silent = client(one, 1);
    desk.join(silent, one, JOIN);
    report(silent, { held: 1 });
    nowMs += 10_000;
    desk.expire();
    expect(report(silent)).toMatchObject({ known: false });
    expect(desk.join(client(one, 2), one, JOIN)).toBeDefined();
  });
});

describe("a supernode that was too busy to hear anybody", () => {
  it("takes nobody for silent", async () => {
    const one = task("a");
    const node = client(one, 1);
    const startMs = nowMs;
    const beganMs = performance.now();
    desk.start();
    try {
      desk.join(node, one, JOIN);
      // The wall clock of this test goes as fast as the real one, and no timer can fire meanwhile.
      while (performance.now() - beganMs < 4000);
      nowMs = startMs + 4000;
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(report(node)).toMatchObject({ known: true });
    } finally {
      desk.stop();
    }
  });
});

describe("heartbeats", () => {
  it("tell one who is not known to register again", () => {
    const one = task("a");
    expect(report(client(one, 1))).toMatchObject({ known: false, leases: [], neighbours: [] });
  });

  it("grant the next lease when one is done, until each block has been granted once", () => {
    const one = task("a");
    const node = client(one, 1);
    let { leases } = desk.join(node, one, JOIN)!;
    const granted: number[] = [];
    const seen = new Set<number>();
    for (let turns = 0; leases.length > 0; turns++) {
      expect(turns).toBeLessThan(200);
      for (const lease of leases) {
        if (seen.has(lease.id)) continue;
        seen.add(lease.id);
        for (let block = 0; block < lease.count; block++) granted.push(lease.first + block);
      }
      nowMs += 100;
      const { id, count } = leases[0]!;
      const done = [{ id, done: count, failed: false, digests: [] }];
      ({ leases } = report(node, { leases: done, wantsLeases: 1 }));
    }
    expect(granted.sort((a, b) => a - b)).toEqual(
      Array.from({ length: BLOCKS }, (_, block) => block),
    );
  });

  it("show in what all swarms are at", () => {
    const one = task("a");
    const [first, second] = [client(one, 1), client(one, 2)];
    const { leases } = desk.join(first, one, JOIN)!;
    const count = leases.reduce((sum, lease) => sum + lease.count, 0);
    expect(desk.load).toEqual({
      downloading: 1,
      complete: 0,
      runners: 1,
      leases: leases.length,
      openBlocks: BLOCKS - count,
      connections: [{ registry: "registry.test", used: 1, wanted: expect.any(Number) }],
    });
    report(first, {
      held: BLOCKS,
      leases: leases.map((lease) => ({ ...lease, done: lease.count })),
    });
    expect(desk.load).toMatchObject({ downloading: 0, complete: 1, leases: 0, openBlocks: 0 });
    desk.join(second, one, JOIN);
    expect(desk.load).toMatchObject({ downloading: 1, complete: 1 });
  });

  it("lead v1 clients to a node as soon as it has the whole file, and keep them off the source before", () => {
    const one = task("a");
    const node = client(one, 1);
    desk.join(node, one, JOIN);
    const v1 = client(one, 9);
    const schedule = schedules.get(one.id)!;
    expect(schedule.pull(v1.cid, nowMs)).toEqual({ kind: "wait" });
    report(node, { held: BLOCKS });
    const decision = schedule.pull(v1.cid, nowMs);
    expect(decision).toMatchObject({ kind: "pieces" });
    if (decision.kind !== "pieces") return;
    for (const { server } of decision.pieces)
      expect(server).toEqual({ kind: "peer", cid: node.cid });
  });

  it("hand a silent node's leases to another within two seconds, and forget it after a while", () => {
    const one = task("a");
    const [silent, lively] = [client(one, 1), client(one, 2)];
    const lost = desk.join(silent, one, JOIN)!.leases[0]!;
    desk.join(lively, one, JOIN);
    let inherited = false;
    for (let waited = 0; waited < 2000; waited += 250) {
      nowMs += 250;
      const answer = report(lively, { wantsLeases: 2 });
      desk.expire();
      inherited ||= answer.leases.some(({ first }) => first === lost.first);
      for (const { id, count } of answer.leases) {
        report(lively, {
          leases: [{ id, done: count, failed: false, digests: [] }],
          wantsLeases: 2,
        });
      }
    }
    inherited ||= report(lively, { wantsLeases: 2 }).leases.some(
      ({ first }) => first === lost.first,
    );
    expect(inherited).toBe(true);
    for (let waited = 0; waited < 10_000; waited += 250) {
      nowMs += 250;
      report(lively);
      desk.expire();
    }
    expect(report(silent).known).toBe(false);
  });

  it("let a node go that says so", () => {
    const one = task("a");
    const node = client(one, 1);
    desk.join(node, one, JOIN);
    report(node, { leaving: true });
    expect(store.client(one.id, node.cid)).toBeUndefined();
    expect(report(node).known).toBe(false);
  });
});
